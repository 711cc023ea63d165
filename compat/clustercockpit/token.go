package clustercockpit

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"granary/api/edge"
	"granary/tenant/identity"
)

// The texts of refusals, as clients of cc-metric-store know them.
const (
	textNoToken   = "Use JWT Authentication"
	textSegments  = "token contains an invalid number of segments"
	textExpired   = "Token is expired"
	textNotYet    = "Token is not valid yet"
	textIssued    = "Token used before issued"
	textSignature = "ed25519: verification error"
	textAlgorithm = "only Ed25519/EdDSA supported"
	textKey       = "key is invalid"
	textMalformed = "token is malformed"
)

// Roles are those of the holder of a token: the rights of cc-metric-store's clients, all five endpoints.
const Roles = identity.Reader | identity.Writer | identity.Admin

const (
	maxTokens     = 1024 // validated tokens that are remembered
	maxTokenBytes = 4096 // a longer token is never remembered
)

// Tokens judges JWTs that are signed by one Ed25519 key. exp, nbf and iat are checked if a token has them; no other claim is
// looked at. Validated tokens are remembered, their times are checked every time. It is an edge.Verifier, and safe for
// concurrent use.
type Tokens struct {
	key    ed25519.PublicKey
	scope  identity.Scope
	parser *jwt.Parser

	mu    sync.RWMutex
	known map[string]*token
}

// token is what stays of a validated token.
type token struct {
	who   *identity.Identity
	times times
}

// times are the claims that bound a token's life, in seconds; nil: not there.
type times struct{ expires, notBefore, issued *float64 }

// tokenError is a refusal. Its text is constant, so that it says nothing about the key.
type tokenError string

func (e tokenError) Error() string { return string(e) }

// Kind implements the kinds of errors.
func (tokenError) Kind() string { return string(edge.Forbidden) }

// Code implements the codes of errors.
func (tokenError) Code() string { return "token" }

// Guess says whether somebody could be guessing; a token at the wrong time is no guess.
func (e tokenError) Guess() bool { return e != textExpired && e != textNotYet && e != textIssued }

// NewTokens judges by a key; every valid token may touch the scope. A key of a wrong length is taken, and refuses every token, as
// the original does.
func NewTokens(key []byte, scope identity.Scope) *Tokens {
	return &Tokens{key: key, scope: scope, parser: jwt.NewParser(jwt.WithoutClaimsValidation()), known: map[string]*token{}}
}

// Verify implements edge.Verifier.
func (a *Tokens) Verify(raw string, at time.Time) (*identity.Identity, error) {
	a.mu.RLock()
	t := a.known[raw]
	a.mu.RUnlock()
	now := float64(at.UnixNano()) / 1e9
	if t == nil {
		var err error
		if t, err = a.validate(raw); err != nil {
			return nil, err
		}
		if t.times.check(now) == nil {
			a.remember(raw, t)
		}
	}
	if err := t.times.check(now); err != nil {
		return nil, err
	}
	return t.who, nil
}

// validate checks form, algorithm and signature.
func (a *Tokens) validate(raw string) (*token, error) {
	var c claims
	_, err := a.parser.ParseWithClaims(raw, &c, func(t *jwt.Token) (any, error) {
		if t.Method != jwt.SigningMethodEdDSA {
			return nil, tokenError(textAlgorithm)
		}
		return a.key, nil
	})
	if err != nil {
		return nil, refusal(raw, err)
	}
	return &token{who: identity.InScope(c.subject, identity.ClusterCockpit, "", Roles, a.scope), times: c.times}, nil
}

// refusal puts an error of the library into the original's words.
func refusal(raw string, err error) error {
	var own tokenError
	var encoding base64.CorruptInputError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, jwt.ErrInvalidKey):
		return tokenError(textKey)
	case errors.Is(err, jwt.ErrTokenUnverifiable): // "none" and names that nobody knows
		return tokenError(textAlgorithm)
	case strings.Count(raw, ".") != 2:
		return tokenError(textSegments)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return tokenError(textSignature)
	case errors.As(err, &encoding):
		return tokenError(encoding.Error())
	case errors.As(err, &syntax):
		return tokenError(syntax.Error())
	}
	return tokenError(textMalformed)
}

// remember keeps a validated token. One that falls out is validated again when it comes: forgetting any is as good.
func (a *Tokens) remember(raw string, t *token) {
	if len(raw) > maxTokenBytes {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for old := range a.known {
		if len(a.known) < maxTokens {
			break
		}
		delete(a.known, old)
	}
	a.known[strings.Clone(raw)] = t
}

// check says whether the token is valid at a time in seconds. Where several claims fail the last one in this order is
// told, as the original does.
func (t times) check(now float64) error {
	var err error
	if t.expires != nil && now >= *t.expires {
		err = tokenError(textExpired)
	}
	if t.issued != nil && now < *t.issued {
		err = tokenError(textIssued)
	}
	if t.notBefore != nil && now < *t.notBefore {
		err = tokenError(textNotYet)
	}
	return err
}

// claims are read leniently: what is not a number bounds the token as tightly as can be.
type claims struct {
	jwt.MapClaims // for the interface only; nothing is validated through it
	subject       string
	times         times
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *claims) UnmarshalJSON(b []byte) error {
	var raw map[string]any
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	c.subject, _ = raw["sub"].(string)
	number := func(name string, other float64) *float64 {
		v, there := raw[name]
		if !there {
			return nil
		}
		if f, ok := v.(float64); ok {
			return &f
		}
		return &other
	}
	const never = 1 << 62
	c.times = times{expires: number("exp", 0), notBefore: number("nbf", never), issued: number("iat", never)}
	return nil
}
