package measures

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// TestLastWinsBehindDeletions: of several samples of one time the last one stands, in whatever order they come, however much is deleted between them,
// and wherever they lie by then. A head that a deletion has emptied may begin anew before samples that came late while it was there.
func TestLastWinsBehindDeletions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"free", "m10"} { // without a grid, and with one
		for seed := range uint64(8) {
			lastWins(t, name, seed)
		}
	}
}

func lastWins(t *testing.T, name string, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	if name == "free" {
		ownTimes(t, s)
	}
	model := map[int64]float64{}
	var ref metricdef.Ref
	for k := range 400 {
		from := testEpoch + rnd.Int64N(400)*10*second
		switch rnd.IntN(12) {
		case 0:
			r := timeRange{from, from + (1+rnd.Int64N(200))*10*second}
			if ref != 0 {
				if err := s.DeleteRange(context.Background(), []metricdef.Ref{ref}, r.from, r.to); err != nil {
					t.Fatal(err)
				}
			}
			maps.DeleteFunc(model, func(at int64, _ float64) bool { return r.has(at) })
		case 1:
			switch rnd.IntN(6) {
			case 0:
				if err := s.Snapshot(); err != nil {
					t.Fatal(err)
				}
			case 1:
				s.crash()
				s = openTest(t, o)
			}
		default:
			var b Batch
			for range 1 + rnd.IntN(15) {
				at := testEpoch + rnd.Int64N(400)*10*second
				b.AddDraft(draftOf(num, name, 0), at, float64(k))
				model[at] = float64(k)
			}
			if err := s.Commit(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
			ref = b.Refs[0]
		}
		times, values := all(t, s, ref)
		have := map[int64]float64{}
		for i, at := range times {
			have[at] = values[i]
		}
		if !maps.Equal(have, model) {
			diff := ""
			for at, v := range model {
				if have[at] != v {
					diff += fmt.Sprintf(" %d: %g, want %g;", (at-testEpoch)/second/10, have[at], v)
				}
			}
			t.Errorf("%s, seed %d, step %d: %d samples, want %d:%s", name, seed, k, len(have), len(model), diff)
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
