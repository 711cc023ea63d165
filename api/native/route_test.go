package native

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// probe is an API with operations that tell what they were given.
func probe(change ...func(*Options)) *API {
	a := bare(change...)
	say := func(format string) func(http.ResponseWriter, *http.Request) error {
		return func(w http.ResponseWriter, r *http.Request) error {
			a.sendBytes(w, r, http.StatusOK, "text/plain", []byte(format+" "+variable(r, "id")+variable(r, "name")+" "+string(tenantOf(r))))
			return nil
		}
	}
	a.routes = nil
	a.mount([]route{
		{method: "GET", path: "/things", right: reads, serve: say("list")},
		{method: "POST", path: "/things", right: writes, serve: say("make")},
		{method: "GET", path: "/things/{id}", right: reads, serve: say("read")},
		{method: "GET", path: "/names/{name}", right: reads, serve: say("name")},
		{method: "GET", path: "/names/all", right: reads, serve: say("all")},
		{method: "GET", path: "/both", right: reads, serve: say("both"), produces: []string{"application/json", "text/csv"}},
		{method: "DELETE", path: "/ops", serve: say("ops")},
		{method: "GET", path: "/early", right: enters, serve: say("early"), early: true},
		{method: "GET", path: "/bad", right: reads, serve: func(http.ResponseWriter, *http.Request) error { return errors.New("a secret") }},
		{method: "GET", path: "/panic", right: reads, serve: func(http.ResponseWriter, *http.Request) error { panic("a secret") }},
		{method: "GET", path: "/limit", right: reads, serve: func(http.ResponseWriter, *http.Request) error {
			return edge.At("/metrics/3", edge.At("/name", &tenant.LimitError{Tenant: "t", Limit: "series", Max: 5, Setting: "granary.limits.series"}))
		}},
	})
	return a
}

func TestRouting(t *testing.T) {
	a := probe()
	const id = "0af7651c-0000-4000-8000-00000000000A"
	for _, c := range []struct {
		method, path string
		status       int
		want         string // of the body, or the code
		allow        string
	}{
		{"GET", "/v2/things", 200, "list  _ops", ""},
		{"GET", "/v2/things/", 200, "list  _ops", ""},
		{"HEAD", "/v2/things", 200, "", ""},
		{"POST", "/v2/things", 200, "make  _ops", ""},
		{"GET", "/v2/things//", 404, "route-unknown", ""},
		{"GET", "/v2//things", 404, "route-unknown", ""},
		{"GET", "/v2/./things", 404, "route-unknown", ""},
		{"GET", "/v2/x/../things", 404, "route-unknown", ""},
		{"GET", "/v2", 404, "route-unknown", ""},
		{"GET", "/v2/", 404, "route-unknown", ""},
		{"GET", "/v2/Things", 404, "route-unknown", ""},
		{"GET", "/v2/things/" + id, 200, "read " + id + " _ops", ""},
		{"GET", "/v2/things/" + id + "/", 200, "read " + id + " _ops", ""},
		{"GET", "/v2/things/queues", 404, "route-unknown", ""},
		{"GET", "/v2/things/" + id + "0", 404, "route-unknown", ""},
		{"GET", "/v2/names/all", 200, "all  _ops", ""},
		{"GET", "/v2/names/a%2Fb%20c", 200, "name a/b c _ops", ""},
		{"GET", "/v2/names/%252F", 200, "name %2F _ops", ""},
		{"GET", "/v2/names/..%2F", 200, "name ../ _ops", ""},
		{"GET", "/v2/names/a/b", 404, "route-unknown", ""},
		{"GET", "/v2/names/%E7%A7%9F", 200, "name 租 _ops", ""},
		{"DELETE", "/v2/things", 405, "method-not-allowed", "GET, HEAD, POST, OPTIONS"},
		{"BREW", "/v2/things", 405, "method-not-allowed", "GET, HEAD, POST, OPTIONS"},
		{"OPTIONS", "/v2/things", 204, "", "GET, HEAD, POST, OPTIONS"},
		{"OPTIONS", "/v2/nope", 404, "route-unknown", ""},
		{"DELETE", "/v2/ops", 200, "ops  _ops", ""},
		{"GET", "/v2/bad", 500, "", ""},
		{"GET", "/v2/limit", 429, "tenant-limit", ""},
	} {
		w := ask(a, c.method, c.path, "")
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q: %s", c.method, c.path, w.Code, w.Header().Get("Allow"), w.Body)
			continue
		}
		switch {
		case w.Code < 300:
			if w.Body.String() != c.want {
				t.Errorf("%s %s: %q", c.method, c.path, w.Body)
			}
		default:
			if code, _ := problemOf(t, w)["code"].(string); code != c.want {
				t.Errorf("%s %s: code %q", c.method, c.path, code)
			}
		}
		if strings.Contains(w.Body.String(), "a secret") {
			t.Errorf("%s %s: shows what is internal: %s", c.method, c.path, w.Body)
		}
	}
}

func TestProblemMembers(t *testing.T) {
	m := problemOf(t, ask(probe(), "GET", "/v2/limit", "", "Tenant", "mine"))
	for name, want := range map[string]any{
		"title": "Tenant limit", "tenant": "mine", "limit": 5.0, "setting": "granary.limits.series", "path": "/metrics/3/name", "status": 429.0,
	} {
		if m[name] != want {
			t.Errorf("%s is %v, want %v", name, m[name], want)
		}
	}
}

func TestAccept(t *testing.T) {
	a := probe()
	for accept, want := range map[string][2]int{ // status of /things and of /both
		"":                                    {200, 200},
		"*/*":                                 {200, 200},
		"application/json":                    {200, 200},
		"Application/*":                       {200, 200},
		"text/csv":                            {406, 200},
		"text/html, */*;q=0.1":                {200, 200},
		"text/html":                           {406, 406},
		"application/json;q=0, */*":           {406, 200},
		"text/csv;q=0, application/json;q=0":  {406, 406},
		"nonsense":                            {200, 200},
		"application/problem+json, text/html": {406, 406},
	} {
		for i, path := range []string{"/v2/things", "/v2/both"} {
			w := ask(a, "GET", path, "", "Accept", accept)
			if w.Code != want[i] {
				t.Errorf("%s with Accept %q: %d", path, accept, w.Code)
			}
			if w.Code == 406 && problemOf(t, w)["code"] != "not-acceptable" {
				t.Errorf("%s", w.Body)
			}
		}
	}
}

// TestWhoComesIn: identity stands before routing, and readiness behind everything that can be said without the store.
func TestWhoComesIn(t *testing.T) {
	closed := probe(func(o *Options) { o.Auth = refusal{} })
	for _, path := range []string{"/v2/things", "/v2/nope", "/v2/ops"} {
		w := ask(closed, "GET", path, "")
		if w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" || problemOf(t, w)["code"] != "no" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	plain := probe(func(o *Options) { o.Auth = user{"mine", "ours"} })
	for _, c := range []struct {
		path, tenant string
		status       int
	}{
		{"/v2/things", "mine", 200}, {"/v2/things", "ours", 200}, {"/v2/things", "theirs", 403}, {"/v2/things", "_ops", 403}, {"/v2/things", "a/b", 400}, {"/v2/things", "", 400},
	} {
		if w := ask(plain, "GET", c.path, "", "Tenant", c.tenant); w.Code != c.status {
			t.Errorf("%s as %s: %d %s", c.path, c.tenant, w.Code, w.Body)
		}
	}
	if w := ask(plain, "DELETE", "/v2/ops", "", "Tenant", "mine"); w.Code != 403 || problemOf(t, w)["code"] != "right-missing" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	starting := probe(func(o *Options) { o.Ready = func() (bool, string) { return false, "3 of 7" } })
	w := ask(starting, "GET", "/v2/things", "")
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || problemOf(t, w)["code"] != "starting" || !strings.Contains(w.Body.String(), "3 of 7") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for path, status := range map[string]int{"/v2/early": 200, "/v2/nope": 404} {
		if w := ask(starting, "GET", path, ""); w.Code != status {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

type refusal struct{}

func (refusal) Authenticate(*http.Request) (*identity.Identity, error) {
	return nil, refused{}
}

type refused struct{}

func (refused) Error() string { return "who are you?" }
func (refused) Kind() string  { return "forbidden" }
func (refused) Code() string  { return "no" }
func (refused) Status() int   { return 401 }

// user may enter some tenants and is no operator.
type user []tenant.ID

func (u user) Authenticate(*http.Request) (*identity.Identity, error) {
	return identity.InScope("somebody", identity.Token, "somebody", identity.Reader|identity.Writer|identity.Admin, identity.Only(u...)), nil
}

func TestPanic(t *testing.T) {
	a := probe()
	d := edge.NewDispatcher(edge.DispatchOptions{Logger: a.o.Logger})
	d.Mount(Prefix, Name, a)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/panic", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	problemOf(t, w)
}
