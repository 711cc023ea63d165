package measures

import (
	"math"

	"granary/metricdef"
)

// tierSlack is how much longer than their retention raw samples are kept for tiers: what was sequenced before a look at
// retention may be applied behind it.
const tierSlack = 60 * second

// sweepTiers finishes what retention would take the raw samples of, and what has become stale, in the series of a shard.
// REQUIRES: s.maintenance.
func (s *Store) sweepTiers(index int) {
	sh := s.shards[index]
	var list []tending
	now := s.o.Now().UnixNano()
	s.com.mu.Lock()
	sh.mu.RLock()
	s.eachOf(index, func(ref metricdef.Ref, sr *series) {
		pol := s.policyOf(ref, sr)
		plan := pol.tiers
		if plan == nil {
			return
		}
		st := sh.tiers[ref]
		force := false
		if cut := s.cut(ref, sr); cut != math.MinInt64 && len(sr.chunks) > 0 {
			v := sh.sight(ref, sr, cut)
			low := min(v.from, pol.rawFrom(now-tierSlack))
			force = sh.chunkEnd(ref, sr, 0) < low && sh.rawNeeded(ref, sr, plan) < low
		}
		if force || st != nil && len(st.stale) > 0 {
			list = s.tendingOf(list, ref, force)
		}
	})
	sh.mu.RUnlock()
	s.com.mu.Unlock()
	for _, t := range list {
		s.tend(t)
	}
}

// unneeded is the time before which the raw samples of a series may go, when low is the time before which they have expired at
// now. REQUIRES: sh.mu.
func (sh *shard) unneeded(ref metricdef.Ref, sr *series, low, now int64) int64 {
	pol := sr.policy.Load()
	if pol == nil || pol.tiers == nil {
		return low
	}
	low = min(low, pol.rawFrom(now-tierSlack))
	if pol.tiers.rates {
		low = sr.chunkBefore(low) // the difference to the first sample behind low
	}
	return min(low, sh.rawNeeded(ref, sr, pol.tiers))
}

// expireTiers takes away chunks of finished buckets that no read shows any more: those that a tier has outlived, and those of
// tiers and methods that the policy no longer names. REQUIRES: s.maintenance, sh.mu.
func (sh *shard) expireTiers(s *Store, ref metricdef.Ref, sr *series) {
	if sr.flags&hasTiers == 0 {
		return
	}
	pol := s.policyOf(ref, sr)
	plan := pol.tiers
	if plan == nil {
		sh.dropTiers(s, ref, sr)
		return
	}
	st := sh.tiers[ref]
	newest, ok := sh.tierNewest(ref, sr)
	if len(st.columns) > 0 {
		sh.fitColumns(s, ref, sr, plan)
	}
	for i := range st.columns {
		c := &st.columns[i]
		t := plan.tiers[i/len(plan.stored)]
		oldest := oldestBucket(t, bucketOf(newest, c.step))
		if sr.flags&spared == 0 {
			oldest = max(oldest, pol.floorOf(c.step))
		}
		n := 0
		for ok && n < len(c.chunks) && c.tierEnd(n) < oldest {
			n++
		}
		if n > 0 {
			st.changed++
			sh.dropTierChunks(s, c, n)
		}
	}
}

// hasFinished says whether a series has finished buckets. REQUIRES: sh.mu, at least for reading.
func (sh *shard) hasFinished(ref metricdef.Ref, sr *series) bool {
	if sr.flags&hasTiers == 0 {
		return false
	}
	found := false
	sh.tiers[ref].eachChunk(func(_ *tierColumn, e *entry) { found = found || e.shape.span() > 0 })
	return found
}

// eachChunk calls fn for the chunks of all columns. REQUIRES: the shard's lock, at least for reading.
func (st *tierState) eachChunk(fn func(*tierColumn, *entry)) {
	if st == nil {
		return
	}
	for i := range st.columns {
		c := &st.columns[i]
		for k := range c.chunks {
			fn(c, &c.chunks[k])
		}
	}
}
