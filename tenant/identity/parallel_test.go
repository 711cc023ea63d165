package identity

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestAtOnce asks with every kind of credential while keys, tokens and passwords change: what holds through all of that is always
// taken, what never held never is.
func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	put := func(name string, b []byte) {
		// In one step, as a careful program does.
		if err := os.WriteFile(file(name+".new"), b, 0o600); err != nil {
			t.Error(err)
		}
		if err := os.Rename(file(name+".new"), file(name)); err != nil {
			t.Error(err)
		}
	}
	stays, comesAndGoes, never := make([]ed25519.PrivateKey, 1), make([]ed25519.PrivateKey, 1), make([]ed25519.PrivateKey, 1)
	for _, k := range [][]ed25519.PrivateKey{stays, comesAndGoes, never} {
		var err error
		if _, k[0], err = ed25519.GenerateKey(nil); err != nil {
			t.Fatal(err)
		}
	}
	hash := hashOf(t, "wonder", 4)
	turn := func(i int) {
		keys := []map[string]any{jwkOf("stays", stays[0].Public())}
		if i%2 == 0 {
			keys = append(keys, jwkOf("sometimes", comesAndGoes[0].Public()))
		}
		put("jwks", jwksOf(keys...))
		put("token", fmt.Appendf(nil, "token-number-%08d", i))
		put("htpasswd", fmt.Appendf(nil, "alice:%s\nuser%d:%s\n", hash, i, hash))
	}
	turn(0)
	keys := NewKeys(nil)
	text, id, digest := NewKey()
	k := KeyRecord{ID: id, Digest: digest, Subject: "x", Grants: GrantsOf(Reader, "a")}
	if _, err := keys.Apply(AppendKey(nil, &k)); err != nil {
		t.Fatal(err)
	}
	a := authority(t, AuthorityOptions{Keys: keys, Htpasswd: file("htpasswd"),
		Issuers: []Issuer{{Name: "https://id.example.org", Audience: []string{"granary"}, JWKSFile: file("jwks")}},
		Tokens:  []StaticToken{{Name: "f", File: file("token")}, {Name: "s", Token: "0123456789abcdef"}}})
	signed := func(kid string, key ed25519.PrivateKey) Credential {
		return Credential{Kind: Bearer, Token: sign(t, "EdDSA", key, usual(nil), map[string]any{"kid": kid})}
	}
	always := []Credential{signed("stays", stays[0]), {Kind: Bearer, Token: text}, {Kind: Bearer, Token: "0123456789abcdef"}, {Kind: Password, User: "alice", Password: "wonder"}}
	sometimes := []Credential{signed("sometimes", comesAndGoes[0]), {Kind: Bearer, Token: "token-number-00000003"}, {Kind: Password, User: "user3", Password: "wonder"}}
	wrong := []Credential{signed("stays", never[0]), signed("other", stays[0]), {Kind: Bearer, Token: "token-number-99999999"}, {Kind: Bearer, Token: text[:keyTextLen-1] + "!"}}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; !stop.Load(); i++ {
				now := testNow.Add(time.Duration(i) * time.Second)
				if _, err := a.Identify(always[i%len(always)], testNow); err != nil && codeOf(err) != "passwords-in-work" {
					t.Errorf("%v: %v", always[i%len(always)], err)
				}
				_, _ = a.Identify(sometimes[i%len(sometimes)], testNow)
				if who, err := a.Identify(wrong[i%len(wrong)], now); err == nil {
					t.Errorf("%+v is let in", who)
				}
			}
		})
	}
	for i := 1; i < 60; i++ {
		turn(i)
		a.Refresh()
		keys.DropTenant("nobody", testNow)
		k.Name = fmt.Sprint(i)
		if _, err := keys.Apply(AppendKey(nil, &k)); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	wg.Wait()
}
