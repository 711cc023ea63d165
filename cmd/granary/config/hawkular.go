package config

import (
	"time"

	"granary/policy"
	"granary/tenant/identity"
)

// Hawkular is granary.compat.hawkular.
type Hawkular struct {
	Enabled bool
	// Strict answers as Hawkular Metrics does, else as Mohawk's documentation says.
	Strict       bool
	DefaultStart time.Duration // default-start: how far before now a range begins that names no start
	Retention    time.Duration // of metrics for which nobody says anything else, policy.Forever for ever
	// AdminToken is the token for what is about the service, admin-token; nil: there is none. One that the file spells out is kept as
	// its SHA-256.
	AdminToken *identity.StaticToken
	// Origins are those of the web pages whose scripts may ask: cors-origins.
	Origins []string
	// Own leaves metrics of other dialects out of lists and searches: show is "own", not "all".
	Own        bool
	MaxRequest int64 // max-request: bytes of the body of a request that writes no points
	Alerts     HawkularAlerts
}

// AdminSources is the admin token as an authority takes it.
func (h *Hawkular) AdminSources() identity.AuthorityOptions {
	var o identity.AuthorityOptions
	if h.AdminToken != nil {
		o.Tokens = []identity.StaticToken{*h.AdminToken}
	}
	return o
}

func (c *Config) readHawkular(s *section) {
	h := &c.Hawkular
	s.bool("enabled", &h.Enabled)
	s.bool("strict", &h.Strict)
	s.duration("default-start", &h.DefaultStart, time.Millisecond)
	if n := s.get("retention"); n != nil && n.kind == text && n.text == "forever" {
		h.Retention = policy.Forever
	} else {
		s.duration("retention", &h.Retention, 1)
	}
	token := s.sub("admin-token")
	t := identity.StaticToken{Name: "hawkular-admin-token", Grants: identity.GrantsOf(identity.Operator)}
	token.staticToken(&t)
	token.end(true)
	if token.n != nil {
		h.AdminToken = &t
	}
	s.origins("cors-origins", &h.Origins)
	show := "all"
	s.text("show", &show, "all", "own")
	h.Own = show == "own"
	s.size("max-request", &h.MaxRequest, 1<<10, 1<<30)
	h.Alerts.read(s.sub("alerts"))
	if !h.Enabled && len(h.Alerts.Rules) > 0 {
		s.warn(s.n.find("alerts"), Doubtful, "alerts", "enabled is false, so nothing is watched and nobody is told")
	}
	s.end(true)
}
