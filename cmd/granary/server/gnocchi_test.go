package server

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/cmd/granary/config"
	"granary/compat/gnocchi/keystone/keystonetest"
)

// byName is the field of a name without a password, or with one.
func byName(user string) string {
	if !strings.Contains(user, ":") {
		user += ":"
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user))
}

// askGnocchi asks the dialect for JSON.
func askGnocchi(s *Server, from, method, path, body string, header ...string) *httptest.ResponseRecorder {
	return ask(s, from, method, path, body, append([]string{"Accept", "application/json", "Content-Type", "application/json"}, header...)...)
}

// admitted is what the dialect answers to who asks for a metric that there is not, and for what only its administrators see.
func admitted(s *Server, from string, header ...string) string {
	return fmt.Sprint(askGnocchi(s, from, "GET", "/v1/metric/c1b2d3e4-0000-4000-8000-00000000000a/measures", "", header...).Code, " ",
		askGnocchi(s, from, "GET", "/v1/status", "", header...).Code)
}

const withToken = "{name: op, token: " + ofOperators + ", roles: [operator]}, {name: sandra, token: " + ofSandra + ", roles: [admin], tenants: [shop]}"

const (
	ofOperators = "0123456789-of-the-operators"
	ofSandra    = "0123456789-of-the-shopkeeper"
)

// TestGnocchiPasswords: a name is believed where nothing guards the service, checked where something does, and believed there only if that
// is said twice, from this machine, and with a warning.
func TestGnocchiPasswords(t *testing.T) {
	guarded := "identity: {tokens: [" + withToken + "]}"
	for _, c := range []struct {
		name, config string
		from         string
		header       []string
		want         string
	}{
		{"open", "", here, []string{"Authorization", byName("alice")}, "404 403"},
		{"open", "", here, []string{"Authorization", byName("admin")}, "404 200"},
		{"open", "", here, nil, "401 401"},
		{"open", "", there, []string{"Authorization", byName("admin")}, "403 403"},
		{"open to all", "auth: none", there, []string{"Authorization", byName("admin")}, "404 200"},
		{"guarded", guarded, here, []string{"Authorization", byName("admin")}, "401 401"},
		{"guarded", guarded, here, []string{"Authorization", byName("admin:wrong")}, "401 401"},
		{"guarded", guarded, there, []string{"Authorization", byName("admin:" + ofSandra)}, "404 403"},
		{"guarded", guarded, there, []string{"X-Auth-Token", ofSandra}, "404 403"},
		{"guarded", guarded, there, []string{"X-Auth-Token", ofOperators}, "404 200"},
		{"guarded", guarded, there, []string{"X-Auth-Token", ofSandra, "Authorization", "Bearer " + ofOperators}, "400 400"},
		{"guarded", guarded, there, []string{"X-Auth-Token", "wrong"}, "401 401"},
		{"fields", "", here, []string{"X-User-Id", "u", "X-Project-Id", "p", "X-Roles", "admin"}, "404 200"},
		{"fields", "", here, []string{"X-User-Id", "u", "X-Project-Id", "p", "X-Roles", "admin", "X-Forwarded-For", "192.0.2.1"}, "404 200"},
		{"fields", "auth: none", there, []string{"X-User-Id", "u", "X-Project-Id", "p", "X-Roles", "admin"}, "401 401"},
		{"fields", guarded, here, []string{"X-User-Id", "u", "X-Project-Id", "p", "X-Roles", "admin"}, "401 401"},
		{"fields in force", guarded + ", compat: {gnocchi: {auth: headers}}", here, []string{"X-User-Id", "u", "X-Project-Id", "p", "X-Roles", "admin"}, "404 200"},
		{"fields in force", guarded + ", compat: {gnocchi: {auth: headers}}", there, []string{"X-User-Id", "u", "X-Project-Id", "p", "X-Roles", "admin"}, "401 401"},
		{"fields in force", guarded + ", compat: {gnocchi: {auth: headers}}", here, nil, "401 401"},
		{"fields alone", "compat: {gnocchi: {auth: headers}}", here, []string{"Authorization", byName("admin")}, "404 403"},
		{"believed", guarded + ", compat: {gnocchi: {auth: basic, check-passwords: false}}", here, []string{"Authorization", byName("admin:any")}, "404 200"},
		{"believed", guarded + ", compat: {gnocchi: {auth: basic, check-passwords: false}}", there, []string{"Authorization", byName("admin:any")}, "401 401"},
		{"believed", guarded + ", compat: {gnocchi: {auth: basic, check-passwords: false}}", here, []string{"Authorization", byName("admin:any"), "X-Forwarded-For", "192.0.2.1"}, "401 401"},
		{"believed", guarded + ", compat: {gnocchi: {auth: basic, check-passwords: false}}", there, []string{"X-Auth-Token", ofSandra}, "404 403"},
	} {
		s := running(t, configured(t, "granary: {"+c.config+"}"))
		if got := admitted(s, c.from, c.header...); got != c.want {
			t.Errorf("%s, %s %q: %s, want %s", c.name, c.from, c.header, got, c.want)
		}
		// Who is the administrator of Gnocchi is an operator nowhere else.
		if w := ask(s, there, "GET", "/v2/tenants", "", c.header...); w.Code == 200 && c.config != "auth: none" && !strings.Contains(strings.Join(c.header, " "), ofOperators) {
			t.Errorf("%s: %q opens /v2: %s", c.name, c.header, w.Body)
		}
		if w := ask(s, here, "GET", "/v2/tenants", "", c.header...); w.Code == 200 && strings.Contains(c.config, guarded) && !strings.Contains(strings.Join(c.header, " "), ofOperators) {
			t.Errorf("%s: %q opens /v2: %s", c.name, c.header, w.Body)
		}
	}
	for text, want := range map[string]string{
		"compat: {gnocchi: {check-passwords: true}}":                                                     "nobody's password is known",
		guarded + ", compat: {gnocchi: {check-passwords: true}}":                                         "",
		guarded + ", compat: {gnocchi: {check-passwords: false}}":                                        "auth: basic beside it",
		guarded + ", compat: {gnocchi: {auth: headers, check-passwords: false}}":                         "auth: basic beside it",
		"compat: {gnocchi: {check-passwords: false}}":                                                    "",
		"compat: {gnocchi: {check-passwords: false, keystone: {url: 'http://k', user: u, password: p}}}": "auth: basic beside it",
		"compat: {gnocchi: {keystone: {url: 'k:5000', user: u, password: p}}}":                           "the URL of Keystone",
		"compat: {gnocchi: {keystone: {url: 'https://u:p@k', user: u, password: p}}}":                    "the URL of Keystone",
		"compat: {gnocchi: {keystone: {url: 'https://k', password: p}}}":                                 "may validate tokens",
		"compat: {gnocchi: {keystone: {url: 'https://k', user: u}}}":                                     "one of password and password-file",
		"compat: {gnocchi: {keystone: {url: 'https://k', user: u, password: p, password-file: f}}}":      "one of password and password-file",
		"compat: {gnocchi: {rules: {get measure: [admin]}}}":                                             `there is no "get measure" among get status`,
		"compat: {gnocchi: {rules: {get measures: [root]}}}":                                             `there is no "root" among admin, service, creator, owner, everybody, role:NAME`,
		"compat: {gnocchi: {rules: {get measures: admin}}}":                                              "expected a list of texts",
		"compat: {gnocchi: {rules: {get measures: [admin, 'role:x'], delete metric: []}}}":               "",
	} {
		_, _, err := config.Load("c.yaml", config.Options{ReadFile: func(string) ([]byte, error) { return []byte("granary: {" + text + "}"), nil }})
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestGnocchiKeystone: tokens of Keystone open Gnocchi's API, and nothing else.
func TestGnocchiKeystone(t *testing.T) {
	fake := keystonetest.NewTLS(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: fake.Certificate().Raw})))
	secret := write("password", keystonetest.Password+"\n")
	section := fmt.Sprintf("compat: {gnocchi: {keystone: {url: '%s/v3', user: %s, user-domain: Default, password-file: %s, project: %s, project-domain: Default, ca-file: %s, cache: 3s, timeout: 4s}}}",
		fake.URL, keystonetest.User, secret, keystonetest.Project, ca)
	fake.Issue("kate", keystonetest.Token{User: "u1", Project: "p1", Roles: []string{"member"}})
	fake.Issue("root", keystonetest.Token{User: "u2", Project: "p2", Roles: []string{"admin"}})
	for _, guarded := range []bool{false, true} {
		text := "granary: {" + section + "}"
		if guarded {
			text = "granary: {identity: {tokens: [" + withToken + "]}, " + section + "}"
		}
		var log lockedBuffer
		s := made(t, configured(t, text))
		s.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		serve(t, s)
		for _, c := range []struct{ header, value, want string }{
			{"X-Auth-Token", "kate", "404 403"}, {"X-Auth-Token", "root", "404 200"}, {"X-Auth-Token", "nobody's", "401 401"}, {"Authorization", byName("admin"), "401 401"},
			{"X-Roles", "admin", "401 401"}, {"X-Api-Key", ofOperators, map[bool]string{true: "404 200", false: "401 401"}[guarded]}, {"Accept", "application/json", "401 401"},
		} {
			for _, from := range []string{here, there} {
				if got := admitted(s, from, c.header, c.value); got != c.want && !(c.value == ofOperators && !guarded) {
					t.Errorf("guarded %v, from %s, %s: %s is answered %s, want %s", guarded, from, c.header, c.value, got, c.want)
				}
			}
		}
		w := askGnocchi(s, there, "GET", "/v1/nothing", "")
		if w.Code != 401 || !strings.Contains(w.Header().Get("Www-Authenticate"), `Keystone uri="`+fake.URL) {
			t.Errorf("%d %q", w.Code, w.Header())
		}
		for _, path := range []string{"/v2/metrics", "/v2/tenants", "/metrics", "/hawkular/metrics/metrics"} {
			if w := ask(s, there, "GET", path, "", "X-Auth-Token", "root"); w.Code < 400 {
				t.Errorf("a token of Keystone opens %s: %d", path, w.Code)
			}
		}
		warned := strings.Contains(log.String(), "Keystone guards Gnocchi's API alone")
		if warned == guarded {
			t.Errorf("guarded %v, warned %v", guarded, warned)
		}
	}
	wants := configured(t, "granary: {"+strings.Replace(section, ca, "/nothing", 1)+"}")
	wants.Data, wants.Listen = t.TempDir(), "127.0.0.1:0"
	if _, err := New(wants, Options{Logger: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "ca-file") {
		t.Error(err)
	}
	s := unserved(t, configured(t, "granary: {"+section+"}"))
	if k := s.cfg.Gnocchi.Keystone; k.Cache != 3*time.Second || k.Timeout != 4*time.Second {
		t.Errorf("%+v", k)
	}
	for _, odd := range []string{"password: wrong", "user: somebody", "project: other", "user-domain: other", "project-domain: other"} {
		name, value, _ := strings.Cut(odd, ": ")
		cfg := configured(t, "granary: {"+section+"}")
		k := &cfg.Gnocchi.Keystone
		switch name {
		case "password":
			k.Password, k.PasswordFile = config.Secret(value), ""
		case "user":
			k.User = value
		case "project":
			k.Project = value
		case "user-domain":
			k.UserDomain = value
		case "project-domain":
			k.ProjectDomain = value
		}
		s := running(t, cfg)
		if w := askGnocchi(s, there, "GET", "/v1/status", "", "X-Auth-Token", "root"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", odd, w.Code, w.Body)
		}
	}
}

// TestGnocchiWarnings: what opens the API further than its owner may think is said at the start.
func TestGnocchiWarnings(t *testing.T) {
	guarded := "identity: {tokens: [" + withToken + "]}, "
	for text, want := range map[string]string{
		"":      "",
		guarded: "",
		guarded + "compat: {gnocchi: {auth: basic, check-passwords: false}}":                                      "names count without their passwords",
		"compat: {gnocchi: {check-passwords: false}}":                                                             "",
		guarded + "compat: {gnocchi: {auth: headers}}":                                                            "every program on this machine",
		guarded + "trusted-proxies: [10.1.2.3/32], compat: {gnocchi: {auth: headers}}":                            "",
		guarded + "compat: {gnocchi: {keystone: {url: 'http://keystone:5000', user: u, password: p}}}":            "in the clear",
		guarded + "compat: {gnocchi: {keystone: {url: 'http://127.0.0.1:5000', user: u, password: p}}}":           "",
		guarded + "compat: {gnocchi: {enabled: false, keystone: {url: 'http://keystone', user: u, password: p}}}": "",
	} {
		s := unserved(t, configured(t, "granary: {"+text+"}"))
		var log strings.Builder
		s.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		s.warnGnocchi()
		if got := log.String(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		log.Reset()
		s.tellGnocchi()
		if !strings.Contains(text, "enabled: false") && !strings.Contains(log.String(), "Gnocchi's clients are served") {
			t.Errorf("%s: %q", text, log.String())
		}
	}
}

// TestGnocchiAudit: the audit log says who reached beyond their tenant, and which it was, and holds no token.
func TestGnocchiAudit(t *testing.T) {
	fake := keystonetest.New(t)
	const root, kate = "token-of-root-0123456789", "token-of-kate-0123456789"
	fake.Issue(root, keystonetest.Token{User: "u1", Project: "ops", Roles: []string{"admin"}})
	fake.Issue(kate, keystonetest.Token{User: "u2", Project: "pa"})
	s := running(t, configured(t, fmt.Sprintf("granary: {log: {level: debug}, compat: {gnocchi: {keystone: {url: '%s', user: %s, password: '%s'}}}}", fake.URL, keystonetest.User, keystonetest.Password)))
	const id = "5f3c4d5e-1111-4222-8333-444455550001"
	for _, c := range []struct{ token, method, path, body string }{
		{kate, "POST", "/v1/resource/generic", `{"id":"` + id + `"}`}, {kate, "GET", "/v1/resource/generic/" + id, ""}, {root, "PATCH", "/v1/resource/generic/" + id, `{"user_id":"x"}`},
		{root, "GET", "/v1/resource/generic", ""}, {root, "DELETE", "/v1/resource/generic/" + id, ""}, {"wrong-" + kate, "GET", "/v1/metric", ""},
	} {
		if w := askGnocchi(s, there, c.method, c.path, c.body, "X-Auth-Token", c.token); w.Code >= 400 && !strings.HasPrefix(c.token, "wrong") {
			t.Fatalf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
	b, err := os.ReadFile(filepath.Join(s.cfg.Data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{
		`"subject":"name of u1","source":"keystone","remote":"192.0.2.7","action":"gnocchi.write","target":"/v1/resource/generic/` + id + `","tenant":"ops","tenants":"pa","outcome":"ok"`,
		`"action":"resource.list","target":"/v1/resource/generic","tenants":"*"`,
		`"action":"resource.delete","target":"` + id + `","tenant":"ops","tenants":"pa","outcome":"ok"`,
		`"action":"identity.failed"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit log has no %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "0123456789") || strings.Count(text, "name of u2") > 0 {
		t.Errorf("the audit log has what it should not:\n%s", text)
	}
}
