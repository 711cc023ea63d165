package server

import (
	"granary/tenant"
	"granary/tenant/identity"
)

var (
	limitFamily   = family{"granary_tenant_limit", "gauge", "limit", "A limit in force: a number, bytes, or seconds."}
	useFamily     = family{"granary_tenant_limit_use", "gauge", "limit", "How much of the limit is used; what is not used at all is left out."}
	refusedFamily = family{"granary_tenant_refused_total", "counter", "limit", "Samples, or requests where the limit is one of requests, that were refused."}
)

// exposeLimits tells the limits of the tenants of a scope, how much of them is used, and what was refused for them. Only tenants that
// exist are told of, only limits that there are, and only use and refusals that there were, so that the answer does not grow with
// what senders think up.
func (s *Server) exposeLimits(e *exposition, scope identity.Scope) {
	if ready, _ := s.ready(); !ready {
		return
	}
	all := s.store.Tenants.All()
	each := func(fn func(t *tenant.Tenant, st *tenant.Standing, f *tenant.LimitField)) {
		for i := range all {
			if !scope.Contains(all[i].ID) {
				continue
			}
			st := s.store.Tenants.Standing(all[i].Num)
			for k := range tenant.LimitFields {
				fn(&all[i], st, &tenant.LimitFields[k])
			}
		}
	}
	each(func(t *tenant.Tenant, st *tenant.Standing, f *tenant.LimitField) {
		if v := float64(f.InForce(st.Limits())); v > 0 {
			if f.Unit == tenant.UnitDuration {
				v /= 1e9
			}
			e.put(&limitFamily, string(t.ID), f.Name, v)
		}
	})
	each(func(t *tenant.Tenant, _ *tenant.Standing, f *tenant.LimitField) {
		if used, _ := s.limitUse(t, int(f.Number)); used != 0 {
			e.put(&useFamily, string(t.ID), f.Name, float64(used))
		}
	})
	each(func(t *tenant.Tenant, st *tenant.Standing, f *tenant.LimitField) {
		if n := st.Refused(int(f.Number)); n > 0 {
			e.put(&refusedFamily, string(t.ID), f.Name, float64(n))
		}
	})
}
