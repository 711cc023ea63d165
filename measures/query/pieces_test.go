package query

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

// TestPieces: samples that come slice by slice are those that come as a whole, whatever the order in which they were written.
func TestPieces(t *testing.T) {
	s := openStore(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	num := prepare(t, s, time.Minute)
	random := rand.New(rand.NewPCG(1, 2))
	const n = sliceSamples + 5000
	at := make([]int64, n)
	for i := range at {
		at[i] = epoch - int64(n-i)*sec
	}
	write := func(name string) {
		for part := range slices.Chunk(at, 10_000) {
			var b measures.Batch
			for _, t := range part {
				b.AddDraft(draft(num, name, 1), t, float64(t/sec%1000))
				if t%(7*sec) == 0 {
					b.AddTags(`{"a":"b"}`)
				}
			}
			commit(t, s, &b)
		}
	}
	write("ascending")
	slices.Reverse(at)
	write("descending")
	random.Shuffle(n, func(i, j int) { at[i], at[j] = at[j], at[i] })
	write("any")
	e := New(s, Options{Definitions: s.Definitions})
	refs := []metricdef.Ref{1, 2, 3, 4}
	for _, r := range []Request{{}, {Desc: true}, {PointTags: true}, {Desc: true, PointTags: true}, {Limit: 5}, {Limit: sliceSamples + 2000}, {Desc: true, Limit: sliceSamples + 2000}, {Rate: Rate{Per: time.Second}}} {
		r.Refs, r.From, r.To = refs, epoch-farthest/4, epoch
		read := func(pieces bool) (rows []string, frames int) {
			r.Pieces = pieces
			q, err := e.Prepare(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Run(context.Background(), func(f *Frame) error {
				frames++
				for i := range f.Len() {
					tag := ""
					if len(f.Tags) > 0 {
						tag = f.Tags[i]
					}
					rows = append(rows, fmt.Sprint(f.Ref, f.Time(i), f.Values[i], tag))
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return rows, frames
		}
		whole, _ := read(false)
		pieces, frames := read(true)
		if len(whole) == 0 || !slices.Equal(whole, pieces) {
			t.Errorf("%+v: %d points as a whole, %d in pieces", r, len(whole), len(pieces))
		}
		if r.Limit == 0 && frames <= 3 {
			t.Errorf("%+v: %d frames", r, frames)
		}
	}
}

// TestPiecesOfBuckets: buckets that come slice by slice are those that come as a whole, from raw samples, from a tier and from both.
func TestPiecesOfBuckets(t *testing.T) {
	s := openStore(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	num := tiered(t, s, 50_000)
	const n = 100_000
	for _, name := range []string{"t", "w", "raw"} {
		for from := int64(0); from < n; from += 10_000 {
			var b measures.Batch
			for k := from; k < from+10_000; k++ {
				b.AddDraft(draft(num, name, 1), epoch+k*70*sec, float64(k%1000))
			}
			commit(t, s, &b)
		}
	}
	s.TendTiers()
	e := New(s, Options{Definitions: s.Definitions})
	rnd := rngOf(3)
	refs := []metricdef.Ref{1, 2, 3}
	many := 0
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for range rounds {
		r := Request{Refs: refs, From: epoch + rnd.Int64N(n*70*sec) - 1000*sec, Buckets: Buckets{Step: sec * draw[int64](rnd, 60, 60, 45, 120, 300, 86_400)}, Kept: rnd.IntN(2) == 0}
		r.To = r.From + 1 + rnd.Int64N(n*70*sec)
		if rnd.IntN(4) == 0 {
			r.From, r.To = -farthest, farthest
		}
		r.Over = draw(rnd, policy.Sum, policy.Mean, policy.Last, policy.Count, policy.Std, policy.Mean.Rate())
		r.Buckets.FromStart = !r.Kept && rnd.IntN(4) == 0
		var list [2][]string
		for i := range list {
			r.Pieces = i == 1
			q, err := e.Prepare(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			last, frames := metricdef.Ref(0), 0
			if err := q.Run(t.Context(), func(f *Frame) error {
				if frames++; f.Ref != last {
					last, frames = f.Ref, 1
				}
				if frames == 3 {
					many++
				}
				if r.Pieces && f.Len() > 2*sliceSamples {
					t.Errorf("%+v: a piece of %d", r, f.Len())
				}
				for k := range f.Len() {
					list[i] = append(list[i], fmt.Sprint(f.Ref, f.Time(k), f.Values[k]))
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(list[0], list[1]) {
			t.Errorf("%+v: %d buckets as a whole, %d in pieces", r, len(list[0]), len(list[1]))
		}
	}
	if many < rounds/4 {
		t.Errorf("only %d series came in more than two pieces", many)
	}
	for _, r := range []Request{{Limit: 1}, {Desc: true}, {Fill: Fill{How: Null}}, {Across: policy.Sum}, {Overs: []policy.Method{policy.Sum}}, {Beside: func(*Frame) {}}, {Kept: true, Buckets: Buckets{FromStart: true}}} {
		r.Refs, r.From, r.To, r.Buckets.Step, r.Pieces = refs, 0, epoch, sec, true
		if _, err := e.Prepare(t.Context(), r); err == nil {
			t.Errorf("%+v in pieces", r)
		}
	}
}
