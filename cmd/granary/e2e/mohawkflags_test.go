//go:build e2e

package e2e_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// TestWhatMohawksFlagsBecame asks a program that stands in the place of mohawk --tls --gzip --bearer-auth --basic-auth, as docs/hawkular.md has it, what its
// clients and the pages of browsers ask.
func TestWhatMohawksFlagsBecame(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	must(t, err)
	users := filepath.Join(t.TempDir(), "users")
	must(t, os.WriteFile(users, fmt.Appendf(nil, "jack:%s\n", hash), 0o600))
	everywhere := func(more object) object {
		more["roles"], more["tenants"] = []string{"admin"}, "*"
		return more
	}
	p, client := secure(t, object{"identity": object{
		"tokens": []object{everywhere(object{"name": "mohawk", "token": "0123456789abcdef"})},
		"basic":  object{"file": users, "users": object{"jack": everywhere(object{})}},
	}, "compat": object{"hawkular": object{"alerts": object{"rules": []object{{"id": "a", "metrics": []string{"m"}, "alert-if-lower-than": 1}}}}}})
	const bearer, page = "Bearer 0123456789abcdef", "https://dash.example.org"
	basic := func(name, password string) string {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(name, password)
		return r.Header.Get("Authorization")
	}
	preflight := http.Header{"Origin": {page}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization,hawkular-tenant"}}
	for _, c := range []struct {
		method, path string
		header       http.Header
		status       int
		want         map[string]string // fields of the answer
	}{
		{"GET", "metrics/status", nil, 200, nil},
		{"GET", "metrics/status", http.Header{"Origin": {page}}, 200, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"GET", "metrics/metrics", http.Header{"Origin": {page}}, 401, map[string]string{"Access-Control-Allow-Origin": "*", "Www-Authenticate": "Bearer", "Content-Type": "application/json"}},
		{"GET", "alerts/raw", nil, 401, map[string]string{"Www-Authenticate": "Bearer"}},
		{"GET", "alerts/status", nil, 401, nil},
		{"GET", "alerts/raw", http.Header{"Authorization": {bearer}, "Origin": {page}}, 200, map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": ""}},
		{"GET", "alerts/status", http.Header{"Authorization": {bearer}}, 200, nil},
		{"GET", "metrics/metrics", http.Header{"Authorization": {bearer}, "Hawkular-Tenant": {"shop"}}, 200, nil},
		{"GET", "metrics/metrics", http.Header{"Authorization": {basic("jack", "secret")}}, 200, nil},
		{"GET", "metrics/metrics", http.Header{"Authorization": {basic("anybody", "0123456789abcdef")}}, 200, nil},
		{"GET", "metrics/metrics", http.Header{"Authorization": {basic("jack", "wrong")}}, 401, nil},
		{"OPTIONS", "alerts/raw", preflight, 200, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"OPTIONS", "metrics/m/stats/query", preflight, 200, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"OPTIONS", "metrics/gauges/a%2Fb/raw", preflight, 200, map[string]string{"Access-Control-Allow-Origin": "*"}},
	} {
		status, header, body := p.do(c.method, "/hawkular/"+c.path, c.header, nil)
		if status != c.status {
			t.Errorf("%s %s %v: %d %s, want %d", c.method, c.path, c.header, status, body, c.status)
		}
		for field, want := range c.want {
			if got := header.Get(field); got != want {
				t.Errorf("%s %s %v: %s is %q, want %q", c.method, c.path, c.header, field, got, want)
			}
		}
		for _, name := range []string{"authorization", "content-type", "hawkular-tenant"} {
			if allowed := header.Get("Access-Control-Allow-Headers"); c.method == "OPTIONS" && !strings.Contains(allowed, name) {
				t.Errorf("%s: a page may not send %s, only %s", c.path, name, allowed)
			}
		}
	}

	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	fmt.Fprint(w, `[{"id":"m","tags":{"hostname":"a.example.com"}}]`)
	must(t, w.Close())
	if status, _, body := p.do(http.MethodPut, "/hawkular/metrics/gauges/tags", http.Header{"Authorization": {bearer}, "Content-Encoding": {"gzip"}}, &zipped); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	plain := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: client, ForceAttemptHTTP2: true, DisableCompression: true}}
	defer plain.CloseIdleConnections()
	for accept, want := range map[string]string{"gzip": "gzip", "deflate, gzip;q=1.0": "gzip", "gzip;q=0": "", "": ""} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/hawkular/metrics/metrics", nil)
		must(t, err)
		req.Header = http.Header{"Authorization": {bearer}, "Accept-Encoding": {accept}}
		res, err := plain.Do(req)
		must(t, err)
		var from io.Reader = res.Body
		if res.Header.Get("Content-Encoding") == "gzip" {
			from, err = gzip.NewReader(from)
			must(t, err)
		}
		body, err := io.ReadAll(from)
		must(t, err)
		res.Body.Close()
		if got := res.Header.Get("Content-Encoding"); got != want || !strings.Contains(string(body), `"hostname":"a.example.com"`) {
			t.Errorf("asked for %q: %q, %s", accept, got, body)
		}
	}
	res, err := http.Get("http" + strings.TrimPrefix(p.url, "https") + "/hawkular/metrics/status")
	must(t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %d", res.StatusCode)
	}
}
