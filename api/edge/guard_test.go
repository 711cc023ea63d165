package edge

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/tenant/identity"
)

// authority knows the token "good", the expired token "old" and the key "gk_good".
type authority struct{ configured bool }

func (a authority) Configured() bool { return a.configured }

func (authority) Holds(string, time.Time) bool { return false }

func (a authority) Identify(c identity.Credential, _ time.Time) (*identity.Identity, error) {
	switch c.Token {
	case "good", "gk_good":
		return identity.New(c.Token, identity.Token, "", identity.Reader), nil
	case "old":
		return nil, &identity.Error{Fault: identity.Expired, Reason: "the token has expired"}
	case "busy":
		return nil, &identity.Error{Fault: identity.Busy, Reason: "later"}
	}
	if c.Kind == identity.Password {
		return nil, &identity.Error{Fault: identity.Missing, Reason: "no credential is shown that is taken here"}
	}
	return nil, &identity.Error{Fault: identity.Wrong, Reason: "not known here"}
}

// own knows the token "cc".
type own struct{}

func (own) Verify(token string, _ time.Time) (*identity.Identity, error) {
	if token == "cc" {
		return identity.New("cc", identity.ClusterCockpit, "", identity.Reader), nil
	}
	return nil, &identity.Error{Fault: identity.Invalid, Reason: "in the words of the dialect"}
}

func TestGuard(t *testing.T) {
	const near, far = "127.0.0.1:1", "192.0.2.1:1"
	none, configured := authority{}, authority{configured: true}
	for _, c := range []struct {
		name   string
		guard  *Guard
		remote string
		token  string
		want   string // the subject, "" for everybody, or the code and the status of the refusal
	}{
		{"no source", NewGuard(GuardOptions{Authority: none}), near, "", ""},
		{"no source", NewGuard(GuardOptions{Authority: none}), far, "", "this-machine-only 403"},
		{"no source", NewGuard(GuardOptions{Authority: none}), near, "whatever", ""},
		{"no source", NewGuard(GuardOptions{Authority: none}), far, "whatever", "this-machine-only 403"},
		{"no source", NewGuard(GuardOptions{Authority: none}), far, "gk_good", "gk_good"},
		{"no source", NewGuard(GuardOptions{Authority: none}), near, "gk_bad", "credentials-wrong 401"},
		{"open", NewGuard(GuardOptions{Authority: none, Open: true}), far, "", ""},
		{"open", NewGuard(GuardOptions{Authority: none, Open: true}), far, "whatever", ""},
		{"open", NewGuard(GuardOptions{Authority: none, Open: true}), far, "gk_bad", "credentials-wrong 401"},
		{"open with a source", NewGuard(GuardOptions{Authority: configured, Open: true}), far, "", ""},
		{"open with a source", NewGuard(GuardOptions{Authority: configured, Open: true}), far, "good", "good"},
		{"open with a source", NewGuard(GuardOptions{Authority: configured, Open: true}), far, "whatever", "credentials-wrong 401"},
		{"locked", NewGuard(GuardOptions{Authority: none, Locked: true}), near, "", "identity-required 401"},
		{"locked", NewGuard(GuardOptions{Authority: none, Locked: true}), near, "cc", "identity-required 401"},
		{"locked", NewGuard(GuardOptions{Authority: none, Locked: true}), near, "gk_good", "gk_good"},
		{"configured", NewGuard(GuardOptions{Authority: configured}), near, "", "identity-required 401"},
		{"configured", NewGuard(GuardOptions{Authority: configured}), near, "good", "good"},
		{"configured", NewGuard(GuardOptions{Authority: configured}), near, "bad", "credentials-wrong 401"},
		{"configured", NewGuard(GuardOptions{Authority: configured}), near, "old", "token-expired 401"},
		{"configured", NewGuard(GuardOptions{Authority: configured}), near, "busy", "passwords-in-work 503"},
		{"configured", NewGuard(GuardOptions{Authority: configured}), near, "cc", "credentials-wrong 401"},
		{"anywhere", NewGuard(GuardOptions{Authority: none}).Anywhere(), far, "", ""},
		{"anywhere", NewGuard(GuardOptions{Authority: none}).Anywhere(), far, "whatever", ""},
		{"anywhere", NewGuard(GuardOptions{Authority: configured}).Anywhere(), far, "", "identity-required 401"},
		{"own", NewGuard(GuardOptions{Authority: none, Locked: true}).Anywhere().With(own{}), far, "cc", "cc"},
		{"own", NewGuard(GuardOptions{Authority: none, Locked: true}).Anywhere().With(own{}), near, "", "identity-required 401"},
		{"own", NewGuard(GuardOptions{Authority: none, Locked: true}).Anywhere().With(own{}), near, "bad", "token-invalid 401"},
		{"own", NewGuard(GuardOptions{Authority: none, Locked: true}).Anywhere().With(own{}), near, "gk_good", "gk_good"},
		{"own", NewGuard(GuardOptions{Authority: none, Locked: true, Open: true}).With(own{}), near, "", "identity-required 401"},
		{"own and configured", NewGuard(GuardOptions{Authority: configured, Locked: true}).With(own{}), near, "good", "good"},
		{"own and configured", NewGuard(GuardOptions{Authority: configured, Locked: true}).With(own{}), near, "bad", "token-invalid 401"},
		{"own and configured", NewGuard(GuardOptions{Authority: configured, Locked: true}).With(own{}), near, "old", "token-expired 401"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = "localhost"
		r.RemoteAddr = c.remote
		if c.token != "" {
			r.Header.Set("X-Api-Key", c.token)
		}
		who, err := c.guard.Authenticate(r)
		got := ""
		switch {
		case err != nil:
			got = CodeOf(err) + " " + map[int]string{401: "401", 403: "403", 503: "503"}[Status(err)]
		case who.Source == identity.Anonymous && !who.Operator():
			t.Errorf("%s: everybody is no operator", c.name)
		default:
			got = who.Subject
		}
		if got != c.want {
			t.Errorf("%s, from %s with %q: %s, want %s", c.name, c.remote, c.token, got, c.want)
		}
	}
}

// TestChallenge: a 401 says what could be shown.
func TestChallenge(t *testing.T) {
	for _, c := range []struct {
		basic bool
		token string
		want  []string
	}{
		{false, "", []string{"Bearer"}},
		{false, "bad", []string{`Bearer error="invalid_token"`}},
		{true, "", []string{"Bearer", `Basic realm="granary", charset="UTF-8"`}},
		{true, "bad", []string{`Bearer error="invalid_token"`, `Basic realm="granary", charset="UTF-8"`}},
	} {
		g := NewGuard(GuardOptions{Authority: authority{configured: true}, Basic: c.basic})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		_, err := g.Authenticate(r)
		h := http.Header{}
		if Challenge(h, err); !slices.Equal(h.Values("WWW-Authenticate"), c.want) {
			t.Errorf("%+v: %q", c, h)
		}
	}
	h := http.Header{}
	if Challenge(h, errors.New("any")); h.Get("WWW-Authenticate") != "Bearer" {
		t.Error(h)
	}
}

// TestGuardParameters: only a dialect that asks for it reads the URL.
func TestGuardParameters(t *testing.T) {
	g := NewGuard(GuardOptions{Authority: authority{configured: true}})
	for _, c := range []struct {
		guard *Guard
		want  string
	}{{g, "identity-required"}, {g.Parameters(), ""}} {
		_, err := c.guard.Authenticate(httptest.NewRequest(http.MethodGet, "/?p=good", nil))
		if CodeOf(err) != c.want {
			t.Error(err)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Authorization"] = []string{"Bearer good", "Bearer bad"}
	if _, err := g.Authenticate(r); Status(err) != 400 || strings.Contains(err.Error(), "good") {
		t.Error(err)
	}
}

// TestHere: a page of somewhere else whose name has been given the address of this machine is not here.
func TestHere(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "localhost": true, "LOCALHOST:8082": true, "localhost.": true, "granary:8082": true, "127.0.0.1:8082": true, "127.0.0.1": true, "[::1]:8082": true, "[::1]": true, "::1": true,
		"a.localhost:1": true, "192.0.2.1:8082": true,
		"evil.example.org": false, "evil.example.org:8082": false, "127.0.0.1.nip.io:8082": false, "localhost.evil.org": false, "evil.org.": false, "1.2.3.4.5": false, "0x7f.1": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = "127.0.0.1:4711", host
		if Here(r) != want {
			t.Errorf("%q: %v", host, !want)
		}
		r.RemoteAddr = "192.0.2.1:4711"
		if Here(r) {
			t.Errorf("%q from elsewhere is here", host)
		}
	}
}

// TestBoundByProxy: who comes through a proxy that names a tenant has rights there alone, operators too.
func TestBoundByProxy(t *testing.T) {
	g := NewGuard(GuardOptions{Authority: authority{}, Carriers: Carriers{Proxies: Loopback}})
	ask := func(remote string, projects ...string) (*identity.Identity, error) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.RemoteAddr, r.Header[ProjectHeader] = "localhost", remote, projects
		return g.Authenticate(r)
	}
	who, err := ask("127.0.0.1:1", "a", " a ")
	if err != nil || who.Operator() || who.In("a") != identity.Admin || who.In("b") != 0 || who.Scope().All() {
		t.Errorf("%+v %v", who, err)
	}
	if who, err := ask("127.0.0.1:1"); err != nil || !who.Operator() {
		t.Errorf("%+v %v", who, err)
	}
	if _, err := ask("127.0.0.1:1", "a", "b"); CodeOf(err) != "tenant-ambiguous" {
		t.Error(err)
	}
	if _, err := ask("127.0.0.1:1", "../a"); KindOf(err) != Invalid {
		t.Error(err)
	}
	g = g.Anywhere()
	if who, err := ask("192.0.2.1:1", "a"); err != nil || !who.Operator() {
		t.Errorf("a proxy that nobody trusts binds: %+v %v", who, err)
	}
}
