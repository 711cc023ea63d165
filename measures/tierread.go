package measures

import (
	"context"
	"math"
	"slices"
	"sync"

	"granary/metricdef"
	"granary/policy"
)

var tierWorks = sync.Pool{New: func() any { return new(tierWork) }}

func (w *tierWork) release() {
	w.raw.dropDeferred()
	w.count.dropDeferred()
	tierWorks.Put(w)
}

// ReadTier fills r with what a method makes of the buckets of a tier: of those that begin inside [from, to), from taken down to
// the border of its bucket, the ones that have a value. Times are the starts of buckets. Buckets that are not finished are computed
// from their raw samples, so that the answer holds everything that has been acknowledged. The columns are valid until the next use
// of r.
func (s *Store) ReadTier(ctx context.Context, r *Reader, ref metricdef.Ref, tier int, m policy.Method, from, to int64) error {
	r.reset()
	r.Kind = metricdef.KindFloat
	if err := ctx.Err(); err != nil {
		return err
	}
	sr := s.table.at(ref)
	if sr == nil {
		return nil
	}
	pol := s.policyOf(ref, sr)
	plan := pol.tiers
	if plan == nil || tier < 0 || tier >= len(plan.tiers) {
		return &tierError{pol.Name, tier}
	}
	if !plan.keeps(m) {
		return &methodError{pol.Name, m}
	}
	step := int64(plan.tiers[tier].Granularity)
	w := tierWorks.Get().(*tierWork)
	defer w.release()
	w.raw.reset()
	w.count.reset()

	sh := s.shardOf(ref)
	sh.mu.RLock()
	lo, hi := sh.tierRange(ref, sr, plan, tier, from, to)
	if lo >= hi {
		sh.mu.RUnlock()
		return nil
	}
	st := sh.tiers[ref]
	cols := columnsOf(m)
	done := st.doneOf(step, cols[0])
	if cols[1] != policy.NoMethod {
		done = min(done, st.doneOf(step, cols[1]))
	}
	var fresh, gone []span // buckets to compute, and those that are no more
	if st != nil && len(st.stale) > 0 {
		fresh, gone = st.staleIn(step, lo, hi)
	}
	patched := len(fresh) > 0 || len(gone) > 0
	sh.touchTier(sr, st, step, cols, lo, done, hi)
	if till := min(done, hi); done > minTime && lo < till {
		r.addTier(s, sh, ref, st.column(step, cols[0]), lo, till)
		if cols[1] != policy.NoMethod {
			w.count.addTier(s, sh, ref, st.column(step, cols[1]), lo, till)
		}
	}
	if done > minTime {
		lo = max(lo, done)
	}
	if lo < hi {
		fresh = joinSpans(append(fresh, span{lo, hi}))
	}
	w.gather(s, sh, ref, sr, fresh, m.IsRate())
	sh.mu.RUnlock()

	if err := r.finish(); err != nil {
		return err
	}
	if cols[1] != policy.NoMethod {
		if err := w.divide(r); err != nil {
			return err
		}
	}
	if err := w.ready(m.IsRate()); err != nil {
		return err
	}
	if patched {
		r.leaveOut(fresh)
	}
	for _, f := range fresh {
		w.cut(step, f.from, f.to)
		r.Times, r.Values = w.column(m, r.Times, r.Values)
	}
	if patched {
		r.leaveOut(gone)
		r.order()
	}
	return nil
}

// leaveOut takes away what lies in some spans.
func (r *Reader) leaveOut(list []span) {
	if len(list) == 0 {
		return
	}
	n := 0
	for i, t := range r.Times {
		if !inSpans(list, t) {
			r.Times[n], r.Values[n] = t, r.Values[i]
			n++
		}
	}
	r.Times, r.Values = r.Times[:n], r.Values[:n]
}

// inSpans says whether a time lies in one of the spans.
func inSpans(list []span, t int64) bool {
	return slices.ContainsFunc(list, func(s span) bool { return s.from <= t && t < s.to })
}

// tierRange cuts [from, to) to the borders of the buckets that a series may show: not those behind its newest sample, nor
// those that the tier has outlived. REQUIRES: sh.mu, at least for reading.
func (sh *shard) tierRange(ref metricdef.Ref, sr *series, plan *tierPlan, tier int, from, to int64) (lo, hi int64) {
	newest, ok := sh.tierNewest(ref, sr)
	if !ok {
		return 0, 0
	}
	step := int64(plan.tiers[tier].Granularity)
	newest = bucketOf(newest, step)
	lo = max(bucketOf(max(from, minTime), step), oldestBucket(plan.tiers[tier], newest))
	if pol := sr.policy.Load(); pol != nil && sr.flags&spared == 0 {
		lo = max(lo, pol.floorOf(step))
	}
	hi = min(bucketEnd(min(to, maxTime), step), newest+step)
	return lo, hi
}

// oldestBucket is the start of the oldest bucket that a tier keeps beside the newest one.
func oldestBucket(t policy.Tier, newest int64) int64 {
	step := int64(t.Granularity)
	if t.Points == 0 || t.Points > maxTime/step {
		return minTime - step
	}
	return newest - (t.Points-1)*step
}

// touchTier touches the chunks that a read of a tier is going to decode: finished buckets of [lo, done), raw samples of [done, hi).
// REQUIRES: sh.mu, at least for reading.
func (sh *shard) touchTier(sr *series, st *tierState, step int64, cols [2]policy.Method, lo, done, hi int64) {
	if done > lo {
		for _, m := range cols {
			if c := st.column(step, m); c != nil {
				sh.touch(c.chunks[c.from(lo):], min(done, hi))
			}
		}
	}
	if done < hi && len(sr.chunks) > 0 {
		sh.touch(sr.chunks[sr.chunkAt(max(lo, done)):], hi)
	}
}

// addTier gathers the finished buckets of a column inside [lo, hi). REQUIRES: sh.mu, at least for reading.
func (r *Reader) addTier(s *Store, sh *shard, ref metricdef.Ref, c *tierColumn, lo, hi int64) {
	for i := c.from(lo); i < len(c.chunks) && c.chunks[i].start < hi; i++ {
		r.addChunk(s, sh, ref, &c.chunks[i], grid{step: c.step}, lo, hi)
	}
}

// gather takes up the raw samples of some ranges, and the sample before each if differences are wanted. REQUIRES: sh.mu, at
// least for reading.
func (w *tierWork) gather(s *Store, sh *shard, ref metricdef.Ref, sr *series, list []span, rates bool) {
	w.spans = append(w.spans[:0], list...)
	for i := range w.spans {
		f := &w.spans[i]
		if rates {
			f.from = sr.chunkBefore(f.from)
		}
		if sr.low != 0 {
			f.from = max(f.from, sr.low)
		}
	}
	w.raw.Kind = max(sr.kind(), metricdef.KindFloat)
	for _, f := range joinSpans(w.spans) {
		s.collect(&w.raw, sh, ref, sr, f.from, f.to)
	}
}

// divide makes means of the sums in r and the counts.
func (w *tierWork) divide(r *Reader) error {
	if err := w.count.finish(); err != nil {
		return err
	}
	if slices.Equal(r.Times, w.count.Times) {
		for i, n := range w.count.Values {
			r.Values[i] /= n
		}
		return nil
	}
	// A chunk of one of them was damaged.
	k := 0
	for i, t := range r.Times {
		if j, ok := slices.BinarySearch(w.count.Times, t); ok {
			r.Times[k], r.Values[k] = t, r.Values[i]/w.count.Values[j]
			k++
		}
	}
	r.Times, r.Values = r.Times[:k], r.Values[:k]
	return nil
}

// TierFor is the coarsest tier of a series whose buckets buckets of a width can be made of, with the answer that its raw samples would
// give: sums, counts, extremes, first and last ones and means (from sum and count) put together, all other methods at equal width
// only. Sums of sums may differ from sums of samples in the last bits.
func (s *Store) TierFor(ref metricdef.Ref, step int64, m policy.Method) (tier int, ok bool) {
	sr := s.table.at(ref)
	if sr == nil || step <= 0 {
		return 0, false
	}
	plan := s.policyOf(ref, sr).tiers
	if plan == nil || !plan.keeps(m) {
		return 0, false
	}
	for i := len(plan.tiers) - 1; i >= 0; i-- {
		g := int64(plan.tiers[i].Granularity)
		if g == step || step%g == 0 && composes(m) {
			return i, true
		}
	}
	return 0, false
}

// composes says whether a method over a long bucket follows from what it, or sum and count, gave for the parts.
func composes(m policy.Method) bool {
	switch m.Plain() {
	case policy.Sum, policy.Mean, policy.Min, policy.Max, policy.First, policy.Last, policy.Count:
		return true
	}
	return false
}

// TierGranularity is the width of the buckets of a tier, 0 if the series has no such tier.
func (s *Store) TierGranularity(ref metricdef.Ref, tier int) int64 {
	sr := s.table.at(ref)
	if sr == nil {
		return 0
	}
	plan := s.policyOf(ref, sr).tiers
	if plan == nil || tier < 0 || tier >= len(plan.tiers) {
		return 0
	}
	return int64(plan.tiers[tier].Granularity)
}

// WindowOnly says whether the raw samples of a series live only until the buckets of its tiers are final.
func (s *Store) WindowOnly(ref metricdef.Ref) bool {
	sr := s.table.at(ref)
	if sr == nil {
		return false
	}
	plan := s.policyOf(ref, sr).tiers
	return plan != nil && plan.window
}

// TierBounds are the starts of the oldest and the newest bucket that a tier of a series may show; false if it has none. Between
// them there may be buckets without a value.
func (s *Store) TierBounds(ref metricdef.Ref, tier int) (first, last int64, ok bool) {
	sr := s.table.at(ref)
	if sr == nil {
		return 0, 0, false
	}
	plan := s.policyOf(ref, sr).tiers
	if plan == nil || tier < 0 || tier >= len(plan.tiers) {
		return 0, 0, false
	}
	step := int64(plan.tiers[tier].Granularity)
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	lo, hi := sh.tierRange(ref, sr, plan, tier, minTime, maxTime)
	if lo >= hi {
		return 0, 0, false
	}
	first = int64(math.MaxInt64)
	st := sh.tiers[ref]
	raw := false
	columns := st.columnsOf(step)
	for k, m := range plan.stored {
		var c *tierColumn
		if k < len(columns) && columns[k].method == m { // as they are, unless the policy has just changed
			c = &columns[k]
		} else {
			c = st.column(step, m)
		}
		if c == nil || c.done == minTime {
			raw = true
			continue
		}
		if len(c.chunks) > 0 {
			first = min(first, c.chunks[0].start)
		} else {
			raw = true
		}
	}
	if raw {
		first = min(first, sr.oldestRaw(sh, ref))
	}
	if st != nil {
		for i := range st.stale {
			if e := &st.stale[i]; e.limit == 0 {
				first = min(first, max(e.from, e.raw)) // samples that came late
			}
		}
	}
	if first == math.MaxInt64 {
		return 0, 0, false
	}
	return max(lo, bucketOf(max(first, minTime), step)), hi - step, true
}

// TierWeight bounds how many buckets a ReadTier of [from, to) gives, without decoding anything: the slots of the chunks of finished ones, and
// the samples of those that are computed.
func (s *Store) TierWeight(ref metricdef.Ref, tier int, m policy.Method, from, to int64) int64 {
	sr := s.table.at(ref)
	if sr == nil {
		return 0
	}
	plan := s.policyOf(ref, sr).tiers
	if plan == nil || tier < 0 || tier >= len(plan.tiers) {
		return 0
	}
	step := int64(plan.tiers[tier].Granularity)
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	lo, hi := sh.tierRange(ref, sr, plan, tier, from, to)
	if lo >= hi {
		return 0
	}
	n, fresh := int64(0), lo
	st := sh.tiers[ref]
	if c := st.column(step, columnsOf(m)[0]); c != nil && c.done > lo {
		for i := c.from(lo); i < len(c.chunks) && c.chunks[i].start < hi; i++ {
			n += int64(c.chunks[i].shape.span())
		}
		fresh = c.done
		raw, _ := st.staleIn(step, lo, min(hi, fresh))
		for _, f := range raw {
			n += sh.rawWeight(ref, sr, f.from, f.to)
		}
	}
	if fresh < hi {
		n += sh.rawWeight(ref, sr, fresh, hi)
	}
	if most := uint64(hi-lo) / uint64(step); most < uint64(n) {
		n = int64(most)
	}
	return n
}

// TierBorder divides [from, to) at the start of a bucket, so that the part before it has about n buckets that are finished or samples of
// others: it is to if there are no more. From is the start of a bucket.
func (s *Store) TierBorder(ref metricdef.Ref, tier int, m policy.Method, from, to, n int64) int64 {
	sr := s.table.at(ref)
	if sr == nil {
		return to
	}
	plan := s.policyOf(ref, sr).tiers
	if plan == nil || tier < 0 || tier >= len(plan.tiers) {
		return to
	}
	step := int64(plan.tiers[tier].Granularity)
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	sum, fresh := int64(0), from
	if c := sh.tiers[ref].column(step, columnsOf(m)[0]); c != nil && c.done > from {
		for i := c.from(from); i < len(c.chunks) && c.chunks[i].start < to; i++ {
			if sum >= n && c.chunks[i].start > from {
				return c.chunks[i].start
			}
			sum += int64(c.chunks[i].shape.span())
		}
		fresh = c.done
	}
	if fresh >= to {
		return to
	}
	ends := func(t int64) (int64, bool) {
		t = bucketOf(t, step)
		return t, sum >= n && t > max(from, fresh) && t < to
	}
	for i := sr.chunkAt(fresh); i < len(sr.chunks) && sr.chunks[i].start < to; i++ {
		if t, ok := ends(sr.chunks[i].start); ok {
			return t
		}
		sum += int64(sr.chunks[i].shape.span())
	}
	if sr.values != 0 {
		if t, ok := ends(sr.headStart); ok {
			return t
		}
	}
	return to
}

// oldestRaw is a time at or before the oldest raw sample, the end of time if there is none. REQUIRES: sh.mu, at least for
// reading.
func (sr *series) oldestRaw(sh *shard, ref metricdef.Ref) int64 {
	first := int64(math.MaxInt64)
	if len(sr.chunks) > 0 {
		first = sr.chunks[0].start
	}
	if sr.values != 0 {
		first = min(first, sr.headStart)
	}
	if sr.flags&hasLate != 0 {
		l := sh.late[ref]
		if len(l.times) > 0 {
			first = min(first, l.times[0])
		}
		for i := range l.sealed {
			first = min(first, l.sealed[i].start)
		}
	}
	if sr.low != 0 && first != math.MaxInt64 {
		first = max(first, sr.low)
	}
	return first
}
