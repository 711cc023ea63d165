package server

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"granary/api/edge"
	"granary/compat/gnocchi"
	"granary/compat/gnocchi/keystone"
	"granary/tenant/identity"
)

// gnocchi is the dialect's part of the wiring.
func (s *Server) gnocchi() gnocchi.Options {
	cfg := s.cfg
	o := gnocchi.Options{
		Definitions: s.store.Definitions, Resources: s.store.Resources, Store: s.store, Queries: s.engine, Tenants: s.store.Tenants, Policies: s.store.Policies,
		MaxLimit: int(cfg.Gnocchi.MaxLimit), Methods: cfg.Gnocchi.Methods, Version: s.o.Version, Mode: cfg.Gnocchi.Mode,
		Auth: s.gnocchiGuard(), Locked: s.locked, Rules: cfg.Gnocchi.Rules, Proxies: cfg.TrustedProxies, Default: cfg.Tenants.Default,
		Origins: cfg.Gnocchi.Origins, ProxyHeaders: cfg.Gnocchi.ProxyHeaders, Audit: s.audits(), Ready: s.ready,
		CheckRate: s.checkRate, Counters: s.writer.Counters(), Reads: s.queries, Bodies: s.bodies, Requests: gnocchi.NewRequests(cfg.Gnocchi.MaxRequest),
		Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
	if cfg.Gnocchi.Believe {
		// As far as an open service believes what it is told.
		o.Believe = func(r *http.Request) bool { return cfg.Auth.Open || edge.Here(r) }
	}
	if s.keystone != nil {
		o.Keystone = &gnocchi.Keystone{Tokens: s.keystone, Guard: s.guard, Address: s.keystone.Address()}
	}
	return o
}

// gnocchiGuard is the guard of the dialect, whose clients may show a key or token of Granary where they show those of Keystone.
func (s *Server) gnocchiGuard() *edge.Guard { return s.guard.Field(gnocchi.HeaderToken) }

// openKeystone makes what asks Keystone, if there is one. It reads what only root may read perhaps.
func (s *Server) openKeystone() error {
	k := &s.cfg.Gnocchi.Keystone
	if k.URL == "" || !s.cfg.Gnocchi.Enabled {
		return nil
	}
	password := func() (string, error) {
		if k.PasswordFile == "" {
			return string(k.Password), nil
		}
		b, err := identity.ReadFile(k.PasswordFile)
		return strings.TrimSpace(string(b)), err
	}
	if _, err := password(); err != nil {
		return fmt.Errorf("granary.compat.gnocchi.keystone.password-file: %w", err)
	}
	o := keystone.Options{URL: k.URL, User: k.User, UserDomain: k.UserDomain, Password: password, Project: k.Project, ProjectDomain: k.ProjectDomain,
		Cache: k.Cache, Timeout: k.Timeout, Now: s.o.Now, Logger: s.o.Logger}
	if k.CAFile != "" {
		b, err := identity.ReadFile(k.CAFile)
		if err != nil {
			return fmt.Errorf("granary.compat.gnocchi.keystone.ca-file: %w", err)
		}
		if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(b) {
			return fmt.Errorf("granary.compat.gnocchi.keystone.ca-file: %s holds no certificate (PEM)", k.CAFile)
		}
	}
	s.keystone = keystone.New(o)
	return nil
}

// warnGnocchi says where Gnocchi's API is open further than its owner may think.
func (s *Server) warnGnocchi() {
	g := &s.cfg.Gnocchi
	if !g.Enabled {
		return
	}
	log, locked := s.o.Logger, s.locked()
	if g.Believe && (locked || s.keystone != nil) {
		log.Warn("names count without their passwords in Gnocchi's API: everybody on this machine, and with granary.auth: none everybody, may be anybody there, admin too, past all that guards the service",
			"settings", "granary.compat.gnocchi.check-passwords, granary.compat.gnocchi.auth")
	}
	if g.Mode == gnocchi.ModeHeaders && (locked || s.keystone != nil) && edge.Proxies(s.cfg.TrustedProxies).Trust("127.0.0.1:1") {
		log.Warn("every program on this machine may be anybody in Gnocchi's API, by the header fields of a trusted proxy; name the proxy's address, if it has one of its own",
			"settings", "granary.compat.gnocchi.auth, granary.trusted-proxies")
	}
	if s.keystone == nil {
		return
	}
	if !locked {
		log.Warn("Keystone guards Gnocchi's API alone: all else is open to this machine; name a source of identities", "settings", "granary.compat.gnocchi.keystone, granary.identity")
	}
	if u, err := url.Parse(g.Keystone.URL); err == nil && u.Scheme == "http" {
		if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
			log.Warn("tokens, and the password of the service, go to Keystone in the clear", "setting", "granary.compat.gnocchi.keystone.url")
		}
	}
}

// tellGnocchi says how Gnocchi's clients are served.
func (s *Server) tellGnocchi() {
	g := &s.cfg.Gnocchi
	if !g.Enabled {
		return
	}
	var ways []string
	if s.keystone != nil {
		ways = append(ways, "keystone")
	}
	if g.Mode == gnocchi.ModeHeaders || g.Mode == gnocchi.ModeAny && len(ways) == 0 && !s.locked() {
		ways = append(ways, "headers")
	}
	switch {
	case s.locked():
		ways = append(ways, "granary.identity")
	case g.Mode != gnocchi.ModeHeaders && s.keystone == nil:
		ways = append(ways, "names")
	}
	if g.Believe && (s.locked() || s.keystone != nil) {
		ways = append(ways, "names without passwords")
	}
	args := []any{"who", strings.Join(ways, ", "), "max-limit", g.MaxLimit, "cors-origins", g.Origins, "proxy-headers", g.ProxyHeaders}
	s.o.Logger.Info("Gnocchi's clients are served", args...)
}

// locked says whether there is a source of identities, so that who enters has shown who they are.
func (s *Server) locked() bool {
	return !s.cfg.Auth.Open && (s.authority.Configured() || s.cfg.Auth.ClusterCockpitKey != nil)
}

// mountGnocchi makes the dispatcher and mounts the dialect. root answers "/" to who asks for no page there; nil: nothing does. Who asks for JSON
// at a path that is nobody's is answered as Gnocchi does, all others in plain text.
func (s *Server) mountGnocchi() (d *edge.Dispatcher, root http.Handler) {
	o := s.dispatchOptions()
	if !s.cfg.Gnocchi.Enabled {
		return edge.NewDispatcher(o), nil
	}
	h := gnocchi.New(s.gnocchi())
	o.Default = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if edge.Negotiate(r, "text/plain", "application/json") == "application/json" {
			h.NotFound(w, r)
			return
		}
		http.NotFound(w, r)
	})
	d = edge.NewDispatcher(o)
	for _, prefix := range [...]string{gnocchi.Prefix, gnocchi.PrefixOther, gnocchi.PathHealth} {
		d.Mount(prefix, gnocchi.Name, h)
	}
	return d, http.HandlerFunc(h.Versions)
}
