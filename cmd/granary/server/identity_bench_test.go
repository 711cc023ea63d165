package server

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"granary/tenant/identity"
)

// BenchmarkAuthenticate is what the guard adds to a request whose credential is known, with all that stands behind it, where
// there is a source of every kind.
func BenchmarkAuthenticate(b *testing.B) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		b.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("wonder"), bcrypt.MinCost)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for name, content := range map[string]string{"key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "htpasswd": "alice:" + string(hash) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	s := running(b, configured(b, fmt.Sprintf(`
granary:
  identity:
    jwt: [{issuer: i, audience: [granary], keys: [{kid: k, file: %s/key.pem}], default-roles: [reader], default-tenants: [a]}]
    keys: {enabled: true}
    tokens: [{name: ops, token: static-token-0123456789, roles: [operator]}]
    basic: {file: %s/htpasswd, users: {alice: {roles: [reader], tenants: [a]}}}
`, dir, dir)))
	signed := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": "i", "aud": "granary", "sub": "me", "exp": time.Now().Add(time.Hour).Unix()})
	signed.Header["kid"] = "k"
	token, err := signed.SignedString(private)
	if err != nil {
		b.Fatal(err)
	}
	key, id, digest := identity.NewKey()
	record := identity.KeyRecord{ID: id, Digest: digest, Subject: "me", Grants: identity.GrantsOf(identity.Reader, "a"), Created: time.Now()}
	if err := s.store.PutKey(b.Context(), record, ""); err != nil {
		b.Fatal(err)
	}
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	for _, c := range []struct{ name, field, value string }{
		{"jwt", "Authorization", "Bearer " + token},
		{"key", "X-Api-Key", key},
		{"static", "Authorization", "Bearer static-token-0123456789"},
		{"basic", "Authorization", basic("alice", "wonder")},
		{"basic-key", "Authorization", basic("anybody", key)},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/v2/metrics", nil)
			r.RemoteAddr = there
			r.Header.Set(c.field, c.value)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.guard.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
