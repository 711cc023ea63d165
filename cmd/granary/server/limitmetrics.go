package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"granary/tenant"
	"granary/tenant/identity"
)

// limitCollector reads the limits of the tenants of a scope when it is asked, how much of them is used, and what was refused for them.
// Only tenants that exist are told of, only limits that there are, and only refusals that there were, so that its answer
// does not grow with what senders think up.
type limitCollector struct {
	s     *Server
	scope identity.Scope
}

// Describe is part of prometheus.Collector; nothing is promised.
func (*limitCollector) Describe(chan<- *prometheus.Desc) {}

var (
	limitLabels      = []string{"tenant", "limit"}
	descLimit        = prometheus.NewDesc("granary_tenant_limit", "A limit in force: a number, bytes, or seconds.", limitLabels, nil)
	descLimitUse     = prometheus.NewDesc("granary_tenant_limit_use", "How much of the limit is used.", limitLabels, nil)
	descLimitRefused = prometheus.NewDesc("granary_tenant_refused_total", "Samples, or requests where the limit is one of requests, that were refused.", limitLabels, nil)
)

// Collect is part of prometheus.Collector.
func (c *limitCollector) Collect(ch chan<- prometheus.Metric) {
	if ready, _ := c.s.ready(); !ready {
		return
	}
	for _, t := range c.s.store.Tenants.All() {
		if !c.scope.Contains(t.ID) {
			continue
		}
		standing := c.s.store.Tenants.Standing(t.Num)
		l := standing.Limits()
		for i := range tenant.LimitFields {
			f := &tenant.LimitFields[i]
			put := func(desc *prometheus.Desc, kind prometheus.ValueType, v float64) {
				ch <- prometheus.MustNewConstMetric(desc, kind, v, string(t.ID), f.Name)
			}
			if v := float64(*f.Of(l)); v > 0 {
				if f.Unit == tenant.UnitDuration {
					v /= 1e9
				}
				put(descLimit, prometheus.GaugeValue, v)
			}
			if used, known := c.s.limitUse(&t, int(f.Number)); known {
				put(descLimitUse, prometheus.GaugeValue, float64(used))
			}
			if n := standing.Refused(int(f.Number)); n > 0 {
				put(descLimitRefused, prometheus.CounterValue, float64(n))
			}
		}
	}
}
