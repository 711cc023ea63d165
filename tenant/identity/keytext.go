package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// The text of an API key is "gk_", its id of 12 letters and digits, "_", and its secret: 32 random bytes in base64url.
const (
	keyPrefix   = "gk_"
	keyIDLen    = 12
	keySecret   = 43
	keyTextLen  = len(keyPrefix) + keyIDLen + 1 + keySecret
	keyAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewKey makes the text of a key, and what is kept of it. The text is known to nobody after this.
func NewKey() (text string, id string, digest [sha256.Size]byte) {
	var b [32]byte
	id = randomID()
	_, _ = rand.Read(b[:]) // never fails
	secret := base64.RawURLEncoding.EncodeToString(b[:])
	return keyPrefix + id + "_" + secret, id, sumOf(secret)
}

func randomID() string {
	id := make([]byte, 0, keyIDLen)
	for len(id) < keyIDLen {
		var b [2 * keyIDLen]byte
		_, _ = rand.Read(b[:])
		for _, c := range b {
			// 248 is the largest multiple of 62 that fits, so that every letter is as likely.
			if c < 248 && len(id) < keyIDLen {
				id = append(id, keyAlphabet[c%62])
			}
		}
	}
	return string(id)
}

// splitKey takes the text of a key apart; false for what has another form.
func splitKey(text string) (id, secret string, ok bool) {
	if len(text) != keyTextLen || !strings.HasPrefix(text, keyPrefix) || text[len(keyPrefix)+keyIDLen] != '_' {
		return "", "", false
	}
	id = text[len(keyPrefix) : len(keyPrefix)+keyIDLen]
	return id, text[keyTextLen-keySecret:], true
}

// IsKeyID says whether a text has the form of a key's id.
func IsKeyID(id string) bool {
	if len(id) != keyIDLen {
		return false
	}
	for i := range len(id) {
		if strings.IndexByte(keyAlphabet, id[i]) < 0 {
			return false
		}
	}
	return true
}
