package query

import (
	"context"
	"slices"

	"granary/metricdef"
	"granary/policy"
)

// stretch is a part of the range and where its buckets come from: raw samples from from to tierFrom and from tierTo to to,
// aggregates of a tier between them. The latter are empty if there is no tier.
type stretch struct {
	from, tierFrom, tierTo, to int64
	tier                       int
	granularity                int64
}

// divideTiers says where the buckets of [from, to) of a series come from. A tier gives whole buckets, as far back as it goes.
// A bucket that the range cuts comes from raw samples; where these are no more, the tier gives all of the bucket rather than
// nothing.
func (q *Query) divideTiers(i int, from, to int64) stretch {
	s := stretch{from: from, tierFrom: to, tierTo: to, to: to}
	ref, source := q.refs[i], q.engine.source
	kind := q.kinds[i]
	if q.request.Rate.on() || q.step == 0 || kind == metricdef.KindText || countsUp(kind, q.over) {
		return s // tiers know neither rates per second nor texts, nor which states are up
	}
	tier, ok := q.tierFor(ref)
	if !ok {
		return s
	}
	first, last, ok := source.TierBounds(ref, tier)
	g := source.TierGranularity(ref, tier)
	if q.request.Kept && g == q.step {
		if !ok {
			s.from, s.tierFrom, s.tierTo = to, to, to
			return s
		}
		s.tier, s.granularity = tier, g
		s.tierFrom = max(q.border(from, false), first)
		s.tierTo = max(s.tierFrom, min(q.border(to, true), last+g))
		s.from, s.to = s.tierFrom, s.tierTo
		return s
	}
	if !ok || g <= 0 || q.base%g != 0 {
		return s
	}
	lo := q.border(from, true)
	if lo > from {
		if cut := q.border(from, false); first <= cut && !q.rawSince(ref, from) {
			lo = cut
		}
	}
	hi := q.border(to, false)
	if hi < to && hi <= last && !q.rawSince(ref, hi) {
		hi = q.border(to, true)
	}
	// Raw samples give what is older than the tier goes. Those that live only in its window go when it suits the store, and what is left
	// of them behind the tier would be no whole bucket.
	window := source.WindowOnly(ref)
	oldest := q.border(first, !window)
	if window {
		s.from = min(max(from, oldest), to)
	}
	lo, hi = max(lo, oldest), min(hi, q.border(last+g, true))
	if lo >= hi {
		return s
	}
	s.tier, s.granularity, s.tierFrom, s.tierTo = tier, g, lo, hi
	return s
}

// tierFor is the tier that has what the query wants of a series: all of it, else it comes from raw samples.
func (q *Query) tierFor(ref metricdef.Ref) (tier int, ok bool) {
	if q.request.Pool {
		return 0, false
	}
	if q.columns() == 0 {
		return q.engine.source.TierFor(ref, q.step, q.over)
	}
	if len(q.request.Extra) > 0 {
		return 0, false
	}
	for i, m := range q.request.Overs {
		t, ok := q.engine.source.TierFor(ref, q.step, m)
		if !ok || i > 0 && t != tier {
			return 0, false
		}
		tier = t
	}
	return tier, true
}

// border is the border of a bucket that is next to a time: the first one at or behind it if up, else the last one at or
// before it.
func (q *Query) border(t int64, up bool) int64 {
	k := floorDiv(t-q.base, q.step)
	b := q.base + k*q.step
	if up && b < t {
		b += q.step
	}
	return b
}

// rawSince says whether the raw samples of a series reach back to a time, so that what lies behind it is all there.
func (q *Query) rawSince(ref metricdef.Ref, t int64) bool {
	b, ok := q.engine.source.Bounds(ref, t, t)
	return ok && b.Since <= t
}

// weight bounds what is read for a stretch.
func (q *Query) weight(ref metricdef.Ref, s stretch) int64 {
	source := q.engine.source
	if s.granularity == 0 {
		return min(source.Weight(ref, s.from, s.to), plenty)
	}
	m := q.over
	if q.columns() > 0 {
		m = q.request.Overs[0] // they all have the same buckets, or nearly so
	}
	n := source.TierWeight(ref, s.tier, m, s.tierFrom, s.tierTo)
	if s.from < s.tierFrom {
		n += source.Weight(ref, s.from, s.tierFrom)
	}
	if s.tierTo < s.to {
		n += source.Weight(ref, s.tierTo, s.to)
	}
	return min(n, plenty)
}

// composed is the method that makes one aggregate of those of the parts of its bucket.
func composed(m policy.Method) policy.Method {
	switch m = m.Plain(); m {
	case policy.Count, policy.Mean: // of a mean, for its sums and counts
		return policy.Sum
	}
	return m
}

// tierBuckets gives the sink of the series the buckets of a stretch that come from a tier.
func (w *worker) tierBuckets(ctx context.Context, ref metricdef.Ref, q *Query, s stretch) error {
	if q.columns() == 0 {
		return w.tierColumn(ctx, ref, q, s, q.over, w.single.dst)
	}
	if w.several.dst == nil {
		for i, m := range q.request.Overs {
			if err := w.tierColumn(ctx, ref, q, s, m, &w.several.apart[i]); err != nil {
				return err
			}
		}
		return nil
	}
	w.columns = slices.Grow(w.columns[:0], len(q.request.Overs))[:len(q.request.Overs)]
	for i, m := range q.request.Overs {
		w.columns[i].reset()
		if err := w.tierColumn(ctx, ref, q, s, m, &w.columns[i]); err != nil {
			return err
		}
	}
	w.several.dst.join(w.columns)
	return nil
}

// tierColumn appends what a method makes of the buckets of a stretch that a tier gives.
func (w *worker) tierColumn(ctx context.Context, ref metricdef.Ref, q *Query, s stretch, m policy.Method, dst *points) error {
	begin := q.base - q.lead*q.step
	if s.granularity == q.step {
		return w.tierWalk(ctx, ref, s, m, func(times []int64, values []float64) {
			dst.addColumn(begin, q.step, times, values)
		})
	}
	compose := func(m, parts policy.Method, dst *points) error {
		w.whole.method, w.whole.dst = parts, dst
		w.parts.begin(&w.whole, begin, q.step)
		err := w.tierWalk(ctx, ref, s, m, w.parts.add)
		w.parts.end()
		return err
	}
	if m.Plain() != policy.Mean {
		return compose(m, composed(m), dst)
	}
	sums, counts := policy.Sum, policy.Count
	if m.IsRate() {
		sums, counts = sums.Rate(), counts.Rate()
	}
	at := len(dst.at)
	if err := compose(sums, policy.Sum, dst); err != nil {
		return err
	}
	w.counts.reset()
	if err := compose(counts, policy.Sum, &w.counts); err != nil {
		return err
	}
	// Both have the same buckets, unless a sample came between the two reads or a chunk is damaged.
	k, c := at, 0
	for i := at; i < len(dst.at); i++ {
		for c < len(w.counts.at) && w.counts.at[c] < dst.at[i] {
			c++
		}
		if c < len(w.counts.at) && w.counts.at[c] == dst.at[i] {
			dst.at[k], dst.values[k] = dst.at[i], dst.values[i]/w.counts.values[c]
			k++
		}
	}
	dst.at, dst.values = dst.at[:k], dst.values[:k]
	return nil
}

// tierWalk reads a method of a tier in slices.
func (w *worker) tierWalk(ctx context.Context, ref metricdef.Ref, s stretch, m policy.Method, fn func(times []int64, values []float64)) error {
	for from := s.tierFrom; from < s.tierTo; {
		to := w.source.TierBorder(ref, s.tier, m, from, s.tierTo, sliceSamples)
		if err := w.source.ReadTier(ctx, &w.reader, ref, s.tier, m, from, to); err != nil {
			return err
		}
		fn(w.reader.Times, w.reader.Values)
		w.worked(len(w.reader.Times))
		from = to
	}
	return nil
}

// origins says where the points of a stretch come from.
func (s stretch) origins(list []Origin) []Origin {
	add := func(from, tier int64) {
		if n := len(list); n == 0 || list[n-1].Tier != tier {
			list = append(list, Origin{From: from, Tier: tier})
		}
	}
	if s.from < s.tierFrom || s.granularity == 0 {
		add(s.from, 0)
	}
	if s.granularity > 0 {
		add(s.tierFrom, s.granularity)
		if s.tierTo < s.to {
			add(s.tierTo, 0)
		}
	}
	return list
}

// joinOrigins adds the origins of one series of a group to those of the others: each kind once, from the earliest on.
func joinOrigins(all, list []Origin) []Origin {
next:
	for _, o := range list {
		for i := range all {
			if all[i].Tier == o.Tier {
				all[i].From = min(all[i].From, o.From)
				continue next
			}
		}
		all = append(all, o)
	}
	return all
}
