package identity

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// minStatic is the length of the shortest token of the configuration: what is shorter can be guessed.
const minStatic = 16

// maxStatic is the length of the longest one, in bytes.
const maxStatic = 4096

// StaticToken is a token of the configuration. One of Token, File and SHA256 is given.
type StaticToken struct {
	Name   string // whom it is for; the subject
	Token  string
	File   string // holds the token; white space around it is left out
	SHA256 string // of the token, in hexadecimal
	Grants Grants
}

// statics are the static tokens, by the SHA-256 of what is shown. A look-up among digests tells by its time nothing that
// helps to find a text of that digest.
type statics map[digest]*static

type static struct {
	digest digest
	who    *Identity
}

func (s statics) find(token string) *Identity {
	if len(token) < minStatic || len(token) > maxStatic || len(s) == 0 {
		return nil
	}
	sum := sumOf(token)
	t := s[sum]
	if t == nil || subtle.ConstantTimeCompare(t.digest[:], sum[:]) != 1 {
		return nil
	}
	return t.who
}

// sumOf is the SHA-256 of a text, without memory of its own for one of a usual length.
func sumOf(text string) digest {
	var room [512]byte
	return sha256.Sum256(append(room[:0], text...))
}

// staticTokens are the tokens and the files that some of them come from.
type staticTokens struct {
	list  []StaticToken
	files *files
	now   atomic.Pointer[statics]
}

func newStaticTokens(list []StaticToken, read func(string) ([]byte, error)) (*staticTokens, error) {
	s := &staticTokens{list: list}
	var names []string
	for _, t := range list {
		if t.File != "" {
			names = append(names, t.File)
		}
	}
	s.files = newFiles(read, s.take, names...)
	return s, s.files.load()
}

func (s *staticTokens) take(contents [][]byte) error {
	all := make(statics, len(s.list))
	for _, t := range s.list {
		var sum digest
		switch {
		case t.SHA256 != "":
			b, err := hex.DecodeString(t.SHA256)
			if err != nil || len(b) != len(sum) {
				return fmt.Errorf("token %s: expected a SHA-256 of 64 hexadecimal digits", t.Name)
			}
			sum = digest(b)
		case t.File != "":
			if err := CheckStatic(string(bytes.TrimSpace(contents[0]))); err != nil {
				return fmt.Errorf("token %s: %s: %w", t.Name, t.File, err)
			}
			sum = sumOf(string(bytes.TrimSpace(contents[0])))
			contents = contents[1:]
		default:
			if err := CheckStatic(t.Token); err != nil {
				return fmt.Errorf("token %s: %w", t.Name, err)
			}
			sum = sumOf(t.Token)
		}
		if other := all[sum]; other != nil {
			return fmt.Errorf("token %s: the same token as %s", t.Name, other.who.Subject)
		}
		all[sum] = &static{sum, New(t.Name, Token, t.Name, t.Grants.All, t.Grants.Items...)}
	}
	s.now.Store(&all)
	return nil
}

// CheckStatic says whether a text can be a token of the configuration.
func CheckStatic(token string) error {
	switch {
	case len(token) < minStatic:
		return fmt.Errorf("has less than %d bytes, so it could be guessed", minStatic)
	case len(token) > maxStatic:
		return fmt.Errorf("has more than %d bytes", maxStatic)
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return errors.New("holds a character that no header field can carry: white space, or beyond ASCII")
	}
	return nil
}
