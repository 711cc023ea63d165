package journal

import (
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"granary/measures/journal/crashfs"
)

func mustAppend(t *testing.T, l Log, first uint64, payloads ...string) {
	t.Helper()
	if err := l.Append(groupOf(t, first, payloads...)); err != nil {
		t.Fatalf("Append(%d): %v", first, err)
	}
}

func wantUnavailable(t *testing.T, err error, code string) {
	t.Helper()
	var e interface {
		Kind() string
		Code() string
	}
	if !errors.As(err, &e) || e.Kind() != "unavailable" || e.Code() != code {
		t.Errorf("error %v, want kind unavailable and code %s", err, code)
	}
}

// failing makes the steps of a kind fail while on is set, and counts all writes by path.
type failing struct {
	mu     sync.Mutex
	kind   crashfs.Kind
	on     bool
	err    error
	wrote  int
	writes map[string]int
}

func (f *failing) hook(op crashfs.Op) crashfs.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if op.Kind == crashfs.Write {
		if f.writes == nil {
			f.writes = map[string]int{}
		}
		f.writes[op.Path]++
	}
	if f.on && op.Kind == f.kind {
		return crashfs.Fault{Err: f.err, Wrote: f.wrote}
	}
	return crashfs.Fault{}
}

func (f *failing) set(on bool) { f.mu.Lock(); f.on = on; f.mu.Unlock() }

func TestFailedSyncRetiresSegment(t *testing.T) {
	for _, mode := range []SyncMode{Always, Never} {
		t.Run(mode.String(), func(t *testing.T) {
			fs := crashfs.New()
			fail := &failing{kind: crashfs.Sync, err: syscall.EIO}
			fs.Hook(fail.hook)
			f, _ := testOpen(t, fs, Options{Sync: mode})
			mustAppend(t, f, 1, "one", "two")
			if _, err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			want := map[uint64]string{1: "one", 2: "two"}
			next := uint64(3)
			if mode == Never {
				mustAppend(t, f, 3, "three, not synced")
				want[3] = "three, not synced"
				next = 4
			}
			first := f.Segment()

			fail.set(true)
			if mode == Always {
				wantUnavailable(t, f.Append(groupOf(t, next, "refused")), "journal-sync-failed")
			} else {
				_, err := f.Sync()
				wantUnavailable(t, err, "journal-sync-failed")
			}
			written := fail.writes[segmentPath(testDir, first)]
			if got := f.Segment(); got <= first {
				t.Errorf("Segment after a failed sync = %d, was %d", got, first)
			}
			for range 2 { // the new segment cannot be synced either
				if err := f.Append(groupOf(t, next, "refused again")); err == nil {
					t.Fatal("Append succeeded while nothing can be synced")
				}
			}
			if got := f.Last().Seq; got != next-1 {
				t.Errorf("Last = %d, want %d", got, next-1)
			}
			if got := f.Synced().Seq; got != 2 {
				t.Errorf("Synced = %d, want 2", got)
			}
			if got := contents(t, f); !maps.Equal(got, want) {
				t.Errorf("read %v, want %v", got, want)
			}

			fail.set(false)
			mustAppend(t, f, next, "accepted")
			want[next] = "accepted"
			if got := f.Synced().Seq; got < next-1 {
				t.Errorf("Synced = %d, want what was carried over, %d", got, next-1)
			}
			if got := fail.writes[segmentPath(testDir, first)]; got != written {
				t.Errorf("the segment was written %d times after its sync had failed", got-written)
			}
			if got := contents(t, f); !maps.Equal(got, want) {
				t.Errorf("read %v, want %v", got, want)
			}
			if _, err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			after := fs.Crash(1)
			f.Close()
			f, _ = testOpen(t, after, Options{})
			defer f.Close()
			if got := contents(t, f); !maps.Equal(got, want) {
				t.Errorf("read after a power cut %v, want %v", got, want)
			}
			if p := f.Problems(); len(p) > 0 {
				t.Errorf("problems %v", p)
			}
		})
	}
}

func TestShortWriteIsCutBack(t *testing.T) {
	fs := crashfs.New()
	fail := &failing{kind: crashfs.Write, err: syscall.ENOSPC, wrote: 50}
	fs.Hook(fail.hook)
	f, _ := testOpen(t, fs, Options{Sync: Never})
	mustAppend(t, f, 1, "one")
	size, path := f.Size(), segmentPath(testDir, f.Segment())
	fail.set(true)
	wantUnavailable(t, f.Append(groupOf(t, 2, "does not fit onto the disk", "and neither does this")), "journal-disk-full")
	fail.set(false)
	if got := int64(len(fs.Files()[path])); got != size || f.Size() != size {
		t.Errorf("the file has %d bytes, Size is %d, want %d", got, f.Size(), size)
	}
	if f.Last().Seq != 1 {
		t.Errorf("Last = %d", f.Last().Seq)
	}
	mustAppend(t, f, 2, "fits")
	if path != segmentPath(testDir, f.Segment()) {
		t.Error("the segment was given up")
	}
	f.Close()
	f, rec := testOpen(t, fs, Options{})
	defer f.Close()
	if got := contents(t, f); len(got) != 2 || got[2] != "fits" || len(rec.Cut) > 0 {
		t.Errorf("read %v, recovery %+v", got, rec)
	}
}

// TestShortWriteThatCannotBeCutBack gives the segment up; what it holds unsynced is carried over.
func TestShortWriteThatCannotBeCutBack(t *testing.T) {
	fs := crashfs.New()
	var broken atomic.Bool
	fs.Hook(func(op crashfs.Op) crashfs.Fault {
		if broken.Load() && (op.Kind == crashfs.Write || op.Kind == crashfs.Truncate) {
			return crashfs.Fault{Err: syscall.EIO, Wrote: 60}
		}
		return crashfs.Fault{}
	})
	f, _ := testOpen(t, fs, Options{Sync: Never})
	mustAppend(t, f, 1, "one")
	broken.Store(true)
	wantUnavailable(t, f.Append(groupOf(t, 2, strings.Repeat("torn", 30))), "journal-write-failed")
	broken.Store(false)
	mustAppend(t, f, 2, "two")
	want := map[uint64]string{1: "one", 2: "two"}
	if got := contents(t, f); !maps.Equal(got, want) || f.Segment() != 2 {
		t.Errorf("read %v, segment %d", got, f.Segment())
	}
	f.Close()
	f, _ = testOpen(t, fs.Kill(), Options{})
	defer f.Close()
	if got := contents(t, f); !maps.Equal(got, want) || len(f.Problems()) > 0 {
		t.Errorf("read %v, problems %v", got, f.Problems())
	}
}

// TestAppendWhileSyncing holds an fsync up and appends meanwhile.
func TestAppendWhileSyncing(t *testing.T) {
	fs := crashfs.New()
	begun, let := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	fs.Hook(func(op crashfs.Op) crashfs.Fault {
		if op.Kind == crashfs.Sync && armed.CompareAndSwap(true, false) {
			close(begun)
			<-let
		}
		return crashfs.Fault{}
	})
	f, _ := testOpen(t, fs, Options{Sync: Interval, Interval: time.Hour})
	defer f.Close()
	mustAppend(t, f, 1, "one")
	armed.Store(true)
	done := make(chan Position)
	go func() {
		p, err := f.Sync()
		if err != nil {
			t.Error(err)
		}
		done <- p
	}()
	<-begun
	mustAppend(t, f, 2, "two") // would hang here
	if f.Last().Seq != 2 || f.Synced().Seq != 0 || f.Size() == 0 || f.Segment() != 1 || len(contents(t, f)) != 2 {
		t.Errorf("while syncing: Last %v, Synced %v", f.Last(), f.Synced())
	}
	close(let)
	if p := <-done; p.Seq != 1 {
		t.Errorf("Sync = %v, want number 1: the second record came later", p)
	}
	if p, err := f.Sync(); err != nil || p.Seq != 2 {
		t.Errorf("Sync = %v, %v", p, err)
	}
}

func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		f, _ := testOpen(t, fs, Options{Sync: Interval})
		steps := fs.Steps()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := fs.Steps(); got != steps {
			t.Errorf("%d steps on the file system while nothing was written", got-steps)
		}
		mustAppend(t, f, 1, "one")
		time.Sleep(time.Second - time.Nanosecond)
		synctest.Wait()
		if got := f.Synced().Seq; got != 0 {
			t.Errorf("Synced before the interval has passed = %d", got)
		}
		mustAppend(t, f, 2, "two")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := f.Synced().Seq; got != 2 {
			t.Errorf("Synced after the interval = %d, want 2", got)
		}
		mustAppend(t, f, 3, "three")
		if err := f.Rotate(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := f.Synced().Seq; got != 3 {
			t.Errorf("Synced after rotation = %d, want 3", got)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestIntervalKeepsTrying heals in the background, without an Append, and says so once.
func TestIntervalKeepsTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		fail := &failing{kind: crashfs.Sync, err: syscall.EIO}
		fs.Hook(fail.hook)
		var log strings.Builder
		f, _ := testOpen(t, fs, Options{Sync: Interval, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		mustAppend(t, f, 1, "one")
		fail.set(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if f.Synced().Seq != 0 {
			t.Errorf("Synced = %v", f.Synced())
		}
		fail.set(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if f.Synced().Seq != 1 {
			t.Errorf("Synced = %v, want number 1", f.Synced())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors logged, want 1:\n%s", n, log.String())
		}
	})
}

func TestSetFloor(t *testing.T) {
	fs := crashfs.New()
	f, _ := testOpen(t, fs, Options{Sync: Always})
	mustAppend(t, f, 1, "one")
	f.Close()
	f, _ = testOpen(t, fs, Options{Sync: Always})
	f.SetFloor(1)
	f.SetFloor(9)
	f.SetFloor(5)
	if f.Last().Seq != 9 || f.Synced().Seq != 9 {
		t.Errorf("Last %v, Synced %v, want number 9", f.Last(), f.Synced())
	}
	mustAppend(t, f, 10, "ten")
	if err := f.Trim(2); err != nil { // record 1 is below
		t.Fatal(err)
	}
	f.Close()
	f, _ = testOpen(t, fs, Options{})
	defer f.Close()
	if got := contents(t, f); !maps.Equal(got, map[uint64]string{10: "ten"}) || len(f.Problems()) > 0 {
		t.Errorf("read %v, problems %v", got, f.Problems())
	}
}

func TestTrimThatFails(t *testing.T) {
	fs := crashfs.New()
	fail := &failing{kind: crashfs.Remove, err: syscall.EIO}
	fs.Hook(fail.hook)
	f, _ := testOpen(t, fs, Options{})
	defer f.Close()
	for seq := uint64(1); seq <= 4; seq++ {
		mustAppend(t, f, seq, "payload")
		if err := f.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	before := f.Bytes()
	fail.set(true)
	if err := f.Trim(4); err == nil || f.Bytes() != before {
		t.Errorf("Trim: %v; Bytes %d, want %d", err, f.Bytes(), before)
	}
	fail.set(false)
	if err := f.Trim(4); err != nil || f.Bytes() != before/4 {
		t.Errorf("Trim: %v; Bytes %d, want %d", err, f.Bytes(), before/4)
	}
}

// TestCarryOverOfUnreadableRecords loses what the failed medium has lost, says so, and keeps the rest.
func TestCarryOverOfUnreadableRecords(t *testing.T) {
	fs := crashfs.New()
	fail := &failing{kind: crashfs.Sync, err: syscall.EIO}
	fs.Hook(fail.hook)
	f, _ := testOpen(t, fs, Options{Sync: Never})
	defer f.Close()
	mustAppend(t, f, 1, "one", "two", "three")
	fail.set(true)
	if _, err := f.Sync(); err == nil {
		t.Fatal("Sync succeeded")
	}
	fail.set(false)
	path := segmentPath(testDir, 1)
	b := fs.Files()[path]
	b[frames(b)[1]+recordHeaderSize] ^= 1
	fs.Put(path, b)
	mustAppend(t, f, 4, "four")
	if got := contents(t, f); !maps.Equal(got, map[uint64]string{1: "one", 3: "three", 4: "four"}) {
		t.Errorf("read %v", got)
	}
	if p := f.Problems(); len(p) != 2 {
		t.Errorf("problems %v, want the damage and the missing record", p)
	}
}

func TestReadErrorIsNoDamage(t *testing.T) {
	fs, _ := threeSegments(t)
	f, _ := testOpen(t, fs, Options{})
	fs.StopAfter(0)
	_ = fs.MkdirAll("x") // the step after the last
	err := f.ReadFrom(t.Context(), 0, func(Record) error { return nil })
	if !errors.Is(err, crashfs.ErrStopped) || len(f.Problems()) > 0 {
		t.Errorf("ReadFrom: %v, problems %v", err, f.Problems())
	}
	f.Close()
}

// TestOpenSyncsWhatAnEarlierProcessLeft: records that only the kernel knows are not synced because a new process reads them.
func TestOpenSyncsWhatAnEarlierProcessLeft(t *testing.T) {
	fs := crashfs.New()
	f, _ := testOpen(t, fs, Options{Sync: Never})
	mustAppend(t, f, 1, "one")
	if err := f.Rotate(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, f, 2, "two")
	// The process ends here, without Close.
	g, _ := testOpen(t, fs, Options{Sync: Never})
	if got := g.Synced().Seq; got != 2 {
		t.Errorf("Synced = %d, want 2", got)
	}
	for seed := range uint64(8) {
		l, _ := testOpen(t, fs.Crash(seed), Options{})
		if got := contents(t, l); !maps.Equal(got, map[uint64]string{1: "one", 2: "two"}) {
			t.Errorf("read after a power cut %v", got)
		}
		l.Close()
	}
	g.Close()
	f.Close()
}

// TestHeadWithoutRecords ends the process between the head of a segment and its first record.
func TestHeadWithoutRecords(t *testing.T) {
	fs := crashfs.New()
	f, _ := testOpen(t, fs, Options{Sync: Never})
	mustAppend(t, f, 1, "one")
	f.SetFloor(9)
	fs.StopAfter(2) // create, write of the head
	if err := f.Append(groupOf(t, 10, "ten")); !errors.Is(err, crashfs.ErrStopped) {
		t.Fatalf("Append: %v", err)
	}
	f.Close()
	f, _ = testOpen(t, fs.Kill(), Options{})
	defer f.Close()
	if f.Last().Seq != 9 || f.Segment() != 2 {
		t.Errorf("Last = %v, Segment = %d, want number 9 and the segment that was begun", f.Last(), f.Segment())
	}
	mustAppend(t, f, 10, "ten")
	if got := contents(t, f); !maps.Equal(got, map[uint64]string{1: "one", 10: "ten"}) || len(f.Problems()) > 0 {
		t.Errorf("read %v, problems %v", got, f.Problems())
	}
}
