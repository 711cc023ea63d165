package query

import (
	"context"
	"math/bits"
	"slices"

	"granary/measures"
	"granary/metricdef"
)

// pooledAtOnce is how many samples of series that are put together are held at the same time, or so; it is more where there are
// many series, so that each part has enough of each.
const pooledAtOnce = 1 << 18

// leastOfEach is how many samples of each series a part has, if that is not too much.
const leastOfEach = 1 << 11

// poolKind is the kind of the values of series that are put together, and of the points that are made of them.
func (q *Query) poolKind(g *group, kind metricdef.Kind) (values, made metricdef.Kind, err error) {
	if q.request.Rate.on() {
		kind = metricdef.KindFloat
	}
	switch {
	case g.kind == 0 || g.kind == kind:
	case g.kind.Numeric() && kind.Numeric():
		kind = metricdef.KindFloat
	default:
		return 0, 0, wrong("pool", "there are values of the kinds %s and %s, which are no samples of one series", g.kind, kind)
	}
	switch {
	case q.step == 0:
		return kind, kind, nil
	case q.columns() > 0:
		return kind, metricdef.KindFloat, nil
	}
	made, _ = aggregated(kind, q.over) // overKind has refused what cannot be had
	return kind, made, nil
}

// pooled makes the frame of series whose samples are put together. It goes through the range in parts of a bounded number of samples,
// if these lie evenly.
func (q *Query) pooled(ctx context.Context, c *combiner, g *group, f *Frame) error {
	crew := q.crew(ctx, len(g.members))
	defer q.release(crew)
	p := pooler{q: q, c: c, crew: crew, g: g, rows: make([]points, len(g.members))}
	f.Origins = append(f.Origins, Origin{From: q.request.From})
	if q.step == 0 {
		return p.samples(ctx, f)
	}
	w := crew[0] // it has nothing else to do when parts are put together
	var dst sink
	if q.columns() > 0 {
		w.table.begin(q.columns())
		dst = w.many(q, &w.table)
	} else {
		w.points.reset()
		dst = w.one(q.over, &w.points)
	}
	begin := q.base - q.lead*q.step
	w.buckets.begin(dst, begin, q.step)
	up := countsUp(g.kind, q.over)
	span := func(from, to int64) error {
		if err := p.each(ctx, from, to, false, func(s points) bool {
			if up {
				toUp(s.values)
			}
			w.buckets.add(s.at, s.values)
			c.turn.Spent(q.workOfSamples(len(s.at)))
			return true
		}); err != nil {
			return err
		}
		if err := c.turn.Begin(ctx); err != nil { // what waits may be all there is
			return err
		}
		w.buckets.end()
		c.turn.End()
		return nil
	}
	if q.lead > 0 {
		if err := span(begin, q.base); err != nil {
			return err
		}
	}
	if err := span(q.request.From, q.request.To); err != nil {
		return err
	}
	if q.columns() > 0 {
		q.lay(f, &w.table)
		return nil
	}
	q.fill(f, w.points)
	q.spell(f)
	return nil
}

// pooler puts the samples of the series of a group together.
type pooler struct {
	q    *Query
	c    *combiner
	crew crew
	g    *group
	rows []points // of a part, the samples of each series
	room int      // samples that a part has, or so
}

// samples makes the frame of the samples themselves.
func (p *pooler) samples(ctx context.Context, f *Frame) error {
	limit, desc := int(min(p.q.request.Limit, plenty)), p.q.request.Desc
	err := p.each(ctx, p.q.request.From, p.q.request.To, desc, func(s points) bool {
		if desc {
			slices.Reverse(s.at)
			slices.Reverse(s.values)
		}
		f.Times = append(f.Times, s.at...)
		if f.Kind == metricdef.KindInt {
			for _, v := range s.values {
				f.Ints = append(f.Ints, measures.WordInt(v))
			}
		} else {
			f.Values = append(f.Values, s.values...)
		}
		return limit == 0 || len(f.Times) < limit
	})
	if err != nil {
		return err
	}
	if limit > 0 && len(f.Times) > limit {
		f.cut(0, limit)
	}
	p.q.spell(f)
	return nil
}

// each hands over the samples of [from, to), a part of the range after the other, in the order of time and then of the refs, until
// fn says that it has enough. The samples are fn's until it returns.
func (p *pooler) each(ctx context.Context, from, to int64, back bool, fn func(points) (more bool)) error {
	parts, lo, width := p.parts(from, to)
	for k := range parts {
		if back {
			k = parts - 1 - k
		}
		a, b := from, to
		if k > 0 {
			a = min(lo+k*width, to)
		}
		if k < parts-1 {
			b = min(lo+(k+1)*width, to)
		}
		if a >= b {
			continue
		}
		if err := p.read(ctx, from, a, b); err != nil {
			return err
		}
		if err := p.c.turn.Begin(ctx); err != nil {
			return err
		}
		s := p.c.merge(p.rows)
		p.c.turn.Spent(workOfSample * int64(len(s.at)))
		more := fn(s)
		p.c.turn.End()
		if !more {
			break
		}
	}
	return nil
}

// parts divides the time in which there are samples into so many equal parts, of which the first begins at lo.
func (p *pooler) parts(from, to int64) (n, lo, width int64) {
	samples := int64(0)
	for _, m := range p.g.members {
		samples = sum(samples, p.q.weights[m])
	}
	atOnce := min(max(pooledAtOnce, leastOfEach*int64(len(p.g.members))), cellsAtOnce)
	n = samples/atOnce + 1
	p.room = int(samples / n)
	if n == 1 {
		return 1, from, 0
	}
	lo, hi := to, from
	for _, m := range p.g.members {
		if b, ok := p.q.engine.source.Bounds(p.q.refs[m], from, to); ok {
			lo, hi = min(lo, b.First), max(hi, b.Last)
		}
	}
	lo, hi = max(lo, from), min(hi, to)
	if lo >= hi {
		return 1, from, 0
	}
	return n, lo, (hi-lo)/n + 1
}

// read reads the samples of [from, to) of all series, or the rates there, in a range that begins at floor.
func (p *pooler) read(ctx context.Context, floor, from, to int64) error {
	q := p.q
	for _, w := range p.crew {
		w.clearArenas(1)
		w.arenas[0].grow(p.room / len(p.crew))
	}
	return q.each(ctx, p.crew, len(p.rows), func(ctx context.Context, w *worker, i, _ int) error {
		m := p.g.members[i]
		kind := q.kinds[m]
		w.rate.begin(q.request.Rate, q.differences, floor)
		if p.g.made == metricdef.KindInt && !w.rate.on {
			kind = metricdef.KindFloat // as words, so that they stay exact
		}
		a := &w.arenas[0]
		n := len(a.at)
		err := w.walk(ctx, q.refs[m], kind, from, to, func(times []int64, values []float64) {
			a.at, a.values = append(a.at, times...), append(a.values, values...)
		})
		// What another row adds goes behind this one, or to other memory.
		p.rows[i] = points{a.at[n:], a.values[n:]}
		return err
	}, func(int, int) error { return nil })
}

// insertAtMost is how far samples out of order are moved one by one.
const insertAtMost = 32

// merge puts rows together by time, and where times are equal in the order of the rows. It deals the samples out to slots of time, as
// many as there are samples or so, which leaves little to sort.
func (c *combiner) merge(rows []points) points {
	n, lo, hi := 0, int64(0), int64(0)
	some := points{}
	for _, r := range rows {
		if len(r.at) == 0 {
			continue
		}
		if n == 0 {
			lo, hi, some = r.at[0], r.at[len(r.at)-1], r
		}
		lo, hi = min(lo, r.at[0]), max(hi, r.at[len(r.at)-1])
		n += len(r.at)
	}
	if n == len(some.at) {
		return some
	}
	shift := max(bits.Len64(uint64(hi-lo))-bits.Len64(uint64(n)), 0)
	slots := int(uint64(hi-lo)>>shift) + 1
	if cap(c.slots) < slots+1 {
		c.slots = make([]uint32, slots+1)
	}
	starts := c.slots[:slots+1]
	clear(starts)
	for _, r := range rows {
		for _, t := range r.at {
			starts[uint64(t-lo)>>shift+1]++
		}
	}
	for k := range slots {
		starts[k+1] += starts[k]
	}
	c.values = resize(c.values, n)
	if cap(c.times) < n {
		c.times = make([]int64, n)
	}
	s := points{c.times[:n], c.values}
	for _, r := range rows {
		for j, t := range r.at {
			k := uint64(t-lo) >> shift
			at := starts[k]
			starts[k]++
			s.at[at], s.values[at] = t, r.values[j]
		}
	}
	begin := uint32(0)
	for _, end := range starts[:slots] {
		c.sortSlot(points{s.at[begin:end], s.values[begin:end]})
		begin = end
	}
	return s
}

// sortSlot sorts by time and keeps the order of equal times.
func (c *combiner) sortSlot(s points) {
	for i := 1; i < len(s.at); i++ {
		t, v := s.at[i], s.values[i]
		j := i
		for ; j > 0 && s.at[j-1] > t && i-j < insertAtMost; j-- {
			s.at[j], s.values[j] = s.at[j-1], s.values[j-1]
		}
		s.at[j], s.values[j] = t, v
		if j > 0 && s.at[j-1] > t { // too far: there is much out of order
			c.sortCells(s)
			return
		}
	}
}

// sortCells is sortSlot for many.
func (c *combiner) sortCells(s points) {
	c.cells = c.cells[:0]
	for i, t := range s.at {
		c.cells = append(c.cells, cell{t, s.values[i]})
	}
	slices.SortStableFunc(c.cells, cell.compare)
	for i, x := range c.cells {
		s.at[i], s.values[i] = x.at, x.value
	}
}
