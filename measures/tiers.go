package measures

import (
	"cmp"
	"math"
	"slices"

	"granary/metricdef"
	"granary/policy"
)

// tierPlan is what the tiers of a policy ask of the engine, worked out once a policy.
type tierPlan struct {
	tiers    []policy.Tier
	methods  []policy.Method // the policy's
	stored   []policy.Method // what is kept of each bucket, rates last: see columnsOf
	finest   int64
	coarsest int64
	back     int64 // how far the window reaches behind the bucket of the newest sample
	length   int64 // retention of raw samples; 0: for ever, or the window only
	window   bool  // raw samples live in the window only
	rates    bool
}

// planTiers is the plan of a policy, nil if it has no tiers.
func planTiers(p *policy.Policy) *tierPlan {
	if len(p.Tiers) == 0 || len(p.Methods) == 0 {
		return nil
	}
	t := &tierPlan{tiers: p.Tiers, methods: p.Methods, window: p.Raw.Length == policy.WindowOnly}
	if p.Raw.Length > 0 {
		t.length = int64(p.Raw.Length)
	}
	for _, m := range p.Methods {
		t.rates = t.rates || m.IsRate()
		for _, c := range columnsOf(m) {
			if c != policy.NoMethod && !slices.Contains(t.stored, c) {
				t.stored = append(t.stored, c)
			}
		}
	}
	slices.SortFunc(t.stored, func(a, b policy.Method) int {
		switch {
		case a.IsRate() == b.IsRate():
			return cmp.Compare(a, b)
		case a.IsRate():
			return 1
		}
		return -1
	})
	t.finest, t.coarsest = int64(p.Tiers[0].Granularity), int64(p.Tiers[len(p.Tiers)-1].Granularity)
	n := int64(p.BackWindow)
	if t.rates {
		n++
	}
	if t.back = t.coarsest * n; n > 0 && t.back/n != t.coarsest {
		t.back = maxTime // further back than any sample can be
	}
	return t
}

// columnsOf are the columns that a method is read from: itself, but a mean is kept as sum and count, which give it in equal
// bits, are needed more often, and are smaller.
func columnsOf(m policy.Method) [2]policy.Method {
	if m.Plain() == policy.Mean {
		rate := m &^ policy.Mean
		return [2]policy.Method{policy.Sum | rate, policy.Count | rate}
	}
	return [2]policy.Method{m}
}

// keeps says whether a method can be read from the columns that are kept.
func (t *tierPlan) keeps(m policy.Method) bool {
	for _, c := range columnsOf(m) {
		if c != policy.NoMethod && !slices.Contains(t.stored, c) {
			return false
		}
	}
	return true
}

// limit is the end of the last bucket that is not open for samples any more, when newest is the time of the newest: buckets
// that end there or before may be finished.
func (t *tierPlan) limit(newest int64) int64 {
	l := bucketOf(newest, t.coarsest) - t.back
	return max(l, minTime)
}

// bounded says whether a sample may be too old for the policy, so that the newest one of its series has to be known.
func (t *tierPlan) bounded() bool { return t.window || t.length > 0 }

// refuses says whether a sample that arrives at now is too old to be taken, when top is the newest sequenced before its batch: one
// behind the window whose raw samples have gone, so that neither they nor buckets would show it.
func (t *tierPlan) refuses(at, top, now int64) bool {
	if !t.window && (t.length == 0 || at >= now-t.length) {
		return false
	}
	// The division is left out for a sample that lies in the window wherever in its bucket the newest is.
	return at < top-t.back && at < t.limit(top)
}

// rawFrom is the time from which raw samples are certain to be there when a record of that write time is applied, live as in
// replay, and until what it makes stale is computed anew: whole buckets of all that are not refused. It is a border of the
// coarsest buckets, so that there are few of them.
func (t *tierPlan) rawFrom(wrote int64) int64 {
	switch {
	case t.window:
		return math.MaxInt64
	case t.length == 0:
		return math.MinInt64
	}
	return bucketOf(wrote-t.length, t.coarsest) - t.coarsest
}

// bucketOf is the start of the bucket that t lies in. REQUIRES: minTime <= t <= maxTime, or a step that is small beside them.
func bucketOf(t, step int64) int64 { return floorDiv(t, step) * step }

// bucketEnd is the first border of buckets at or behind t.
func bucketEnd(t, step int64) int64 {
	b := bucketOf(t, step)
	if b < t {
		b += step
	}
	return b
}

// tierState is what a series has of finished buckets. Under the shard's lock; its columns and their chunks change only under
// Store.maintenance too.
type tierState struct {
	columns []tierColumn // ascending by step and method
	stale   []staleSpan  // ascending by from
	// changed counts what may change finished buckets or the samples that are about to be: who computes outside of the lock
	// looks whether it stands where it stood.
	changed uint64
	due     bool // in shard.due
	// top is what the newest sample was when samples were last taken away, 0 if never: the window does not move back.
	top int64

	weight int64 // as it stands in the account
}

// tierColumn is one method at one granularity. Buckets that end at done or before are finished: what they have lies in the
// chunks. All others are computed from raw samples when they are asked for.
type tierColumn struct {
	step   int64
	method policy.Method
	done   int64
	born   uint64  // chunks in segments of a lower number belong to a column of that name that went
	chunks []entry // ascending, never overlapping
	// listed are the starts of the chunks as the state file has them, nil for one that does not say. Recovery only.
	listed []int64
}

// staleSpan is a stretch of raw samples whose finished buckets have changed: those that begin at raw or behind are computed
// from raw samples until they are finished anew. The others cannot be. If samples of theirs were taken away, which limit tells, they
// are no more, as far as the window had passed them then, whether they had been finished or not: limit is where it began.
type staleSpan struct {
	from, to int64
	raw      int64
	limit    int64 // 0: nothing was taken away
}

// column finds a column, nil if there is none. REQUIRES: sh.mu, at least for reading.
func (st *tierState) column(step int64, m policy.Method) *tierColumn {
	if st == nil {
		return nil
	}
	for i := range st.columns {
		if c := &st.columns[i]; c.step == step && c.method == m {
			return c
		}
	}
	return nil
}

// columnsOf are the columns of a granularity. REQUIRES: sh.mu, at least for reading.
func (st *tierState) columnsOf(step int64) []tierColumn {
	if st == nil {
		return nil
	}
	i := 0
	for i < len(st.columns) && st.columns[i].step != step {
		i++
	}
	j := i
	for j < len(st.columns) && st.columns[j].step == step {
		j++
	}
	return st.columns[i:j]
}

// doneOf is up to where the buckets of a column are finished; the lowest time for none. REQUIRES: sh.mu, at least for reading.
func (st *tierState) doneOf(step int64, m policy.Method) int64 {
	if c := st.column(step, m); c != nil {
		return c.done
	}
	return minTime
}

// finished is the highest border of the columns. REQUIRES: sh.mu, at least for reading.
func (st *tierState) finished() int64 {
	done := int64(minTime)
	for i := range st.columns {
		done = max(done, st.columns[i].done)
	}
	return done
}

// tierState is what a series has of tiers, made if there is nothing. REQUIRES: sh.mu.
func (sh *shard) tierState(ref metricdef.Ref, sr *series) *tierState {
	st := sh.tiers[ref]
	if st == nil {
		st = new(tierState)
		sh.tiers[ref] = st
		sr.flags |= hasTiers
		sh.weighTiers(st)
	}
	return st
}

// tierDue remembers that a series may have buckets to finish. REQUIRES: sh.mu.
func (sh *shard) tierDue(ref metricdef.Ref, sr *series) {
	if st := sh.tierState(ref, sr); !st.due {
		st.due = true
		sh.due = append(sh.due, ref)
	}
}

// tierLate notes that a sample was applied that is not newer than all others. REQUIRES: sh.mu.
func (sh *shard) tierLate(ref metricdef.Ref, sr *series, t, wrote int64) {
	st := sh.tiers[ref]
	st.changed++
	pol := sr.policy.Load()
	if pol == nil || pol.tiers == nil || t >= st.finished() {
		return
	}
	raw := pol.tiers.rawFrom(wrote)
	if t < raw {
		return // what is finished there stays: its samples may have gone
	}
	to := t + 1
	if pol.tiers.rates {
		to = sr.nextSample(sh, t) + 1 // the difference to t changes there
	}
	st.addStale(staleSpan{from: t, to: to, raw: raw})
	sh.weighTiers(st)
}

// nextSample is a time at or behind the first sample that is newer than t, t if there is none. REQUIRES: sh.mu.
func (sr *series) nextSample(sh *shard, t int64) int64 {
	if i := sr.chunkAt(t); i < len(sr.chunks) {
		if sr.chunks[i].start > t {
			return sr.chunks[i].start
		}
		if i+1 < len(sr.chunks) {
			return sr.chunks[i+1].start
		}
	}
	return max(sr.newest, t)
}

// tiersChanged tells the tiers that the samples inside [from, to) were taken away by a record written at wrote. Buckets behind the
// window that lie inside, wholly or in part, are computed anew if their raw samples are still there, else they go. REQUIRES: sh.mu,
// and that the series knows its policy.
func (sh *shard) tiersChanged(ref metricdef.Ref, sr *series, from, to, wrote int64) {
	pol := sr.policy.Load()
	if pol == nil || pol.tiers == nil {
		return
	}
	newest, ok := sh.tierNewest(ref, sr)
	if !ok {
		return
	}
	plan := pol.tiers
	st := sh.tierState(ref, sr)
	st.changed++
	limit := plan.limit(newest)
	if to = min(to, limit); from >= to {
		return
	}
	raw := plan.rawFrom(wrote)
	st.addStale(staleSpan{from: from, to: to, raw: raw, limit: limit})
	if plan.rates && raw != math.MaxInt64 {
		// The difference of the sample behind changes.
		if next := sr.nextSample(sh, to-1) + 1; next > to {
			st.addStale(staleSpan{from: to, to: next, raw: raw})
		}
	}
	sh.weighTiers(st)
}

// maxStale is how many stale spans a series keeps apart: beyond that neighbours are joined, which costs computing but changes
// nothing.
const maxStale = 128

// addStale adds a span to the list, which stays in order; spans that touch and say the same are one.
func (st *tierState) addStale(s staleSpan) {
	i, _ := slices.BinarySearchFunc(st.stale, s.from, func(e staleSpan, t int64) int {
		if e.from < t {
			return -1
		}
		return 1
	})
	same := func(e staleSpan) bool { return e.raw == s.raw && e.limit == s.limit }
	if i > 0 && same(st.stale[i-1]) && st.stale[i-1].to >= s.from {
		i--
		st.stale[i].to = max(st.stale[i].to, s.to)
	} else {
		st.stale = slices.Insert(st.stale, i, s)
	}
	for i+1 < len(st.stale) && same(st.stale[i+1]) && st.stale[i+1].from <= st.stale[i].to {
		st.stale[i].to = max(st.stale[i].to, st.stale[i+1].to)
		st.stale = slices.Delete(st.stale, i+1, i+2)
	}
	if len(st.stale) > maxStale {
		st.joinStale()
	}
}

// joinStale joins the two neighbours that lie nearest to each other and are alike. Spans that were taken away are left apart, since
// what lies between them was not.
func (st *tierState) joinStale() {
	best, gap := -1, int64(math.MaxInt64)
	for i := 1; i < len(st.stale); i++ {
		a, b := &st.stale[i-1], &st.stale[i]
		if a.raw == b.raw && a.limit == 0 && b.limit == 0 && b.from-a.to < gap {
			best, gap = i, b.from-a.to
		}
	}
	if best > 0 {
		st.stale[best-1].to = max(st.stale[best-1].to, st.stale[best].to)
		st.stale = slices.Delete(st.stale, best, best+1)
	}
}

// span is a range of time, the end not in it.
type span struct{ from, to int64 }

// staleIn are the buckets of a granularity inside [lo, hi) that stale spans touch: those to be computed from raw samples, and
// those that are no more. Both lists ascend.
func (st *tierState) staleIn(step, lo, hi int64) (raw, gone []span) {
	for i := range st.stale {
		s := &st.stale[i]
		if s.to <= lo || s.from >= hi {
			continue
		}
		from, to := max(bucketOf(max(s.from, lo), step), lo), min(bucketEnd(min(s.to, hi), step), hi)
		known := from // buckets from here on have their raw samples
		if s.raw > from {
			known = to
			if s.raw < to {
				known = bucketEnd(s.raw, step)
			}
		}
		if known < to {
			raw = append(raw, span{known, to})
		}
		if s.limit != 0 {
			if end := min(known, to, bucketOf(s.limit, step)); from < end {
				gone = append(gone, span{from, end})
			}
		}
	}
	return joinSpans(raw), joinSpans(gone)
}

// joinSpans makes one of spans that touch. They are in order of from.
func joinSpans(list []span) []span {
	if len(list) < 2 {
		return list
	}
	slices.SortFunc(list, func(a, b span) int {
		if a.from < b.from {
			return -1
		}
		return 1
	})
	out := list[:1]
	for _, s := range list[1:] {
		if last := &out[len(out)-1]; s.from <= last.to {
			last.to = max(last.to, s.to)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// rawNeeded is the time from which the tiers of a series need its raw samples. REQUIRES: sh.mu, at least for reading.
func (sh *shard) rawNeeded(ref metricdef.Ref, sr *series, plan *tierPlan) int64 {
	st := sh.tiers[ref]
	need := int64(math.MaxInt64)
	for _, t := range plan.tiers {
		for _, m := range plan.stored {
			need = min(need, st.doneOf(int64(t.Granularity), m))
		}
	}
	if st != nil {
		for i := range st.stale {
			for _, t := range plan.tiers {
				if s := &st.stale[i]; s.raw < s.to {
					need = min(need, max(s.raw, bucketOf(max(s.from, minTime), int64(t.Granularity))))
				}
			}
		}
	}
	if plan.rates && need > minTime {
		need = sr.chunkBefore(need)
	}
	return need
}

// chunkBefore is the start of the last chunk that begins before t: the last sample before t is not older. It is the lowest time if no
// chunk begins there. REQUIRES: the shard's lock, at least for reading.
func (sr *series) chunkBefore(t int64) int64 {
	if len(sr.chunks) > 0 {
		if c := &sr.chunks[sr.chunkAt(t-1)]; c.start < t {
			return c.start
		}
	}
	return minTime
}

// tierNewest is the time of the newest sample that a series has or, if that was taken away, had, as tiers see it; false for
// none. REQUIRES: sh.mu, at least for reading.
func (sh *shard) tierNewest(ref metricdef.Ref, sr *series) (t int64, ok bool) {
	if sr.flags&hasData != 0 {
		t, ok = sr.newest, true
	}
	if sr.flags&hasTiers != 0 {
		if top := sh.tiers[ref].top; top != 0 && (!ok || top > t) {
			return top, true
		}
	}
	return t, ok
}

// keepTop remembers what the newest sample of a series is, before samples are taken away. REQUIRES: sh.mu, and that the series knows
// its policy.
func (sh *shard) keepTop(ref metricdef.Ref, sr *series) {
	if pol := sr.policy.Load(); pol != nil && pol.tiers != nil {
		if t, ok := sh.tierNewest(ref, sr); ok {
			sh.tierState(ref, sr).top = t
		}
	}
}

// resetTop lets the newest sequenced sample be the newest applied one. REQUIRES: that nothing is being applied, and the sequencer's
// lock or recovery.
func (sh *shard) resetTop(ref metricdef.Ref, sr *series) { sr.top, _ = sh.tierNewest(ref, sr) }
