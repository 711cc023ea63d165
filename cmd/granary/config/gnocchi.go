package config

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"granary/compat/gnocchi"
	"granary/compat/gnocchi/keystone"
	"granary/policy"
)

// Gnocchi is granary.compat.gnocchi.
type Gnocchi struct {
	Enabled bool
	Mode    gnocchi.Mode // auth
	// Believe lets a name count without its password where there are sources of identities: check-passwords is false.
	Believe bool
	// Rules say who may do what: rules, over the dialect's own.
	Rules      *gnocchi.Rules
	Keystone   Keystone
	MaxLimit   int64 // max-limit: items of a page
	MaxRequest int64 // max-request: bytes of the body of a request that writes no measures
	// Origins are those of the web pages whose scripts may ask: cors-origins.
	Origins []string
	// ProxyHeaders lets Forwarded and X-Forwarded-* change the addresses in answers: proxy-headers.
	ProxyHeaders bool
	// DefaultPolicies gives a new store Gnocchi's four policies and its rule: default-policies.
	DefaultPolicies bool
	// Methods are those of archive policies that name none: default-aggregation-methods.
	Methods []policy.Method
}

// Keystone is granary.compat.gnocchi.keystone.
type Keystone struct {
	URL                    string // "": there is none
	User, UserDomain       string
	Password               Secret
	PasswordFile           string // password-file: in the place of Password, read again at each login
	Project, ProjectDomain string
	CAFile                 string        // ca-file: of authorities; "": those of the system
	Cache                  time.Duration // cache: how long an answer holds
	Timeout                time.Duration
}

func defaultGnocchi() Gnocchi {
	return Gnocchi{Enabled: true, DefaultPolicies: true, Methods: policy.DefaultMethods(), MaxLimit: gnocchi.DefaultMaxLimit, MaxRequest: gnocchi.DefaultRequest, Rules: gnocchi.DefaultRules(),
		Keystone: Keystone{UserDomain: keystone.DefaultDomain, Project: "service", ProjectDomain: keystone.DefaultDomain, Cache: keystone.DefaultCache, Timeout: keystone.DefaultTimeout}}
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
	g.readMethods(s)
	g.readRules(s)
	g.Keystone.read(s.sub("keystone"))
	c.readCheckPasswords(s)
	s.end(true)
}

// readMethods reads default-aggregation-methods: names, of methods that Gnocchi has.
func (g *Gnocchi) readMethods(s *section) {
	const key = "default-aggregation-methods"
	names, given := s.texts(key)
	if !given {
		return
	}
	all := policy.GnocchiMethods()
	methods, err := policy.MethodList(names, policy.DefaultMethods(), all)
	for _, m := range methods {
		if !slices.Contains(all, m) {
			err = fmt.Errorf("%s: Gnocchi does not have it", m)
		}
	}
	switch {
	case err != nil:
		s.fault(key, err.Error())
	case len(names) == 0 || len(methods) == 0:
		s.wrong(s.get(key), key, "a list with at least one method")
	default:
		g.Methods = methods
	}
}

// readCheckPasswords reads whether names count without passwords. On a service that asks who enters this opens a door beside all others, so that
// auth has to say besides that names are what counts.
func (c *Config) readCheckPasswords(s *section) {
	g := &c.Gnocchi
	n := s.get("check-passwords")
	check := true
	s.bool("check-passwords", &check)
	if n == nil || n.kind != boolean {
		return
	}
	sources := c.Identity.Sources()
	switch locked := sources.Configured() || c.Auth.ClusterCockpitKey != nil || g.Keystone.URL != ""; {
	case check && !sources.Configured():
		s.fault("check-passwords", "expected some of granary.identity beside it, since nobody's password is known here")
	case !check && locked && g.Mode != gnocchi.ModeBasic:
		s.fault("check-passwords", "expected true, or auth: basic beside it: it lets everybody on this machine be whoever they say, past all that guards the service")
	}
	g.Believe = !check
}

// readRules reads who may do what, by the names of actions.
func (g *Gnocchi) readRules(s *section) {
	n := s.get("rules")
	if n == nil {
		return
	}
	in := s.r.section(n, join(s.path, "rules"))
	if in.n == nil {
		return
	}
	for _, m := range in.n.members {
		list, ok := in.texts(m.key)
		if !ok {
			continue
		}
		if err := g.Rules.Set(m.key, list); err != nil {
			in.fault(m.key, err.Error())
		}
	}
}

func (k *Keystone) read(s *section) {
	s.text("url", &k.URL)
	s.text("user", &k.User)
	s.text("user-domain", &k.UserDomain)
	s.secret("password", &k.Password)
	s.text("password-file", &k.PasswordFile)
	s.text("project", &k.Project)
	s.text("project-domain", &k.ProjectDomain)
	s.text("ca-file", &k.CAFile)
	s.duration("cache", &k.Cache, time.Second)
	s.duration("timeout", &k.Timeout, 100*time.Millisecond)
	s.end(true)
	if s.n == nil {
		return
	}
	u, err := url.Parse(k.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "":
		s.fault("url", "expected the URL of Keystone, such as https://keystone.example.org:5000")
	case k.User == "":
		s.fault("user", "expected the user that may validate tokens")
	case (k.Password == "") == (k.PasswordFile == ""):
		s.fault("password-file", "expected one of password and password-file")
	}
}
