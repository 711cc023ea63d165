package journal

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"granary/measures/journal/crashfs"
)

// history is what a run of the workload was told by the log.
type history struct {
	acked    map[uint64]string          // last acknowledged payload of each number
	tried    map[uint64]map[string]bool // all payloads that were handed to Append under a number
	synced   uint64
	trimmed  uint64
	attempts int
}

// workload uses the log in a way that a seed fixes, until the file system stands still.
func workload(t *testing.T, fs *crashfs.FS, o Options, seed uint64, h *history) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	f, _, err := tryOpen(fs, o)
	if err != nil {
		if !errors.Is(err, crashfs.ErrStopped) && !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("Open: %v", err)
		}
		return
	}
	defer f.Close()
	f.SetFloor(h.synced)
	for range 40 {
		switch n := r.IntN(20); {
		case n < 12:
			first := f.Last().Seq + 1
			g := new(Group)
			payloads := map[uint64]string{}
			for i := range uint64(1 + r.IntN(4)) {
				h.attempts++
				p := strings.Repeat(fmt.Sprintf("%d.%d ", first+i, h.attempts), r.IntN(300))
				g.Begin(Kind(i), int64(i))
				g.Buf = append(g.Buf, p...)
				if err := g.End(first + i); err != nil {
					t.Fatal(err)
				}
				payloads[first+i] = p
				if h.tried[first+i] == nil {
					h.tried[first+i] = map[string]bool{}
				}
				h.tried[first+i][p] = true
			}
			err := f.Append(g)
			if err == nil {
				maps.Copy(h.acked, payloads)
			} else {
				var k interface{ Kind() string }
				if !errors.As(err, &k) || k.Kind() != "unavailable" {
					t.Fatalf("Append: %v, which is not of kind unavailable", err)
				}
				if got := f.Last().Seq; got != first-1 {
					t.Fatalf("Last after a failed Append = %d, want %d", got, first-1)
				}
			}
		case n < 15:
			if p, err := f.Sync(); err == nil && p != f.Last() {
				t.Fatalf("Sync = %v, Last = %v", p, f.Last())
			}
		case n < 17:
			if err := f.Rotate(); err != nil {
				t.Logf("Rotate: %v", err)
			}
		case n < 18 && f.Synced().Seq > 0:
			h.trimmed = max(h.trimmed, 1+r.Uint64N(f.Synced().Seq))
			_ = f.Trim(h.trimmed)
		case n < 19 && f.Synced() == f.Last():
			f.SetFloor(f.Last().Seq + r.Uint64N(3))
		}
		h.synced = max(h.synced, f.Synced().Seq)
		if _, err := f.fs.Open(testDir); errors.Is(err, crashfs.ErrStopped) {
			return
		}
	}
}

// wantClean verifies what the end of a process left: nothing but a torn end and a segment that was just being made.
func wantClean(t *testing.T, fs *crashfs.FS) {
	t.Helper()
	for _, p := range verify(crashFS{fs}, testDir) {
		if !errors.Is(p.Err, iofs.ErrNotExist) && !p.Torn && p.Reason != "the head of the segment is damaged" {
			t.Errorf("Verify: %v", p)
		}
	}
}

// wantHistory opens what a crash left and compares it with what the log had promised. all says that every
// acknowledged record must be there, not only the synced ones.
func wantHistory(t *testing.T, fs *crashfs.FS, o Options, h *history, all bool) {
	t.Helper()
	f, rec := testOpen(t, fs, o)
	got := contents(t, f)
	for seq, p := range got {
		if want, ok := h.acked[seq]; ok && (all || seq <= h.synced) && p != want {
			t.Errorf("record %d is %.20q, want %.20q", seq, p, want)
		}
		if !h.tried[seq][p] {
			t.Errorf("record %d is %.20q, which was never written", seq, p)
		}
	}
	for seq := range h.acked {
		if _, ok := got[seq]; !ok && (all || seq <= h.synced) && seq >= h.trimmed {
			t.Errorf("record %d is gone; synced %d, trimmed below %d, recovery %+v", seq, h.synced, h.trimmed, rec)
		}
	}
	f.SetFloor(h.synced)
	last := f.Last().Seq
	if last < h.synced {
		t.Errorf("Last = %d is below what was synced, %d", last, h.synced)
	}
	if err := f.Append(groupOf(t, last+1, "after the crash")); err != nil {
		t.Errorf("Append: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	f, rec = testOpen(t, fs, o)
	defer f.Close()
	again := contents(t, f)
	if again[last+1] != "after the crash" || len(again) != len(got)+1 {
		t.Errorf("%d records after opening again, want %d and the new one", len(again), len(got))
	}
	if len(rec.Cut) > 0 {
		t.Errorf("cut after a clean end: %v", rec.Cut)
	}
}

func newHistory() *history {
	return &history{acked: map[uint64]string{}, tried: map[uint64]map[string]bool{}}
}

// TestCrashAtEveryStep stops the workload after each step that it makes on the file system, cuts the power or kills the
// process, and compares.
func TestCrashAtEveryStep(t *testing.T) {
	for _, mode := range []SyncMode{Always, Interval, Never} {
		t.Run(mode.String(), func(t *testing.T) {
			o := Options{Sync: mode, Interval: time.Hour}
			for seed := range uint64(4) {
				whole := crashfs.New()
				workload(t, whole, o, seed, newHistory())
				for stop := range whole.Steps() {
					fs, h := crashfs.New(), newHistory()
					fs.StopAfter(stop)
					workload(t, fs, o, seed, h)
					wantClean(t, fs.Kill())
					wantHistory(t, fs.Kill(), o, h, true)
					for c := range uint64(3) {
						wantHistory(t, fs.Crash(seed<<20|uint64(stop)<<2|c), o, h, mode == Always)
					}
					if t.Failed() {
						t.Fatalf("seed %d, stopped after step %d", seed, stop)
					}
				}
			}
		})
	}
}

// faults makes some steps fail: writes are cut short, syncs and names do not come through.
func faults(seed uint64, quiet func() bool) func(crashfs.Op) crashfs.Fault {
	r := rand.New(rand.NewPCG(seed, 3))
	return func(op crashfs.Op) crashfs.Fault {
		if quiet() || op.N < 4 || r.IntN(8) > 0 {
			return crashfs.Fault{}
		}
		switch op.Kind {
		case crashfs.Write:
			return crashfs.Fault{Err: syscall.ENOSPC, Wrote: r.IntN(op.Size + 1)}
		case crashfs.MkdirAll:
			return crashfs.Fault{}
		}
		return crashfs.Fault{Err: syscall.EIO}
	}
}

// TestFaultsAndCrash lets steps fail while the workload goes on, and crashes at the end.
func TestFaultsAndCrash(t *testing.T) {
	for _, mode := range []SyncMode{Always, Interval, Never} {
		t.Run(mode.String(), func(t *testing.T) {
			o := Options{Sync: mode, Interval: time.Hour}
			for seed := range uint64(200) {
				fs, h := crashfs.New(), newHistory()
				fs.Hook(faults(seed, func() bool { return false }))
				if seed%2 == 0 {
					fs.StopAfter(10 + int(seed)%90)
				}
				workload(t, fs, o, seed, h)
				for c := range uint64(4) {
					wantHistory(t, fs.Crash(seed<<3|c), o, h, mode == Always)
				}
				wantClean(t, fs.Kill())
				wantHistory(t, fs.Kill(), o, h, true)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}
