package measures

import (
	"context"
	"math"
	"testing"
	"time"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
)

// setStep changes the frequency of m60.
func setStep(tb testing.TB, s *Store, keep, step time.Duration) {
	tb.Helper()
	if err := s.SetPolicies(context.Background(), testSet(tb, keep, step)); err != nil {
		tb.Fatal(err)
	}
}

// TestChangeOfFrequency takes a series from 60 s to 10 s and back. Old samples stay readable at their own times, a range
// takes the coarsest width of the eras that it touches, and the finer era gives its last value in a slot.
func TestChangeOfFrequency(t *testing.T) {
	t.Parallel()
	for _, readBetween := range []bool{false, true} {
		dir := t.TempDir()
		c := &clock{testEpoch}
		s := openTest(t, testOptions(dir, c))
		num := setup(t, s, policy.Forever)
		want := map[int64]float64{}
		var ref metricdef.Ref
		put := func(at int64, v float64) {
			t.Helper()
			ref = write(t, s, num, "m60", []int{0}, at, v)[0]
			want[at] = v
		}
		change := func(step time.Duration) {
			t.Helper()
			setStep(t, s, policy.Forever, step)
			if readBetween {
				all(t, s, ref) // a reader notices the change first, and must not take it from the writer
			}
		}
		at := testEpoch
		for i := range 150 {
			put(at, float64(i))
			at += 60 * second
		}
		firstEnd := at
		change(10 * time.Second)
		for i := range 50 {
			put(at, 1000+float64(i))
			at += 10 * second
		}
		secondEnd := at
		check := func(s *Store) {
			t.Helper()
			times, values := all(t, s, ref)
			if len(times) != len(want) {
				t.Fatalf("%d samples, want %d", len(times), len(want))
			}
			for i, at := range times {
				if v, ok := want[at]; !ok || v != values[i] {
					t.Fatalf("at %d: %g, want %g %v", at, values[i], v, ok)
				}
			}
			for _, r := range []struct {
				from, to int64
				step     int64
			}{
				{testEpoch, secondEnd, 60},
				{testEpoch, firstEnd, 60},
				{firstEnd, secondEnd, 10},
				{secondEnd - 100*second, secondEnd, 10},
			} {
				b, ok := s.Bounds(ref, r.from, r.to)
				if !ok || b.Step != r.step*second {
					t.Errorf("from %d to %d: %+v, want a step of %d s", (r.from-testEpoch)/second, (r.to-testEpoch)/second, b, r.step)
				}
			}
			dst := make([]float64, 3)
			if err := s.ReadGrid(ref, firstEnd-60*second, 60*second, dst); err != nil {
				t.Fatal(err)
			}
			// The slot of firstEnd-60 holds [firstEnd-90, firstEnd-30), that of firstEnd the fine samples up to firstEnd+20.
			for i, v := range []float64{149, 1002, 1008} {
				if dst[i] != v {
					t.Errorf("slot %d: %g, want %g", i, dst[i], v)
				}
			}
		}
		check(s)
		if err := s.Snapshot(); err != nil {
			t.Fatal(err)
		}
		check(s)
		s.crash()
		s = openTest(t, testOptions(dir, c))
		check(s)
		change(time.Minute)
		for i := range 130 {
			put(at, 2000+float64(i))
			at += 60 * second
		}
		for range 2 {
			times, _ := all(t, s, ref)
			if len(times) != len(want) {
				t.Fatalf("%d samples, want %d", len(times), len(want))
			}
			if b, _ := s.Bounds(ref, at-1200*second, at); b.Step != 60*second {
				t.Errorf("last era: %+v", b)
			}
			dst := make([]float64, 10)
			if err := s.ReadGrid(ref, secondEnd+60*second, 60*second, dst); err != nil {
				t.Fatal(err)
			}
			for i, v := range dst {
				if v != 2001+float64(i) {
					t.Errorf("slot %d of the last era: %g", i, v)
				}
			}
			s.crash()
			s = openTest(t, testOptions(dir, c))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestChangeWithRefusedRows changes the frequency when the next rows are all refused: neither the change nor the names
// that go with it may be lost on the way to the applier.
func TestChangeWithRefusedRows(t *testing.T) {
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	num := setup(t, s, policy.Forever)
	var ref metricdef.Ref
	for i := range 520 {
		ref = write(t, s, num, "m60", []int{0}, testEpoch+int64(i)*60*second, float64(i))[0]
	}
	free := testEpoch + 512*60*second
	if n, err := s.Free(context.Background(), []metricdef.Ref{ref}, free+1); n != 1 || err != nil {
		t.Fatalf("%d windows, %v", n, err)
	}
	setStep(t, s, policy.Forever, 10*time.Second)
	var b Batch
	b.Add(ref, testEpoch, 1)
	if err := s.Commit(context.Background(), &b); err != nil || b.Refused[Freed] != 1 {
		t.Fatalf("%v, refused %v", err, b.Refused)
	}
	from := testEpoch + 520*60*second
	for i := range 130 {
		write(t, s, num, "m60", []int{0}, from+int64(i)*10*second, 1000+float64(i))
	}
	for range 2 {
		times, values := all(t, s, ref)
		if len(times) != 8+130 {
			t.Fatalf("%d samples", len(times))
		}
		for i := range 130 {
			if times[8+i] != from+int64(i)*10*second || values[8+i] != 1000+float64(i) {
				t.Fatalf("sample %d: at %d, %g", i, (times[8+i]-from)/second, values[8+i])
			}
		}
		s.crash()
		s = openTest(t, testOptions(dir, c))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestGridAfterOwnTimes gives a series whose samples kept their own times a grid, at a moment when nothing of it is in
// memory but the journal's tail: the old chunks keep their times.
func TestGridAfterOwnTimes(t *testing.T) {
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	num := setup(t, s, policy.Forever)
	ownTimes(t, s)
	var ref metricdef.Ref
	for i := range headSlots {
		ref = write(t, s, num, "m60", []int{0}, testEpoch+int64(i*i)*second+7, float64(i))[0]
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	setStep(t, s, policy.Forever, 10*time.Second)
	from := testEpoch + int64(headSlots*headSlots)*second
	for i := range 5 {
		write(t, s, num, "m60", []int{0}, from+int64(i)*10*second, 1000+float64(i))
	}
	for range 2 {
		times, _ := all(t, s, ref)
		if len(times) != headSlots+5 {
			t.Fatalf("%d samples", len(times))
		}
		dst := make([]float64, 100)
		if err := s.ReadGrid(ref, testEpoch, 10*second, dst); err != nil {
			t.Fatal(err)
		}
		for k, v := range dst {
			want := math.NaN()
			for i := range headSlots {
				if at := int64(i*i)*second + 7; at >= int64(k)*10*second-5*second && at < int64(k)*10*second+5*second {
					want = float64(i)
				}
			}
			if v != want && !(math.IsNaN(v) && math.IsNaN(want)) {
				t.Errorf("slot %d: %g, want %g", k, v, want)
			}
		}
		s.crash()
		s = openTest(t, testOptions(dir, c))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// ownTimes puts a set of policies in force in which samples keep their own times.
func ownTimes(tb testing.TB, s *Store) {
	tb.Helper()
	set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{policy.FallBack(policy.Retention{Length: policy.Forever, Clock: policy.SampleClock})}})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.SetPolicies(context.Background(), set); err != nil {
		tb.Fatal(err)
	}
}

// TestPolicyOfReservedSeries asks for a series while its definition is on its way to the journal, and changes the policies
// then: the series keeps to the policy of its metric.
func TestPolicyOfReservedSeries(t *testing.T) {
	ctx := context.Background()
	fs, o, _ := failing(t, journal.Never)
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	const ref = 1
	hook := func() { s.Bounds(ref, minTime, maxTime) }
	fs.before.Store(&hook)
	write(t, s, num, "m60", []int{0}, testEpoch, 0)
	fs.before.Store(nil)
	for i := range 3 {
		var b Batch
		b.Add(ref, testEpoch+int64(i)*60*second+10*second, float64(i))
		if err := s.Commit(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	if b, ok := s.Bounds(ref, minTime, maxTime); !ok || b.Step != 60*second || b.Last != testEpoch+120*second {
		t.Errorf("%+v", b)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
