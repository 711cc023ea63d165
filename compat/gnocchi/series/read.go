package series

import (
	"cmp"
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
	cost    query.Cost
	samples int64
}

// Prepare finds out what a read of columns costs, and refuses what is more than most allows or the limits of the service; the error is one of the
// engine then. Nothing is read. Columns reads them.
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
	for i := range p.batches {
		slices.SortStableFunc(p.batches[i].places, func(a, b int) int { return cmp.Compare(wants[a].Ref, wants[b].Ref) })
	}
	return p, p.prepare(ctx, q, most, false)
}

// PrepareParts is Prepare for columns that are read one after the other and part by part, by Parts: of a long one no more is in memory than a part.
func PrepareParts(ctx context.Context, q Queries, most query.Cost, wants []Want) (*Plan, error) {
	p := &Plan{wants: wants}
	for i, w := range wants {
		p.batches = append(p.batches, batch{Want: w, places: []int{i}})
	}
	return p, p.prepare(ctx, q, most, true)
}

func (p *Plan) prepare(ctx context.Context, q Queries, most query.Cost, parts bool) error {
	for i := range p.batches {
		b := &p.batches[i]
		start, stop := floor(b.Start, b.Granularity), ceil(b.Stop, b.Granularity)
		if start >= stop {
			continue
		}
		r := query.Request{From: start, To: stop, Buckets: query.Buckets{Step: b.Granularity}, Over: b.Method, Kept: true, Most: most, Pieces: parts}
		for _, at := range b.places {
			r.Refs = append(r.Refs, p.wants[at].Ref)
		}
		var err error
		if b.query, err = q.Prepare(ctx, r); err != nil {
			return err
		}
		p.cost = p.cost.Add(b.query.Cost())
		if err := q.Admit(most, p.cost); err != nil {
			return err
		}
	}
	return nil
}

// Cost is what the read costs, by what was known of it before.
func (p *Plan) Cost() query.Cost { return p.cost }

// Columns reads all columns, in the order of the wants. Of a metric that is wanted twice in the same way both are the same column, so they are
// not to be changed.
func (p *Plan) Columns(ctx context.Context) ([]Column, error) {
	out := make([]Column, len(p.wants))
	for i := range p.batches {
		b := &p.batches[i]
		left := b.places
		err := p.run(ctx, b, func(f *query.Frame) error {
			c := Column{Times: slices.Clone(f.Times), Values: slices.Clone(f.Values)}
			for len(left) > 0 && p.wants[left[0]].Ref == f.Ref {
				out[left[0]] = c
				left = left[1:]
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Parts reads one column after the other and hands parts of it to fn with the place of the want, in ascending order; last says that it is the
// last one of that column, which may be empty. A part is fn's until it returns.
func (p *Plan) Parts(ctx context.Context, fn func(want int, part Column, last bool) error) error {
	for i := range p.batches {
		err := p.run(ctx, &p.batches[i], func(f *query.Frame) error { return fn(i, Column{f.Times, f.Values}, false) })
		if err == nil {
			err = fn(i, Column{}, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) run(ctx context.Context, b *batch, fn func(*query.Frame) error) error {
	if b.query == nil {
		return nil
	}
	err := b.query.Run(ctx, fn)
	p.samples += b.query.Read()
	return err
}

// Samples is how many raw samples have been read.
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
