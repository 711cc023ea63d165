package server

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"granary/cmd/granary/config"
	"granary/compat/hawkular"
)

const (
	adminToken  = "the-admin-token-of-hawkular"
	adminConfig = `, admin-token: {token: ` + adminToken + `}`
	gated       = `
granary:
  identity:
    tokens:
      - {name: op, token: the-operator-of-all, roles: [operator]}
      - {name: shop, token: the-admin-of-shop-x, roles: [admin], tenants: [shop]}
      - {name: two, token: the-reader-of-two-xy, roles: [reader], tenants: [shop, lab]}
`
)

// gate is one request and its answer.
type gate struct {
	request string // method and path below /hawkular/metrics
	body    string
	header  []string
	status  int
	want    string // a part of the body; "" for anything
}

func (g *gate) ask(t *testing.T, s *Server, from string) *httptest.ResponseRecorder {
	t.Helper()
	method, path, _ := strings.Cut(g.request, " ")
	header := g.header
	if method == http.MethodPost || method == http.MethodPut {
		header = append([]string{"Content-Type", "application/json"}, header...)
	}
	w := ask(s, from, method, hawkular.Prefix+path, g.body, header...)
	if w.Code != g.status || !strings.Contains(w.Body.String(), g.want) {
		t.Errorf("%s %q: %d %s, want %d %s", g.request, g.header, w.Code, w.Body, g.status, g.want)
	}
	return w
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// TestHawkularTenants: who may make, see and end tenants, in both modes, on an open service and on one that asks who comes.
func TestHawkularTenants(t *testing.T) {
	mine := []string{"Hawkular-Tenant", "mine"}
	with := func(header ...string) []string { return append([]string{"Hawkular-Tenant", "mine"}, header...) }
	admin := with(hawkular.AdminHeader, adminToken)
	wrong := with(hawkular.AdminHeader, "mustard")
	for _, c := range []struct {
		name, config, from string
		asks               []gate
	}{
		{"default, open", "", here, []gate{
			{"GET /tenants", "", nil, 200, `[]`},
			{"POST /tenants", `{"id":"shop","retentions":{"gauge":45,"string":1}}`, nil, 201, `{"message":`},
			{"POST /tenants", `{"id":"lab"}`, nil, 201, ""},
			{"POST /tenants", `{"id":"lab","retentions":{"counter":2}}`, nil, 201, ""},
			{"GET /tenants", "", nil, 200, `[{"id":"lab","retentions":{"counter":2}},{"id":"shop","retentions":{"gauge":45,"string":1}}]`},
			{"GET /tenant/", "", wrong, 200, `[{"id":"lab"`},
			{"HEAD /tenants", "", nil, 200, ""},
			{"DELETE /tenants/shop", "", nil, 200, `{"jobId":"`},
			{"DELETE /tenants/shop", "null", nil, 200, `{"jobId":"`},
			{"DELETE /tenants/%2F", "", nil, 200, `{"jobId":"`},
			{"GET /tenants", "", nil, 200, `[{"id":"lab","retentions":{"counter":2}}]`},
			{"POST /tenants", `{"id":"a/b"}`, nil, 400, `holds a \"/\"`},
			{"POST /tenants", `{"id":""}`, nil, 400, `is empty`},
			{"POST /tenants", `{}`, nil, 400, `a tenant needs an id`},
			{"POST /tenants", `{"id":7}`, nil, 400, `/id`},
			{"POST /tenants", ``, nil, 400, `a tenant needs an id`},
			{"POST /tenants", `{"id":"x","retentions":{"guage":1}}`, nil, 400, `guage`},
			{"POST /tenants", `{"id":"x","retentions":{"gauge":0}}`, nil, 400, `0 is not a number of days from 1 to 106751`},
			{"POST /tenants", `{"id":"x","retentions":{"gauge":1e30}}`, nil, 400, ``},
			{"POST /tenants?overwrite=maybe", `{"id":"x"}`, nil, 400, `overwrite`},
			{"GET /admin/status", "", nil, 200, `STARTED`},
			{"PUT /tenants", "", nil, 405, ""},
			{"GET /tenants/lab", "", nil, 405, ""},
		}},
		{"default, open, elsewhere", "", there, []gate{
			{"GET /tenants", "", nil, 403, "this machine"},
			{"GET /status", "", nil, 200, "MohawkVersion"},
		}},
		{"default, open, token", "granary: {compat: {hawkular: {enabled: true" + adminConfig + "}}}", here, []gate{
			{"POST /tenants", `{"id":"lab"}`, nil, 403, "Hawkular-Admin-Token"},
			{"POST /tenants", `{"id":"lab"}`, wrong, 403, "Hawkular-Admin-Token"},
			{"POST /tenants", `{"id":"lab"}`, admin, 201, ""},
			{"GET /tenants", "", nil, 200, `[{"id":"lab"}]`},
			{"GET /tenants", "", admin, 200, `[{"id":"lab"}]`},
			{"GET /tenants", "", wrong, 403, ``},
			{"GET /admin/status", "", nil, 403, ``},
			// Heapster asks for all definitions at its start, with the field empty, and goes on without them.
			{"GET /openshift", "", with(hawkular.AdminHeader, ""), 403, "Hawkular-Admin-Token"},
			{"DELETE /tenants/lab", "", nil, 403, ``},
			{"DELETE /tenants/lab", "", admin, 200, `jobId`},
		}},
		{"default, protected", gated + "  compat: {hawkular: {enabled: true" + adminConfig + "}}\n", there, []gate{
			{"POST /tenants", `{"id":"lab"}`, nil, 401, "identity is demanded"},
			{"POST /tenants", `{"id":"lab"}`, bearer("the-admin-of-shop-x"), 403, "operator"},
			{"POST /tenants", `{"id":"lab"}`, append(bearer("the-admin-of-shop-x"), hawkular.AdminHeader, adminToken), 201, ""},
			{"POST /tenants", `{"id":"shop"}`, bearer("the-operator-of-all"), 201, ""},
			{"POST /tenants", `{"id":"other"}`, []string{hawkular.AdminHeader, adminToken}, 201, ""},
			{"GET /tenants", "", nil, 401, ``},
			{"GET /tenants", "", []string{hawkular.AdminHeader, adminToken}, 200, `[{"id":"lab"},{"id":"other"},{"id":"shop"}]`},
			{"GET /tenants", "", bearer("the-admin-of-shop-x"), 200, `[{"id":"shop"}]`},
			{"GET /tenants", "", bearer("the-reader-of-two-xy"), 200, `[{"id":"lab"},{"id":"shop"}]`},
			{"GET /tenant", "", bearer("the-reader-of-two-xy"), 200, `[{"id":"lab"},{"id":"shop"}]`},
			{"GET /openshift", "", append(bearer("the-operator-of-all"), hawkular.AdminHeader, ""), 200, `[]`},
			{"GET /openshift", "", append(bearer("the-admin-of-shop-x"), hawkular.AdminHeader, ""), 403, `operator`},
			{"GET /tenants", "", bearer("the-operator-of-all"), 200, `[{"id":"lab"},{"id":"other"},{"id":"shop"}]`},
			{"DELETE /tenants/other", "", append(bearer("the-reader-of-two-xy"), "Tenant", "lab"), 403, ``},
			{"DELETE /tenants/other", "", []string{hawkular.AdminHeader, adminToken}, 200, ``},
			// It opens nothing else.
			{"GET /nothing", "", []string{hawkular.AdminHeader, adminToken}, 401, ``},
			{"OPTIONS /tenants", "", []string{hawkular.AdminHeader, adminToken}, 401, ``},
			{"GET /tenants", "", bearer(adminToken), 401, ``},
			{"GET /status", "", nil, 200, ``},
			{"GET /ping", "", nil, 200, `value`},
		}},
		{"default, protected, no token", gated, there, []gate{
			{"POST /tenants", `{"id":"lab"}`, admin, 401, ""},
			{"POST /tenants", `{"id":"shop"}`, append(bearer("the-admin-of-shop-x"), hawkular.AdminHeader, adminToken), 403, "operator"},
			{"POST /tenants", `{"id":"shop"}`, bearer("the-operator-of-all"), 201, ""},
		}},
		{"strict, open, token", "granary: {compat: {hawkular: {strict: true" + adminConfig + "}}}", here, []gate{
			{"POST /tenants", `{"id":"mine","retentions":{"gauge":45,"availability":30,"counter":13}}`, admin, 201, ""},
			{"GET /tenants", "", admin, 200, `[{"id":"mine","retentions":{"gauge":45,"counter":13,"availability":30}}]`},
			{"POST /tenants", `{"id":"mine"}`, admin, 409, `{"errorMsg":"A tenant with id [mine] already exists"}`},
			{"POST /tenants?overwrite=true", `{"id":"mine","retentions":{"gauge":145}}`, admin, 201, ""},
			{"GET /tenants", "", admin, 200, `[{"id":"mine","retentions":{"gauge":145}}]`},
			{"POST /tenants", ``, admin, 400, "Payload is empty"},
			{"POST /tenants", `{"id":"x"}`, mine, 400, `{"errorMsg":"Admin token is not specified`},
			{"POST /tenants", `{"id":"x"}`, wrong, 403, `errorMsg`},
			{"GET /tenants", "", admin[2:], 400, `{"errorMsg":"Tenant is not specified. Use 'Hawkular-Tenant' header."}`},
			{"GET /tenants", "", mine, 400, ``},
			{"GET /tenant", "", admin, 404, ``},
			{"DELETE /tenants/mine", "", admin, 200, `jobId`},
			{"DELETE /tenants/nosuch", "", admin, 200, `jobId`},
			{"GET /tenants", "", admin, 204, ``},
			{"GET /admin/status", "", admin, 200, `"MetricsService":"STARTED"`},
			{"GET /admin/status", "", mine, 400, ``},
		}},
		{"strict, open, no token", "granary: {compat: {hawkular: {strict: true}}}", here, []gate{
			{"POST /tenants", `{"id":"x"}`, mine, 201, ``},
		}},
		{"strict, protected", gated + "  compat: {hawkular: {strict: true" + adminConfig + "}}\n", there, []gate{
			{"POST /tenants", `{"id":"x"}`, with(bearer("the-operator-of-all")...), 201, ``},
			{"POST /tenants", `{"id":"y"}`, append(bearer("the-admin-of-shop-x"), "Hawkular-Tenant", "shop"), 400, `Admin token is not specified`},
			{"POST /tenants", `{"id":"y"}`, admin, 201, ``},
			{"GET /tenants", ``, mine, 401, ``},
			{"GET /tenants", ``, bearer("the-operator-of-all"), 400, `Tenant is not specified`},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := running(t, configured(t, c.config))
			for i := range c.asks {
				w := c.asks[i].ask(t, s, c.from)
				if loc := w.Header().Get("Location"); w.Code == 201 && loc != hawkular.Prefix+"/tenants" {
					t.Errorf("Location %q", loc)
				}
			}
		})
	}
}

// TestHawkularProxy: where a trusted proxy says to which tenant a request belongs, neither the admin token nor an operator leads out of it.
func TestHawkularProxy(t *testing.T) {
	s := running(t, configured(t, gated+"  compat: {hawkular: {enabled: true"+adminConfig+"}}\n"))
	for _, id := range []string{"shop", "lab"} {
		(&gate{"POST /tenants", `{"id":"` + id + `"}`, bearer("the-operator-of-all"), 201, ""}).ask(t, s, there)
	}
	for _, who := range [][]string{{hawkular.AdminHeader, adminToken}, bearer("the-operator-of-all")} {
		bound := append([]string{"X-Project-Id", "shop"}, who...)
		for _, g := range []gate{
			{"GET /tenants", "", bound, 200, `[{"id":"shop"}]`},
			{"POST /tenants", `{"id":"other"}`, bound, 403, "operator"},
			{"DELETE /tenants/lab", "", bound, 403, "operator"},
			{"GET /openshift", "", bound, 403, "operator"},
			{"GET /admin/status", "", append([]string{"Hawkular-Tenant", "lab"}, bound...), 403, ""},
		} {
			g.ask(t, s, here)
		}
	}
}

// TestHawkularTenantKeepsSettings: a tenant that is overwritten keeps what Hawkular knows nothing of, and the audit log tells what was and what is.
func TestHawkularTenantKeepsSettings(t *testing.T) {
	s := running(t, configured(t, ""))
	if w := ask(s, here, http.MethodPost, "/v2/tenants", `{"id":"shop","name":"The shop","limits":{"series":7},"retention":{"string":"3h"}}`); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	(&gate{"GET /tenants", "", nil, 200, `[{"id":"shop","retentions":{"string":1}}]`}).ask(t, s, here)
	(&gate{"POST /tenants", `{"id":"shop","retentions":{"gauge":2}}`, nil, 201, ""}).ask(t, s, here)
	w := ask(s, here, http.MethodGet, "/v2/tenants/shop", "")
	for _, want := range []string{`"name":"The shop"`, `"retention":{"gauge":"2d"}`, `"series":7`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in %s", want, w.Body)
		}
	}
	(&gate{"POST /tenants", `{"id":"new","retentions":{"counter":3}}`, nil, 201, ""}).ask(t, s, here)
	b, err := os.ReadFile(auditOptions(s.cfg, s.o).File)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"action":"tenant.change","target":"/hawkular/metrics/tenants/shop","tenant":"_ops","outcome":"ok","detail":{"retention.gauge":{"new":"2d","old":null},"retention.string":{"new":null,"old":"3h"}}`,
		`"action":"tenant.create","target":"/hawkular/metrics/tenants/new","tenant":"_ops","outcome":"ok","detail":{"retention.counter":{"new":"3d","old":null}}`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the audit log lacks %s: %s", want, b)
		}
	}
}

// TestHawkularAdminToken: it is read from a file that may change, may be given by its SHA-256, is nowhere written, is told of in the
// audit log, and who guesses it has to wait.
func TestHawkularAdminToken(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(adminToken)
	cfg := configured(t, "granary: {identity: {failures: {allowed: 3}}, compat: {hawkular: {admin-token: {token-file: "+file+"}}}}")
	cfg.Data = filepath.Join(dir, "data")
	cfg.Listen = "127.0.0.1:0"
	var said lockedBuffer
	s, err := New(cfg, Options{Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	create := func(token string, status int) {
		t.Helper()
		(&gate{"POST /tenants", `{"id":"shop"}`, []string{hawkular.AdminHeader, token}, status, ""}).ask(t, s, there)
	}
	create(adminToken, 201)
	write("another-token-of-hawkular")
	s.refresh()
	create("another-token-of-hawkular", 201)
	create(adminToken, 403)
	create("mustard", 403)
	create("ketchup", 403)
	create("vinegar", 429)
	create("another-token-of-hawkular", 201) // nobody can lock the owner out
	(&gate{"GET /tenants", "", nil, 200, `shop`}).ask(t, s, here)

	audited, err := os.ReadFile(filepath.Join(cfg.Data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"action":"tenant.create"`, `"subject":"hawkular-admin-token"`, `"target":"/hawkular/metrics/tenants/shop"`, `"action":"identity.failed"`, `"action":"tenant.list"`} {
		if !bytes.Contains(audited, []byte(want)) {
			t.Errorf("the audit log has no %s:\n%s", want, audited)
		}
	}
	for _, secret := range []string{adminToken, "another-token-of-hawkular", "mustard"} {
		if strings.Contains(said.String(), secret) || bytes.Contains(audited, []byte(secret)) {
			t.Errorf("%s is written down", secret)
		}
	}
	if !strings.Contains(said.String(), "level=WARN") || !strings.Contains(said.String(), "granary.compat.hawkular.admin-token") {
		t.Error("nobody is told that the rest of the service is open")
	}

	hashed := running(t, configured(t, "granary: {compat: {hawkular: {admin-token: {sha256: "+adminSHA256+"}}}}"))
	for token, status := range map[string]int{adminToken: 201, "another-token-of-hawkular": 403} {
		(&gate{"POST /tenants", `{"id":"shop"}`, []string{hawkular.AdminHeader, token}, status, ""}).ask(t, hashed, here)
	}
}

// adminSHA256 is that of adminToken.
const adminSHA256 = "207448ef09b17dfce699b9dcca9472a2b4e6e9537337536ec0704b917c51cb74"

// TestHawkularAdminTokenFaults: a configuration with a token that cannot be one is refused.
func TestHawkularAdminTokenFaults(t *testing.T) {
	for _, text := range []string{"{}", "{token: short}", "{token: 0123456789abcdef0123, token-file: f}", "{sha256: ff}", "{tokn: x}", "text"} {
		_, _, err := config.Load("c.yaml", config.Options{ReadFile: func(string) ([]byte, error) {
			return []byte("granary: {compat: {hawkular: {admin-token: " + text + "}}}"), nil
		}})
		if err == nil || strings.Contains(err.Error(), "0123456789abcdef0123") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestHawkularCredentials holds what Mohawk's shell tests want of a service that asks who comes: a bearer token or a password that is
// right reads, one that is wrong is told 401 in the text too, for curl shows no status, and the status of the service is for everybody.
func TestHawkularCredentials(t *testing.T) {
	password := func(user, word string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+word)), "Hawkular-Tenant", "shop"}
	}
	token := func(text string) []string { return append(bearer(text), "Hawkular-Tenant", "shop") }
	const read = "GET /gauges/free_memory/raw?limit=1"
	for mode, asks := range map[string][]gate{
		"": {
			{read, "", token("the-admin-of-shop-x"), 200, "[]"},
			{read, "", token("the-admin-of-shop-y"), 401, "401"},
			{read, "", password("shop", "the-admin-of-shop-x"), 200, "[]"},
			{read, "", password("shop", "the-admin-of-shop-y"), 401, "401"},
			{read, "", nil, 401, "401"},
			{"GET /status", "", nil, 200, "STARTED"},
		},
		"  compat: {hawkular: {strict: true}}": {
			{read, "", token("the-admin-of-shop-x"), 204, ""},
			{read, "", token("the-admin-of-shop-y"), 401, "errorMsg"},
			{read, "", password("shop", "the-admin-of-shop-x"), 204, ""},
			{read, "", password("shop", "the-admin-of-shop-y"), 401, "errorMsg"},
			{"GET /status", "", nil, 200, "STARTED"},
		},
	} {
		s := running(t, configured(t, gated+mode))
		for _, g := range asks {
			g.ask(t, s, there)
		}
	}
}

// TestHawkularPages: a page of somewhere else can neither change nor read what an open service, or the browser's own word, would
// let it: only what it shows itself counts, or its name in the configuration.
func TestHawkularPages(t *testing.T) {
	const evil = "https://evil.example.com"
	basic := []string{"Authorization", "Basic b3A6dGhlLW9wZXJhdG9yLW9mLWFsbA=="} // op and its token, as a browser remembers them
	from := func(origin string, more ...string) []string { return append([]string{"Origin", origin}, more...) }
	const named = `, cors-origins: ["https://dash.example.org", "*"]`
	for _, c := range []struct {
		name, config string
		request      string
		header       []string
		status       int
		allow, creds string
	}{
		{"open, program", "", "POST /tenants", nil, 201, "*", ""},
		{"open, page", "", "POST /tenants", from(evil), 403, "*", ""},
		{"open, page reads", "", "GET /tenants", from(evil), 403, "*", ""},
		{"open, old form", "", "POST /tenants", []string{"Sec-Fetch-Site", "cross-site"}, 403, "*", ""},
		{"open, link", "", "GET /tenants", []string{"Sec-Fetch-Site", "cross-site"}, 200, "*", ""},
		{"open, page with any token", "", "POST /tenants", from(evil, bearer("made-up-made-up-made-up")...), 403, "*", ""},
		{"open, page with any admin token", "", "POST /tenants", from(evil, hawkular.AdminHeader, "made-up-made-up"), 403, "*", ""},
		{"open, null", "", "POST /tenants", from("null"), 403, "*", ""},
		{"open, own page", "", "POST /tenants", from("http://localhost:8082"), 201, "*", ""},
		{"open, own page, new browser", "", "POST /tenants", from("http://localhost:8082", "Sec-Fetch-Site", "same-origin"), 201, "*", ""},
		{"open, another port", "", "POST /tenants", from("http://localhost:3000", "Sec-Fetch-Site", "same-site"), 403, "*", ""},
		{"open, named page", named, "POST /tenants", from("https://dash.example.org"), 201, "https://dash.example.org", "true"},
		{"open, subdomain", named, "POST /tenants", from("https://a.dash.example.org"), 201, "https://a.dash.example.org", "true"},
		{"open, lookalike", named, "POST /tenants", from("https://evildash.example.org"), 403, "*", ""},
		{"open, scheme", named, "POST /tenants", from("http://dash.example.org"), 403, "*", ""},
		{"open, port", named, "POST /tenants", from("https://dash.example.org:8443"), 403, "*", ""},
		{"open, status", "", "GET /status", from(evil), 200, "*", ""},
		{"open, only named, program", `, cors-origins: ["https://dash.example.org"]`, "GET /tenants", nil, 200, "", ""},
		{"open, only named, page", `, cors-origins: ["https://dash.example.org"]`, "GET /tenants", from(evil), 403, "", ""},
		{"open, none", `, cors-origins: []`, "GET /status", from(evil), 200, "", ""},
		{"guarded, key", "GATED", "POST /tenants", from(evil, bearer("the-operator-of-all")...), 201, "*", ""},
		{"guarded, only named, key", `GATED, cors-origins: ["https://dash.example.org"]`, "GET /tenants", from(evil, bearer("the-operator-of-all")...), 403, "", ""},
		{"guarded, browser's password", "GATED", "POST /tenants", from(evil, basic...), 403, "*", ""},
		{"guarded, browser's password reads", "GATED", "GET /tenants", from(evil, basic...), 403, "*", ""},
		{"guarded, nothing", "GATED", "GET /tenants", from(evil), 401, "*", ""},
		{"guarded, admin token", "GATED", "POST /tenants", from(evil, hawkular.AdminHeader, adminToken), 201, "*", ""},
		{"preflight", "GATED", "OPTIONS /tenants", from(evil, "Access-Control-Request-Method", "POST"), 200, "*", ""},
		{"preflight of a named page", "GATED" + named, "OPTIONS /nowhere", from("https://dash.example.org"), 200, "https://dash.example.org", "true"},
		{"preflight of another page", `GATED, cors-origins: ["https://dash.example.org"]`, "OPTIONS /tenants", from(evil), 200, "", ""},
		{"strict", "STRICT", "GET /status", from(evil), 200, evil, ""},
		{"strict, named", "STRICT" + named, "GET /status", from("https://dash.example.org"), 200, "https://dash.example.org", "true"},
		{"strict, none", "STRICT, cors-origins: []", "GET /status", from(evil), 400, "", ""},
		{"strict, none, own", "STRICT, cors-origins: []", "GET /status", from("http://localhost:8082"), 200, "http://localhost:8082", ""},
		{"strict, program", "STRICT", "GET /status", nil, 200, "", ""},
		{"strict, page", "STRICT", "GET /tenants", from(evil, "Hawkular-Tenant", "x"), 403, evil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			more, isGated := strings.CutPrefix(c.config, "GATED")
			more, isStrict := strings.CutPrefix(more, "STRICT")
			text := "granary:\n"
			if isGated {
				text = gated
			}
			text += "  compat: {hawkular: {enabled: true"
			if isStrict {
				text += ", strict: true"
			}
			if isGated {
				text += adminConfig
			}
			s := running(t, configured(t, text+more+"}}\n"))
			g := gate{c.request, "", c.header, c.status, ""}
			if strings.HasPrefix(c.request, "POST") {
				g.body = `{"id":"shop"}`
			}
			if c.status == 403 && !isStrict {
				g.want = "without a token or key of its own"
				if c.allow == "" {
					g.want = "only those that granary.compat.hawkular.cors-origins names may"
				}
			}
			w := g.ask(t, s, here)
			h := w.Header()
			if got := h.Get("Access-Control-Allow-Origin"); got != c.allow {
				t.Errorf("Allow-Origin %q, want %q", got, c.allow)
			}
			if got := h.Get("Access-Control-Allow-Credentials"); got != c.creds {
				t.Errorf("Allow-Credentials %q, want %q", got, c.creds)
			}
			if methods := h.Get("Access-Control-Allow-Methods"); (methods != "") != (c.allow != "") || isStrict && c.allow != "" && methods != "GET, POST, PUT, DELETE, OPTIONS, HEAD" {
				t.Errorf("Allow-Methods %q", methods)
			}
			if fields := h.Get("Access-Control-Allow-Headers"); c.allow != "" && !strings.HasPrefix(fields, map[bool]string{true: "origin,accept,content-type,hawkular-tenant", false: "authorization,content-type,hawkular-tenant"}[isStrict]) {
				t.Errorf("Allow-Headers %q", fields)
			}
			if age := h.Get("Access-Control-Max-Age"); (age == "259200") != (c.allow != "" && len(c.header) > 0 && c.header[0] == "Origin") {
				t.Errorf("Max-Age %q", age)
			}
			if (w.Code == 400 || strings.HasPrefix(c.name, "preflight")) && w.Body.Len() > 0 {
				t.Errorf("a body: %s", w.Body)
			}
			if _, made := s.store.Tenants.Lookup("shop"); made != (c.status == 201) {
				t.Errorf("made: %v", made)
			}
			if !strings.Contains(strings.Join(h["Vary"], ", "), "Origin") {
				t.Errorf("Vary %q", h["Vary"])
			}
		})
	}
}

// TestHawkularStarting: until the store is ready there is a 503 that says when to come again, and the status says so.
func TestHawkularStarting(t *testing.T) {
	s := unserved(t, configured(t, ""))
	w := (&gate{"GET /tenants", "", nil, 503, `Service unavailable while initializing`}).ask(t, s, here)
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	(&gate{"GET /status", "", nil, 200, `STARTING`}).ask(t, s, here)
}

// TestHawkularRequestsAreCounted: requests stand in the metrics of the service under the name of the dialect, alerts too.
func TestHawkularRequestsAreCounted(t *testing.T) {
	s := running(t, configured(t, ""))
	(&gate{"GET /tenants", "", nil, 200, ""}).ask(t, s, here)
	(&gate{"GET /nowhere", "", nil, 404, ""}).ask(t, s, here)
	ask(s, here, http.MethodGet, hawkular.PrefixAlerts+"/status", "")
	w := ask(s, here, http.MethodGet, "/metrics", "")
	for _, want := range []string{
		`granary_http_requests_total{dialect="hawkular",method="GET",status="200"} 2`,
		`granary_http_requests_total{dialect="hawkular",method="GET",status="404"} 1`,
		`granary_http_request_seconds_count{dialect="hawkular",method="GET"} 3`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}
