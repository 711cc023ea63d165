package server

import (
	"net/http"

	"granary/api/edge"
	"granary/cmd/granary/config"
	"granary/compat/clustercockpit"
	"granary/tenant/identity"
)

// authorityOptions are the sources of identities that the configuration names.
func authorityOptions(cfg *config.Config, o Options, keys *identity.Keys) identity.AuthorityOptions {
	a := cfg.Identity.Sources()
	a.Keys, a.Logger = keys, o.Logger
	return a
}

// openGuard makes what says who makes a request.
func (s *Server) openGuard() error {
	o := authorityOptions(s.cfg, s.o, s.store.Keys)
	var err error
	if s.authority, err = identity.NewAuthority(o); err != nil {
		return err
	}
	s.guard = edge.NewGuard(edge.GuardOptions{
		Authority: s.authority,
		Carriers: edge.Carriers{
			Proxies: s.cfg.TrustedProxies, Certificates: len(o.Certificates) > 0,
			Subject: http.CanonicalHeaderKey(o.Proxy.Subject), Roles: http.CanonicalHeaderKey(o.Proxy.Roles), Tenants: http.CanonicalHeaderKey(o.Proxy.Tenants),
		},
		Open:   s.cfg.Auth.Open,
		Locked: s.cfg.Auth.ClusterCockpitKey != nil,
		Now:    s.o.Now,
	})
	return nil
}

// clusterCockpitGuard is the guard of /api, which other machines may use where the service is open to this one, and where tokens of
// main.jwt-public-key count.
func (s *Server) clusterCockpitGuard() *edge.Guard {
	g := s.guard.Anywhere()
	if key := s.cfg.Auth.ClusterCockpitKey; key != nil {
		g = g.With(clustercockpit.NewTokens(key, s.lines.scope()))
	}
	return g
}

// guarded lets in whom the guard lets in, for what belongs to no dialect.
func (s *Server) guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.guard.Authenticate(r)
		if err != nil {
			status := edge.Status(err)
			if status == http.StatusUnauthorized {
				edge.Challenge(w.Header(), err)
			}
			http.Error(w, edge.DetailOf(err), status)
			return
		}
		h.ServeHTTP(w, r.WithContext(edge.WithIdentity(r.Context(), who)))
	})
}
