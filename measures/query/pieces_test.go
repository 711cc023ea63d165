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
	if _, err := e.Prepare(context.Background(), Request{Refs: refs, From: 0, To: epoch, Pieces: true, Buckets: Buckets{Step: sec}}); err == nil {
		t.Error("buckets in pieces")
	}
}
