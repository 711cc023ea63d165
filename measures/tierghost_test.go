package measures

import (
	"context"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// TestTierChunksDoNotComeBack: a chunk of a tier that a file has, that a deletion took the place of, and that the tier then outlived,
// stays away when the tier is given more points again: also behind a restart.
func TestTierChunksDoNotComeBack(t *testing.T) {
	t.Parallel()
	c := &clock{ns: testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	ctx := context.Background()
	var num tenant.Num
	points := func(n int64) {
		t.Helper()
		num = tierSetup(t, s, policy.Policy{Raw: policy.Retention{Length: policy.Forever}, Methods: methodsOf(t, "sum", "count"),
			Tiers: []policy.Tier{{Granularity: time.Minute, Points: n}}})
	}
	points(0)
	refs := write(t, s, num, "m", []int{0, 1}, testEpoch, 1)
	ref := refs[0] // the other one keeps the file
	fill := func(from, to int64) {
		t.Helper()
		var b Batch
		for k := from; k < to; k++ {
			b.Add(ref, testEpoch+k*10*second, 1)
			if k < 3000 {
				b.Add(refs[1], testEpoch+k*10*second, 1)
			}
		}
		if err := s.Commit(ctx, &b); err != nil {
			t.Fatal(err)
		}
		c.ns = max(c.ns, testEpoch+to*10*second)
		s.TendTiers()
	}
	snapshot := func() {
		t.Helper()
		if err := s.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	fill(1, 3000)
	snapshot()
	if err := s.DeleteRange(ctx, []metricdef.Ref{ref}, testEpoch, testEpoch+1800*second); err != nil {
		t.Fatal(err)
	}
	s.Expire(ctx)
	points(20)
	s.Expire(ctx)
	fill(3000, 6000)
	s.Expire(ctx)
	points(0)
	snapshot()
	for _, what := range []string{"live", "after a restart"} {
		var r Reader
		if err := s.ReadTier(ctx, &r, ref, 0, policy.Count, minTime, maxTime); err != nil {
			t.Fatal(err)
		}
		for i, at := range r.Times {
			if at < testEpoch+1800*second {
				t.Fatalf("%s: a bucket of %g samples that were deleted begins %v behind the first", what, r.Values[i], time.Duration(at-testEpoch))
			}
		}
		if what == "live" {
			s.crash()
			s = openTest(t, o)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFinishedRawStaysAway: raw samples that live only in the window went when their buckets were finished; the file that has them
// still does not bring them back, nor what a deletion took of them since.
func TestFinishedRawStaysAway(t *testing.T) {
	t.Parallel()
	c := &clock{ns: testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	ctx := context.Background()
	num := tierSetup(t, s, policy.Policy{Raw: policy.Retention{Length: policy.WindowOnly}, Methods: methodsOf(t, "sum", "last"),
		Tiers: []policy.Tier{{Granularity: time.Minute}}})
	refs := write(t, s, num, "m", []int{0, 1}, testEpoch, 1)
	ref := refs[0] // the other one keeps the file
	add := func(from, to, step int64, v float64) {
		t.Helper()
		var b Batch
		for k := from; k < to; k += step {
			b.Add(ref, testEpoch+k*second, v)
			if k < 126 {
				b.Add(refs[1], testEpoch+k*second, v)
			}
		}
		if err := s.Commit(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	snapshot := func() {
		t.Helper()
		if err := s.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	for k := int64(1); k < 3; k++ {
		add(k, 60, 2, 1)
	}
	add(1, 60, 3, 2) // again, in the window: it takes the place of what was there
	add(60, 1300, 1, 3)
	snapshot()
	s.TendTiers()
	s.tendAll()
	add(1300, 2600, 1, 3)
	s.tendAll()
	if err := s.DeleteRange(ctx, refs[:1], testEpoch, testEpoch+600*second); err != nil {
		t.Fatal(err)
	}
	snapshot()
	for _, what := range []string{"live", "after a crash", "after a stop"} {
		times, values := all(t, s, ref)
		if len(times) == 0 || len(times) > 1500 || times[0] < testEpoch+600*second || values[0] != 3 {
			t.Errorf("%s: %d samples", what, len(times))
		}
		switch what {
		case "live":
			s.crash()
			s = openTest(t, o)
		case "after a crash":
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, o)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeletedFinishedRaw deletes first what was finished and is only in a file any more, then the chunk behind it, which the series
// still had: none of both is back after a start.
func TestDeletedFinishedRaw(t *testing.T) {
	t.Parallel()
	c := &clock{ns: testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	ctx := context.Background()
	num := tierSetup(t, s, policy.Policy{Raw: policy.Retention{Length: policy.WindowOnly}, Methods: methodsOf(t, "sum", "rate:last"),
		Tiers: []policy.Tier{{Granularity: time.Minute}}})
	refs := write(t, s, num, "m", []int{0, 1}, testEpoch, 1)
	var b Batch
	for k := int64(1); k < 1300; k++ {
		b.Add(refs[0], testEpoch+k*second, 1)
		if k < 126 {
			b.Add(refs[1], testEpoch+k*second, 1)
		}
	}
	snapshot := func() {
		t.Helper()
		if err := s.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(ctx, &b); err != nil {
		t.Fatal(err)
	}
	snapshot()
	s.tendAll()
	left, _ := all(t, s, refs[0])
	oldest := left[0]
	if oldest == testEpoch {
		t.Fatal("no raw samples went")
	}
	for _, r := range []timeRange{{testEpoch, oldest}, {oldest, testEpoch + 1290*second}} {
		if err := s.DeleteRange(ctx, refs[:1], r.from, r.to); err != nil {
			t.Fatal(err)
		}
	}
	snapshot()
	for _, what := range []string{"live", "after a crash"} {
		if times, _ := all(t, s, refs[0]); len(times) != 10 {
			t.Errorf("%s: %d samples", what, len(times))
		}
		if what == "live" {
			s.crash()
			s = openTest(t, o)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
