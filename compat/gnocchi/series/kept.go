package series

import (
	"slices"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// Minute is the granularity of a metric whose policy names none, and whose samples have times of their own.
const Minute = time.Minute

// Kept says what can be read of a metric.
type Kept struct {
	Tiers   []policy.Tier   // ascending by granularity
	Methods []policy.Method // ascending; none if all are computed
	// Computed says that no buckets are kept: they are made of samples when they are read.
	Computed bool
}

// KeptBy is what can be read of the metrics of a policy. The one granularity of a policy without tiers reaches as far back as raw samples
// live.
func KeptBy(p *policy.Policy) Kept {
	if len(p.Tiers) > 0 {
		return Kept{Tiers: p.Tiers, Methods: p.Methods}
	}
	t := policy.Tier{Granularity: p.Grid}
	if t.Granularity <= 0 {
		t.Granularity = Minute
	}
	if p.Raw.Length > 0 {
		t.Points = max(int64(p.Raw.Length/t.Granularity), 1)
	}
	return Kept{Tiers: []policy.Tier{t}, Computed: true}
}

// Has says whether a method can be read.
func (k *Kept) Has(m policy.Method) bool {
	if k.Computed {
		return m.Valid()
	}
	_, ok := slices.BinarySearch(k.Methods, m)
	return ok
}

// HasGranularity says whether a granularity in nanoseconds can be read.
func (k *Kept) HasGranularity(granularity int64) bool {
	return slices.ContainsFunc(k.Tiers, func(t policy.Tier) bool { return int64(t.Granularity) == granularity })
}

// Definitions finds metrics; metricdef.Registry does.
type Definitions interface {
	Get(ref metricdef.Ref) (metricdef.Definition, bool)
}

// Policies finds what a tenant sees of policies; policy.Registry does.
type Policies interface {
	For(t tenant.Num) *policy.View
}

// PolicyOf is the policy of a metric as its definition and its tenant's rules choose it, with the retention that is its own if it has one.
func PolicyOf(policies Policies, d *metricdef.Draft) policy.Policy {
	p, _ := policies.For(d.Tenant).Resolve(d.Dialect, d.Called(), d.Policy)
	if d.Retention > 0 {
		p.Raw.Length = d.Retention
	}
	return p
}
