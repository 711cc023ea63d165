package server

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"granary/tenant/identity"
)

// TestIdentitySources has every source of identities but certificates in one file, and asks with a credential of each.
func TestIdentitySources(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("wonder"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	key := file("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	jwks := file("jwks.json", fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"j","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public)))
	s := running(t, configured(t, fmt.Sprintf(`
granary:
  identity:
    jwt:
      - {issuer: i, audience: [granary], keys: [{kid: k, file: %s}], jwks-file: %s, leeway: 1m, claims: {subject: who, roles: r, tenants: t},
         roles: {watcher: [reader]}, default-roles: [writer], default-tenants: [b], allow: {tenants: [a, b]}}
      - {issuer: boss, audience: [granary], algorithms: [EdDSA], keys: [{file: %s}], allow: {operator: true}}
      - {issuer: rsa, audience: [granary], algorithms: [RS256], keys: [{file: %s}]}
    tokens:
      - {name: spelt, token: 0123456789abcdef, roles: [reader], tenants: [a]}
      - {name: filed, token-file: %s, roles: [writer], tenants: "*"}
      - {name: hashed, sha256: 3465f6e6975baa864ca957f0914ecda9bf7eb601ac31ac20a5dc3d329279a843, roles: [operator]}
    basic: {file: %s, users: {alice: {roles: [admin], tenants: [a]}}}
    proxy: {subject: x-user, roles: X-Roles, tenants: X-Tenants, role-names: {watcher: [reader]}, default-roles: [writer], default-tenants: [b], allow: {tenants: [a, b]}}
`, key, jwks, key, key, file("token", "ffffffffffffffffffff\n"), file("htpasswd", "alice:"+string(hash)))))
	token := func(issuer string, expires time.Duration, others jwt.MapClaims, kid string) string {
		c := jwt.MapClaims{"iss": issuer, "aud": "granary", "who": "me", "sub": "me", "exp": time.Now().Add(expires).Unix()}
		for k, v := range others {
			c[k] = v
		}
		j := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c)
		if kid != "" {
			j.Header["kid"] = kid
		}
		text, err := j.SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	read := func(id string) string { return "GET /v2/metrics " + id }
	write := func(id string) string { return "POST /v2/measures " + id }
	watcher := jwt.MapClaims{"r": "watcher", "t": []string{"a", "c"}}
	for _, c := range []struct {
		request string
		status  int
		header  []string
	}{
		{read("a"), 401, nil},
		{read("a"), 200, []string{"Authorization", token("i", time.Hour, watcher, "k")}},
		{read("a"), 200, []string{"Authorization", token("i", time.Hour, watcher, "j")}},
		{read("a"), 200, []string{"Authorization", token("i", -50*time.Second, watcher, "j")}},
		{read("a"), 401, []string{"Authorization", token("i", -70*time.Second, watcher, "j")}},
		{read("a"), 401, []string{"Authorization", token("nobody", time.Hour, watcher, "j")}},
		{read("a"), 401, []string{"Authorization", token("i", time.Hour, jwt.MapClaims{"aud": "x"}, "j")}},
		{read("a"), 401, []string{"Authorization", token("i", time.Hour, jwt.MapClaims{"who": ""}, "j")}},
		{read("a"), 401, []string{"Authorization", token("rsa", time.Hour, nil, "")}},
		{write("a"), 403, []string{"Authorization", token("i", time.Hour, watcher, "k")}},
		{read("c"), 403, []string{"Authorization", token("i", time.Hour, watcher, "k")}},
		{write("b"), 400, []string{"Authorization", token("i", time.Hour, nil, "k")}},
		{read("b"), 403, []string{"Authorization", token("i", time.Hour, nil, "k")}},
		{"GET /v2/tenants ", 403, []string{"Authorization", token("i", time.Hour, jwt.MapClaims{"r": "operator", "t": "*"}, "k")}},
		{"GET /v2/tenants ", 200, []string{"Authorization", token("boss", time.Hour, jwt.MapClaims{"granary": map[string]any{"roles": "operator"}}, "")}},
		{read("a"), 200, []string{"Authorization", "Bearer 0123456789abcdef"}},
		{read("b"), 403, []string{"X-Api-Key", "0123456789abcdef"}},
		{write("x"), 400, []string{"Authorization", "Token ffffffffffffffffffff"}},
		{"GET /v2/tenants ", 200, []string{"Authorization", "Bearer fedcba9876543210"}},
		{read("a"), 401, []string{"Authorization", "Bearer fedcba9876543211"}},
		{"DELETE /v2/measures?start=0&name=x a", 200, []string{"Authorization", basic("alice", "wonder")}},
		{read("a"), 401, []string{"Authorization", basic("alice", "other")}},
		{read("a"), 200, []string{"Authorization", basic("anybody", "0123456789abcdef")}},
		{read("a"), 200, []string{"X-User", "me", "X-Roles", "watcher", "X-Tenants", "a"}},
		{read("a"), 401, []string{"X-Roles", "watcher", "X-Tenants", "a"}},
		{write("b"), 400, []string{"X-User", "me"}},
		{read("b"), 403, []string{"X-User", "me"}},
		{"GET /v2/tenants ", 403, []string{"X-User", "me", "X-Roles", "operator", "X-Tenants", "*"}},
		{read("c"), 403, []string{"X-User", "me", "X-Roles", "watcher", "X-Tenants", "*"}},
	} {
		f := strings.Split(c.request, " ")
		header := append([]string{}, c.header...)
		if f[2] != "" {
			header = append(header, "Tenant", f[2])
		}
		body := ""
		if f[0] == http.MethodPost {
			body, header = "{", append(header, "Content-Type", "application/json")
		}
		if w := ask(s, here, f[0], f[1], body, header...); w.Code != c.status {
			t.Errorf("%s with %.60q: %d, want %d: %s", c.request, c.header, w.Code, c.status, w.Body)
		}
	}
	// Elsewhere is no trusted proxy.
	if w := ask(s, there, http.MethodGet, "/v2/metrics", "", "X-User", "me", "X-Roles", "watcher", "X-Tenants", "a", "Tenant", "a"); w.Code != 401 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// A file that changes counts when it is next looked at.
	file("token", "gggggggggggggggggggggg")
	s.authority.Refresh()
	for token, status := range map[string]int{"ffffffffffffffffffff": 401, "gggggggggggggggggggggg": 400} {
		if w := ask(s, here, http.MethodPost, "/v2/measures", "{", "Authorization", "Bearer "+token, "Tenant", "x", "Content-Type", "application/json"); w.Code != status {
			t.Errorf("%s: %d %s", token, w.Code, w.Body)
		}
	}
}

// TestKeysLock: keys shut an open service only where the configuration says so.
func TestKeysLock(t *testing.T) {
	for enabled, status := range map[bool]int{false: 200, true: 401} {
		s := running(t, configured(t, fmt.Sprintf("granary: {identity: {keys: {enabled: %v}}}", enabled)))
		text, id, digest := identity.NewKey()
		r := identity.KeyRecord{ID: id, Digest: digest, Subject: "me", Grants: identity.GrantsOf(identity.Reader, "a"), Created: time.Now()}
		if err := s.store.PutKey(t.Context(), r, ""); err != nil {
			t.Fatal(err)
		}
		if w := ask(s, here, http.MethodGet, "/v2/metrics", ""); w.Code != status {
			t.Errorf("enabled %v: %d", enabled, w.Code)
		}
		for _, c := range []struct {
			id     string
			status int
		}{{"a", 200}, {"b", 403}} {
			if w := ask(s, here, http.MethodGet, "/v2/metrics", "", "X-Api-Key", text, "Tenant", c.id); w.Code != c.status {
				t.Errorf("enabled %v, tenant %s: %d %s", enabled, c.id, w.Code, w.Body)
			}
		}
	}
}
