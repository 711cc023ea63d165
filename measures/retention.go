package measures

import (
	"math"
	"time"

	"granary/metricdef"
	"granary/policy"
)

// rawLength is how long the raw samples of a series are kept, zero or below if they do not expire by a clock: what its definition
// says, else what the tenant says for the type, if nobody chose a policy for the metric, else what the policy says; and never longer than
// the tenant's limit.
func (s *Store) rawLength(ref metricdef.Ref, pol *policyState) time.Duration {
	length := s.ownLength(ref, pol)
	if most := pol.longest(); most > 0 && (length <= 0 || length > most) {
		return most
	}
	return length
}

// ownLength is rawLength without the limit of the tenant.
func (s *Store) ownLength(ref metricdef.Ref, pol *policyState) time.Duration {
	length := pol.Raw.Length
	if pol.own || !unchosen(pol.Name) || length == policy.WindowOnly || !s.Tenants.Retains() {
		return length
	}
	num, typ := s.Definitions.Family(ref)
	r := s.Tenants.Retention(num)
	own := [...]time.Duration{metricdef.Gauge: r.Gauge, metricdef.Counter: r.Counter, metricdef.Availability: r.Availability, metricdef.String: r.Text}
	if int(typ) < len(own) && own[typ] > 0 {
		return own[typ]
	}
	return length
}

// unchosen says whether a metric has the policy of that name because nobody chose one for it.
func unchosen(policyName string) bool {
	return policyName == policy.DefaultName || policyName == policy.Hawkular
}

// RetentionOf is how long the raw samples of a series are kept, 0: for ever, or there is no such series. Where they live only in the
// window of their tiers it is the most that the window covers.
func (s *Store) RetentionOf(ref metricdef.Ref) time.Duration {
	var pol *policyState
	if sr := s.table.at(ref); sr != nil && s.Definitions.Tenant(ref) != 0 {
		pol = s.policyOf(ref, sr)
	} else if pol = s.policyFor(ref); pol == nil {
		return 0
	}
	switch length := s.rawLength(ref, pol); {
	case length > 0:
		return length
	case length == policy.WindowOnly && pol.tiers != nil:
		return time.Duration(min(pol.tiers.back, maxTime-pol.tiers.coarsest) + pol.tiers.coarsest)
	}
	return 0
}

// longest is the tenant's limit on how long anything is kept, zero for none.
func (p *policyState) longest() time.Duration {
	if p.standing == nil {
		return 0
	}
	return p.standing.Limits().Retention
}

// floor is the time below which nothing of the tenant is kept, whatever the policy says: its raw samples as its buckets.
func (p *policyState) floor() int64 {
	if most := p.longest(); most > 0 && !p.held.Load() {
		return p.now().UnixNano() - int64(most)
	}
	return math.MinInt64
}

// floorOf is the first bucket of a step that may be shown.
func (p *policyState) floorOf(step int64) int64 {
	if f := p.floor(); f > minTime {
		return bucketEnd(f, step)
	}
	return math.MinInt64
}

// rawFrom is the time from which raw samples are kept for the tiers of the policy; see tierPlan. What the tenant's limit takes away
// no bucket shows either.
func (p *policyState) rawFrom(wrote int64) int64 {
	from := p.tiers.rawFrom(wrote)
	if f := p.floor(); f > minTime {
		from = max(from, bucketOf(f, p.tiers.coarsest)-p.tiers.coarsest)
	}
	return from
}

// byClock turns the time below which samples have expired by the clock on the wall into that of the clock of the policy.
// REQUIRES: sh.mu, at least for reading.
func (sr *series) byClock(cut int64) int64 {
	pol := sr.policy.Load()
	if pol != nil && pol.Raw.Clock == policy.NewestClock && pol.Raw.Length > 0 && sr.flags&hasData != 0 {
		return max(sr.newest-int64(pol.Raw.Length), pol.floor())
	}
	return cut
}
