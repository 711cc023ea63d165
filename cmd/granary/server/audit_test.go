package server

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"
)

// lockedBuffer may be written to by many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestSecretsStayOutOfLogs sends every kind of credential, right and wrong, where it belongs and where it does not, to a service that logs
// all there is to log. None of it comes into the log, the audit log, or an answer.
func TestSecretsStayOutOfLogs(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(expires time.Duration, key ed25519.PrivateKey) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "me", "exp": time.Now().Add(expires).Unix()}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	_, stranger, _ := ed25519.GenerateKey(nil)
	hash, err := bcrypt.GenerateFromPassword([]byte("sesame-password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	htpasswd := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(htpasswd, []byte("alice:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := configured(t, fmt.Sprintf(`
main: {jwt-public-key: %q}
granary:
  log: {level: debug, access: true}
  identity:
    failures: {allowed: 0}
    tokens: [{name: ops, token: static-token-0123456789, roles: [operator]}]
    basic: {file: %s, users: {alice: {roles: [admin], tenants: [a]}}}
    proxy: {subject: X-Remote-User}
`, base64.StdEncoding.EncodeToString(public), htpasswd))
	cfg.Data = filepath.Join(t.TempDir(), "data")
	cfg.Listen = "127.0.0.1:0"
	var said lockedBuffer
	s, err := New(cfg, Options{Version: "test", Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)

	cc, expired, foreign := sign(time.Hour, private), sign(-time.Hour, private), sign(time.Hour, stranger)
	secrets := []string{"static-token-0123456789", "sesame-password", cc, expired, foreign, "gk_aaaaaaaaaaaa_sesamekey", "wrong-token-9876", "wrong-password-1", "token-as-a-user", string(hash)}
	var cases [][]string
	for _, secret := range secrets {
		cases = append(cases, []string{"Authorization", "Bearer " + secret}, []string{"Authorization", "Token " + secret}, []string{"Authorization", "Digest " + secret},
			[]string{"Authorization", "Basic " + secret}, []string{"Authorization", secret}, []string{"X-Api-Key", secret}, []string{"Coopr-ApiKey", secret, "Coopr-UserID", "admin", "Coopr-TenantID", "a"},
			[]string{"Authorization", "Bearer x", "X-Api-Key", secret}, []string{"X-Remote-User", "me", "X-Api-Key", secret}, []string{"Cookie", "session=" + secret})
		for _, user := range []string{"alice", "bob", "", secret} {
			cases = append(cases, []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))},
				[]string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(secret+":"))})
		}
	}
	paths := []string{"/v2/metrics", "/v2/tenants", "/api/query", "/api/write", "/metrics", "/v1/loom/metrics/queues", "/nope", "/healthz", "/"}
	var answers strings.Builder
	for _, header := range cases {
		for _, path := range paths {
			w := ask(s, there, http.MethodPost, path, "", header...)
			fmt.Fprintln(&answers, w.Code, w.Header(), w.Body)
			w = ask(s, here, http.MethodGet, path, "", header...)
			fmt.Fprintln(&answers, w.Code, w.Header(), w.Body)
		}
	}
	for _, secret := range secrets {
		for _, name := range []string{"p", "jwt", "token", "access_token", "password"} {
			for _, path := range paths {
				ask(s, there, http.MethodGet, path+"?u=alice&"+name+"="+secret, "")
				ask(s, there, http.MethodPost, path+"?"+name+"="+secret, "")
			}
		}
	}
	// What they are good for works, and is told.
	if w := ask(s, there, http.MethodPost, "/v2/tenants", `{"id":"shop"}`, "X-Api-Key", "static-token-0123456789"); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(s, there, http.MethodPost, "/v2/policies", `{"name":"own"}`, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("alice:sesame-password"))); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(s, there, http.MethodPost, "/v2/tenants", `{"id":"no"}`, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("alice:sesame-password"))); w.Code != 403 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(s, there, http.MethodGet, "/api/debug", "", "Authorization", "Bearer "+cc); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	b, err := os.ReadFile(filepath.Join(cfg.Data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the log": said.String(), "the audit log": string(b), "an answer": answers.String()} {
		for _, secret := range secrets {
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s has a secret: %q", what, text[max(0, at-200):min(len(text), at+100)])
				}
			}
		}
		if len(text) < 1000 {
			t.Errorf("%s has %d bytes only", what, len(text))
		}
	}
	for _, want := range []string{
		`"subject":"ops","source":"token","credential":"ops","remote":"192.0.2.7","action":"tenant.create","target":"/v2/tenants/shop","tenant":"_ops","outcome":"ok"`,
		`"subject":"alice","source":"basic",`, `"action":"policy.create","target":"/v2/policies/own","tenant":"a","outcome":"ok","detail":{"name":"own","scope":"tenant"}`,
		`"action":"tenant.create","target":"/v2/tenants","tenant":"a","outcome":"right-missing"`, `"action":"identity.failed"`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the audit log lacks %s:\n%s", want, b)
		}
	}
}
