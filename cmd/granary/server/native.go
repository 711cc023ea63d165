package server

import (
	"math"

	"granary/api/edge"
	"granary/api/native"
	"granary/measures"
	"granary/metricdef"
)

// native is the native API's part of the wiring.
func (s *Server) native() native.Options {
	cfg := s.cfg
	return native.Options{
		Store: s.store, Tenants: s.store.Tenants, Definitions: s.store.Definitions, Ends: ends{s.store}, PolicyOf: s.policyOf,
		Select: edge.Tenants{Default: cfg.Tenants.Default, Trusted: cfg.TrustedProxies},
		Auth:   access{cfg.Auth}, Ready: s.ready,
		Requests: native.NewRequests(cfg.Native.MaxRequest), Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
}

// policyOf names the policy of a definition.
func (s *Server) policyOf(d *metricdef.Definition) (name string, explicit bool) {
	p, _ := s.store.Policies.Current().Resolve(d.Dialect, d.Name)
	return p.Name, false
}

// ends says which samples of a series are the first and the last.
type ends struct{ *measures.Store }

func (e ends) Newest(ref metricdef.Ref) (int64, bool) {
	t, _, ok := e.Store.Newest(ref)
	return t, ok
}

// Ends asks for a range without samples, so that nothing counts as read.
func (e ends) Ends(ref metricdef.Ref) (first, last int64, ok bool) {
	b, ok := e.Bounds(ref, math.MaxInt64, math.MaxInt64)
	return b.First, b.Last, ok
}

// compress is how answers are compressed.
func (s *Server) compress() edge.Compress {
	c, err := edge.ParseCompress(string(s.cfg.Compress))
	if err != nil {
		panic("server: checked configuration: " + err.Error())
	}
	return c
}
