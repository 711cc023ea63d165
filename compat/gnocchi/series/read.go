package series

import (
	"context"
	"slices"

	"granary/measures/query"
	"granary/metricdef"
	"granary/policy"
)

// Bounds of a range that has none: all times lie between them.
const (
	Earliest = -1 << 62
	Latest   = 1 << 62
)

// Want is one column that is asked for: what a method makes of the buckets of a metric. The granularity and the method are ones that the
// metric has; see Kept.
type Want struct {
	Ref         metricdef.Ref
	Method      policy.Method
	Granularity int64 // nanoseconds, above 0
	// Start and Stop bound the starts of the buckets, nanoseconds: from that of the bucket that Start lies in, to those before Stop.
	Start, Stop int64
}

// Column is what there is of a Want: the starts of buckets, nanoseconds, ascending, and their values. Buckets without a value are not in it.
type Column struct {
	Times  []int64
	Values []float64
}

// Queries prepares and bounds queries; query.Engine does.
type Queries interface {
	Prepare(ctx context.Context, r query.Request) (*query.Query, error)
	Admit(most, cost query.Cost) error
}

// batch is one query of the engine: wants that differ by their metrics only. Their places are in order of the metrics.
type batch struct {
	Want
	places []int
	query  *query.Query
}

// Plan is a read that has been held against the limits. It is run once.
type Plan struct {
	wants   []Want
	batches []batch
	samples int64
}

// Prepare finds out what a read costs, and refuses what is more than most allows or the limits of the service; the error is one of the
// engine then. Nothing is read.
func Prepare(ctx context.Context, q Queries, most query.Cost, wants []Want) (*Plan, error) {
	p := &Plan{wants: wants}
	places := make(map[Want]int)
	for i, w := range wants {
		w.Ref = 0
		at, ok := places[w]
		if !ok {
			at = len(p.batches)
			places[w] = at
			p.batches = append(p.batches, batch{Want: w})
		}
		p.batches[at].places = append(p.batches[at].places, i)
	}
	var cost query.Cost
	for i := range p.batches {
		b := &p.batches[i]
		slices.SortStableFunc(b.places, func(a, b int) int { return int(wants[a].Ref) - int(wants[b].Ref) })
		start, stop := floor(b.Start, b.Granularity), ceil(b.Stop, b.Granularity)
		if start >= stop {
			continue
		}
		r := query.Request{From: start, To: stop, Buckets: query.Buckets{Step: b.Granularity}, Over: b.Method, Kept: true, Most: most}
		for _, at := range b.places {
			r.Refs = append(r.Refs, wants[at].Ref)
		}
		var err error
		if b.query, err = q.Prepare(ctx, r); err != nil {
			return nil, err
		}
		cost = cost.Add(b.query.Cost())
		if err := q.Admit(most, cost); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Run reads all columns, in the order of the wants. Of a metric that is wanted twice in the same way both are the same column, so they are
// not to be changed.
func (p *Plan) Run(ctx context.Context) ([]Column, error) {
	out := make([]Column, len(p.wants))
	for i := range p.batches {
		b := &p.batches[i]
		if b.query == nil {
			continue
		}
		left := b.places
		err := b.query.Run(ctx, func(f *query.Frame) error {
			c := Column{Times: slices.Clone(f.Times), Values: slices.Clone(f.Values)}
			for len(left) > 0 && p.wants[left[0]].Ref == f.Ref {
				out[left[0]] = c
				left = left[1:]
			}
			return nil
		})
		p.samples += b.query.Read()
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Samples is how many raw samples Run has gone through.
func (p *Plan) Samples() int64 { return p.samples }

// floor is the border of buckets at or before t.
func floor(t, step int64) int64 {
	t = min(max(t, Earliest), Latest)
	k := t / step
	if t%step < 0 {
		k--
	}
	return k * step
}

// ceil is the border of buckets at or behind t.
func ceil(t, step int64) int64 {
	b := floor(t, step)
	if b < min(t, Latest) {
		b += step
	}
	return b
}
