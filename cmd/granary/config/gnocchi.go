package config

import "granary/compat/gnocchi"

// Gnocchi is granary.compat.gnocchi.
type Gnocchi struct {
	Enabled    bool
	Mode       gnocchi.Mode // auth
	MaxLimit   int64        // max-limit: items of a page
	MaxRequest int64        // max-request: bytes of the body of a request that writes no measures
	// Origins are those of the web pages whose scripts may ask: cors-origins.
	Origins []string
	// ProxyHeaders lets Forwarded and X-Forwarded-* change the addresses in answers: proxy-headers.
	ProxyHeaders bool
	// DefaultPolicies gives a new store Gnocchi's four policies and its rule: default-policies.
	DefaultPolicies bool
}

func (c *Config) readGnocchi(s *section) {
	g := &c.Gnocchi
	s.bool("enabled", &g.Enabled)
	auth := ""
	s.text("auth", &auth, "basic", "headers")
	switch auth {
	case "basic":
		g.Mode = gnocchi.ModeBasic
	case "headers":
		g.Mode = gnocchi.ModeHeaders
	}
	s.integer("max-limit", &g.MaxLimit, 1, 1<<20)
	s.size("max-request", &g.MaxRequest, 1<<10, 1<<30)
	s.origins("cors-origins", &g.Origins)
	s.bool("proxy-headers", &g.ProxyHeaders)
	s.bool("default-policies", &g.DefaultPolicies)
	s.end(true)
}
