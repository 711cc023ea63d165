package server

import (
	"math"

	"granary/measures"
	"granary/metricdef"
)

// ends says which samples of a series are the first and the last. Where raw samples are gone and aggregates are left, the
// buckets of the tiers say it by their beginnings.
type ends struct{ *measures.Store }

// Newest implements native.Ends. Of the tiers the finest is asked, which is nearest to the sample.
func (e ends) Newest(ref metricdef.Ref) (int64, bool) {
	if t, _, ok := e.Store.Newest(ref); ok {
		return t, true
	}
	_, last, ok := e.TierBounds(ref, 0)
	return last, ok
}

// Ends implements native.Ends. It asks for a range without samples, so that nothing counts as read.
func (e ends) Ends(ref metricdef.Ref) (first, last int64, ok bool) {
	b, ok := e.Bounds(ref, math.MaxInt64, math.MaxInt64)
	first, last = b.First, b.Last
	d, known := e.Definitions.Get(ref)
	if !known {
		return first, last, ok
	}
	p, _ := e.Policies.For(d.Tenant).Resolve(d.Dialect, d.Name, d.Policy)
	for i, tier := range p.Tiers {
		from, to, has := e.TierBounds(ref, i)
		switch {
		case !has:
		case !ok:
			first, last, ok = from, to, true
		case from < first && first-from >= int64(tier.Granularity): // else the bucket holds the first raw sample
			first = from
		}
	}
	return first, last, ok
}
