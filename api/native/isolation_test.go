package native

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/identity"
)

// client may see every tenant that it names, and is no operator.
type client struct{}

func (client) Authenticate(*http.Request) (*identity.Identity, error) {
	return identity.New("client", identity.Token, "client", identity.Reader|identity.Writer|identity.Admin), nil
}

// attack is a request that names something. %s stands for what it names.
type attack struct{ method, path, body string }

// attacks are the ways to name a metric by its id, a policy and a rule by their names, and a tenant, in all routes. A route
// that names nothing is among those without.
var (
	byID = []attack{
		{"GET", "/v2/metrics/%s", ""}, {"GET", "/v2/metrics/%s?samples=true", ""}, {"HEAD", "/v2/metrics/%s", ""},
		{"PATCH", "/v2/metrics/%s", `{"unit":"W"}`}, {"PATCH", "/v2/metrics/%s", `{"plain_tags":{"host":"x"}}`}, {"PATCH", "/v2/metrics/%s", `{"tags":{"host":"x"}}`},
		{"PATCH", "/v2/metrics/%s", `{"unit":`}, {"DELETE", "/v2/metrics/%s", ""},
		{"POST", "/v2/metrics/delete", `{"ids":["%s"]}`}, {"POST", "/v2/metrics/delete", `{"ids":["%s"],"dry_run":true}`},
		{"POST", "/v2/measures", `[{"id":"%s","samples":[[1769860000,5]]}]`}, {"POST", "/v2/measures", `[{"id":"%s","samples":[[1769860000,"text"]]}]`},
		{"POST", "/v2/measures", `[{"name":"mine","samples":[[1769860000,5]]},{"id":"%s","samples":[]}]`},
		{"POST", "/v2/measures/delete", `{"ids":["%s"],"start":0}`}, {"DELETE", "/v2/measures?start=0&id=%s", ""},
		{"POST", "/v2/query", `{"ids":["%s"],"start":0}`}, {"POST", "/v2/query", `{"queries":{"a":{"ids":["%s"],"start":0,"method":"mean","across":"sum"}}}`},
		{"POST", "/v2/query", `{"names":["cpu"],"ids":["%s"],"start":0}`}, {"GET", "/v2/query?start=0&id=%s", ""},
		{"POST", "/v2/metrics/search", `{"cursor":"%s"}`}, {"GET", "/v2/metrics?cursor=%s", ""}, {"GET", "/v2/tags?cursor=%s", ""}, {"GET", "/v2/tags/%s", ""},
		{"GET", "/v2/usage?tenants=%s", ""}, {"GET", "/v2/usage/nodes?tenants=%s", ""}, {"GET", "/v2/usage/nodes?cursor=%s", ""}, {"GET", "/v2/usage/nodes?name=%s", ""},
		{"GET", "/v2/cardinality?name=%s", ""}, {"GET", "/v2/metrics?name=%s", ""},
	}
	byPolicy = []attack{
		{"GET", "/v2/policies/%s", ""}, {"PATCH", "/v2/policies/%s", `{"back_window":2}`}, {"PATCH", "/v2/policies/%s", `{"raw":{"clock":"newest"}}`}, {"DELETE", "/v2/policies/%s", ""},
		{"GET", "/v2/policies/%s?scope=service", ""}, {"DELETE", "/v2/policies/%s?scope=service", ""},
		{"POST", "/v2/metrics", `{"name":"new","policy":"%s"}`}, {"POST", "/v2/metrics", `[{"name":"new","policy":"%s"}]`},
		{"POST", "/v2/rules", `{"name":"r","pattern":"x","policy":"%s"}`},
		{"POST", "/v2/measures", `[{"name":"new","policy":"%s","samples":[[1769860000,5]]}]`},
	}
	byRule = []attack{
		{"GET", "/v2/rules/%s", ""}, {"PATCH", "/v2/rules/%s", `{"pattern":"y"}`}, {"DELETE", "/v2/rules/%s", ""}, {"DELETE", "/v2/rules/%s?scope=service", ""},
	}
	byTenant = []attack{
		{"GET", "/v2/tenants/%s", ""}, {"PATCH", "/v2/tenants/%s", `{"name":"x"}`}, {"DELETE", "/v2/tenants/%s", ""}, {"POST", "/v2/tenants", `{"id":"%s"}`}, {"GET", "/v2/tenants?prefix=%s", ""},
	}
	byKey = []attack{
		{"GET", "/v2/keys/%s", ""}, {"HEAD", "/v2/keys/%s", ""}, {"PATCH", "/v2/keys/%s", `{"name":"x"}`}, {"PATCH", "/v2/keys/%s", `{"roles":["admin"],"tenants":["a"]}`},
		{"PATCH", "/v2/keys/%s", `{"subject":"x"}`}, {"PATCH", "/v2/keys/%s", `{"roles":["x"]}`}, {"DELETE", "/v2/keys/%s", ""}, {"GET", "/v2/keys?cursor=%s", ""},
	}
	// These name nothing of a tenant. What they may list is seen to by looks.
	withoutNames = []attack{
		{"GET", "/v2/policies", ""}, {"GET", "/v2/rules", ""}, {"POST", "/v2/policies", `{"name":"own"}`}, {"GET", "/v2/tenants", ""}, {"GET", "/v2/status", ""}, {"GET", "/v2/capabilities", ""}, {"GET", "/v2/limits", ""}, {"GET", "/v2/queues", ""},
		{"GET", "/v2/identity", ""}, {"GET", "/v2/keys", ""}, {"POST", "/v2/keys", `{"subject":"x","roles":["reader"]}`},
	}
	// looks are what a tenant sees of itself.
	looks = []attack{
		{"GET", "/v2/metrics?count=true&samples=true&sort=name", ""}, {"POST", "/v2/metrics/search", `{"selector":{"and":[]}}`}, {"POST", "/v2/metrics/search", `{"selector":"{}"}`},
		{"POST", "/v2/metrics/search", `{"selector":{"not":{"tag":"host","value":"nobody"}},"active_within":"100w"}`},
		{"POST", "/v2/query", `{"selector":{"and":[]},"start":0}`}, {"POST", "/v2/query", `{"selector":"{}","start":0,"method":"sum","across":"sum","bucket":"1h"}`},
		{"GET", "/v2/tags?count=true", ""}, {"GET", "/v2/tags/host", ""}, {"GET", "/v2/tags/__name__", ""}, {"GET", "/v2/cardinality", ""},
		{"GET", "/v2/policies", ""}, {"GET", "/v2/rules", ""}, {"GET", "/v2/status", ""}, {"GET", "/v2/keys", ""},
		{"GET", "/v2/usage?by=day", ""}, {"GET", "/v2/usage/nodes?start=0", ""},
	}
)

// twoTenants has a metric of the same name and tags, and a policy and rules of their own, in two tenants.
func twoTenants(t *testing.T) *realStore {
	s := newStored(t, tenant.Limits{})
	s.o.Policies, s.o.Queries, s.o.Ends, s.o.Auth = storePolicies{s.store}, query.New(s.store, query.Options{Definitions: s.store.Definitions}), noEnds{}, client{}
	s.o.PolicyOf = (&world{}).policyOf
	for i, id := range []string{"a", "b"} {
		s.write(t, fmt.Sprintf(`[{"name":"cpu","tags":{"host":"h1"},"samples":[[1769860000,%d]]},{"name":"only-%s","tags":{"of-%s":"secret-%s"},"samples":[[1769860000,%d]]}]`, 100+i, id, id, id, 900+i), "Tenant", id)
	}
	for _, own := range []attack{{"POST", "/v2/policies", `{"name":"policy-of-b"}`}, {"POST", "/v2/rules", `{"name":"rule-of-b","pattern":"zz","policy":"policy-of-b"}`},
		{"POST", "/v2/keys", `{"name":"secret-b","subject":"of-b","roles":["admin"]}`}} {
		if w := ask(s, own.method, own.path, own.body, "Tenant", "b"); w.Code != 201 {
			t.Fatal(w.Body)
		}
	}
	return s
}

// keyOf is the id of the one key of a tenant.
func (s *realStore) keyOf(t *testing.T, id tenant.ID) string {
	t.Helper()
	for _, k := range s.store.Keys.All() {
		if k.Reaches(id) {
			return k.ID
		}
	}
	t.Fatal("no key")
	return ""
}

// noEnds knows no samples.
type noEnds struct{}

func (noEnds) Newest(metricdef.Ref) (int64, bool)      { return testNow.UnixNano(), true }
func (noEnds) Ends(metricdef.Ref) (int64, int64, bool) { return 0, testNow.UnixNano(), true }

// seen is everything that a tenant sees of itself.
func (s *realStore) seen(id string) string {
	var b strings.Builder
	for _, l := range looks {
		w := ask(s, l.method, l.path, l.body, "Tenant", id)
		fmt.Fprintln(&b, l, w.Code, w.Header(), w.Body)
	}
	return b.String()
}

// TestForeignIsUnknown asks every route, as one tenant, for what another tenant has and for what nobody has. The answers must be
// the same but for the name itself, and the other tenant must not notice.
func TestForeignIsUnknown(t *testing.T) {
	s := twoTenants(t)
	num, _ := s.store.Tenants.Lookup("b")
	ref := s.ref(t, "b", metricdef.Gauge, "cpu", metricdef.Tag{Name: "host", Value: "h1"})
	d, ok := s.store.Definitions.Get(ref)
	if !ok || d.Tenant != num.Num {
		t.Fatal("no metric")
	}
	before := s.seen("b")
	for _, c := range []struct {
		attacks          []attack
		foreign, unknown string
	}{
		{byID, d.ID.String(), "6f5a8f0e-2e67-5d20-9a3c-3f1f0a4de0ab"},
		{byPolicy, "policy-of-b", "policy-of-x"},
		{byRule, "rule-of-b", "rule-of-x"},
		{byTenant, "b", "x"},
		{byKey, s.keyOf(t, "b"), "000000000000"},
	} {
		for _, at := range c.attacks {
			send := func(name string) string {
				body, path := at.body, at.path
				if strings.Contains(body, "%s") {
					body = fmt.Sprintf(body, name)
				}
				if strings.Contains(path, "%s") {
					path = fmt.Sprintf(path, name)
				}
				w := ask(s, at.method, path, body, "Tenant", "a")
				text := fmt.Sprint(w.Code, w.Header(), w.Body)
				if len(name) > 1 {
					return strings.ReplaceAll(text, name, "NAME")
				}
				return strings.ReplaceAll(text, `\"`+name+`\"`, "NAME")
			}
			// In both orders: the first of two requests may have made something.
			if unknown, foreign := send(c.unknown), send(c.foreign); unknown != foreign {
				t.Errorf("%s %s %s: of another tenant\n%s\nunknown\n%s", at.method, at.path, at.body, foreign, unknown)
			}
			if foreign, unknown := send(c.foreign), send(c.unknown); unknown != foreign {
				t.Errorf("%s %s %s: of another tenant\n%s\nunknown\n%s", at.method, at.path, at.body, foreign, unknown)
			}
		}
	}
	if after := s.seen("b"); after != before {
		t.Errorf("the other tenant sees\n%s\nand saw\n%s", after, before)
	}
	if text := s.seen("a"); strings.Contains(text, "secret-b") || strings.Contains(text, "only-b") || strings.Contains(text, "of-b") || strings.Contains(text, d.ID.String()) || strings.Contains(text, "101") || strings.Contains(text, "901") {
		t.Errorf("a tenant sees of another: %s", text)
	}
}

// TestEveryRouteIsAttacked fails for a route that the tables of attacks do not know.
func TestEveryRouteIsAttacked(t *testing.T) {
	s := twoTenants(t)
	for _, r := range s.Routes() {
		for _, method := range r.Methods {
			known := method == http.MethodHead
			for _, a := range slices.Concat(byID, byPolicy, byRule, byTenant, byKey, withoutNames) {
				path, _, _ := strings.Cut(a.path, "?")
				pattern := strings.NewReplacer("{id}", "%s", "{name}", "%s", "{tenant}", "%s", "{key}", "%s").Replace(r.Path)
				known = known || a.method == method && path == pattern
			}
			if !known {
				t.Errorf("%s %s is not attacked", method, r.Path)
			}
		}
	}
}

// TestCursorsOfOthers follows a page of one tenant as another one.
func TestCursorsOfOthers(t *testing.T) {
	s := twoTenants(t)
	for _, path := range []string{"/v2/metrics?limit=1&sort=name", "/v2/metrics?limit=1", "/v2/metrics?limit=1&sort=id&order=desc", "/v2/tags?limit=1", "/v2/tags/host?limit=1"} {
		w := ask(s, "GET", path, "", "Tenant", "b")
		link := w.Header().Get("Link")
		if link == "" {
			continue
		}
		u, err := url.Parse(link[1:strings.IndexByte(link, '>')])
		if err != nil {
			t.Fatal(err)
		}
		w = ask(s, "GET", u.String(), "", "Tenant", "a")
		if strings.Contains(w.Body.String(), "of-b") || strings.Contains(w.Body.String(), "only-b") || w.Code >= 500 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestReadsMakeNoTenants asks everything that reads in a tenant that does not exist, and in ones that are no tenants.
func TestReadsMakeNoTenants(t *testing.T) {
	s := twoTenants(t)
	had := len(s.store.Tenants.All())
	reads := slices.Concat(looks, byID, byPolicy, byRule, byTenant, byKey)
	for _, at := range reads {
		if at.method == "POST" && (at.path == "/v2/measures" || at.path == "/v2/metrics" || at.path == "/v2/rules") {
			continue
		}
		ask(s, at.method, strings.ReplaceAll(at.path, "%s", "policy-of-b"), strings.ReplaceAll(at.body, "%s", "policy-of-b"), "Tenant", "nobody")
	}
	if all := s.store.Tenants.All(); len(all) != had {
		t.Errorf("there are %d tenants, there were %d", len(all), had)
	}
	wrong := func(header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/metrics", nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	for _, header := range [][]string{
		{"Tenant", ""}, {"Tenant", "a", "Tenant", "b"}, {"Tenant", "a", "Hawkular-Tenant", "b"}, {"X-Scope-OrgID", "a|b", "Tenant", "a"}, {"Tenant", strings.Repeat("a", 4096)},
		{"Tenant", "a/b"}, {"Tenant", "a\x00"}, {"Tenant", "a\u200b"}, {"Tenant", "\xff"}, {"Tenant", "."}, {"Tenant", ".."},
	} {
		if w := wrong(header...); w.Code == 200 && w.Body.String() != "{\"metrics\":[]}\n" || w.Code >= 500 {
			t.Errorf("%q: %d %s", header, w.Code, w.Body)
		}
	}
	// The same twice is the same once; and what looks alike, or has another case, is another tenant.
	if w := wrong("Tenant", "a", "Hawkular-Tenant", "a", "Tenant", " a "); w.Code != 200 || !strings.Contains(w.Body.String(), "only-a") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, like := range []string{"A", "а", "a%00", "%61", "ａ"} {
		if w := wrong("Tenant", like); strings.Contains(w.Body.String(), "only-") {
			t.Errorf("%q: %d %s", like, w.Code, w.Body)
		}
	}
}

// TestDeletedTenantIsUnknown: of a tenant that is deleted nothing is left to be asked for, neither by others nor by the one that comes
// into being under its name.
func TestDeletedTenantIsUnknown(t *testing.T) {
	s := twoTenants(t)
	b, _ := s.store.Tenants.Lookup("b")
	d, _ := s.store.Definitions.Get(s.ref(t, "b", metricdef.Gauge, "only-b", metricdef.Tag{Name: "of-b", Value: "secret-b"}))
	if err := s.store.DeleteTenant(t.Context(), b.Num); err != nil {
		t.Fatal(err)
	}
	look := func(when string) {
		for _, id := range []string{"a", "b"} {
			if text := s.seen(id); strings.Contains(text, "secret-b") || strings.Contains(text, "policy-of-b") || strings.Contains(text, "rule-of-b") {
				t.Errorf("%s, %s sees %s", when, id, text)
			}
			if w := ask(s, "GET", "/v2/metrics/"+d.ID.String(), "", "Tenant", id); w.Code != 404 {
				t.Errorf("%s, %s: %d %s", when, id, w.Code, w.Body)
			}
		}
	}
	look("deleted")
	s.write(t, `[{"name":"cpu","samples":[[1769860000,1]]}]`, "Tenant", "b")
	look("made anew")
}
