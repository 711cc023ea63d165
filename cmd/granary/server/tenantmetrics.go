package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
		own := prometheus.NewRegistry()
		who := edge.IdentityFrom(r.Context())
		scope := readable(who)
		if who.Source == identity.Anonymous && !edge.Here(r) {
			scope = identity.Scope{}
		}
		own.MustRegister(&tenantCollector{s, scope}, &limitCollector{s, scope})
		if who.Source != identity.Anonymous && (scope.All() || len(scope.Tenants()) > 1) {
			audits.Often(r, who, audit.Entry{Action: "metrics.read", Tenants: "*", Outcome: audit.OK})
		}
		all := prometheus.Gatherers{own}
		if who.Source == identity.Anonymous || who.Everywhere() != 0 {
			all = append(all, service)
		}
		promhttp.HandlerFor(all, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
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

// tenantCollector reads the figures of the tenants of a scope when it is asked.
type tenantCollector struct {
	s     *Server
	scope identity.Scope
}

// Describe is part of prometheus.Collector; nothing is promised.
func (*tenantCollector) Describe(chan<- *prometheus.Desc) {}

var queueLabels = []string{"tenant", "queue"}

// What is told of each queue.
var (
	descQueued     = prometheus.NewDesc("granary_tenant_queue_queued", "Writes or queries of a tenant that wait for room or for their first turn.", queueLabels, nil)
	descInProgress = prometheus.NewDesc("granary_tenant_queue_in_progress", "Writes or queries of a tenant that are worked on.", queueLabels, nil)
	descHeld       = prometheus.NewDesc("granary_tenant_queue_held", "Bytes of bodies, or queries, that a tenant has room for.", queueLabels, nil)
	descWaited     = prometheus.NewDesc("granary_tenant_queue_waited_total", "Times that a tenant's work had to wait.", queueLabels, nil)
	descDelay      = prometheus.NewDesc("granary_tenant_queue_waited_seconds_total", "How long a tenant's work waited.", queueLabels, nil)
	descRefused    = prometheus.NewDesc("granary_tenant_queue_refused_total", "Writes or queries of a tenant that found no room or no turn.", queueLabels, nil)
)

// Collect is part of prometheus.Collector.
func (c *tenantCollector) Collect(ch chan<- prometheus.Metric) {
	for name, f := range map[string]*queue.Fair{"writes": c.s.writes, "queries": c.s.queries} {
		f.Each(func(st queue.TenantStats) {
			if st.Tenant == "" && !c.scope.All() || st.Tenant != "" && !c.scope.Contains(st.Tenant) {
				return
			}
			for _, m := range []struct {
				desc *prometheus.Desc
				kind prometheus.ValueType
				v    float64
			}{
				{descQueued, prometheus.GaugeValue, float64(st.Queued)}, {descInProgress, prometheus.GaugeValue, float64(st.InProgress)},
				{descHeld, prometheus.GaugeValue, float64(st.Held)}, {descWaited, prometheus.CounterValue, float64(st.Waited)},
				{descDelay, prometheus.CounterValue, st.Delay.Seconds()}, {descRefused, prometheus.CounterValue, float64(st.Refused)},
			} {
				ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.v, string(st.Tenant), name)
			}
		})
	}
}
