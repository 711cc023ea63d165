package measures

import (
	"context"
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"granary/policy"
)

// TestBeforeAndWeight holds both against what a whole read shows: over chunks, holes, an open head, late samples, and chunks
// that only segments hold.
func TestBeforeAndWeight(t *testing.T) {
	for _, metric := range []string{"m10", "own"} {
		t.Run(metric, func(t *testing.T) {
			s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
			defer s.crash()
			num := setup(t, s, policy.Forever)
			if metric == "own" {
				ownTimes(t, s)
			}
			ref := write(t, s, num, metric, []int{0}, testEpoch, 0)[0]
			rnd := rand.New(rand.NewPCG(3, 4))
			var b Batch
			for i := range int64(1000) {
				switch {
				case rnd.IntN(10) == 0: // a hole
				case i > 300 && rnd.IntN(20) == 0:
					b.Add(ref, testEpoch+(i-250)*10*second, float64(i))
				default:
					b.Add(ref, testEpoch+i*10*second, float64(i))
				}
			}
			if err := s.Commit(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
			check := func() {
				t.Helper()
				times, values := all(t, s, ref)
				var r Reader
				for range 300 {
					at := testEpoch + rnd.Int64N(10_100*second) - 50*second
					n := sort.Search(len(times), func(i int) bool { return times[i] >= at })
					got, v, ok, err := s.Before(context.Background(), &r, ref, at)
					if err != nil || ok != (n > 0) {
						t.Fatalf("before %d: %v, %v", at, ok, err)
					}
					if ok && (got != times[n-1] || v != values[n-1]) {
						t.Fatalf("before %d: %d %g, want %d %g", at, got, v, times[n-1], values[n-1])
					}
					end := at + rnd.Int64N(3000*second)
					if err := s.Read(context.Background(), &r, ref, at, end); err != nil {
						t.Fatal(err)
					}
					if w := s.Weight(ref, at, end); w < int64(len(r.Times)) || w > int64(len(r.Times))+700 {
						t.Fatalf("weight %d of %d samples", w, len(r.Times))
					}
				}
			}
			check()
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
			s.maintenance.Lock()
			s.evictChunks(math.MaxInt64)
			s.maintenance.Unlock()
			check()
			if _, _, ok, err := s.Before(context.Background(), new(Reader), 999, testEpoch); ok || err != nil {
				t.Error("a series that is not has a sample")
			}
			if s.Weight(999, minTime, maxTime) != 0 || s.Weight(ref, maxTime, minTime) != 0 {
				t.Error("nothing weighs something")
			}
		})
	}
}
