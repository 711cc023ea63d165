package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// testNow is when the tests happen.
var testNow = time.Unix(1_800_000_000, 0)

// signers are private keys of each type, made once: RSA takes its time.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"EdDSA": ed, "ES256": ec, "RS256": r}
})

func pemOf(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwkOf is a key as a member of a file of keys.
func jwkOf(kid string, key crypto.PublicKey) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	m := map[string]any{"kid": kid}
	switch key := key.(type) {
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(key)
	case *ecdsa.PublicKey:
		raw, err := key.Bytes()
		if err != nil {
			panic(err)
		}
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", b64(raw[1:33]), b64(raw[33:])
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
	}
	return m
}

func jwksOf(keys ...map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return b
}

// write writes a file, at another time than the one before it.
func write(t testing.TB, name string, b []byte) {
	t.Helper()
	was, _ := os.Stat(name)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if was != nil {
		at := was.ModTime().Add(time.Second)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func inFile(t testing.TB, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, b)
	return name
}

type claims = jwt.MapClaims

// usual are the claims of a good token with others beside or instead of them; nil takes one away.
func usual(others claims) claims {
	c := claims{"iss": "https://id.example.org", "aud": "granary", "sub": "alice", "exp": testNow.Add(time.Hour).Unix(),
		"granary": map[string]any{"roles": []string{"reader"}, "tenants": []string{"a", "b"}}}
	for k, v := range others {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

// sign makes a token; members are those of the header beside alg and typ.
func sign(t testing.TB, algorithm string, key any, c claims, members map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), c)
	for k, v := range members {
		token.Header[k] = v
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logged is a logger and what it wrote.
func logged() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func authority(t testing.TB, o AuthorityOptions) *Authority {
	t.Helper()
	a, err := NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// three is an issuer with a key of each type, named like its algorithm.
func three(t testing.TB) Issuer {
	t.Helper()
	i := Issuer{Name: "https://id.example.org", Audience: []string{"granary"}, Leeway: 30 * time.Second}
	for _, alg := range Algorithms {
		i.Keys = append(i.Keys, KeyFile{alg, inFile(t, pemOf(t, signers()[alg]))})
	}
	return i
}

// codeOf is the code of a refusal, "" for none.
func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code()
	}
	if err != nil {
		return "another error: " + err.Error()
	}
	return ""
}
