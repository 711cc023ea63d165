package identity

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"granary/tenant"
)

// FuzzJWKS: whatever the file holds, its keys are of three types, of a sane size, and no error quotes the file.
func FuzzJWKS(f *testing.F) {
	for _, alg := range Algorithms {
		f.Add(jwksOf(jwkOf(alg, signers()[alg].Public())))
		f.Add(pemOf(f, signers()[alg]))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":"oct","k":"AA"},{"kty":"EC","crv":"P-521","x":"","y":""}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := ParseJWKS(b)
		if err != nil && len(err.Error()) > 120 {
			t.Fatal(err)
		}
		for _, k := range keys {
			if algorithmOf(k.Public) == "" {
				t.Fatalf("%T", k.Public)
			}
		}
		if key, err := ParsePublicKey(b); err == nil && algorithmOf(key) == "" || err != nil && len(err.Error()) > 120 {
			t.Fatalf("%T, %v", key, err)
		}
	})
}

// FuzzClaims signs whatever claims: nobody becomes more than the issuer may give, and what cannot be read is refused.
func FuzzClaims(f *testing.F) {
	issuer := Issuer{Name: "i", Audience: []string{"granary"}, Roles: Names{"boss": Operator | Admin}, DefaultRoles: Reader,
		DefaultTenants: []tenant.ID{"a"}, Allow: Allow{Tenants: []tenant.ID{"a", "b"}}}
	issuer.Keys = []KeyFile{{"k", inFile(f, pemOf(f, signers()["EdDSA"]))}}
	a, err := NewAuthority(AuthorityOptions{Issuers: []Issuer{issuer}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"iss":"i","aud":"granary","sub":"x","exp":1900000000,"granary":{"roles":"boss","tenants":{"*":["boss"],"c":"admin"}}}`)
	f.Add(`{"iss":"i","aud":["granary"],"sub":"x","exp":1e99,"granary.roles":["operator"],"granary.tenants":"*"}`)
	f.Add(`{"iss":"i","iss":"j"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		b64 := base64.RawURLEncoding.EncodeToString
		token := b64([]byte(`{"alg":"EdDSA"}`)) + "." + b64([]byte(text))
		sig, err := signers()["EdDSA"].Sign(nil, []byte(token), noHash{})
		if err != nil {
			t.Fatal(err)
		}
		who, err := a.Identify(Credential{Kind: Bearer, Token: token + "." + b64(sig)}, testNow)
		if err != nil {
			if codeOf(err) == "" || strings.HasPrefix(codeOf(err), "another") || len(err.Error()) > 200 {
				t.Fatal(err)
			}
			return
		}
		var c map[string]any
		if json.Unmarshal([]byte(text), &c) != nil || c["iss"] != "i" || c["exp"].(float64) <= float64(testNow.Unix()) {
			t.Fatalf("%s is taken", text)
		}
		if who.Everywhere() != 0 || who.Operator() || who.Subject == "" {
			t.Fatalf("%+v", who)
		}
		for _, g := range who.Grants() {
			if g.Tenant != "a" && g.Tenant != "b" || g.Roles.Has(Operator) {
				t.Fatalf("%+v", g)
			}
		}
	})
}

// FuzzToken throws anything at an authority that has every source.
func FuzzToken(f *testing.F) {
	issuer := three(f)
	text, id, digest := NewKey()
	keys := NewKeys(nil)
	r := KeyRecord{ID: id, Digest: digest, Subject: "x"}
	if _, err := keys.Apply(AppendKey(nil, &r)); err != nil {
		f.Fatal(err)
	}
	a := authority(f, AuthorityOptions{Issuers: []Issuer{issuer}, Keys: keys, Tokens: []StaticToken{{Name: "s", Token: "0123456789abcdef"}}})
	good := sign(f, "EdDSA", signers()["EdDSA"], usual(nil), nil)
	good2 := sign(f, "ES256", signers()["ES256"], usual(nil), map[string]any{"kid": "ES256"})
	for _, s := range []string{text, good, good2, "0123456789abcdef", "..", "a.b.c", "gk_"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		who, err := a.Identify(Credential{Kind: Bearer, Token: token}, testNow)
		known := token == text || token == good || token == good2 || token == "0123456789abcdef"
		if (err == nil) != known || (who == nil) == known {
			t.Fatalf("%v, %v", who, err)
		}
		if err != nil && len(token) > 40 && strings.Contains(err.Error(), token) {
			t.Fatal(err)
		}
	})
}

// TestFind: a claim is a member of that name, or what a path with dots leads to.
func TestFind(t *testing.T) {
	var c map[string]any
	if err := json.Unmarshal([]byte(`{"a":1,"a.b":2,"c":{"d":3,"e.f":4},"https://x.org/r":5,"c.d":null,"g":{"h":{"i":6}}}`), &c); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"a": 1.0, "a.b": 2.0, "c.d": nil, "c.e.f": 4.0, "https://x.org/r": 5.0, "g.h.i": 6.0, "": nil, ".": nil, "c.": nil, "g.h.j": nil, "a.c": nil} {
		if got := find(c, name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// noHash says that a message is signed as it is.
type noHash struct{}

func (noHash) HashFunc() crypto.Hash { return 0 }
