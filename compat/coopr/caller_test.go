package coopr

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// keys are the keys that exist, and whose they are.
type keys map[string]*identity.Identity

// authError refuses as the edge does.
type authError struct {
	code   string
	status int
	kind   edge.Kind
}

func (e *authError) Error() string { return "refused: " + e.code }
func (e *authError) Code() string  { return e.code }
func (e *authError) Kind() string  { return string(e.kind) }
func (e *authError) Status() int   { return e.status }

func (k keys) Authenticate(r *http.Request) (*identity.Identity, error) {
	key := r.Header.Get("Coopr-ApiKey") + r.Header.Get("X-Coopr-ApiKey") + r.Header.Get("X-Loom-ApiKey")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		key = bearer
	}
	switch {
	case key == "":
		return nil, &authError{"identity-required", http.StatusUnauthorized, edge.Forbidden}
	case key == "often":
		return nil, &authError{"too-many-failures", http.StatusTooManyRequests, edge.OverLimit}
	case key == "broken":
		return nil, errors.New("the store of keys is gone")
	case k[key] == nil:
		return nil, &authError{"key-unknown", http.StatusUnauthorized, edge.Forbidden}
	}
	return k[key], nil
}

type authFunc func(r *http.Request) (*identity.Identity, error)

func (f authFunc) Authenticate(r *http.Request) (*identity.Identity, error) { return f(r) }

func grant(user string, roles identity.Roles, tenants ...identity.Grant) *identity.Identity {
	return identity.New(user, identity.Key, "id", roles, tenants...)
}

// guarded is a dialect that demands keys.
func guarded(access Access) *Dialect {
	w := &world{Now: 1000, Tenants: []tenant.ID{"a", "b"}, Access: access, Events: []event{{"C", "1", "n", 990, "u@a", "COMPLETE"}, {"C", "1", "n", 995, "u@b", "COMPLETE"}}}
	o := w.options()
	o.Logger = slog.New(slog.DiscardHandler)
	o.Auth = keys{
		"op":       grant("admin", identity.Operator),
		"admin-a":  grant("admin", 0, identity.Grant{Tenant: "a", Roles: identity.Admin}),
		"reader-a": grant("admin", 0, identity.Grant{Tenant: "a", Roles: identity.Reader}),
		"writer-a": grant("u", 0, identity.Grant{Tenant: "a", Roles: identity.Writer}),
		"plain-a":  grant("u", 0, identity.Grant{Tenant: "a", Roles: identity.Reader}),
		"everyone": grant("admin", identity.Admin),
		"gone":     grant("admin", 0, identity.Grant{Tenant: "gone", Roles: identity.Admin}),
		"op-u":     grant("u", identity.Operator),
	}
	return New(o)
}

// TestCallers: who may ask what, in the order of the checks.
func TestCallers(t *testing.T) {
	const (
		noQueue, noUsage = "403 Forbidden to get queue metrics.", "403 Forbidden to get node usage metrics."
		unknownTenant    = "404 Tenant does not exist."
	)
	all := `200 {"a":{"queued":0,"inProgress":0,"total":0},"b":{"queued":0,"inProgress":0,"total":0},"superadmin":{"queued":0,"inProgress":0,"total":0}}`
	own := `200 {"a":{"queued":0,"inProgress":0,"total":0}}`
	sum := func(n int) string {
		return fmt.Sprintf(`200 {"start":990,"end":1000,"data":[{"time":990,"value":%d}]}`, n)
	}
	for _, c := range []struct {
		name                 string
		user, tenant, key    string // "-" for no header
		queues, docs, source string // status and body; docs and source of usage
	}{
		{"no user", "-", "-", "-", "401 Coopr-UserID not found in request headers.", "", ""},
		{"empty user", "", "a", "op", "401 Coopr-UserID not found in request headers.", "", ""},
		{"no tenant", "admin", "-", "-", "401 Coopr-TenantID not found in request headers.", "", ""},
		{"no key", "admin", "unknown", "-", "401 Coopr-ApiKey not found in request headers.", "", ""},
		{"empty key", "admin", "a", "", "401 Coopr-ApiKey not found in request headers.", "", ""},
		{"unknown key", "admin", "unknown", "x", "401 refused: key-unknown", "", ""},
		{"too often", "admin", "a", "often", "429 refused: too-many-failures", "", ""},
		{"store of keys fails", "admin", "a", "broken", "500 Error authenticating tenant", "", ""},
		{"key of another user", "u", "a", "admin-a", "401 Coopr-ApiKey is not that of Coopr-UserID.", "", ""},
		{"user in other case", "Admin", "a", "admin-a", "401 Coopr-ApiKey is not that of Coopr-UserID.", "", ""},
		{"unknown tenant", "admin", "unknown", "op", unknownTenant, "", ""},
		{"tenant in other case", "admin", "A", "op", unknownTenant, "", ""},
		{"tenant of others", "admin", "b", "admin-a", unknownTenant, "", ""},
		{"own tenant that is gone", "admin", "gone", "gone", unknownTenant, "", ""},
		{"no tenant's name", "admin", "../a", "op", unknownTenant, "", ""},
		{"empty tenant", "admin", "", "op", unknownTenant, "", ""},
		{"long tenant", "admin", strings.Repeat("a", 300), "op", unknownTenant, "", ""},
		{"tenant with NUL", "admin", "a\x00", "op", unknownTenant, "", ""},
		{"look-alike tenant", "admin", "а", "op", unknownTenant, "", ""},

		{"superadmin", "admin", "superadmin", "op", all, sum(15), sum(15)},
		{"superadmin with a tenant's key", "admin", "superadmin", "admin-a", noQueue, noUsage, noUsage},
		{"superadmin who administers all tenants", "admin", "superadmin", "everyone", noQueue, noUsage, `200 {"start":0,"end":1000,"data":[{"time":0,"value":0}]}`},
		{"operator who is not admin", "u", "superadmin", "op-u", noQueue, noUsage, `200 {"start":0,"end":1000,"data":[{"time":0,"value":0}]}`},
		{"admin", "admin", "a", "admin-a", own, sum(10), sum(10)},
		{"operator in a tenant", "admin", "a", "op", own, sum(10), sum(10)},
		{"admin by name alone", "admin", "a", "reader-a", noQueue, noUsage, sum(10)},
		{"user", "u", "a", "plain-a", noQueue, noUsage, sum(10)},
		{"user who may not read", "u", "a", "writer-a", noQueue, noUsage, noUsage},
	} {
		var header []string
		for i, v := range []string{c.user, c.tenant, c.key} {
			if v != "-" {
				header = append(header, []string{"Coopr-UserID", "Coopr-TenantID", "Coopr-ApiKey"}[i], v)
			}
		}
		if c.docs == "" {
			c.docs, c.source = c.queues, c.queues
		}
		for _, at := range []struct {
			access     Access
			path, want string
		}{{AccessDocs, pathQueues, c.queues}, {AccessDocs, pathUsage, c.docs}, {AccessSource, pathUsage, c.source}} {
			w := get(t, guarded(at.access), "/v2"+at.path, header...)
			if got := fmt.Sprint(w.Code, " ", w.Body); got != at.want {
				t.Errorf("%s, %s%s: %s\nwant %s", c.name, at.access, at.path, got, at.want)
			}
			if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") || (w.Code == 429) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("%s: header %v", c.name, w.Header())
			}
		}
	}
}

// TestSpellings: the names of the headers before the present ones count too; two values do not.
func TestSpellings(t *testing.T) {
	d := guarded(AccessDocs)
	for _, prefix := range []string{"Coopr-", "X-Coopr-", "X-Loom-", "coopr-", "x-loom-"} {
		w := get(t, d, "/v1/loom/metrics/queues", prefix+"UserID", "admin", prefix+"ApiKey", "admin-a", prefix+"TenantID", "a")
		if w.Code != 200 {
			t.Errorf("%s: %d %s", prefix, w.Code, w.Body)
		}
	}
	whole := []string{"Coopr-UserID", "admin", "Coopr-ApiKey", "admin-a", "Coopr-TenantID", "a"}
	for _, c := range []struct {
		name, value string
		status      int
		text        string
	}{
		{"X-Loom-UserID", "admin", 200, ""},
		{"X-Loom-UserID", "u", 400, "Coopr-UserID is given with different values in request headers."},
		{"X-Coopr-ApiKey", "op", 401, "refused: key-unknown"}, // in one of both, as the edge says for all dialects
		{"Coopr-TenantID", "b", 400, "Coopr-TenantID is given with different values in request headers."},
		{"Coopr-TenantID", "a", 200, ""},
		{"Tenant", "a", 200, ""},
		{"Tenant", "b", 400, `the request chooses two tenants: Tenant is "b" and Tenant is "a"`},
		{"X-Scope-OrgID", "b", 400, `the request chooses two tenants: Tenant is "a" and X-Scope-Orgid is "b"`},
	} {
		w := get(t, d, "/v2/metrics/queues", append(whole[:len(whole):len(whole)], c.name, c.value)...)
		if w.Code != c.status || c.text != "" && w.Body.String() != c.text {
			t.Errorf("%s: %s: %d %s", c.name, c.value, w.Code, w.Body)
		}
	}
}

// TestBearer: where a token takes the place of the key, a wrong one is refused in the words of Coopr's guard.
func TestBearer(t *testing.T) {
	d := guarded(AccessDocs)
	rest := []string{"Coopr-UserID", "admin", "Coopr-TenantID", "a", "Authorization"}
	if w := get(t, d, "/v2/metrics/queues", append(rest, "Bearer admin-a")...); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w := get(t, d, "/v2/metrics/queues", append(rest, "Bearer wrong")...)
	if w.Code != 401 || w.Body.String() != `{"error":"invalid_token","error_description":"refused: key-unknown","auth_uri":[]}` ||
		w.Header().Get("WWW-Authenticate") != `Bearer realm="granary", error="invalid_token"` || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}

// TestProxyLimits: what a trusted proxy says of the tenant counts more than what the client says.
func TestProxyLimits(t *testing.T) {
	w := &world{Now: 1000, Tenants: []tenant.ID{"a", "b"}}
	o := w.options()
	o.Proxies.Trusted = edge.Loopback
	d := New(o)
	for _, c := range []struct {
		tenant, project, from string
		status                int
	}{
		{"a", "a", "127.0.0.1:1", 200}, {"a", "b", "127.0.0.1:1", 403}, {"superadmin", "b", "127.0.0.1:1", 403}, {"a", "b", "192.0.2.1:1", 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/metrics/queues", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.RemoteAddr = c.from
		for name, v := range map[string]string{"Coopr-UserID": "admin", "Coopr-TenantID": c.tenant, "X-Project-Id": c.project} {
			r.Header.Set(name, v)
		}
		if w := serve(d, r); w.Code != c.status {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}

// TestOpen: where nobody is asked who they are the headers decide.
func TestOpen(t *testing.T) {
	w := &world{Now: 1000, Tenants: []tenant.ID{"a"}}
	o := w.options()
	o.Auth = authFunc(func(r *http.Request) (*identity.Identity, error) { return identity.Open(), nil })
	d := New(o)
	for who, status := range map[string]int{"admin superadmin": 200, "admin a": 200, "u a": 403, "u superadmin": 403, "admin b": 404} {
		user, of, _ := strings.Cut(who, " ")
		if w := get(t, d, "/v2/metrics/queues", "X-Loom-UserID", user, "X-Loom-TenantID", of, "X-Loom-ApiKey", "whatever"); w.Code != status {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
}

// TestForeignIsUnknown: of a tenant that is not the caller's nothing can be told from one that does not exist.
func TestForeignIsUnknown(t *testing.T) {
	d := guarded(AccessSource)
	for _, path := range []string{"/v2/metrics/queues", "/v2/metrics/nodes/usage", "/v2/metrics/nodes/usage?start=x"} {
		see := func(of string) string {
			w := get(t, d, path, "Coopr-UserID", "admin", "Coopr-ApiKey", "admin-a", "Coopr-TenantID", of)
			return fmt.Sprint(w.Code, w.Header(), w.Body)
		}
		if foreign, unknown := see("b"), see("x"); foreign != unknown {
			t.Errorf("%s: of another tenant %s, unknown %s", path, foreign, unknown)
		}
	}
	for _, of := range []string{"b", "x"} {
		w := get(t, d, "/v2/metrics/nodes/usage?tenant="+of, "Coopr-UserID", "admin", "Coopr-ApiKey", "admin-a", "Coopr-TenantID", "a")
		if w.Code != 405 || w.Body.String() != "Getting information about tenant "+of+" not allowed for tenant a" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}
