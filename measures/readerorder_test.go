package measures

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestReaderOrder: parts that overlap come out ascending, and of equal times the one that was read last stands.
func TestReaderOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var r Reader
	for range 2000 {
		r.reset()
		want := map[int64]float64{}
		for part := range rnd.IntN(7) {
			at := rnd.Int64N(50)
			for k := range rnd.IntN(30) {
				v := float64(100*part + k)
				r.Times, r.Values = append(r.Times, at), append(r.Values, v)
				want[at] = v
				at += rnd.Int64N(4) // also the same again
			}
		}
		r.order()
		if !slices.Equal(r.Times, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("times %v", r.Times)
		}
		for i, at := range r.Times {
			if r.Values[i] != want[at] {
				t.Fatalf("at %d: %g, want %g", at, r.Values[i], want[at])
			}
		}
	}
}
