package gnocchi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
	"granary/compat/gnocchi/keystone"
	"granary/tenant"
	"granary/tenant/identity"
)

// guards lets in by X-Api-Key whom the map knows, and as an open service does where it is open.
type guards struct {
	known map[string]*identity.Identity
	open  bool
	trust edge.Proxies
}

func (g *guards) Authenticate(r *http.Request) (*identity.Identity, error) {
	who := g.known[r.Header.Get("X-Api-Key")]
	if who == nil {
		if !g.open {
			return nil, &edge.UnauthorizedError{Err: &identity.Error{}, Challenges: []string{"Bearer"}}
		}
		who = identity.Open()
	}
	return g.trust.Bind(r, who)
}

// tokens are those of a Keystone.
type tokens map[string]*keystone.Holder

func (t tokens) Check(_ context.Context, token string) (*keystone.Holder, error) {
	switch h := t[token]; {
	case token == "down":
		return nil, &keystone.UnavailableError{}
	case h != nil:
		return h, nil
	}
	return nil, &identity.Error{Fault: identity.Wrong, Reason: "Keystone does not know the token"}
}

func (t tokens) Knows(token string, _ time.Time) bool { return t[token] != nil }

// outcome is what identify finds, in short: the creator, the home, and what reaches further; or the status of the refusal.
func outcome(c *caller, err error) string {
	if err != nil {
		return http.StatusText(edge.Status(err))
	}
	text := c.creator + " in " + string(c.home)
	for name, is := range map[string]bool{" admin": c.admin, " service": c.service, " nobody": !c.known} {
		if is {
			text += name
		}
	}
	return text
}

// TestWhoAsks: who makes a request is the same however it is asked, and nothing that is shown reaches further than it should.
func TestWhoAsks(t *testing.T) {
	const proxy, stranger = "192.0.2.1:1", "198.51.100.1:1"
	trust := edge.Proxies{netip.MustParsePrefix("192.0.2.0/24")}
	known := map[string]*identity.Identity{
		"sandra": identity.New("sandra", identity.Key, "k", 0, identity.Grant{Tenant: "shop", Roles: identity.Admin}),
		"both":   identity.New("a:b%", identity.Key, "k", 0, identity.Grant{Tenant: "lab", Roles: identity.Reader}, identity.Grant{Tenant: "shop", Roles: identity.Writer}),
		"op":     identity.New("op", identity.Token, "op", identity.Operator),
	}
	held := tokens{
		"kate":     {User: "u1", Project: "p1", Name: "kate", Roles: []string{"member"}},
		"root":     {User: "u2", Project: "p2", Name: "root", Roles: []string{"Admin"}},
		"ceilo":    {User: "u3", Project: "service", Roles: []string{"service"}},
		"unscoped": {User: "u4"},
		"domain":   {User: "u5", Domain: "d", Roles: []string{"admin"}},
		"odd":      {User: "u6", Project: "a/b"},
	}
	open := &guards{open: true, trust: trust}
	shut := &guards{known: known, trust: trust}
	type options struct {
		guard    *guards
		mode     Mode
		keystone bool
		believe  bool
	}
	for _, c := range []struct {
		name   string
		o      options
		from   string
		header string // "Name: value" with ; between
		want   string
	}{
		// An open service goes by what it is told.
		{"nothing", options{guard: open}, proxy, "", " in _ops nobody"},
		{"name", options{guard: open}, proxy, "Authorization: " + basic("alice"), "alice in _ops"},
		{"name, no scheme in capitals", options{guard: open}, stranger, "Authorization: BASIC YWRtaW46", "admin in _ops admin"},
		{"name in a tenant", options{guard: open}, proxy, "Authorization: " + basic("alice") + "; Tenant: t", "alice in t"},
		{"name that a proxy bounds", options{guard: open}, proxy, "Authorization: " + basic("admin") + "; X-Project-Id: t", "admin in t"},
		{"name that a stranger bounds", options{guard: open}, stranger, "Authorization: " + basic("admin") + "; X-Project-Id: t", "admin in _ops admin"},
		{"no name", options{guard: open}, proxy, "Authorization: basic Og==", " in _ops nobody"},
		{"no base64", options{guard: open}, proxy, "Authorization: basic !", " in _ops nobody"},
		{"odd name", options{guard: open}, proxy, "Authorization: basic AAE6", "Bad Request"},
		{"user", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: p; X-Roles: member", "u:p in p"},
		{"user of a stranger", options{guard: open}, stranger, "X-User-Id: u; X-Project-Id: p; X-Roles: admin", " in _ops nobody"},
		{"user beside a name", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: p; Authorization: " + basic("admin"), "u:p in p"},
		{"user without project", options{guard: open}, proxy, "X-User-Id: u", "u: in _ops"},
		{"user with an empty project", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: ", "u: in _ops"},
		{"project alone", options{guard: open}, proxy, "X-Project-Id: p", ":p in p"},
		{"roles alone", options{guard: open}, proxy, "X-Roles: member", ": in _ops nobody"},
		{"admin", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: p; X-Roles: member,ADMIN", "u:p in p admin"},
		{"no admin, for a space", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: p; X-Roles: member, admin", "u:p in p"},
		{"service", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: p; X-Roles: service", "u:p in p service"},
		{"admin of nobody", options{guard: open}, proxy, "X-Roles: admin", ": in _ops admin"},
		{"admin elsewhere", options{guard: open}, proxy, "X-Roles: admin; X-User-Id: u; X-Project-Id: p; Tenant: q", "Forbidden"},
		{"user elsewhere", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: p; Tenant: q", "Forbidden"},
		{"user where they are", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: p; Tenant: p", "u:p in p"},
		{"user without project elsewhere", options{guard: open}, proxy, "X-User-Id: u; Tenant: q", "Forbidden"},
		{"two users", options{guard: open}, proxy, "X-User-Id: u; X-User-Id: v", "Bad Request"},
		{"two projects", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: p; X-Project-Id: q", "Bad Request"},
		{"odd project", options{guard: open}, proxy, "X-User-Id: u; X-Project-Id: a/b", "Bad Request"},
		{"odd user", options{guard: open}, proxy, "X-User-Id: \xff", "Bad Request"},
		{"colons", options{guard: open}, proxy, "X-User-Id: a:b; X-Project-Id: c", "a%3Ab:c in c"},
		{"colons elsewhere", options{guard: open}, proxy, "X-User-Id: a; X-Project-Id: b:c", "a:b:c in b:c"},
		{"only names", options{guard: open, mode: ModeBasic}, proxy, "X-User-Id: u; X-Project-Id: p; X-Roles: admin", " in p nobody"},
		{"only fields", options{guard: open, mode: ModeHeaders}, proxy, "Authorization: " + basic("admin"), ": in _ops nobody"},
		{"no fields", options{guard: open, mode: ModeHeaders}, proxy, "", ": in _ops nobody"},

		// One that is guarded goes by credentials, and by fields only if it is said in as many words.
		{"nothing to a guard", options{guard: shut}, proxy, "", "Unauthorized"},
		{"name to a guard", options{guard: shut}, proxy, "Authorization: " + basic("admin"), "Unauthorized"},
		{"fields to a guard", options{guard: shut}, proxy, "X-User-Id: u; X-Project-Id: p; X-Roles: admin", "Unauthorized"},
		{"fields to a guard that goes by them", options{guard: shut, mode: ModeHeaders}, proxy, "X-User-Id: u; X-Project-Id: p; X-Roles: admin", "u:p in p admin"},
		{"fields of a stranger", options{guard: shut, mode: ModeHeaders}, stranger, "X-User-Id: u; X-Project-Id: p; X-Roles: admin", "Unauthorized"},
		{"no fields to a guard", options{guard: shut, mode: ModeHeaders}, proxy, "", "Unauthorized"},
		{"key beside a stranger's fields", options{guard: shut, mode: ModeHeaders}, stranger, "X-User-Id: u; X-Project-Id: p; X-Roles: admin; X-Api-Key: sandra", "sandra:shop in shop"},
		{"key", options{guard: shut}, stranger, "X-Api-Key: sandra", "sandra:shop in shop"},
		{"key elsewhere", options{guard: shut}, stranger, "X-Api-Key: sandra; Tenant: lab", "Forbidden"},
		{"key of two", options{guard: shut}, stranger, "X-Api-Key: both", "Bad Request"},
		{"key of two in one", options{guard: shut}, stranger, "X-Api-Key: both; Tenant: lab", "a%3Ab%25:lab in lab"},
		{"key with roles of its own making", options{guard: shut}, proxy, "X-Api-Key: sandra; X-Roles: admin", "sandra:shop in shop"},
		{"operator", options{guard: shut}, stranger, "X-Api-Key: op", "op:_ops in _ops admin"},
		{"operator in a tenant", options{guard: shut}, stranger, "X-Api-Key: op; Tenant: lab", "op:lab in lab admin"},
		{"operator that a proxy bounds", options{guard: shut}, proxy, "X-Api-Key: op; X-Project-Id: lab", "op:lab in lab"},
		{"believed name", options{guard: shut, mode: ModeBasic, believe: true}, proxy, "Authorization: " + basic("admin"), "admin in _ops admin"},
		{"believed name that a proxy bounds", options{guard: shut, mode: ModeBasic, believe: true}, proxy, "Authorization: " + basic("admin") + "; X-Project-Id: lab", "admin in lab"},
		{"name of a stranger", options{guard: shut, mode: ModeBasic, believe: true}, stranger, "Authorization: " + basic("admin"), "Unauthorized"},
		{"nothing where names are believed", options{guard: shut, mode: ModeBasic, believe: true}, proxy, "", "Unauthorized"},

		// So it is with Keystone, wherever it is.
		{"token", options{guard: open, keystone: true}, stranger, "X-Auth-Token: kate", "u1:p1 in p1"},
		{"token elsewhere", options{guard: open, keystone: true}, stranger, "X-Auth-Token: kate; Tenant: q", "Forbidden"},
		{"token and a lie", options{guard: open, keystone: true}, stranger, "X-Auth-Token: kate; X-Roles: admin; X-Project-Id: q", "u1:p1 in p1"},
		{"token that a proxy bounds elsewhere", options{guard: open, keystone: true}, proxy, "X-Auth-Token: kate; X-Project-Id: q", "Forbidden"},
		{"token that a proxy bounds", options{guard: open, keystone: true}, proxy, "X-Auth-Token: kate; X-Project-Id: p1", "u1:p1 in p1"},
		{"admin's token", options{guard: shut, keystone: true}, stranger, "X-Auth-Token: root", "u2:p2 in p2 admin"},
		{"admin's token elsewhere", options{guard: shut, keystone: true}, stranger, "X-Auth-Token: root; Tenant: q", "u2:p2 in q admin"},
		{"admin's token that a proxy bounds", options{guard: shut, keystone: true}, proxy, "X-Auth-Token: root; X-Project-Id: p2", "u2:p2 in p2"},
		{"admin's token that a proxy bounds elsewhere", options{guard: shut, keystone: true}, proxy, "X-Auth-Token: root; X-Project-Id: q", "Forbidden"},
		{"token of a service", options{guard: shut, keystone: true}, stranger, "X-Auth-Token: ceilo", "u3:service in service service"},
		{"unscoped token", options{guard: shut, keystone: true}, stranger, "X-Auth-Token: unscoped", "u4: in _ops"},
		{"unscoped token elsewhere", options{guard: shut, keystone: true}, stranger, "X-Auth-Token: unscoped; Tenant: shop", "Forbidden"},
		{"admin of a domain", options{guard: shut, keystone: true}, stranger, "X-Auth-Token: domain", "u5: in _ops admin"},
		{"token of an odd project", options{guard: shut, keystone: true}, stranger, "X-Auth-Token: odd", "Bad Request"},
		{"wrong token", options{guard: open, keystone: true}, stranger, "X-Auth-Token: x", "Unauthorized"},
		{"two tokens", options{guard: open, keystone: true}, stranger, "X-Auth-Token: kate; X-Auth-Token: root", "Bad Request"},
		{"Keystone down", options{guard: open, keystone: true}, stranger, "X-Auth-Token: down", "Service Unavailable"},
		{"no token", options{guard: open, keystone: true}, proxy, "", "Unauthorized"},
		{"name in the place of a token", options{guard: open, keystone: true}, proxy, "Authorization: " + basic("admin"), "Unauthorized"},
		{"fields in the place of a token", options{guard: open, keystone: true}, proxy, "X-User-Id: u; X-Project-Id: p; X-Roles: admin", "Unauthorized"},
		{"key in the place of a token", options{guard: shut, keystone: true}, stranger, "X-Api-Key: sandra", "sandra:shop in shop"},
		{"token where nobody knows any", options{guard: open}, proxy, "X-Auth-Token: kate", " in _ops nobody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Auth: c.o.guard, Locked: func() bool { return !c.o.guard.open }, Proxies: trust, Default: "_ops", Mode: c.o.mode}
			if c.o.keystone {
				o.Keystone = &Keystone{Tokens: held, Address: "https://keystone"}
			}
			if c.o.believe {
				o.Believe = func(r *http.Request) bool { return trust.Trust(r.RemoteAddr) }
			}
			d := New(o)
			r := httptest.NewRequest(http.MethodGet, "/v1/metric", http.NoBody)
			r.RemoteAddr = c.from
			for field := range strings.SplitSeq(c.header, "; ") {
				if name, value, ok := strings.Cut(field, ": "); ok {
					r.Header.Add(name, value)
				}
			}
			who, err := d.identify(r)
			if got := outcome(who, err); got != c.want {
				t.Fatalf("%q, want %q (%v)", got, c.want, err)
			}
			var refused *edge.UnauthorizedError
			if errors.As(err, &refused) && c.o.keystone && !strings.HasPrefix(strings.Join(refused.Challenges, ", "), `Keystone uri="https://keystone"`) {
				t.Errorf("it does not say where tokens are: %q", refused.Challenges)
			}
			if err != nil {
				return
			}
			if who.id.Operator() && who.id.Source != identity.Anonymous && c.o.guard != shut {
				t.Errorf("%+v is an operator", who.id)
			}
			if who.vouched {
				for _, id := range []tenant.ID{"_ops", "shop", "lab"} {
					if who.id.May(id, identity.Read) {
						t.Errorf("a word from outside gives a right in %s", id)
					}
				}
			}
		})
	}
}

// TestRules: who may do what is as the configuration says, and what it cannot say is refused with what it can.
func TestRules(t *testing.T) {
	rules := DefaultRules()
	for action, who := range map[string][]string{
		"get status": {"everybody"}, "create archive policy": {"role:Boss"}, "get measures": {"role:auditor", "admin"}, "delete metric": {}, "post measures": {"owner"},
	} {
		if err := rules.Set(action, who); err != nil {
			t.Fatal(err)
		}
	}
	foreign, own := &object{tenant: "q", creator: "x:q", project: "q"}, &object{tenant: "p", creator: "x:r", project: "p"}
	made := &object{tenant: "p", creator: "u:p"}
	member := &caller{known: true, vouched: true, user: "u", project: "p", creator: "u:p", home: "p", rules: rules, id: identity.New("u", identity.Proxy, "", 0)}
	with := func(roles ...string) *caller {
		c := *member
		for _, r := range roles {
			c.roles = append(c.roles, r)
			c.admin, c.service = c.admin || r == roleAdmin, c.service || r == roleService
		}
		return &c
	}
	nobody := &caller{vouched: true, creator: "x:r", home: "p", rules: rules, id: identity.New("", identity.Anonymous, "", 0)}
	for _, c := range []struct {
		who    *caller
		action action
		object *object
		want   bool
	}{
		{member, getStatus, nil, true}, {nobody, getStatus, nil, false},
		{member, createArchivePolicy, nil, false}, {with("boss"), createArchivePolicy, nil, true}, {with(roleAdmin), createArchivePolicy, nil, false},
		{with("auditor"), getMeasures, own, true}, {with("auditor"), getMeasures, foreign, false}, {member, getMeasures, made, false}, {with(roleAdmin), getMeasures, foreign, true},
		{with(roleService), getMeasures, foreign, false},
		{member, deleteMetric, made, false}, {with(roleAdmin), deleteMetric, made, false},
		{member, postMeasures, own, true}, {member, postMeasures, foreign, false},
		// What is not named stays.
		{member, getMetric, made, true}, {member, getMetric, own, true}, {member, getMetric, foreign, false}, {with(roleService), getMetric, foreign, true}, {with(roleService), deleteResource, foreign, false},
		{nobody, getMetric, own, false}, {nobody, getMetric, &object{tenant: "p"}, false}, {member, getMetric, &object{tenant: "p"}, false},
	} {
		if got := c.who.may(c.action, c.object); got != c.want {
			t.Errorf("%s by %s %q of %+v: %v", actionNames[c.action], c.who.creator, c.who.roles, c.object, got)
		}
	}
	var bad *RuleError
	if err := rules.Set("get measure", nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), "get measures") {
		t.Error(err)
	}
	if err := rules.Set("get measures", []string{"admins"}); !errors.As(err, &bad) || !strings.Contains(err.Error(), "everybody, role:NAME") {
		t.Error(err)
	}
	if len(rules.Who("get measures")) != 2 || DefaultRules().Who("nothing") != nil {
		t.Error(rules.Who("get measures"))
	}
}

// TestPagesChangeNothing: the page of another origin cannot use a service that is open to the machine of its browser.
func TestPagesChangeNothing(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Origins = []string{"https://dash.example.org"} })
	for _, c := range []struct {
		method, path string
		header       []string
		want         int
	}{
		{"POST", "/v1/archive_policy", nil, 400},
		{"POST", "/v1/archive_policy", []string{"Origin", "https://evil.example.org"}, 403},
		{"POST", "/v1/archive_policy", []string{"Origin", "null"}, 403},
		{"POST", "/v1/archive_policy", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"DELETE", "/v1/archive_policy/x", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.org"}, 403},
		{"DELETE", "/v1/archive_policy/x", []string{"Sec-Fetch-Site", "same-origin"}, 404},
		{"POST", "/v1/archive_policy", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://dash.example.org"}, 400},
		{"GET", "/v1/archive_policy/x", []string{"Origin", "https://evil.example.org"}, 404}, // the page does not see it
	} {
		w := b.ask(c.method, c.path, "{}", c.header...)
		forbidden := w.Header().Get(ErrorHeader) == "origin-forbidden"
		if w.Code != c.want || forbidden != (c.want == 403) || w.Header().Get("Access-Control-Allow-Origin") != "" && !strings.Contains(strings.Join(c.header, " "), "dash") {
			t.Errorf("%s %s %q: %d %s", c.method, c.path, c.header, w.Code, w.Body)
		}
	}
}
