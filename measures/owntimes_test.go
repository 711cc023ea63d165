package measures

import (
	"math"
	"math/rand/v2"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// TestOwnTimes keeps a series without a grid: in order, out of order, written over, sealed, read from memory, from the
// journal, from a snapshot and from a segment.
func TestOwnTimes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := testOptions(dir, &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	ownTimes(t, s)
	rnd := rand.New(rand.NewPCG(5, 5))
	model := map[int64]float64{}
	var ref metricdef.Ref
	put := func(at int64, v float64) {
		ref = write(t, s, num, "free", []int{0}, at, v)[0]
		model[at] = v
	}
	check := func(what string) {
		t.Helper()
		times, values := all(t, s, ref)
		if len(times) != len(model) {
			t.Errorf("%s: %d samples, want %d", what, len(times), len(model))
		}
		for i, at := range times {
			if v, ok := model[at]; !ok || math.Float64bits(v) != math.Float64bits(values[i]) || i > 0 && times[i-1] >= at {
				t.Fatalf("%s: sample %d at %d is %g, want %g %v", what, i, at, values[i], v, ok)
			}
		}
		b, ok := s.Bounds(ref, minTime, maxTime)
		if !ok || b.First != times[0] || b.Last != times[len(times)-1] || b.Step != 0 {
			t.Errorf("%s: %+v", what, b)
		}
		if newest, step, ok := s.Newest(ref); !ok || newest != b.Last || step != 0 {
			t.Errorf("%s: newest %d %d %v", what, newest, step, ok)
		}
		// On a grid: the last value inside a slot.
		const step = 30 * second
		dst := make([]float64, (b.Last-b.First)/step+1)
		if err := s.ReadGrid(ref, b.First, step, dst); err != nil {
			t.Fatal(err)
		}
		want := make([]float64, len(dst))
		for i := range want {
			want[i] = math.NaN()
		}
		for i, at := range times {
			if k := (at - b.First + step/2) / step; int(k) < len(want) {
				want[k] = values[i]
			}
		}
		for i := range dst {
			if dst[i] != want[i] && !(math.IsNaN(dst[i]) && math.IsNaN(want[i])) {
				t.Fatalf("%s: slot %d is %g, want %g", what, i, dst[i], want[i])
			}
		}
	}
	at := testEpoch
	for round := range 4 {
		for range 150 {
			at += 1 + rnd.Int64N(20*second)
			put(at, rnd.NormFloat64())
			switch rnd.IntN(6) {
			case 0:
				put(at-rnd.Int64N(40*second), rnd.NormFloat64())
			case 1:
				put(at-rnd.Int64N(5000*second), rnd.NormFloat64())
			case 2:
				put(at, 7) // again
			}
		}
		check("live")
		switch round {
		case 0:
			s.crash()
		case 1:
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
			check("snapshot")
			put(at+1, 1)
			s.crash()
		default:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s = openTest(t, o)
		check("again")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOwnTimesToTheEdge stores the first and the last time that can be stored, and refuses those beyond.
func TestOwnTimesToTheEdge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := testOptions(dir, &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	ownTimes(t, s)
	times := []int64{minTime + 1, -second, -1, 0, 1, second, maxTime - 1}
	var b Batch
	for _, at := range times {
		b.AddDraft(draftOf(num, "free", 0), at, float64(at))
	}
	for i, at := range []int64{minTime, maxTime, math.MinInt64, math.MaxInt64} {
		b.AddDraft(draftOf(num, "free", i), at, 1)
	}
	if err := s.Commit(t.Context(), &b); err != nil || b.Refused[TooOld] != 2 || b.Refused[TooNew] != 2 {
		t.Fatalf("%v, refused %v", err, b.Refused)
	}
	for range 3 {
		got, _ := all(t, s, 1)
		if len(got) != len(times) {
			t.Errorf("%d samples", len(got))
		}
		for i := range got {
			if got[i] != times[i] {
				t.Errorf("sample %d at %d, want %d", i, got[i], times[i])
			}
		}
		if n := s.Definitions.Len(); n != 1 {
			t.Errorf("%d definitions", n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, o)
	}
	// A series that began with a refused sample is made by the next one.
	b.Reset()
	b.AddDraft(draftOf(num, "free", 2), maxTime, 1)
	b.Add(1, testEpoch, 1)
	if err := s.Commit(t.Context(), &b); err != nil || b.Refused[TooNew] != 1 {
		t.Fatalf("%v, refused %v", err, b.Refused)
	}
	b.Reset()
	b.AddDraft(draftOf(num, "free", 2), testEpoch, 1)
	if err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n := s.Definitions.Len(); n != 2 {
			t.Errorf("%d definitions", n)
		}
		if got, _ := all(t, s, b.Refs[0]); len(got) != 1 {
			t.Errorf("%d samples", len(got))
		}
		s.crash()
		s = openTest(t, o)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
