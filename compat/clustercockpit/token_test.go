package clustercockpit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"granary/api/edge"
	"granary/tenant/identity"
)

func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// guardOf is the guard of a service that knows these tokens and no others.
func guardOf(t *testing.T, tokens *Tokens, now func() time.Time) *edge.Guard {
	t.Helper()
	a, err := identity.NewAuthority(identity.AuthorityOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return edge.NewGuard(edge.GuardOptions{Authority: a, Locked: true, Now: now}).Anywhere().With(tokens)
}

func TestTokens(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	otherPublic, otherPrivate, _ := ed25519.GenerateKey(rand.Reader)
	now := testNow
	tokens := NewTokens(public, identity.AllTenants())
	d, _ := newTest(t, func(o *Options) { o.Auth = guardOf(t, tokens, func() time.Time { return now }) })
	unix := float64(now.Unix())
	good := jwt.MapClaims{"sub": "me"}
	token := func(c jwt.MapClaims) string { return sign(t, jwt.SigningMethodEdDSA, private, c) }
	b64 := base64.RawURLEncoding.EncodeToString
	valid := token(good)
	parts := strings.Split(valid, ".")
	for _, c := range []struct{ name, header, want string }{
		{"good", "Bearer " + valid, ""},
		{"good, again from memory", "Bearer " + valid, ""},
		{"no claims at all", "Bearer " + token(jwt.MapClaims{}), ""},
		{"all times right", "Bearer " + token(jwt.MapClaims{"exp": unix + 1, "nbf": unix, "iat": unix}), ""},
		{"none", "", textNoToken},
		{"other scheme", "Basic bWU6bWU=", textNoToken},
		{"lower case", "bearer " + valid, ""}, // as RFC 9110 has it
		{"no token", "Bearer ", textNoToken},
		{"only the scheme", "Bearer", textNoToken},
		{"segments", "Bearer abc", textSegments},
		{"two segments", "Bearer " + parts[0] + "." + parts[1], textSegments},
		{"four segments", "Bearer " + valid + ".x", textSegments},
		{"base64", "Bearer !!!.!!!.!!!", "illegal base64 data at input byte 0"},
		{"expired", "Bearer " + token(jwt.MapClaims{"exp": unix - 10}), textExpired},
		{"expires now", "Bearer " + token(jwt.MapClaims{"exp": unix}), textExpired},
		{"exp is 0", "Bearer " + token(jwt.MapClaims{"exp": 0}), textExpired},
		{"exp is text", "Bearer " + token(jwt.MapClaims{"exp": "never"}), textExpired},
		{"exp is null", "Bearer " + token(jwt.MapClaims{"exp": nil}), textExpired},
		{"future", "Bearer " + token(jwt.MapClaims{"nbf": unix + 60}), textNotYet},
		{"issued in the future", "Bearer " + token(jwt.MapClaims{"iat": unix + 60}), textIssued},
		{"other key", "Bearer " + sign(t, jwt.SigningMethodEdDSA, otherPrivate, good), textSignature},
		{"other key, and expired", "Bearer " + sign(t, jwt.SigningMethodEdDSA, otherPrivate, jwt.MapClaims{"exp": 1}), textSignature},
		{"signature cut", "Bearer " + valid[:len(valid)-8], textSignature},
		{"no signature", "Bearer " + parts[0] + "." + parts[1] + ".", textSignature},
		{"claims changed", "Bearer " + parts[0] + "." + b64([]byte(`{"sub":"root"}`)) + "." + parts[2], textSignature},
		{"algorithm none", "Bearer " + sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good), textAlgorithm},
		{"algorithm none, signed", "Bearer " + b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." + parts[2], textAlgorithm},
		{"HS256 with the public key", "Bearer " + sign(t, jwt.SigningMethodHS256, []byte(public), good), textAlgorithm},
		{"unknown algorithm", "Bearer " + b64([]byte(`{"alg":"XX"}`)) + "." + parts[1] + "." + parts[2], textAlgorithm},
		{"no algorithm", "Bearer " + b64([]byte(`{}`)) + "." + parts[1] + "." + parts[2], textAlgorithm},
		{"header is no JSON", "Bearer " + b64([]byte(`x`)) + "." + parts[1] + "." + parts[2], "invalid character 'x' looking for beginning of value"},
		{"key in the header", "Bearer " + b64([]byte(`{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+b64(otherPublic)+`"}}`)) + "." + parts[1] + "." + parts[2], textSignature},
	} {
		w := ask(d, http.MethodGet, "/api/debug", "", "Authorization", c.header)
		switch {
		case c.want == "" && w.Code != http.StatusOK:
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		case c.want != "" && (w.Code != http.StatusUnauthorized || w.Body.String() != c.want+"\n" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8"):
			t.Errorf("%s: %d %q %v, want %q", c.name, w.Code, w.Body, w.Header(), c.want)
		}
	}
	for _, path := range []string{"/api/query", "/api/write/", "/api/free?to=1", "/api/debug/x", "/api/healthcheck"} {
		method := http.MethodGet
		if strings.HasPrefix(path, "/api/w") || strings.HasPrefix(path, "/api/f") {
			method = http.MethodPost
		}
		if w := ask(d, method, path, ""); w.Code != http.StatusUnauthorized {
			t.Errorf("%s without token: %d", path, w.Code)
		}
		if w := ask(d, http.MethodPatch, path, ""); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("PATCH %s: %d, not decided before the token", path, w.Code)
		}
	}
	if w := ask(d, http.MethodGet, "/api/nope", ""); w.Code != http.StatusNotFound {
		t.Errorf("unknown path: %d, not decided before the token", w.Code)
	}

	// A remembered token expires all the same.
	brief := "Bearer " + token(jwt.MapClaims{"exp": unix + 30})
	if w := ask(d, http.MethodGet, "/api/debug", "", "Authorization", brief); w.Code != http.StatusOK {
		t.Fatalf("before it expires: %d", w.Code)
	}
	now = now.Add(31 * time.Second)
	if w := ask(d, http.MethodGet, "/api/debug", "", "Authorization", brief); w.Body.String() != textExpired+"\n" {
		t.Errorf("after it has expired: %s", w.Body)
	}

	id, err := tokens.Verify(valid, now)
	if err != nil || id.Subject != "me" || id.Everywhere() != Roles {
		t.Errorf("%+v %v", id, err)
	}
}

func TestTokenMemoryIsBounded(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	auth := NewTokens(public, identity.AllTenants())
	for i := range maxTokens + 50 {
		raw := sign(t, jwt.SigningMethodEdDSA, private, jwt.MapClaims{"sub": fmt.Sprint(i)})
		if _, err := auth.Verify(raw, testNow); err != nil {
			t.Fatal(err)
		}
	}
	if len(auth.known) != maxTokens {
		t.Errorf("%d tokens are remembered", len(auth.known))
	}
	large := sign(t, jwt.SigningMethodEdDSA, private, jwt.MapClaims{"sub": strings.Repeat("x", maxTokenBytes)})
	if _, err := auth.Verify(large, testNow); err != nil || auth.known[large] != nil {
		t.Errorf("a large token: %v", err)
	}
}

func TestWrongKeyLength(t *testing.T) {
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	auth := NewTokens([]byte("short"), identity.AllTenants())
	raw := sign(t, jwt.SigningMethodEdDSA, private, jwt.MapClaims{})
	if _, err := auth.Verify(raw, testNow); err == nil || err.Error() != textKey {
		t.Errorf("%v", err)
	}
}
