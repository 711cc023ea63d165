package server

import (
	"granary/api/edge"
	"granary/api/native"
)

// native is the native API's part of the wiring.
func (s *Server) native() native.Options {
	cfg := s.cfg
	return native.Options{
		Store: s.store, Tenants: s.store.Tenants,
		Select: edge.Tenants{Default: cfg.Tenants.Default, Trusted: cfg.TrustedProxies},
		Auth:   access{cfg.Auth}, Ready: s.ready,
		Requests: native.NewRequests(cfg.Native.MaxRequest), Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
}

// compress is how answers are compressed.
func (s *Server) compress() edge.Compress {
	c, err := edge.ParseCompress(string(s.cfg.Compress))
	if err != nil {
		panic("server: checked configuration: " + err.Error())
	}
	return c
}
