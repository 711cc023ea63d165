package isolation_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// forged makes a JWT with any header, signed by sign.
func forged(header map[string]any, claims map[string]any, sign func(text string) []byte) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(header) + "." + part(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(text))
}

// with is a map with other members.
func with(m map[string]any, pairs ...any) map[string]any {
	c := maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(c, pairs[i].(string))
			continue
		}
		c[pairs[i].(string)] = pairs[i+1]
	}
	return c
}

// TestForgedTokens shows what does not prove who somebody is, to a route of each dialect. All are answered with 401, none with a
// word of what was shown, and none comes in.
func TestForgedTokens(t *testing.T) {
	w := newWorld(t, "1", newClock(), false)
	now := w.clock.now()
	header := map[string]any{"alg": "EdDSA", "typ": "JWT", "kid": "k1"}
	claims := map[string]any{"iss": "https://id.example.org", "aud": "granary", "sub": "admin", "exp": now.Add(time.Hour).Unix(),
		"granary": map[string]any{"roles": []string{"operator"}}}
	right := func(text string) []byte { return ed25519.Sign(issuerKey, []byte(text)) }
	mine := ed25519.NewKeyFromSeed([]byte("somebody somebody somebody some1"))
	wrong := func(text string) []byte { return ed25519.Sign(mine, []byte(text)) }
	none := func(string) []byte { return nil }
	mac := func(key []byte) func(string) []byte {
		return func(text string) []byte {
			h := hmac.New(sha256.New, key)
			h.Write([]byte(text))
			return h.Sum(nil)
		}
	}
	public := issuerKey.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	pemText := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	key := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(mine.Public().(ed25519.PublicKey))}
	good := forged(header, claims, right)
	parts := strings.Split(good, ".")

	refused := map[string]string{
		"no signature":                    forged(with(header, "alg", "none"), claims, none),
		"no signature, in other letters":  forged(with(header, "alg", "nOnE"), claims, none),
		"no signature and no kid":         forged(with(header, "alg", "none", "kid", nil), claims, none),
		"an empty algorithm":              forged(with(header, "alg", ""), claims, none),
		"no algorithm":                    forged(with(header, "alg", nil), claims, right),
		"an algorithm that is no text":    forged(with(header, "alg", []string{"EdDSA"}), claims, right),
		"the public key as a secret":      forged(with(header, "alg", "HS256"), claims, mac(public)),
		"the PEM as a secret":             forged(with(header, "alg", "HS256"), claims, mac(pemText)),
		"the DER as a secret":             forged(with(header, "alg", "HS256"), claims, mac(der)),
		"an empty secret":                 forged(with(header, "alg", "HS256"), claims, mac(nil)),
		"HS512":                           forged(with(header, "alg", "HS512"), claims, mac(public)),
		"RS256 with the wrong kind":       forged(with(header, "alg", "RS256"), claims, right),
		"ES256 with the wrong kind":       forged(with(header, "alg", "ES256"), claims, right),
		"ES256 with zeros":                forged(with(header, "alg", "ES256"), claims, func(string) []byte { return make([]byte, 64) }),
		"PS256":                           forged(with(header, "alg", "PS256"), claims, right),
		"the key of somebody else":        forged(header, claims, wrong),
		"a signature of zeros":            forged(header, claims, func(string) []byte { return make([]byte, 64) }),
		"a signature that is cut":         good[:len(good)-2],
		"a signature with more behind it": good + "AA",
		"other claims":                    parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://id.example.org","aud":"granary","sub":"root","exp":4102444800}`)) + "." + parts[2],
		"other header":                    base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"k1" }`)) + "." + parts[1] + "." + parts[2],
		"a key of its own":                forged(with(header, "jwk", key), claims, wrong),
		"a key of its own, no kid":        forged(with(header, "jwk", key, "kid", nil), claims, wrong),
		"the place of a key":              forged(with(header, "jku", "https://evil.example.org/keys"), claims, wrong),
		"the right signature and a jku":   forged(with(header, "jku", "https://evil.example.org/keys"), claims, right),
		"a certificate of its own":        forged(with(header, "x5c", []string{"AA"}), claims, wrong),
		"the place of a certificate":      forged(with(header, "x5u", "http://127.0.0.1/"), claims, wrong),
		"what must be understood":         forged(with(header, "crit", []string{"exp"}), claims, right),
		"a payload as it stands":          forged(with(header, "b64", false), claims, right),
		"kid: a file":                     forged(with(header, "kid", "../../../../dev/null"), claims, mac(nil)),
		"kid: a file, HS256":              forged(with(header, "kid", "/dev/null", "alg", "HS256"), claims, mac(nil)),
		"kid: a query":                    forged(with(header, "kid", "x' UNION SELECT 'secret"), claims, wrong),
		"kid: a command":                  forged(with(header, "kid", "k1|id"), claims, right),
		"kid: a number":                   forged(with(header, "kid", 1), claims, right),
		"kid: an object":                  forged(with(header, "kid", map[string]any{"k1": 1}), claims, right),
		"kid: very long":                  forged(with(header, "kid", strings.Repeat("k", 10_000)), claims, right),
		"kid: with a nul":                 forged(with(header, "kid", "k1\x00"), claims, right),
		"typ: a logout token":             forged(with(header, "typ", "logout+jwt"), claims, right),
		"typ: an encrypted token":         forged(with(header, "typ", "JWE", "enc", "A128GCM"), claims, right),
		"expired":                         forged(header, with(claims, "exp", now.Add(-time.Minute).Unix()), right),
		"expired long ago":                forged(header, with(claims, "exp", -1), right),
		"no end":                          forged(header, with(claims, "exp", nil), right),
		"an end that is a text":           forged(header, with(claims, "exp", "4102444800"), right),
		"an end that is none":             forged(header, with(claims, "exp", json.RawMessage("1e999")), right),
		"an end that is null":             forged(header, with(claims, "exp", json.RawMessage("null")), right),
		"not yet":                         forged(header, with(claims, "nbf", now.Add(time.Minute).Unix()), right),
		"from tomorrow":                   forged(header, with(claims, "iat", now.Add(24*time.Hour).Unix()), right),
		"a beginning that is a text":      forged(header, with(claims, "nbf", "0"), right),
		"for another service":             forged(header, with(claims, "aud", "grafana"), right),
		"for others":                      forged(header, with(claims, "aud", []any{"grafana", 1, nil}), right),
		"for nobody":                      forged(header, with(claims, "aud", nil), right),
		"for part of the name":            forged(header, with(claims, "aud", "gran"), right),
		"from somebody else":              forged(header, with(claims, "iss", "https://evil.example.org"), right),
		"from almost the right one":       forged(header, with(claims, "iss", "https://id.example.org/"), right),
		"from nobody":                     forged(header, with(claims, "iss", nil), right),
		"from two":                        forged(header, with(claims, "iss", []string{"https://id.example.org"}), right),
		"about nobody":                    forged(header, with(claims, "sub", nil), right),
		"about an empty name":             forged(header, with(claims, "sub", ""), right),
		"about what is no name":           forged(header, with(claims, "sub", "a\nb"), right),
		"of 15 KiB":                       forged(header, with(claims, "x", strings.Repeat("x", 11<<10)), wrong),
		"of 40 KiB":                       forged(header, with(claims, "x", strings.Repeat("x", 30<<10)), right),
		"deep":                            parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat(`{"a":`, 2000))) + "." + parts[2],
		"with padding":                    parts[0] + "=." + parts[1] + "." + parts[2],
		"in the other alphabet":           strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+/",
		"two dots":                        "..",
		"one part":                        parts[0],
		"four parts":                      good + ".AA",
		"five parts":                      "a.b.c.d.e",
		"in another place":                parts[1] + "." + parts[0] + "." + parts[2],
		"an empty key":                    "gk_",
		"a key that is cut":               "gk_0123456789ab_",
		"a key with a foreign letter":     "gk_0123456789a/_" + strings.Repeat("A", 43),
		"a static token in other letters": strings.ToUpper(static("admin-a")),
		"part of a static token":          static("admin-a")[:20],
		"the hash of a static token":      fmt.Sprintf("%x", sha256.Sum256([]byte(static("admin-a")))),
		"a name in the place of a token":  "operator",
	}
	routes := map[string]string{"native": "/v2/tenants", "metrics": "/metrics", "clustercockpit": "/api/debug", "coopr": "/v2/metrics/queues"}
	ask := func(path, token string) *answer {
		r := &request{method: "GET", target: path}
		r.set("Authorization", "Bearer "+token)
		r.set("Coopr-UserID", "admin")
		r.set("Coopr-TenantID", "superadmin")
		return w.send(r)
	}
	for name, path := range routes {
		if a := ask(path, good); a.status != 200 {
			t.Fatalf("%s refuses a good token: %s", name, a.text())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		token := refused[name]
		if token == good {
			t.Fatalf("%s is a good token", name)
		}
		for dialect, path := range routes {
			a := ask(path, token)
			if a.status != 401 {
				t.Errorf("%s, %s: %s", dialect, name, a.text())
			}
			if text := a.text(); len(token) > 30 && (strings.Contains(text, token) || strings.Contains(text, token[len(token)-25:])) {
				t.Errorf("%s, %s: the answer quotes the token: %s", dialect, name, text)
			}
		}
	}
	text := w.log.take()
	for name, token := range refused {
		if len(token) > 30 && strings.Contains(text, token[len(token)-25:]) {
			t.Errorf("%s: the log quotes the token", name)
		}
	}
	// And a token that was good is no longer when its time is over, though it is known.
	w.clock.advance(2 * time.Hour)
	if a := ask("/v2/tenants", good); a.status != 401 || !strings.Contains(string(a.body), "token-expired") {
		t.Error(a.text())
	}
}

// TestTokensStayInTheirTenants shows a good token with the names of tenants that are not its own, in all the ways in which a tenant
// is chosen.
func TestTokensStayInTheirTenants(t *testing.T) {
	w := newWorld(t, "1", newClock(), false)
	admin := credentials("a")[0].secret
	for _, letter := range []string{"a", "b"} {
		r := &request{method: "POST", target: "/v2/measures", body: "secret_" + letter + ",cluster=c" + letter + ",hostname=h value=4711"}
		r.set("Tenant", "tenant-"+letter)
		r.set("Content-Type", "text/plain")
		r.set("Authorization", "Bearer "+static("admin-"+letter))
		if a := w.send(r); a.status != 200 {
			t.Fatal(a.text())
		}
	}
	for _, c := range []struct {
		header []field
		want   int
	}{
		{nil, 200},
		{[]field{{"Tenant", "tenant-a"}}, 200},
		{[]field{{"Tenant", "tenant-a"}, {"Tenant", "tenant-a"}}, 200},
		{[]field{{"Tenant", "tenant-a"}, {"X-Scope-OrgID", "tenant-a"}, {"Hawkular-Tenant", " tenant-a "}}, 200},
		{[]field{{"Tenant", "tenant-b"}}, 403},
		{[]field{{"Hawkular-Tenant", "tenant-b"}}, 403},
		{[]field{{"X-Scope-OrgID", "tenant-b"}}, 403},
		{[]field{{"X-Project-Id", "tenant-b"}}, 403},
		{[]field{{"Tenant", "tenant-a"}, {"X-Project-Id", "tenant-b"}}, 403},
		{[]field{{"Tenant", "tenant-b"}, {"X-Project-Id", "tenant-a"}}, 403},
		{[]field{{"Tenant", "tenant-a"}, {"Tenant", "tenant-b"}}, 400},
		{[]field{{"Tenant", "tenant-b"}, {"Tenant", "tenant-a"}}, 400},
		{[]field{{"Tenant", "tenant-a"}, {"X-Scope-OrgID", "tenant-b"}}, 400},
		{[]field{{"tenant", "tenant-b"}, {"TENANT", "tenant-a"}}, 400},
		{[]field{{"Tenant", "tenant-a, tenant-b"}}, 403},
		{[]field{{"Tenant", "tenant-a|tenant-b"}}, 403},
		{[]field{{"Tenant", "*"}}, 403},
		{[]field{{"Tenant", ""}}, 400},
		{[]field{{"Tenant", "TENANT-A"}}, 403},
		{[]field{{"Tenant", "tenant-\u0430"}}, 403}, // a Cyrillic a
		{[]field{{"Tenant", "_ops"}}, 403},
		{[]field{{"Tenant", "superadmin"}}, 403},
		{[]field{{"X-Remote-User", "admin"}, {"X-Remote-Tenants", "*"}, {"X-Remote-Roles", "operator"}, {"Tenant", "tenant-b"}}, 403},
		{[]field{{"X-Api-Key", static("admin-b")}}, 400},
		{[]field{{"X-Api-Key", static("admin-b")}, {"Tenant", "tenant-b"}}, 400},
		{[]field{{"Authorization", "Bearer " + static("admin-b")}, {"Tenant", "tenant-b"}}, 400},
		{[]field{{"Coopr-ApiKey", static("admin-b")}, {"Tenant", "tenant-b"}}, 400},
	} {
		for _, target := range []struct{ method, path, body string }{{"GET", "/v2/metrics", ""}, {"POST", "/v2/query", `{"selector":"{}","start":0}`}, {"GET", "/api/debug", ""}, {"POST", "/api/query", `{"cluster":"cb","from":0,"to":4000000000,"for-all-nodes":["secret_b"]}`}} {
			r := &request{method: target.method, target: target.path, body: target.body}
			r.set("Authorization", "Bearer "+admin)
			r.header = append(r.header, c.header...)
			a := w.send(r)
			if strings.Contains(string(a.body), "secret_b\":[{") || strings.Contains(string(a.body), `"name":"secret_b"`) || strings.Contains(string(a.body), "4711.000") {
				t.Errorf("%s shows what is not its own: %s", r.text(), a.text())
			}
			if strings.HasPrefix(target.path, "/v2") && a.status != c.want {
				t.Errorf("%s: %s, want %d", r.text(), a.text(), c.want)
			}
			if c.want == 400 && a.status != 400 {
				t.Errorf("%s: %s, want 400", r.text(), a.text())
			}
		}
	}
	// Whose a cluster is that is not theirs nobody is told.
	for _, target := range []struct{ method, path, body string }{{"POST", "/api/write?cluster=cz", "m,hostname=h value=1"}, {"POST", "/api/write", "m,cluster=cz,hostname=h value=1"},
		{"POST", "/api/query", `{"cluster":"cz","from":0,"to":4000000000,"for-all-nodes":["m"]}`}, {"GET", "/api/debug?selector=cz", ""}, {"POST", "/api/free?to=1", `[["cz"]]`}, {"GET", "/api/healthcheck?cluster=cz&node=h&metric=m", ""}} {
		r := &request{method: target.method, target: target.path, body: target.body}
		r.set("Authorization", "Bearer "+admin)
		if a := w.send(r); strings.Contains(a.text(), "zqb2x000000") || a.status >= 500 || target.path == "/api/write" && a.status != 403 {
			t.Errorf("%s: %s", r.text(), a.text())
		}
	}
}
