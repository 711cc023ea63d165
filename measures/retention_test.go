package measures

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
)

// TestRetention lets the clock run past the samples: reads hide at once, Expire drops, files go, and what is spared or
// held stays.
func TestRetention(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	num := setup(t, s, 2*time.Hour)
	var refs []metricdef.Ref
	const n = 1000
	for i := range n {
		at := testEpoch + int64(i)*10*second
		c.ns = at
		refs = write(t, s, num, "m10", []int{0, 1}, at, float64(i))
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	last := testEpoch + (n-1)*10*second
	shown := func(s *Store, ref metricdef.Ref, first int64, count int) {
		t.Helper()
		b, ok := s.Bounds(ref, minTime, maxTime)
		if ok != (count > 0) || ok && (b.First != first || b.Last != last) {
			t.Errorf("series %d: bounds %+v %v, want %d", ref, b, ok, first)
		}
		times, _ := all(t, s, ref)
		if len(times) != count || count > 0 && times[0] != first {
			t.Errorf("series %d: %d samples, want %d", ref, len(times), count)
		}
		if _, _, ok := s.Newest(ref); ok != (count > 0) {
			t.Errorf("series %d: newest: %v", ref, ok)
		}
	}
	both := func(s *Store, first int64, count int) {
		t.Helper()
		for _, ref := range refs {
			shown(s, ref, first, count)
		}
	}
	hour := 3600 * second
	both(s, last-2*hour, 721)

	// After a restart the chunk that straddles the border is in a file only.
	s.crash()
	s = openTest(t, testOptions(dir, c))
	both(s, last-2*hour, 721)

	c.ns = last + hour
	both(s, last-hour, 361)
	s.HoldRetention(true)
	s.Expire(ctx)
	both(s, testEpoch, n)
	s.HoldRetention(false)
	both(s, last-hour, 361)
	s.Spare(map[metricdef.Ref]bool{refs[1]: true})
	s.Expire(ctx)
	shown(s, refs[0], last-hour, 361)
	shown(s, refs[1], testEpoch, n)
	if got := s.Stats().Expired; got < 500 || got > n-361 {
		t.Errorf("%d samples expired", got)
	}

	c.ns = last + 3*hour
	shown(s, refs[0], 0, 0)
	shown(s, refs[1], testEpoch, n)
	s.Expire(ctx)
	s.Spare(nil)
	both(s, 0, 0)
	s.Expire(ctx)
	if s.Definitions.Len() != 0 {
		t.Errorf("%d definitions are left", s.Definitions.Len())
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "segments", "*"))
	if err != nil || len(files) != 2 || s.Stats().SegmentFiles != 0 {
		t.Errorf("%q are left: %v, %v", files, s.Stats().SegmentFiles, err)
	}

	// A later write makes the series anew; the dead refs stay dead, also over restarts.
	again := write(t, s, num, "m10", []int{0}, c.ns, 1)[0]
	if again <= refs[1] {
		t.Errorf("ref %d given again", again)
	}
	stale := Batch{}
	stale.Add(refs[0], c.ns, 1)
	if err := s.Commit(ctx, &stale); err != nil || len(stale.Stale) != 1 {
		t.Errorf("%v, stale rows %v", err, stale.Stale)
	}
	for range 2 {
		s.crash()
		s = openTest(t, testOptions(dir, c))
		if times, _ := all(t, s, again); len(times) != 1 {
			t.Errorf("%d samples of the new series", len(times))
		}
		if s.Definitions.Len() != 1 {
			t.Errorf("%d definitions", s.Definitions.Len())
		}
		stale.Reset()
		stale.Add(refs[1], c.ns, 1)
		if err := s.Commit(ctx, &stale); err != nil || len(stale.Stale) != 1 {
			t.Errorf("%v, stale rows %v", err, stale.Stale)
		}
		if err := s.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNoRefTwice ends the newest definition of all and restarts: the number is not given again, although nothing that is
// left has it.
func TestNoRefTwice(t *testing.T) {
	ctx := context.Background()
	for _, snapshot := range []bool{false, true} {
		dir := t.TempDir()
		c := &clock{testEpoch}
		s := openTest(t, testOptions(dir, c))
		num := setup(t, s, time.Hour)
		refs := write(t, s, num, "m10", []int{0, 1, 2}, c.ns, 1)
		c.ns += 2 * 3600 * second
		s.Expire(ctx)
		if s.Definitions.Len() != 0 {
			t.Fatalf("%d definitions", s.Definitions.Len())
		}
		if snapshot {
			// Rotate, so that the journal can be trimmed.
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.EnsureTenant(ctx, "other"); err != nil {
				t.Fatal(err)
			}
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
		s.crash()
		s = openTest(t, testOptions(dir, c))
		if got := write(t, s, num, "m10", []int{5}, c.ns, 1)[0]; got <= refs[2] {
			t.Errorf("snapshot %v: ref %d given after %v", snapshot, got, refs)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSkippedSamples replays samples of definitions whose end the catalog and a snapshot hold already.
func TestSkippedSamples(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	num := setup(t, s, time.Hour)
	write(t, s, num, "m10", []int{0, 1}, c.ns, 1)
	c.ns += 2 * 3600 * second
	s.Expire(ctx)
	write(t, s, num, "m60", []int{7}, c.ns, 1)
	if err := s.catalog.Flush(s.syncTo); err != nil {
		t.Fatal(err)
	}
	// What a writer with a stale ref might have got into the journal, had the sequencer let it.
	var g journal.Group
	g.Begin(recSamples, c.ns)
	g.Buf = appendSamples(g.Buf, []metricdef.Ref{1, 2, 3}, []int64{c.ns, c.ns, c.ns + second}, []float64{1, 2, 3}, nil)
	if err := g.End(s.log.Last().Seq + 1); err != nil {
		t.Fatal(err)
	}
	if err := s.log.Append(&g); err != nil {
		t.Fatal(err)
	}
	s.crash()
	var said strings.Builder
	o := testOptions(dir, c)
	o.Logger = slog.New(slog.NewTextHandler(&said, nil))
	s = openTest(t, o)
	if !strings.Contains(said.String(), " skipped=2 ") {
		t.Errorf("not counted: %s", said.String())
	}
	if n := s.Definitions.Len(); n != 1 {
		t.Errorf("%d definitions", n)
	}
	if n := s.Memory().Heads; n > 30*8 {
		t.Errorf("%d bytes of heads for one sample", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "quarantine")); err != nil || len(left) != 0 {
		t.Errorf("quarantine: %v, %v", left, err)
	}
}

// TestExpireMeanwhile looks for series to end while the first samples after a long silence are on their way, the newest
// not last: these series stay.
func TestExpireMeanwhile(t *testing.T) {
	ctx := context.Background()
	for _, own := range []bool{false, true} {
		o := testOptions(t.TempDir(), &clock{testEpoch})
		c := &clock{testEpoch}
		o.Now = c.now
		s := openTest(t, o)
		num := setup(t, s, time.Hour)
		metric := "m10"
		if own {
			metric = "free"
			set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{policy.FallBack(policy.Retention{Length: time.Hour, Clock: policy.SampleClock})}})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SetPolicies(ctx, set); err != nil {
				t.Fatal(err)
			}
		}
		refs := write(t, s, num, metric, []int{0, 1}, testEpoch, 0)
		c.ns += 2 * 3600 * second
		var b Batch
		b.Add(refs[0], c.ns, 1)
		b.Add(refs[0], testEpoch-100*second, 1)
		p := &b.pending
		*p = pending{batch: &b, wrote: c.ns}
		s.seq.mu.Lock()
		s.sequence(p)
		s.seq.waiting = append(s.seq.waiting, p)
		s.seq.mu.Unlock()
		s.Expire(ctx)
		if err := s.commit(p); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if times, _ := all(t, s, refs[0]); len(times) != 1 {
				t.Errorf("own times %v: %d samples", own, len(times))
			}
			if n := s.Definitions.Len(); n != 1 {
				t.Errorf("own times %v: %d definitions", own, n)
			}
			s.crash()
			s = openTest(t, o)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
