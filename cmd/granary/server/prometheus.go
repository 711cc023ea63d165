package server

import (
	"granary/compat/prometheus"
	"granary/measures/ingest/line"
	"granary/policy"
)

// prometheus is the dialect's part of the wiring.
func (s *Server) prometheus() prometheus.Options {
	cfg := &s.cfg.Prometheus
	return prometheus.Options{
		Definitions: s.store.Definitions, Store: s.store, Tenants: s.store.Tenants,
		Mapping:    s.rules.Current,
		Bounds:     func() line.Bounds { return bounds(cfg.Bounds, s.store.Policies.Current(), policy.Prometheus) },
		MaxSamples: int(cfg.MaxSamples), MaxLabels: int(cfg.MaxLabels),
		Auth: s.guard, Select: s.selector(), Ready: s.ready, CheckRate: s.checkRate, Counters: s.writer.Counters(), Bodies: s.bodies,
		Now: s.o.Now, Logger: s.o.Logger,
	}
}
