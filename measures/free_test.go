package measures

import (
	"context"
	"math"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// TestFree frees windows of 512 slots and keeps them freed, whatever happens to the process.
func TestFree(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, epoch := range []int64{testEpoch, 0, -600 * 10 * second, -5 * 365 * 86400 * second} {
		dir := t.TempDir()
		c := &clock{testEpoch}
		s := openTest(t, testOptions(dir, c))
		num := setup(t, s, policy.Forever)
		at := func(slot int) int64 { return epoch + int64(slot)*10*second }
		var refs []metricdef.Ref
		const n = 1200
		for i := range n {
			if i > 520 && i < 530 {
				continue // the second window begins behind a hole
			}
			refs = write(t, s, num, "m10", []int{0, 1}, at(i), float64(i))
		}
		list, err := s.Windows(ctx, refs[0])
		if err != nil || len(list) != 3 {
			t.Fatalf("%+v, %v", list, err)
		}
		for i, want := range []struct{ start, end, slots int }{{0, 511, 512}, {512, 1023, 512}, {1024, 1199, 176}} {
			if w := list[i]; w.Start != at(want.start) || w.End != at(want.end) || w.Slots != want.slots || w.Step != 10*second || w.Half != 5*second {
				t.Errorf("window %d: %+v", i, w)
			}
		}
		if freed, err := s.Free(ctx, refs[:1], at(512)); freed != 0 || err != nil {
			t.Errorf("%d windows freed that end at the time itself, %v", freed, err)
		}
		if freed, err := s.Free(ctx, []metricdef.Ref{refs[0], refs[0], 999_999}, at(512)+1); freed != 1 || err != nil {
			t.Errorf("%d windows freed, %v", freed, err)
		}
		check := func(what string, first, count int) {
			t.Helper()
			for i, f := range []struct{ first, count int }{{first, count}, {0, n - 9}} {
				times, _ := all(t, s, refs[i])
				if len(times) != f.count || times[0] != at(f.first) {
					t.Errorf("%s: series %d: %d samples from %d", what, i, len(times), (times[0]-epoch)/second/10)
				}
				if b, ok := s.Bounds(refs[i], minTime, maxTime); !ok || b.First != at(f.first) || b.Last != at(n-1) {
					t.Errorf("%s: series %d: %+v", what, i, b)
				}
			}
			var b Batch
			b.Add(refs[0], at(first-1), 1)
			b.Add(refs[0], at(first-500), 1)
			if err := s.Commit(ctx, &b); err != nil || b.Refused[Freed] != 2 {
				t.Errorf("%s: %v, refused %v", what, err, b.Refused)
			}
		}
		check("freed", 512, n-512-9)
		s.crash()
		s = openTest(t, testOptions(dir, c))
		check("crash", 512, n-512-9)
		if err := s.Snapshot(); err != nil {
			t.Fatal(err)
		}
		if freed, err := s.Free(ctx, refs[:1], at(1024)+1); freed != 1 || err != nil {
			t.Errorf("%d windows freed, %v", freed, err)
		}
		check("freed again", 1024, 176)
		s.crash()
		s = openTest(t, testOptions(dir, c))
		check("crash behind a snapshot", 1024, 176)
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, testOptions(dir, c))
			check("stop", 1024, 176)
		}
		// All of it; and then it begins anew.
		if freed, err := s.Free(ctx, refs[:1], math.MaxInt64); freed != 1 || err != nil {
			t.Errorf("%d windows freed, %v", freed, err)
		}
		for range 2 {
			if times, _ := all(t, s, refs[0]); len(times) != 0 {
				t.Errorf("%d samples", len(times))
			}
			if b, ok := s.Bounds(refs[0], minTime, maxTime); ok {
				t.Errorf("bounds %+v", b)
			}
			if list, err := s.Windows(ctx, refs[0]); err != nil || len(list) != 0 {
				t.Errorf("%+v, %v", list, err)
			}
			s.crash()
			s = openTest(t, testOptions(dir, c))
		}
		write(t, s, num, "m10", []int{0}, at(n), 5)
		write(t, s, num, "m10", []int{0}, at(n+200), 6)
		for range 2 {
			if times, values := all(t, s, refs[0]); len(times) != 2 || times[0] != at(n) || values[1] != 6 {
				t.Errorf("%v %v", times, values)
			}
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
			s.crash()
			s = openTest(t, testOptions(dir, c))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFreeToZero puts the mark at the zero of time, which is also how no mark is written.
func TestFreeToZero(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := openTest(t, testOptions(dir, &clock{testEpoch}))
	num := setup(t, s, policy.Forever)
	ref := write(t, s, num, "m10", []int{0}, -513*10*second, 1)[0]
	for i := -513; i < 10; i++ {
		write(t, s, num, "m10", []int{0}, int64(i)*10*second, 1)
	}
	if freed, err := s.Free(ctx, []metricdef.Ref{ref}, 0); freed != 1 || err != nil {
		t.Errorf("%d windows freed, %v", freed, err)
	}
	for range 3 {
		if times, _ := all(t, s, ref); len(times) != 11 || times[0] != -10*second {
			t.Errorf("%d samples", len(times))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, testOptions(dir, &clock{testEpoch}))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRaised is how a low-water mark moves: up only, and never to the value that means none.
func TestRaised(t *testing.T) {
	for _, c := range []struct{ old, t, want int64 }{
		{0, 5, 5}, {0, -5, -5}, {0, 0, 1}, {-5, 0, 1}, {-5, -9, -5}, {5, 3, 5}, {5, 7, 7}, {5, 0, 5}, {-5, -3, -3},
	} {
		if got := raised(c.old, c.t); got != c.want {
			t.Errorf("mark %d raised to %d is %d, want %d", c.old, c.t, got, c.want)
		}
	}
}
