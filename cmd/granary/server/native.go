package server

import (
	"granary/api/edge"
	"granary/api/native"
	"granary/compat/clustercockpit"
	"granary/compat/coopr"
	"granary/compat/gnocchi"
	"granary/compat/hawkular"
	"granary/compat/influx"
	"granary/measures"
	"granary/measures/query"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// native is the native API's part of the wiring.
func (s *Server) native() native.Options {
	cfg := s.cfg
	return native.Options{
		Store: s.store, Tenants: s.store.Tenants, ServiceLimits: s.cfg.Limits.Limits, Definitions: s.store.Definitions, Ends: ends{s.store}, Metrics: s.store, PolicyOf: s.policyOf,
		ResourceType: s.store.Resources.TypeOf,
		Policies:     policies{s.store}, Queries: s.engine, Reads: s.queries, Writes: s.writes,
		Version: s.o.Version, Capabilities: s.capabilities(),
		CheckRate: s.checkRate, SeriesStatus: cfg.Limits.SeriesStatus, LimitSources: s.store.Tenants.LimitSources, LimitUse: s.limitUse, Standing: s.store.Tenants.Standing,
		TenantChanges: s.store, Ranges: s.store, Usage: newLedger(s.store), Keys: s.store.Keys, KeyChanges: s.store,
		Select: s.selector(),
		Auth:   s.guard, Audit: s.audits(), CORS: edge.NewCORS(cfg.Origins), Ready: s.ready,
		Lines: s.writer, Bodies: s.bodies, Requests: native.NewRequests(cfg.Native.MaxRequest), Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
}

// policyOf names the policy of a definition.
func (s *Server) policyOf(d *metricdef.Definition) (name string, explicit bool) {
	p, _ := s.store.Policies.For(d.Tenant).Resolve(d.Dialect, d.Called(), d.Policy)
	return p.Name, d.Policy != "" && p.Name == d.Policy
}

// policies are the policies and rules that the native API shows and changes. The cache of line protocol need not be dropped with a
// change: it knows series, and only the configuration says which metrics are wanted.
type policies struct{ *measures.Store }

func (p policies) For(n tenant.Num) *policy.View { return p.Policies.For(n) }

// compress is how answers are compressed.
func (s *Server) compress() edge.Compress {
	c, err := edge.ParseCompress(string(s.cfg.Compress))
	if err != nil {
		panic("server: checked configuration: " + err.Error())
	}
	return c
}

// capabilities are what GET /v2/capabilities says of the rest of the service.
func (s *Server) capabilities() native.Capabilities {
	cfg := s.cfg
	c := native.Capabilities{Dialects: []string{native.Name}, Limits: map[string]native.Limit{
		"body":               {Value: cfg.Limits.Body, Setting: "granary.limits.body"},
		"request":            {Value: cfg.Native.MaxRequest, Setting: "granary.native.max-request"},
		"line":               {Value: cfg.Limits.Line, Setting: "granary.limits.line"},
		"query_points":       {Value: cfg.Limits.QueryPoints, Setting: query.Setting},
		"query_samples":      {Value: cfg.Limits.QuerySamples, Setting: query.SettingSamples},
		"query_series":       {Value: cfg.Limits.QuerySeries, Setting: query.SettingSeries},
		"series":             {Value: cfg.Limits.Series, Setting: "granary.limits.series"},
		"tenants":            {Value: cfg.Tenants.Max, Setting: "granary.tenants.max"},
		"concurrent_queries": {Value: s.queries.Max(), Setting: "granary.limits.concurrent-queries"},
	}}
	if cfg.ClusterCockpit.Enabled {
		c.Dialects = append(c.Dialects, clustercockpit.Name)
	}
	if cfg.Coopr.Enabled {
		c.Dialects = append(c.Dialects, coopr.Name)
	}
	if cfg.Hawkular.Enabled {
		c.Dialects = append(c.Dialects, hawkular.Name)
	}
	if cfg.Gnocchi.Enabled {
		c.Dialects = append(c.Dialects, gnocchi.Name)
	}
	if cfg.Influx.Enabled {
		c.Dialects = append(c.Dialects, influx.Name)
	}
	if cfg.NATS.Active() {
		c.Dialects = append(c.Dialects, "nats")
	}
	return c
}
