package server

import (
	"net"
	"net/http"
	"path/filepath"

	"granary/api/edge"
	"granary/cmd/granary/config"
	"granary/compat/clustercockpit"
	"granary/tenant/audit"
	"granary/tenant/identity"
)

// authorityOptions are the sources of identities that the configuration names.
func authorityOptions(cfg *config.Config, o Options, keys *identity.Keys) identity.AuthorityOptions {
	a := cfg.Identity.Sources()
	a.Keys, a.Logger = keys, o.Logger
	return a
}

// openAuthority reads the sources of identities.
func (s *Server) openAuthority() (err error) {
	s.authority, err = identity.NewAuthority(authorityOptions(s.cfg, s.o, s.store.Keys))
	return err
}

// openGuard makes what says who makes a request.
func (s *Server) openGuard() {
	s.guard = edge.NewGuard(edge.GuardOptions{
		Authority: s.authority,
		Carriers:  carriers(s.cfg, s.cfg.Identity.Sources()),
		Throttle:  edge.NewThrottle(throttleOptions(s.cfg)),
		Basic:     s.cfg.Identity.Htpasswd != "",
		Audit:     s.audits(),
		Open:      s.cfg.Auth.Open,
		Locked:    s.cfg.Auth.ClusterCockpitKey != nil,
		Now:       s.o.Now,
	})
}

// warnOpen says that the service answers others than this machine without asking who they are, unless the configuration says in as
// many words that it shall (granary.auth).
func (s *Server) warnOpen() {
	address, ok := s.listener.Addr().(*net.TCPAddr)
	if !ok || address.IP.IsLoopback() || s.authority.Configured() || s.cfg.Auth.ClusterCockpitKey != nil || s.cfg.Auth.Open {
		return
	}
	s.o.Logger.Warn("everybody who can reach this address may read and write through /api, and all else is for this machine only, since nothing says who may enter; name a source of identities, or listen on this machine alone",
		"listen", address.String(), "settings", "granary.identity, main.jwt-public-key, main.addr")
}

// throttleOptions say how often somebody may fail.
func throttleOptions(cfg *config.Config) edge.ThrottleOptions {
	f := cfg.Identity.Failures
	return edge.ThrottleOptions{Allowed: int(f.Allowed), Window: f.Window, Block: f.Block}
}

// carriers are where credentials may stand, by the sources that there are.
func carriers(cfg *config.Config, o identity.AuthorityOptions) edge.Carriers {
	name := http.CanonicalHeaderKey
	return edge.Carriers{Proxies: cfg.TrustedProxies, Certificates: len(o.Certificates) > 0,
		Subject: name(o.Proxy.Subject), Roles: name(o.Proxy.Roles), Tenants: name(o.Proxy.Tenants)}
}

// audits tells the audit log about requests.
func (s *Server) audits() *edge.Audit {
	return &edge.Audit{Log: s.audit, Proxies: s.cfg.TrustedProxies}
}

// auditOptions are those of the audit log.
func auditOptions(cfg *config.Config, o Options) audit.Options {
	file := cfg.AuditFile
	switch file {
	case "":
		file = filepath.Join(cfg.Data, "audit.log")
	case config.AuditToLog:
		file = ""
	}
	return audit.Options{File: file, Logger: o.Logger, Now: o.Now}
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
			switch status {
			case http.StatusUnauthorized:
				edge.Challenge(w.Header(), err)
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				edge.SetRetryAfter(w.Header(), err)
			}
			http.Error(w, edge.DetailOf(err), status)
			return
		}
		h.ServeHTTP(w, r.WithContext(edge.WithIdentity(r.Context(), who)))
	})
}
