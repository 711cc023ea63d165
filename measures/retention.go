package measures

import (
	"time"

	"granary/metricdef"
	"granary/policy"
)

// rawLength is how long the raw samples of a series are kept, zero or below if they do not expire by a clock: what the tenant
// says for the type, if nobody chose a policy for the metric, else what the policy says.
func (s *Store) rawLength(ref metricdef.Ref, pol *policyState) time.Duration {
	length := pol.Raw.Length
	if pol.Name != policy.DefaultName || length == policy.WindowOnly || !s.Tenants.Retains() {
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

// byClock turns the time below which samples have expired by the clock on the wall into that of the clock of the policy.
// REQUIRES: sh.mu, at least for reading.
func (sr *series) byClock(cut int64) int64 {
	pol := sr.policy.Load()
	if pol != nil && pol.Raw.Clock == policy.NewestClock && pol.Raw.Length > 0 && sr.flags&hasData != 0 {
		return sr.newest - int64(pol.Raw.Length)
	}
	return cut
}
