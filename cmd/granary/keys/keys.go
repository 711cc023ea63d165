// Package keys makes and reads Ed25519 keys, and signs the tokens that clients of ClusterCockpit send. It keeps nothing,
// and never prints a private key but where it is asked to encode one.
package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Generate makes a private key.
func Generate() (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}

// EncodePrivate gives a private key as PEM (PKCS #8).
func EncodePrivate(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// EncodePublic gives the public half of a key as main.jwt-public-key wants it: base64 of 32 bytes.
func EncodePublic(key ed25519.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
}

// ParsePrivate reads a private key: PEM (PKCS #8), or base64 of the 64 bytes that cc-backend's key generator prints, or of a
// seed of 32 bytes.
func ParsePrivate(text []byte) (ed25519.PrivateKey, error) {
	if block, _ := pem.Decode(text); block != nil {
		if block.Type != "PRIVATE KEY" {
			return nil, fmt.Errorf("expected a PEM block PRIVATE KEY, found %s", block.Type)
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("private key: %w", err)
		}
		private, ok := key.(ed25519.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("expected an Ed25519 key, found %T", key)
		}
		return private, nil
	}
	b, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, errors.New("expected a private key as PEM or base64")
	}
	switch len(b) {
	case ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(b), nil
	case ed25519.PrivateKeySize:
		key := ed25519.NewKeyFromSeed(b[:ed25519.SeedSize])
		if !bytes.Equal(key, b) {
			return nil, errors.New("the two halves of the private key do not belong together")
		}
		return key, nil
	default:
		return nil, fmt.Errorf("expected a private key of 32 or 64 bytes, found %d", len(b))
	}
}

// Sign makes a token for a subject that is valid for the given time; 0 is for ever.
func Sign(key ed25519.PrivateKey, subject string, now time.Time, valid time.Duration) (string, error) {
	claims := jwt.RegisteredClaims{Subject: subject, IssuedAt: jwt.NewNumericDate(now)}
	if valid > 0 {
		claims.ExpiresAt = jwt.NewNumericDate(now.Add(valid))
	}
	return jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(key)
}
