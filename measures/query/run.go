package query

import (
	"context"
	"slices"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant/queue"
)

// Run answers the query, a frame after the other: the series in the order of their refs, or the groups in the order of
// their tags. Series and groups without a point are answered too. A frame is the engine's again when yield returns. An
// error of yield ends the query. Run is called once.
func (q *Query) Run(ctx context.Context, yield func(*Frame) error) error {
	if q.request.Across != policy.NoMethod {
		return q.runGroups(ctx, yield)
	}
	frames := make([]Frame, q.ring(len(q.refs)))
	c := q.crew(ctx, len(q.refs))
	defer q.release(c)
	return q.each(ctx, c, len(q.refs), func(ctx context.Context, w *worker, i, slot int) error {
		f := &frames[slot]
		f.reset()
		f.Ref, f.Series = q.refs[i], 1
		return q.single(ctx, w, i, f)
	}, func(_, slot int) error { return yield(&frames[slot]) })
}

// single makes the frame of one series.
func (q *Query) single(ctx context.Context, w *worker, i int, f *Frame) error {
	f.Kind, _ = q.overKind(q.kinds[i])
	if q.step == 0 {
		return q.samples(ctx, w, i, f)
	}
	w.points.reset()
	if err := q.series(ctx, w, i, 0, q.lead+q.buckets, &w.points); err != nil {
		return err
	}
	f.Origins = append(f.Origins, w.origins...)
	q.fill(f, w.points)
	q.spell(f)
	return nil
}

// series appends the buckets of a series that lie in [from, to), as far as they have a value. Their numbers count from lead
// buckets before the range on, and so do from and to.
func (q *Query) series(ctx context.Context, w *worker, i int, from, to int64, dst *points) error {
	ref, kind := q.refs[i], q.kinds[i]
	switch {
	case q.request.Rate:
		w.rate.how = perSecond
	case q.over.IsRate():
		w.rate.how = difference
	default:
		w.rate.how = noRate
	}
	w.origins = w.origins[:0]
	up := countsUp(kind, q.over)
	begin := q.base - q.lead*q.step
	w.buckets.begin(q.over, begin, q.step)
	add := func(times []int64, values []float64) {
		if up {
			toUp(values)
		}
		w.buckets.add(dst, times, values)
	}
	part := func(start, end int64) error {
		s := q.divideTiers(i, start, end)
		w.origins = s.origins(w.origins)
		if err := w.walk(ctx, ref, kind, s.from, s.tierFrom, add); err != nil {
			return err
		}
		w.buckets.end(dst)
		if s.granularity == 0 {
			return nil
		}
		if err := w.tierBuckets(ctx, ref, q, s, dst); err != nil {
			return err
		}
		if err := w.walk(ctx, ref, kind, s.tierTo, s.to, add); err != nil {
			return err
		}
		w.buckets.end(dst)
		return nil
	}
	if from < q.lead {
		if err := part(begin+from*q.step, begin+min(to, q.lead)*q.step); err != nil {
			return err
		}
		w.origins = w.origins[:0] // those of the range count
	}
	if to > q.lead {
		start, end := q.request.From, q.request.To
		if from > q.lead {
			start = max(start, begin+from*q.step)
		}
		if to < q.lead+q.buckets {
			end = min(end, begin+to*q.step)
		}
		return part(start, end)
	}
	return nil
}

// samples makes the frame of the samples of a series themselves.
func (q *Query) samples(ctx context.Context, w *worker, i int, f *Frame) error {
	ref, kind := q.refs[i], q.kinds[i]
	w.rate.how = noRate
	if q.request.Rate {
		w.rate.how = perSecond
	}
	raw := kind
	if kind == metricdef.KindInt && !q.request.Rate {
		raw = metricdef.KindFloat // as words, so that they stay exact
	}
	from, to := q.request.From, q.request.To
	f.Origins = append(f.Origins, Origin{From: from})
	size := int64(sliceSamples)
	if l := q.request.Limit; l > 0 {
		size = min(size, l)
	}
	for fresh := true; from < to; fresh = false {
		if l := q.request.Limit; l > 0 && int64(len(f.Times)) >= l {
			break
		}
		w.worked(len(w.reader.Times)) // in the last round
		lo, hi := from, to
		if q.request.Desc {
			lo = w.source.Border(ref, from, to, size, true)
			to = lo
		} else {
			hi = w.source.Border(ref, from, to, size, false)
			from = hi
		}
		times, values, err := w.slice(ctx, ref, raw, lo, hi, fresh || q.request.Desc)
		if err != nil {
			return err
		}
		tags := len(f.Tags)
		if q.request.PointTags {
			if err := w.tags(ctx, f, ref, lo, hi, times); err != nil {
				return err
			}
		}
		if q.request.Desc {
			slices.Reverse(times)
			slices.Reverse(values)
			slices.Reverse(f.Tags[tags:])
		}
		f.Times = append(f.Times, times...)
		if f.Kind == metricdef.KindInt {
			for _, v := range values {
				f.Ints = append(f.Ints, measures.WordInt(v))
			}
		} else {
			f.Values = append(f.Values, values...)
		}
	}
	if l := q.request.Limit; l > 0 && int64(len(f.Times)) > l {
		f.cut(0, int(l))
	}
	q.spell(f)
	return nil
}

// spell puts the texts of a frame in the place of their numbers.
func (q *Query) spell(f *Frame) {
	if f.Kind == metricdef.KindText {
		f.Texts = q.texts.appendTexts(f.Texts[:0], f.Values, f.Present)
	}
}

// tags appends the tags of the points at these times, which lie in [from, to).
func (w *worker) tags(ctx context.Context, f *Frame, ref metricdef.Ref, from, to int64, times []int64) error {
	if err := w.source.ReadTags(ctx, &w.tagged, ref, from, to); err != nil {
		return err
	}
	k := 0
	for _, t := range times {
		for k < len(w.tagged.Times) && w.tagged.Times[k] < t {
			k++
		}
		if k < len(w.tagged.Times) && w.tagged.Times[k] == t {
			f.Tags = append(f.Tags, w.tagged.Texts[k])
		} else {
			f.Tags = append(f.Tags, "")
		}
	}
	return nil
}

// cellsAtOnce is how many values of series a group holds at the same time while it is combined.
const cellsAtOnce = 1 << 21

func (q *Query) runGroups(ctx context.Context, yield func(*Frame) error) error {
	var f Frame
	c := combiner{turn: queue.From(ctx).Turn()}
	defer c.turn.End()
	for i := range q.groups {
		g := &q.groups[i]
		f.reset()
		f.Group, f.Series = g.tags, len(g.members)
		kind, err := acrossKind(g.kind, q.request.Across)
		if err != nil {
			return err
		}
		f.Kind = kind
		p, err := q.combined(ctx, &c, g, &f)
		if err != nil {
			return err
		}
		q.fill(&f, p)
		q.spell(&f)
		if err := yield(&f); err != nil {
			return err
		}
	}
	return nil
}

// combined makes the points of a group. It goes through the range in parts, so that no more values than cellsAtOnce or so
// are held, however many series there are.
func (q *Query) combined(ctx context.Context, c *combiner, g *group, f *Frame) (points, error) {
	cells := int64(0)
	all := q.lead + q.buckets
	for _, m := range g.members {
		cells = sum(cells, min(q.weights[m], all))
	}
	width := max(all/(cells/cellsAtOnce+1), 1)
	rows := make([]points, len(g.members))
	origins := make([][]Origin, len(g.members))
	crew := q.crew(ctx, len(rows))
	defer q.release(crew)
	up := countsUp(g.kind, q.request.Across)
	var out points
	for from := int64(0); from < all; from += width {
		to := all
		if all-from > width {
			to = from + width
		}
		for _, w := range crew {
			w.arena.reset()
		}
		err := q.each(ctx, crew, len(rows), func(ctx context.Context, w *worker, i, _ int) error {
			n := len(w.arena.at)
			err := q.series(ctx, w, g.members[i], from, to, &w.arena)
			// What another row adds goes behind this one, or to other memory.
			if !slices.Equal(origins[i], w.origins) {
				origins[i] = slices.Clone(w.origins)
			}
			rows[i] = points{w.arena.at[n:], w.arena.values[n:]}
			if up {
				toUp(rows[i].values)
			}
			return err
		}, func(int, int) error { return nil })
		if err != nil {
			return points{}, err
		}
		for i := range origins {
			f.Origins = joinOrigins(f.Origins, origins[i])
		}
		if err := c.turn.Begin(ctx); err != nil {
			return points{}, err
		}
		c.combine(&out, q.request.Across, rows)
		c.turn.End()
		if to == all {
			break
		}
	}
	return out, nil
}
