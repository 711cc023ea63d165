package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestKeyRoundTrip(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	block, err := EncodePrivate(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{
		block,
		[]byte(base64.StdEncoding.EncodeToString(key) + "\n"),
		[]byte(base64.StdEncoding.EncodeToString(key.Seed())),
	} {
		got, err := ParsePrivate(text)
		if err != nil || !got.Equal(key) {
			t.Errorf("%v, %v", got, err)
		}
	}
	public, err := base64.StdEncoding.DecodeString(EncodePublic(key))
	if err != nil || !bytes.Equal(public, key.Public().(ed25519.PublicKey)) {
		t.Errorf("%x, %v", public, err)
	}
}

func TestParsePrivateRefuses(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	torn := append(make([]byte, 32), bytes.Repeat([]byte{1}, 32)...)
	for name, text := range map[string][]byte{
		"nothing":    nil,
		"a word":     []byte("key"),
		"short":      []byte(base64.StdEncoding.EncodeToString(make([]byte, 31))),
		"two halves": []byte(base64.StdEncoding.EncodeToString(torn)),
		"other kind": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"other type": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"damaged":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der[:10]}),
	} {
		if _, err := ParsePrivate(text); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestSign(t *testing.T) {
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	parse := func(token string, at time.Time) (*jwt.RegisteredClaims, error) {
		c := &jwt.RegisteredClaims{}
		_, err := jwt.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return key.Public(), nil },
			jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithTimeFunc(func() time.Time { return at }))
		return c, err
	}
	token, err := Sign(key, "collector", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := parse(token, now.Add(time.Minute)); err != nil || c.Subject != "collector" || !c.IssuedAt.Equal(now) {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := parse(token, now.Add(2*time.Hour)); err == nil {
		t.Error("the token does not expire")
	}
	if token, err = Sign(key, "x", now, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := parse(token, now.Add(24*365*time.Hour)); err != nil {
		t.Errorf("a token for ever: %v", err)
	}
}
