package server

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/audit"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// withTenants serves the metrics of the tenants that the caller may read, and those of the service: who sends how much is nobody
// else's business. Who is nobody, and not of this machine, sees no tenant. Who has roles in some tenants alone sees nothing of the
// service: its sums without what is their own are what the others do.
func (s *Server) withTenants(service prometheus.Gatherer) http.Handler {
	audits := s.audits()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := edge.IdentityFrom(r.Context())
		scope := readable(who)
		if who.Source == identity.Anonymous && !edge.Here(r) {
			scope = identity.Scope{}
		}
		if who.Source != identity.Anonymous && (scope.All() || len(scope.Tenants()) > 1) {
			audits.Often(r, who, audit.Entry{Action: "metrics.read", Tenants: named(scope), Outcome: audit.OK})
		}
		var all prometheus.Gatherers
		if who.Source == identity.Anonymous || who.Everywhere() != 0 {
			all = append(all, service)
		}
		s.expose(w, r, all, func(e *exposition) {
			s.exposeQueues(e, scope)
			s.exposeLimits(e, scope)
		})
	})
}

// named are the tenants of a scope, as the audit log has them.
func named(scope identity.Scope) string {
	if scope.All() {
		return identity.Everywhere
	}
	var list []string
	for _, id := range scope.Tenants() {
		list = append(list, string(id))
	}
	return strings.Join(list, ",")
}

// readable is the tenants that somebody may read.
func readable(who *identity.Identity) identity.Scope {
	if who.Everywhere().May(identity.Read) {
		return identity.AllTenants()
	}
	var ids []tenant.ID
	for _, g := range who.Grants() {
		if g.Roles.May(identity.Read) {
			ids = append(ids, g.Tenant)
		}
	}
	return identity.Only(ids...)
}

// What is told of each queue.
var queueFamilies = []struct {
	family
	of func(*queue.TenantStats) float64
}{
	{family{"granary_tenant_queue_queued", "gauge", "queue", "Writes or queries of a tenant that wait for room or for their first turn."}, func(st *queue.TenantStats) float64 { return float64(st.Queued) }},
	{family{"granary_tenant_queue_in_progress", "gauge", "queue", "Writes or queries of a tenant that are worked on."}, func(st *queue.TenantStats) float64 { return float64(st.InProgress) }},
	{family{"granary_tenant_queue_held", "gauge", "queue", "Bytes of bodies, or queries, that a tenant has room for."}, func(st *queue.TenantStats) float64 { return float64(st.Held) }},
	{family{"granary_tenant_queue_waited_total", "counter", "queue", "Times that a tenant's work had to wait."}, func(st *queue.TenantStats) float64 { return float64(st.Waited) }},
	{family{"granary_tenant_queue_waited_seconds_total", "counter", "queue", "How long a tenant's work waited."}, func(st *queue.TenantStats) float64 { return st.Delay.Seconds() }},
	{family{"granary_tenant_queue_refused_total", "counter", "queue", "Writes or queries of a tenant that found no room or no turn."}, func(st *queue.TenantStats) float64 { return float64(st.Refused) }},
}

// exposeQueues tells of the queues of the tenants of a scope. Those in which nothing is, and nothing ever waited or was refused, are
// left out: of thousands of tenants nearly all. So is the queue that all who do not exist share, which is nobody's; the figures of the
// service have it in their sums.
func (s *Server) exposeQueues(e *exposition, scope identity.Scope) {
	type named struct {
		queue.TenantStats
		queue string
	}
	var told []named
	for _, f := range []struct {
		name string
		fair *queue.Fair
	}{{"queries", s.queries}, {"writes", s.writes}} {
		f.fair.Each(func(st queue.TenantStats) {
			seen := st.Tenant != "" && scope.Contains(st.Tenant)
			if seen && (st.Queued+st.InProgress != 0 || st.Held != 0 || st.Waited+st.Refused != 0) {
				told = append(told, named{st, f.name})
			}
		})
	}
	for i := range queueFamilies {
		f := &queueFamilies[i]
		for k := range told {
			e.put(&f.family, string(told[k].Tenant), told[k].queue, f.of(&told[k].TenantStats))
		}
	}
}
