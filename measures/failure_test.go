package measures

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
)

// failFS is the file system of the machine, whose journal files fail while it is told so.
type failFS struct {
	journal.OS
	mode atomic.Int32
	// before, if not nil, is called before a write.
	before atomic.Pointer[func()]
}

const (
	failNot int32 = iota
	failShort
	failFull
	failSync
)

type failHandle struct {
	journal.Handle
	fs *failFS
}

func (f *failFS) wrap(h journal.Handle, err error) (journal.Handle, error) {
	if err != nil {
		return nil, err
	}
	return failHandle{h, f}, nil
}

func (f *failFS) Create(path string) (journal.Handle, error) { return f.wrap(f.OS.Create(path)) }
func (f *failFS) OpenWrite(path string) (journal.Handle, error) {
	return f.wrap(f.OS.OpenWrite(path))
}

func (h failHandle) WriteAt(b []byte, off int64) (int, error) {
	if fn := h.fs.before.Load(); fn != nil {
		(*fn)()
	}
	switch h.fs.mode.Load() {
	case failShort:
		n, err := h.Handle.WriteAt(b[:len(b)/2], off)
		return n, errors.Join(err, syscall.ENOSPC)
	case failFull:
		return 0, syscall.ENOSPC
	}
	return h.Handle.WriteAt(b, off)
}

func (h failHandle) Sync() error {
	if h.fs.mode.Load() == failSync {
		return syscall.EIO
	}
	return h.Handle.Sync()
}

var failures = []struct {
	name string
	mode int32
	sync journal.SyncMode
}{
	{"short write", failShort, journal.Never},
	{"disk full", failFull, journal.Never},
	{"short write, synced", failShort, journal.Always},
	{"failed fsync", failSync, journal.Always},
}

func failing(t *testing.T, sync journal.SyncMode) (*failFS, Options, *clock) {
	fs, c := &failFS{}, &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	o.Sync, o.journalFS = sync, fs
	return fs, o, c
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	var kind interface{ Kind() string }
	if !errors.As(err, &kind) || kind.Kind() != "unavailable" {
		t.Errorf("%v, want an error of kind unavailable", err)
	}
}

// TestFailedJournal lets the journal refuse a record of each kind. Nothing of it may be seen, not then, not when the
// journal works again, and not after a crash.
func TestFailedJournal(t *testing.T) {
	ctx := context.Background()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, c := failing(t, f.sync)
			s := openTest(t, o)
			num := setup(t, s, time.Hour)
			step := func(i int) int64 { return testEpoch + int64(i)*10*second }
			var ref metricdef.Ref
			for i := range 3 {
				ref = write(t, s, num, "m10", []int{0}, step(i), float64(i))[0]
			}
			long := write(t, s, num, "m60", []int{9}, testEpoch, 1)[0]

			fs.mode.Store(f.mode)
			var b Batch
			b.Add(ref, step(3), 99)
			b.AddDraft(draftOf(num, "m10", 1), step(3), 99)
			wantUnavailable(t, s.Commit(ctx, &b))
			var fresh Batch
			fresh.AddDraft(draftOf(num, "m10", 2), step(3), 99)
			wantUnavailable(t, s.Commit(ctx, &fresh))
			_, err := s.EnsureTenant(ctx, "acme")
			wantUnavailable(t, err)
			wantUnavailable(t, s.SetPolicies(ctx, testSet(t, time.Hour, 10*time.Second)))
			if _, err := s.Free(ctx, []metricdef.Ref{ref}, math.MaxInt64); err == nil {
				t.Error("freed without a journal")
			} else {
				wantUnavailable(t, err)
			}
			check := func(what string) {
				t.Helper()
				if n := s.Definitions.Len(); n != 2 {
					t.Errorf("%s: %d definitions", what, n)
				}
				if _, ok := s.Tenants.Lookup("acme"); ok || s.Tenants.Len() != 1 {
					t.Errorf("%s: tenant is there", what)
				}
				if p, _ := s.Policies.Current().Resolve("clustercockpit", "m60"); p.Grid != time.Minute {
					t.Errorf("%s: policy %+v", what, p)
				}
				if times, _ := all(t, s, ref); len(times) != 3 {
					t.Errorf("%s: %d samples", what, len(times))
				}
				if _, ok := s.Definitions.Resolve(num, metricdef.Gauge, []byte(`m10{cluster="c",hostname="h001"}`)); ok {
					t.Errorf("%s: definition resolves", what)
				}
			}
			check("failing")
			fs.mode.Store(failNot)
			check("healed")

			// What comes next stands on none of it.
			again := write(t, s, num, "m10", []int{1, 2}, step(4), 5)
			write(t, s, num, "m10", []int{0}, step(3), 3)
			other, err := s.EnsureTenant(ctx, "other")
			if err != nil {
				t.Fatal(err)
			}
			shown := func(what string) {
				t.Helper()
				for i, r := range again {
					times, values := all(t, s, r)
					if len(times) != 1 || times[0] != step(4) || values[0] != float64(6+i) {
						t.Errorf("%s: series %d: %v %v", what, r, times, values)
					}
				}
				times, values := all(t, s, ref)
				if len(times) != 4 || values[3] != 3 {
					t.Errorf("%s: %v %v", what, times, values)
				}
				if id := s.Tenants.ID(other); id != "other" {
					t.Errorf("%s: tenant %d is %q", what, other, id)
				}
				if n := s.Definitions.Len(); n != 4 {
					t.Errorf("%s: %d definitions", what, n)
				}
			}
			shown("live")
			s.crash()
			s = openTest(t, o)
			shown("after a crash")

			// The end of a definition that the journal refuses leaves it as it was.
			c.ns += 2 * 3600 * second
			fs.mode.Store(f.mode)
			s.Expire(ctx)
			if n := s.Definitions.Len(); n != 4 {
				t.Errorf("%d definitions", n)
			}
			fs.mode.Store(failNot)
			if got := write(t, s, num, "m60", []int{9}, c.ns, 7)[0]; got != long {
				t.Errorf("ref %d, was %d", got, long)
			}
			if times, _ := all(t, s, long); len(times) != 1 {
				t.Errorf("%d samples", len(times))
			}
			s.Expire(ctx)
			if n := s.Definitions.Len(); n != 1 {
				t.Errorf("%d definitions", n)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFailedGrid refuses the first record behind a change of frequency: the series must take the new grid with the next
// one, live as in replay.
func TestFailedGrid(t *testing.T) {
	ctx := context.Background()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			s := openTest(t, o)
			num := setup(t, s, policy.Forever)
			var ref metricdef.Ref
			for i := range 5 {
				ref = write(t, s, num, "m60", []int{0}, testEpoch+int64(i)*60*second, float64(i))[0]
			}
			setStep(t, s, policy.Forever, 10*time.Second)
			fs.mode.Store(f.mode)
			var b Batch
			b.Add(ref, testEpoch+300*second, 99)
			wantUnavailable(t, s.Commit(ctx, &b))
			fs.mode.Store(failNot)
			for i := range 20 {
				write(t, s, num, "m60", []int{0}, testEpoch+300*second+int64(i)*10*second, 100+float64(i))
			}
			for range 2 {
				times, values := all(t, s, ref)
				if len(times) != 25 {
					t.Fatalf("%d samples", len(times))
				}
				for i := range 20 {
					if times[5+i] != testEpoch+300*second+int64(i)*10*second || values[5+i] != 100+float64(i) {
						t.Errorf("sample %d: at %d, %g", i, (times[5+i]-testEpoch)/second, values[5+i])
					}
				}
				s.crash()
				s = openTest(t, o)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFailedGroup fails a group while writers wait behind it: they fail too, and after a restart exactly what was
// acknowledged is there.
func TestFailedGroup(t *testing.T) {
	ctx := context.Background()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			s := openTest(t, o)
			num := setup(t, s, policy.Forever)
			write(t, s, num, "m10", []int{0}, testEpoch, 0)

			// The first write stops in the journal until the others have been sequenced behind it.
			const writers = 8
			stopped, fail := make(chan struct{}), make(chan struct{})
			var once sync.Once
			hook := func() {
				once.Do(func() {
					close(stopped)
					<-fail
					fs.mode.Store(f.mode)
				})
			}
			fs.before.Store(&hook)
			errs := make([]error, writers)
			var wg sync.WaitGroup
			one := func(w int) {
				defer wg.Done()
				var b Batch
				b.AddDraft(draftOf(num, "m10", 1), testEpoch+int64(w)*10*second, float64(w))     // all of them
				b.AddDraft(draftOf(num, "m10", 100+w), testEpoch+int64(w)*10*second, float64(w)) // each its own
				errs[w] = s.Commit(ctx, &b)
			}
			wg.Add(1)
			go one(0)
			<-stopped
			for w := 1; w < writers; w++ {
				wg.Add(1)
				go one(w)
			}
			for {
				s.seq.mu.Lock()
				n := len(s.seq.waiting)
				s.seq.mu.Unlock()
				if n == writers-1 {
					break
				}
				runtime.Gosched()
			}
			close(fail)
			wg.Wait()
			for _, err := range errs {
				wantUnavailable(t, err)
			}
			if n := s.Definitions.Len(); n != 1 {
				t.Errorf("%d definitions", n)
			}
			fs.before.Store(nil)
			fs.mode.Store(failNot)
			refs := write(t, s, num, "m10", []int{1, 103}, testEpoch+50*10*second, 1)
			for range 2 {
				if n := s.Definitions.Len(); n != 3 {
					t.Errorf("%d definitions", n)
				}
				for _, ref := range refs {
					if times, _ := all(t, s, ref); len(times) != 1 || times[0] != testEpoch+50*10*second {
						t.Errorf("series %d: %v", ref, times)
					}
				}
				s.crash()
				s = openTest(t, o)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFailuresNowAndThen lets the journal fail at random while writers go on, and compares what was acknowledged with what
// is there, live and after a crash.
func TestFailuresNowAndThen(t *testing.T) {
	ctx := context.Background()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			o.JournalSegment = 4096
			s := openTest(t, o)
			num := setup(t, s, policy.Forever)
			const writers, rounds = 4, 60
			var writes atomic.Int64
			hook := func() {
				if n := writes.Add(1); n%5 == 0 {
					fs.mode.Store(f.mode)
				} else if n%5 == 2 {
					fs.mode.Store(failNot)
				}
			}
			fs.before.Store(&hook)
			acked := make([][]bool, writers)
			var wg sync.WaitGroup
			for w := range writers {
				acked[w] = make([]bool, rounds)
				wg.Go(func() {
					for i := range rounds {
						var b Batch
						b.AddDraft(draftOf(num, "m10", w), testEpoch+int64(i)*10*second, float64(i))
						b.AddDraft(draftOf(num, "m10", 1000+w*rounds+i), testEpoch, float64(i))
						acked[w][i] = s.Commit(ctx, &b) == nil
					}
				})
			}
			wg.Wait()
			fs.before.Store(nil)
			fs.mode.Store(failNot)
			for _, what := range []string{"live", "after a crash", "after a stop"} {
				definitions := 0
				for w := range writers {
					var want []int64
					for i, ok := range acked[w] {
						if ok {
							want = append(want, testEpoch+int64(i)*10*second)
							definitions++
						}
					}
					if len(want) == 0 {
						t.Errorf("%s: nothing acknowledged", what)
						continue
					}
					definitions++
					ref, ok := s.Definitions.Resolve(num, metricdef.Gauge, fmt.Appendf(nil, `m10{cluster="c",hostname="h%03d"}`, w))
					if !ok {
						t.Errorf("%s: series of writer %d is gone", what, w)
						continue
					}
					times, _ := all(t, s, ref)
					if fmt.Sprint(times) != fmt.Sprint(want) {
						t.Errorf("%s: writer %d: %d samples, acknowledged %d", what, w, len(times), len(want))
					}
				}
				if n := s.Definitions.Len(); n != definitions {
					t.Errorf("%s: %d definitions, want %d", what, n, definitions)
				}
				if what == "live" {
					s.crash()
				} else if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openTest(t, o)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDictionaryBehindFailedSync fails an fsync behind the writers' backs. The log goes on in a new segment by itself, and
// that one names its series like any other.
func TestDictionaryBehindFailedSync(t *testing.T) {
	fs, o, _ := failing(t, journal.Never)
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	at := testEpoch
	put := func() {
		at += 10 * second
		write(t, s, num, "m10", []int{0, 1}, at, 1)
	}
	put()
	put()
	fs.mode.Store(failSync)
	if _, err := s.log.Sync(); err == nil {
		t.Fatal("sync did not fail")
	}
	fs.mode.Store(failNot)
	segment, mark := s.log.Segment(), s.log.Last().Seq
	put()
	put()
	put()
	if s.log.Segment() != segment {
		t.Errorf("segment %d, then %d", segment, s.log.Segment())
	}
	named := 0
	if err := s.log.ReadFrom(t.Context(), mark+1, func(r journal.Record) error {
		if r.Kind == recDictionary {
			for rest := r.Payload; len(rest) > 0; named++ {
				n, _, err := s.Definitions.Apply(rest)
				if err != nil {
					return err
				}
				rest = rest[n:]
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if named != 2 {
		t.Errorf("the new segment names %d series", named)
	}
	s.crash()
	s = openTest(t, o)
	for ref := range metricdef.Ref(2) {
		if times, _ := all(t, s, ref+1); len(times) != 5 {
			t.Errorf("%d samples", len(times))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
