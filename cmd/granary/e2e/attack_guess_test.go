//go:build e2e

package e2e_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// TestGuessing guesses passwords, keys and tokens of a service with the settings that it comes with. After ten the address has to wait
// and is told how long; who has shown a token before is served all the same; and neither the log nor the audit log holds what was guessed.
func TestGuessing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("the-password-of-alice"), bcrypt.MinCost)
	must(t, err)
	passwords := filepath.Join(dir, "htpasswd")
	must(t, os.WriteFile(passwords, []byte("alice:"+string(hash)+"\n"), 0o600))
	const collector = "the-token-of-the-collector"
	data := filepath.Join(dir, "data")
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{
		"disk-free-mark": 0, "log": object{"level": "debug"},
		"identity": object{
			"keys":   object{"enabled": true},
			"tokens": []object{{"name": "collector", "token": collector, "roles": []string{"writer"}, "tenants": []string{"shop"}}},
			"basic":  object{"file": passwords, "users": object{"alice": object{"roles": []string{"reader"}, "tenants": []string{"shop"}}}},
		},
	}})
	p := serve(t, config, data)
	ask := func(authorization string) (int, http.Header, string) {
		status, header, body := p.do(http.MethodGet, "/v2/identity", http.Header{"Authorization": {authorization}}, nil)
		return status, header, string(body)
	}
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	if status, _, body := ask(basic("alice", "the-password-of-alice")); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if status, _, body := ask("Bearer " + collector); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	blocked := 0
	for i := range 40 {
		guess := fmt.Sprintf("guess-of-a-password-%d", i)
		authorization := basic(fmt.Sprint("user", i%3), guess)
		if i%2 == 0 {
			authorization = basic("alice", guess)
		}
		status, header, body := ask(authorization)
		switch {
		case strings.Contains(body, guess):
			t.Errorf("the answer quotes the guess: %s", body)
		case status == http.StatusUnauthorized && blocked == 0:
		case status == http.StatusTooManyRequests:
			blocked++
			if wait, err := strconv.Atoi(header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 || !strings.Contains(body, "too-many-failures") {
				t.Errorf("Retry-After %q: %s", header.Get("Retry-After"), body)
			}
		default:
			t.Errorf("guess %d: %d %s", i, status, body)
		}
	}
	if blocked < 25 || blocked > 35 {
		t.Errorf("%d of 40 guesses have to wait", blocked)
	}
	// Who was right before from here goes on.
	if status, _, body := ask("Bearer " + collector); status != http.StatusOK {
		t.Errorf("the collector: %d %s", status, body)
	}
	if status, _, body := ask("Bearer gk_0123456789ab_" + strings.Repeat("A", 43)); status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
		t.Errorf("a key: %d %s", status, body)
	}
	p.stop()
	audit, err := os.ReadFile(filepath.Join(data, "audit.log"))
	must(t, err)
	for name, text := range map[string]string{"log": p.log.String(), "audit log": string(audit)} {
		for _, secret := range []string{"guess-of-a-password", "the-password-of-alice", collector, base64.StdEncoding.EncodeToString([]byte("alice:the-password"))[:16], string(hash)} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s holds %q", name, secret)
			}
		}
	}
	if !strings.Contains(string(audit), "credentials-wrong") || strings.Count(string(audit), "\n") > 20 {
		t.Errorf("the audit log: %s", audit)
	}
}
