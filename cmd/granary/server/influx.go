package server

import (
	"time"

	"granary/compat/influx"
	"granary/measures/ingest/line"
	"granary/tenant"
)

// influx is the dialect's part of the wiring.
func (s *Server) influx() influx.Options {
	cfg := s.cfg
	return influx.Options{
		Lines: s.writer, Store: s.store, Tenants: s.store.Tenants, Definitions: s.store.Definitions, Reads: s.queries,
		Databases: cfg.Influx.Databases, Fields: cfg.Influx.Fields, TenantFields: cfg.Influx.TenantFields, Bounds: s.influxBounds, Mapping: s.rules.Current,
		Auth: s.guard.Parameters(), Select: s.selector(), Ready: s.ready,
		CheckRate: s.checkRate, SeriesStatus: cfg.Limits.SeriesStatus, Bodies: s.bodies, Requests: influx.NewRequests(cfg.Influx.MaxRequest),
		Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
}

// influxBounds are the bounds on the times of a tenant's samples. Without an age in the configuration it is the longest that samples of the
// dialect may be kept: one that has expired already is refused, and no other.
func (s *Server) influxBounds(id tenant.ID) line.Bounds {
	b := s.cfg.Influx.Bounds
	out := line.Bounds{Past: bound(b.Past), Future: bound(b.Future)}
	if b.Past == 0 {
		out.Past = s.longest(id, influx.Name)
	}
	return out
}

// longest is how long samples of a dialect are kept for a tenant, at most; 0 is for ever.
func (s *Server) longest(id tenant.ID, dialect string) time.Duration {
	t, _ := s.store.Tenants.Lookup(id)
	kept := s.store.Policies.For(t.Num).Longest(dialect)
	if own := t.Settings.Retention.Gauge; kept > 0 && own > 0 {
		kept = max(kept, own)
	}
	if most := s.store.Tenants.Limits(t.Num).Retention; most > 0 && (kept == 0 || most < kept) {
		kept = most
	}
	return kept
}
