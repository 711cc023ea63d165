package server

import (
	"net/http"

	"granary/api/edge"
	"granary/compat/gnocchi"
)

// gnocchi is the dialect's part of the wiring.
func (s *Server) gnocchi() gnocchi.Options {
	cfg := s.cfg
	return gnocchi.Options{
		Definitions: s.store.Definitions, Resources: s.store.Resources, Store: s.store, Queries: s.engine, Tenants: s.store.Tenants, Policies: s.store.Policies,
		MaxLimit: int(cfg.Gnocchi.MaxLimit), Version: s.o.Version, Mode: cfg.Gnocchi.Mode,
		Auth: s.guard, Locked: s.locked, Proxies: cfg.TrustedProxies, Default: cfg.Tenants.Default,
		Origins: cfg.Gnocchi.Origins, ProxyHeaders: cfg.Gnocchi.ProxyHeaders, Audit: s.audits(), Ready: s.ready,
		CheckRate: s.checkRate, Counters: s.writer.Counters(), Reads: s.queries, Bodies: s.bodies, Requests: gnocchi.NewRequests(cfg.Gnocchi.MaxRequest),
		Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
}

// locked says whether there is a source of identities, so that who enters has shown who they are.
func (s *Server) locked() bool {
	return !s.cfg.Auth.Open && (s.authority.Configured() || s.cfg.Auth.ClusterCockpitKey != nil)
}

// mountGnocchi mounts the dialect, and returns what answers "/" to who asks for no page there, nil: nothing.
func (s *Server) mountGnocchi(d *edge.Dispatcher) http.Handler {
	if !s.cfg.Gnocchi.Enabled {
		return nil
	}
	h := gnocchi.New(s.gnocchi())
	for _, prefix := range [...]string{gnocchi.Prefix, gnocchi.PrefixOther, gnocchi.PathHealth} {
		d.Mount(prefix, gnocchi.Name, h)
	}
	return http.HandlerFunc(h.Versions)
}
