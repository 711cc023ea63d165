package clustercockpit

import (
	"net/http"

	engine "granary/measures/query"
	"granary/tenant"
)

// limit looks up what the tenant of the cluster may read.
func (a *answer) limit() {
	if a.d.o.Limits == nil || a.cluster == nil {
		return
	}
	id, err := viewOf(a.ctx).tenantOf(a.req.Cluster)
	if t, ok := a.d.o.Tenants.Lookup(id); ok && err == nil {
		a.tenant, a.most = t.Num, a.d.o.Limits.OwnLimits(t.Num)
	}
}

// within says whether the series and samples that were asked for so far are no more than the tenant may ask for.
func (a *answer) within() error {
	if m := a.most.QuerySeries; m > 0 && a.series > m {
		a.d.o.Limits.Standing(a.tenant).Refuse(tenant.LimitQuerySeries, 1)
		return costError{&engine.CostError{What: "series", Count: a.series, Limit: m, Setting: engine.SettingSeries}}
	}
	if m := a.most.QuerySamples; m > 0 && a.samples > m {
		a.d.o.Limits.Standing(a.tenant).Refuse(tenant.LimitQuerySamples, 1)
		return costError{&engine.CostError{What: "samples", Count: a.samples, Limit: m, Setting: engine.SettingSamples}}
	}
	return nil
}

// costError refuses a request that asks for more than its tenant may. Asking again does not help.
type costError struct{ *engine.CostError }

// Status is that of an answer that is too large.
func (costError) Status() int { return http.StatusRequestEntityTooLarge }
