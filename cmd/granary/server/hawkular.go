package server

import "granary/compat/hawkular"

// hawkular is the dialect's part of the wiring.
func (s *Server) hawkular() hawkular.Options {
	cfg := s.cfg
	return hawkular.Options{
		Definitions: s.store.Definitions, Store: s.store, Queries: s.engine, Tenants: s.store.Tenants,
		Strict: cfg.Hawkular.Strict, DefaultStart: cfg.Hawkular.DefaultStart, Version: s.o.Version,
		Auth: s.guard, Select: s.selector(), Audit: s.audits(), Ready: s.ready,
		CheckRate: s.checkRate, Reads: s.queries, Bodies: s.bodies, Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
}
