package query

import (
	"context"
	"slices"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant/queue"
)

// Run answers the query, a frame after the other: the series in the order of their refs, or the groups in the order of
// their tags. Series and groups without a point are answered too. A frame is the engine's again when yield returns. An
// error of yield ends the query. Run is called once.
func (q *Query) Run(ctx context.Context, yield func(*Frame) error) error {
	if q.request.grouped() {
		return q.runGroups(ctx, yield)
	}
	if q.request.Pieces {
		return q.runPieces(ctx, yield)
	}
	ring := takeRing(q.ring(len(q.refs)))
	defer ring.release()
	frames := ring.frames
	c := q.crew(ctx, len(q.refs))
	defer q.release(c)
	return q.each(ctx, c, len(q.refs), func(ctx context.Context, w *worker, i, slot int) error {
		f := &frames[slot]
		f.reset()
		f.Ref, f.Series = q.refs[i], 1
		err := q.single(ctx, w, i, f)
		if err == nil && q.request.Beside != nil {
			q.request.Beside(f)
			w.turn.Spent(int64(len(f.Bytes))) // a byte of text takes about a unit
		}
		return err
	}, func(_, slot int) error { return yield(&frames[slot]) })
}

// runPieces answers samples, or buckets, in a frame for each slice.
func (q *Query) runPieces(ctx context.Context, yield func(*Frame) error) error {
	ring := takeRing(1)
	defer ring.release()
	f := &ring.frames[0]
	c := q.crew(ctx, 1)
	defer q.release(c)
	return q.each(ctx, c, len(q.refs), func(ctx context.Context, w *worker, i, _ int) error {
		begin := func() {
			f.reset()
			f.Ref, f.Series = q.refs[i], 1
			f.Kind, _ = q.overKind(q.kinds[i])
		}
		begin()
		pieces := q.samples
		if q.step > 0 {
			pieces = q.pieces
		}
		return pieces(ctx, w, i, f, func() error {
			w.turn.End() // yield may wait for whoever reads the answer
			if f.Len() > 0 {
				if err := yield(f); err != nil {
					return err
				}
			}
			begin()
			return w.turn.Begin(ctx)
		})
	}, func(int, int) error { return nil })
}

// single makes the frame of one series.
func (q *Query) single(ctx context.Context, w *worker, i int, f *Frame) error {
	f.Kind, _ = q.overKind(q.kinds[i])
	if q.step == 0 {
		return q.samples(ctx, w, i, f, nil)
	}
	all := q.lead + q.buckets
	if q.columns() > 0 {
		w.table.begin(q.columns())
		if err := q.series(ctx, w, i, 0, all, w.many(q, &w.table)); err != nil {
			return err
		}
		f.Origins = append(f.Origins, w.origins...)
		q.lay(f, &w.table)
		return nil
	}
	w.points.reset()
	if err := q.series(ctx, w, i, 0, all, w.one(q.over, &w.points)); err != nil {
		return err
	}
	f.Origins = append(f.Origins, w.origins...)
	q.fill(f, w.points)
	q.spell(f)
	return nil
}

// series hands dst the buckets of a series that lie in [from, to), as far as they have a value. Their numbers count from lead
// buckets before the range on, and so do from and to.
func (q *Query) series(ctx context.Context, w *worker, i int, from, to int64, dst sink) error {
	ref, kind := q.refs[i], q.kinds[i]
	w.origins = w.origins[:0]
	up := countsUp(kind, q.over)
	begin := q.base - q.lead*q.step
	w.buckets.begin(dst, begin, q.step)
	add := func(times []int64, values []float64) {
		if up {
			toUp(values)
		}
		w.buckets.add(times, values)
		if q.columns() > 0 {
			w.turn.Spent(q.workOfSamples(len(times)))
		}
	}
	part := func(floor, start, end int64) error {
		w.rate.begin(q.request.Rate, q.differences, floor)
		s := q.divideTiers(i, start, end)
		w.origins = s.origins(w.origins)
		if err := w.walk(ctx, ref, kind, s.from, s.tierFrom, add); err != nil {
			return err
		}
		w.buckets.end()
		if s.granularity == 0 {
			return nil
		}
		if err := w.tierBuckets(ctx, ref, q, s); err != nil {
			return err
		}
		if err := w.walk(ctx, ref, kind, s.tierTo, s.to, add); err != nil {
			return err
		}
		w.buckets.end()
		return nil
	}
	if from < q.lead {
		if err := part(begin, begin+from*q.step, begin+min(to, q.lead)*q.step); err != nil {
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
		return part(q.request.From, start, end)
	}
	return nil
}

// samples makes the frame of the samples of a series themselves; or one for each slice, of which piece is told, and which it empties.
func (q *Query) samples(ctx context.Context, w *worker, i int, f *Frame, piece func() error) error {
	ref, kind := q.refs[i], q.kinds[i]
	from, to := q.request.From, q.request.To
	w.rate.begin(q.request.Rate, false, from)
	raw := kind
	if kind == metricdef.KindInt && !w.rate.on {
		raw = metricdef.KindFloat // as words, so that they stay exact
	}
	f.Origins = append(f.Origins, Origin{From: from})
	size := int64(sliceSamples)
	if l := q.request.Limit; l > 0 {
		size = min(size, l)
	}
	for left := q.request.Limit; from < to; {
		if q.request.Limit > 0 && left <= 0 {
			break
		}
		w.worked(len(w.reader.Times)) // in the last round
		lo, hi := from, to
		if q.request.Desc {
			lo = w.source.Border(ref, from, to, size, true)
			to = lo
			w.rate.fresh = true
		} else {
			hi = w.source.Border(ref, from, to, size, false)
			from = hi
		}
		times, values, err := w.slice(ctx, ref, raw, lo, hi)
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
		if left -= int64(len(times)); q.request.Limit > 0 && left < 0 {
			f.cut(0, len(f.Times)+int(left))
		}
		if piece == nil {
			continue
		}
		q.spell(f)
		if err := piece(); err != nil {
			return err
		}
	}
	q.spell(f)
	return nil
}

// pieces makes a frame of the buckets of a series for each slice, of which piece is told, and which it empties.
func (q *Query) pieces(ctx context.Context, w *worker, i int, f *Frame, piece func() error) error {
	for from := int64(0); from < q.buckets; {
		to := q.pieceEnd(i, from)
		w.points.reset()
		if err := q.series(ctx, w, i, from, to, w.one(q.over, &w.points)); err != nil {
			return err
		}
		f.Origins = append(f.Origins, w.origins...)
		q.fill(f, w.points)
		q.spell(f)
		if err := piece(); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// pieceEnd is the number of the bucket that the slice behind the one which begins with bucket from begins with.
func (q *Query) pieceEnd(i int, from int64) int64 {
	ref, source := q.refs[i], q.engine.source
	start := max(q.base+from*q.step, q.request.From)
	s := q.divideTiers(i, start, q.request.To)
	var end int64
	switch start = max(start, s.from); {
	case start < s.tierFrom:
		end = source.Border(ref, start, s.tierFrom, sliceSamples, false)
	case start < s.tierTo:
		end = source.TierBorder(ref, s.tier, q.over, start, s.tierTo, sliceSamples)
	case start < s.to:
		end = source.Border(ref, start, s.to, sliceSamples, false)
	default:
		return q.buckets
	}
	if end >= s.to {
		return q.buckets
	}
	return max((q.border(end, false)-q.base)/q.step, from+1)
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
	n := len(f.Tags)
	f.Tags = append(f.Tags, make([]string, len(times))...)
	if len(w.tagged.Times) == 0 {
		return nil
	}
	k := 0
	for i, t := range times {
		for k < len(w.tagged.Times) && w.tagged.Times[k] < t {
			k++
		}
		if k < len(w.tagged.Times) && w.tagged.Times[k] == t {
			f.Tags[n+i] = w.tagged.Texts[k]
		}
	}
	return nil
}

// cellsAtOnce is how many values of series a group holds at the same time while it is combined.
const cellsAtOnce = 1 << 21

func (q *Query) runGroups(ctx context.Context, yield func(*Frame) error) error {
	ring := takeRing(1)
	defer ring.release()
	f := &ring.frames[0]
	c := combiners.Get().(*combiner)
	c.turn = queue.From(ctx).Turn()
	defer func() {
		c.turn.End()
		c.turn = queue.Turn{}
		c.release()
	}()
	for i := range q.groups {
		g := &q.groups[i]
		f.reset()
		f.Group, f.Series = g.tags, len(g.members)
		f.Kind = g.made
		frame := q.across
		if q.request.Pool {
			frame = q.pooled
		}
		if err := frame(ctx, c, g, f); err != nil {
			return err
		}
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// across makes the frame of a group.
func (q *Query) across(ctx context.Context, c *combiner, g *group, f *Frame) error {
	columns, err := q.combined(ctx, c, g, f)
	if err != nil {
		return err
	}
	if q.columns() > 0 {
		c.table.begin(len(columns))
		c.table.join(columns)
		q.lay(f, &c.table)
		return nil
	}
	q.fill(f, columns[0])
	q.spell(f)
	return nil
}

// combined makes the points of a group, by columns. It goes through the range in parts, so that no more values than cellsAtOnce or so
// are held, however many series there are.
func (q *Query) combined(ctx context.Context, c *combiner, g *group, f *Frame) ([]points, error) {
	cells := int64(0)
	all := q.lead + q.buckets
	for _, m := range g.members {
		cells = sum(cells, min(q.weights[m], all))
	}
	columns := max(q.columns(), 1)
	width := max(all/(cells/max(cellsAtOnce/int64(columns), 1)+1), 1)
	rows := make([][]points, columns) // of each column, the members
	for i := range rows {
		rows[i] = make([]points, len(g.members))
	}
	origins := make([][]Origin, len(g.members))
	crew := q.crew(ctx, len(g.members))
	defer q.release(crew)
	up := countsUp(g.kind, q.request.Across)
	out := make([]points, columns)
	for from := int64(0); from < all; from += width {
		to := all
		if all-from > width {
			to = from + width
		}
		for _, w := range crew {
			w.clearArenas(columns)
		}
		err := q.each(ctx, crew, len(g.members), func(ctx context.Context, w *worker, i, _ int) error {
			dst := w.one(q.over, &w.arenas[0])
			if q.columns() > 0 {
				dst = w.many(q, nil)
			}
			starts := w.lengths(columns)
			err := q.series(ctx, w, g.members[i], from, to, dst)
			if !slices.Equal(origins[i], w.origins) {
				origins[i] = slices.Clone(w.origins)
			}
			// What another row adds goes behind this one, or to other memory.
			for col := range w.arenas {
				a := &w.arenas[col]
				rows[col][i] = points{a.at[starts[col]:], a.values[starts[col]:]}
				if up {
					toUp(rows[col][i].values)
				}
			}
			return err
		}, func(int, int) error { return nil })
		if err != nil {
			return nil, err
		}
		for i := range origins {
			f.Origins = joinOrigins(f.Origins, origins[i])
		}
		if err := c.turn.Begin(ctx); err != nil {
			return nil, err
		}
		for col := range rows {
			c.combine(&out[col], q.request.Across, rows[col])
		}
		c.turn.End()
		if to == all {
			break
		}
	}
	return out, nil
}
