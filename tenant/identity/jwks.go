package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Bounds of keys: a short RSA key can be broken, and a long one makes each check of a signature dear.
const (
	minRSA  = 2048
	maxRSA  = 8192
	maxKeys = 256 // of a file
)

// NamedKey is a public key and its kid, "" if it has none.
type NamedKey struct {
	ID     string
	Public crypto.PublicKey
}

// algorithmOf is the algorithm that a key is for. Each type of key has one, so a token cannot choose another.
func algorithmOf(key crypto.PublicKey) string {
	switch key.(type) {
	case ed25519.PublicKey:
		return "EdDSA"
	case *rsa.PublicKey:
		return "RS256"
	case *ecdsa.PublicKey:
		return "ES256"
	}
	return ""
}

// jwk is a member of a file of keys (RFC 7517). Members are looked up by their exact names.
type jwk map[string]json.RawMessage

// text is a member that is a text, "" if it is none.
func (k jwk) text(name string) string {
	var s string
	if json.Unmarshal(k[name], &s) != nil {
		return ""
	}
	return s
}

func (k jwk) bytes(name string) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(k.text(name))
	if err != nil {
		return nil
	}
	return b
}

// ParseJWKS reads a file of public keys (RFC 7517, 8037). Keys for other purposes and of other types than Ed25519, RSA and P-256
// are left out. No error quotes what the file holds.
func ParseJWKS(b []byte) ([]NamedKey, error) {
	var file map[string]json.RawMessage
	var members []json.RawMessage
	if json.Unmarshal(b, &file) != nil || json.Unmarshal(file["keys"], &members) != nil {
		return nil, errors.New(`expected an object with a list "keys"`)
	}
	if len(members) > maxKeys {
		return nil, fmt.Errorf("%d keys, at most %d are taken", len(members), maxKeys)
	}
	var keys []NamedKey
	for i, m := range members {
		var k jwk
		if json.Unmarshal(m, &k) != nil || k == nil {
			return nil, fmt.Errorf("key %d: expected an object", i+1)
		}
		public, err := k.public()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if public == nil || !k.verifies(algorithmOf(public)) {
			continue
		}
		id := k.text("kid")
		if k["kid"] != nil && id == "" {
			return nil, fmt.Errorf("key %d: kid is no text", i+1)
		}
		keys = append(keys, NamedKey{id, public})
	}
	return keys, nil
}

// verifies says whether the key is there to verify signatures of its algorithm.
func (k jwk) verifies(algorithm string) bool {
	if use := k.text("use"); k["use"] != nil && use != "sig" {
		return false
	}
	if alg := k.text("alg"); k["alg"] != nil && alg != algorithm && (alg != "Ed25519" || algorithm != "EdDSA") {
		return false
	}
	var operations []string
	return k["key_ops"] == nil || json.Unmarshal(k["key_ops"], &operations) == nil && slices.Contains(operations, "verify")
}

// public is the key, nil for one of a type that is not used here.
func (k jwk) public() (crypto.PublicKey, error) {
	if k["d"] != nil {
		return nil, errors.New("this is a private key, which does not belong here; take it out of use")
	}
	switch curve := k.text("crv"); k.text("kty") {
	case "OKP":
		if curve != "Ed25519" {
			return nil, nil
		}
		if x := k.bytes("x"); len(x) == ed25519.PublicKeySize {
			return ed25519.PublicKey(x), nil
		}
		return nil, errors.New("expected an Ed25519 key of 32 bytes (x)")
	case "EC":
		if curve != "P-256" {
			return nil, nil
		}
		x, y := k.bytes("x"), k.bytes("y")
		if len(x) != 32 || len(y) != 32 {
			return nil, errors.New("expected a P-256 key of 32 and 32 bytes (x, y)")
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			return nil, errors.New("the point (x, y) is not on P-256")
		}
		return key, nil
	case "RSA":
		n, e := k.bytes("n"), k.bytes("e")
		if len(n) == 0 || len(n) > maxRSA/8+1 || len(e) == 0 || len(e) > 4 {
			return nil, errors.New("expected an RSA key (n, e)")
		}
		return checkRSA(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())})
	}
	return nil, nil
}

func checkRSA(key *rsa.PublicKey) (crypto.PublicKey, error) {
	bits := key.N.BitLen()
	if bits < minRSA || bits > maxRSA {
		return nil, fmt.Errorf("expected an RSA key of %d to %d bits, found %d", minRSA, maxRSA, bits)
	}
	if key.E < 3 || key.E > 1<<31-1 || key.E%2 == 0 || key.N.Bit(0) == 0 {
		return nil, errors.New("the numbers are no RSA key's")
	}
	return key, nil
}

// ParsePublicKey reads a public key as PEM, PKIX or a certificate: Ed25519, RSA or P-256. No error quotes what the file holds.
func ParsePublicKey(b []byte) (crypto.PublicKey, error) {
	block, rest := pem.Decode(b)
	if block == nil {
		return nil, errors.New("expected a public key as PEM")
	}
	if another, _ := pem.Decode(rest); another != nil {
		return nil, errors.New("expected one PEM block, found more")
	}
	var key crypto.PublicKey
	switch block.Type {
	case "PUBLIC KEY":
		k, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the PEM block is no public key (PKIX)")
		}
		key = k
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("the PEM block is no certificate")
		}
		key = c.PublicKey
	default:
		return nil, errors.New("expected a PEM block PUBLIC KEY or CERTIFICATE")
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return key, nil
	case *rsa.PublicKey:
		return checkRSA(key)
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return key, nil
		}
	}
	return nil, errors.New("expected a key of Ed25519, RSA or P-256")
}
