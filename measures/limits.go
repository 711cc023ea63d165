package measures

import (
	"errors"

	"granary/metricdef"
	"granary/tenant"
)

// What a tenant's limits say of a batch. They are looked up once a batch, and cost its rows nothing: the bounds on time are put
// together with those that a series has anyway, and tags are looked at when a series is made.

// limitReasons are the reasons that come from a limit, by its number; the other way round reasonLimits.
var limitReasons = map[int]Reason{
	tenant.LimitSeries: SeriesLimit, tenant.LimitTags: TagsLimit, tenant.LimitTagName: TagNameLimit, tenant.LimitTagValue: TagValueLimit,
	tenant.LimitPast: PastLimit, tenant.LimitFuture: FutureLimit, tenant.LimitLine: LineLimit, tenant.LimitSamplesPerSecond: RateLimit,
	tenant.LimitMemory: MemoryLimit,
}

var reasonLimits = func() (list [NumReasons]int) {
	for number, why := range limitReasons {
		list[why] = number
	}
	return list
}()

// Limit is the number of the tenant's limit that the reason comes from (tenant.LimitSeries, ...), 0 if it comes from none.
func (r Reason) Limit() int { return reasonLimits[r] }

// ownerOf is whose the samples of a batch are.
func (s *Store) ownerOf(b *Batch) tenant.Num {
	switch {
	case b.Tenant != 0:
		return b.Tenant
	case b.Refs[0] != 0:
		return s.Definitions.Owner(b.Refs[0])
	case len(b.Drafts) > 0:
		return b.Drafts[0].Def.Tenant
	}
	return 0
}

// bounded tells the batch between which times its samples must lie.
func (p *pending) bounded(l *tenant.Limits) {
	p.low, p.high = minTime, maxTime
	if l.Past > 0 {
		p.low = max(p.low, p.wrote-int64(l.Past)-1)
	}
	if l.Future > 0 {
		p.high = min(p.high, p.wrote+int64(l.Future)+1)
	}
}

// outside is why a time that is not between the bounds of the batch is refused.
func (p *pending) outside(t int64) Reason {
	switch {
	case t <= minTime:
		return TooOld
	case t >= maxTime:
		return TooNew
	case t <= p.low:
		return PastLimit
	}
	return FutureLimit
}

// checkTags holds the tags of a series that is to be made against the limits of its tenant. The error is a *tenant.LimitError.
func (s *Store) checkTags(l *tenant.Limits, d *metricdef.Draft) error {
	over := func(number, value int, most int64) error {
		return tenant.Over(s.Tenants.ID(d.Tenant), number, int64(value), most)
	}
	if l.Tags > 0 && int64(len(d.Tags)) > l.Tags {
		return over(tenant.LimitTags, len(d.Tags), l.Tags)
	}
	if l.TagName <= 0 && l.TagValue <= 0 {
		return nil
	}
	for _, t := range d.Tags {
		if l.TagName > 0 && int64(len(t.Name)) > l.TagName {
			return over(tenant.LimitTagName, len(t.Name), l.TagName)
		}
		if l.TagValue > 0 && int64(len(t.Value)) > l.TagValue {
			return over(tenant.LimitTagValue, len(t.Value), l.TagValue)
		}
	}
	return nil
}

// reasonOf is the reason that stands for an error of reserve.
func reasonOf(err error) Reason {
	var limit *tenant.LimitError
	if errors.As(err, &limit) {
		if why, ok := limitReasons[limit.Number]; ok {
			return why
		}
	}
	return SeriesLimit
}

// stored is how many rows of a batch are stored, once they are sequenced.
func (b *Batch) stored() int64 {
	n := len(b.Refs) - len(b.Stale)
	for _, refused := range b.Refused {
		n -= refused
	}
	return int64(n)
}

// charge counts a batch that is sequenced against the limits of its tenant. REQUIRES: s.seq.mu.
func (b *Batch) charge(st *tenant.Standing, now int64) {
	st.Charge(now, b.stored())
	for why, n := range b.Refused {
		if limit := reasonLimits[why]; n > 0 && limit != 0 {
			st.Refuse(limit, n)
		}
	}
}
