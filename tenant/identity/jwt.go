package identity

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"granary/tenant"
)

// MaxToken is the length of the longest token that is looked at, in bytes.
const MaxToken = 16 << 10

// maxSubject bounds the name of who makes a request, in bytes.
const maxSubject = 256

// Algorithms are the signatures of tokens that can be checked.
var Algorithms = []string{"EdDSA", "RS256", "ES256"}

// ClaimNames are where a token says what. A name is a member of the token, or a path of members with dots between them.
type ClaimNames struct{ Subject, Roles, Tenants string }

// Issuer is somebody whose tokens are trusted.
type Issuer struct {
	Name       string   // what iss must be
	Audience   []string // one of them must be in aud
	JWKSFile   string   // a file of keys; "" for none
	Keys       []KeyFile
	Algorithms []string // nil: all of Algorithms
	Leeway     time.Duration
	Claims     ClaimNames // "" is "sub", "granary.roles", "granary.tenants"
	Roles      Names
	// DefaultRoles and DefaultTenants are those of tokens that have no claim for them.
	DefaultRoles   Roles
	DefaultTenants []tenant.ID
	Allow          Allow
}

// KeyFile is a public key in a file, as PEM.
type KeyFile struct{ ID, File string }

// tokens checks JWTs.
type tokens struct {
	parser  *jwt.Parser
	issuers []*issuer
}

func newTokens(issuers []*issuer) *tokens {
	return &tokens{jwt.NewParser(jwt.WithValidMethods(Algorithms), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding()), issuers}
}

// verified is what stays of a token whose signature is right.
type verified struct {
	who         *Identity
	from, until int64 // when it is valid, in nanoseconds since 1970, the leeway included
	issuer      *issuer
	keys        *keySet // those that it was checked with; other ones, and it has to be checked again
}

// valid says whether the token is still good.
func (v *verified) valid(now time.Time) error {
	switch at := now.UnixNano(); {
	case at >= v.until:
		return refuse(Expired, "the token has expired (exp)")
	case at < v.from:
		return refuse(NotYet, "the token is not valid yet (nbf, iat)")
	}
	return nil
}

// current says whether the keys are still those that the token was checked with.
func (v *verified) current() bool { return v.issuer.keys.Load() == v.keys }

// verify checks all of a token but its times.
func (t *tokens) verify(raw string, now time.Time) (*verified, error) {
	if strings.ContainsAny(raw, "\r\n") { // which the decoding of base64 passes over
		return nil, explain(jwt.ErrTokenMalformed)
	}
	v := &verified{}
	claims := jwt.MapClaims{}
	_, err := t.parser.ParseWithClaims(raw, claims, func(token *jwt.Token) (key any, err error) {
		if err := checkHeader(token.Header); err != nil {
			return nil, err
		}
		name, _ := claims["iss"].(string)
		at := slices.IndexFunc(t.issuers, func(i *issuer) bool { return i.o.Name == name })
		if at < 0 {
			return nil, refuse(WrongIssuer, "the token is from nobody who is trusted here (iss)")
		}
		v.issuer = t.issuers[at]
		v.keys, key, err = v.issuer.key(token.Header["kid"], token.Method.Alg(), now)
		return key, err
	})
	if err != nil {
		return nil, explain(err)
	}
	if err := v.read(claims); err != nil {
		return nil, err
	}
	return v, nil
}

// checkHeader refuses what would let a token bring its own key along, and what has to be understood and is not.
func checkHeader(header map[string]any) error {
	for _, name := range []string{"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"} {
		if _, there := header[name]; there {
			return refuse(Invalid, "the token's header has the member "+name+", which is not taken")
		}
	}
	if typ, there := header["typ"]; there {
		// A token for another purpose, such as a logout token, must not pass for one that opens a service.
		text, _ := typ.(string)
		switch strings.TrimPrefix(strings.ToLower(text), "application/") {
		case "jwt", "at+jwt":
		default:
			return refuse(Invalid, "the token's type is neither JWT nor at+jwt (typ)")
		}
	}
	return nil
}

// explain puts an error of the library into words that quote nothing of the token.
func explain(err error) error {
	var own *Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuse(Invalid, "the token is malformed")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return refuse(Invalid, "the token's algorithm is not one of "+strings.Join(Algorithms, ", "))
	default:
		return refuse(Invalid, "the token's signature is wrong")
	}
}

// read takes over what the claims say.
func (v *verified) read(claims jwt.MapClaims) error {
	o := &v.issuer.o
	if !hears(claims["aud"], o.Audience) {
		return refuse(WrongAudience, "the token is for another service (aud)")
	}
	expires, there, ok := instant(claims, "exp")
	if !there || !ok {
		return refuse(Invalid, "the token does not say until when it is valid (exp)")
	}
	v.from, v.until = math.MinInt64, later(expires, o.Leeway)
	for _, name := range []string{"nbf", "iat"} {
		at, there, ok := instant(claims, name)
		if !ok {
			return refuse(Invalid, "the token's claim "+name+" is no time")
		}
		if there {
			v.from = max(v.from, later(at, -o.Leeway))
		}
	}
	subject, _ := find(claims, o.Claims.Subject).(string)
	if err := CheckSubject(subject); err != nil {
		return err
	}
	g := o.Allow.limit(o.grants(claims))
	v.who = New(subject, JWT, o.Name, g.All, g.Items...)
	return nil
}

// CheckSubject says whether a text can be the name of somebody: not empty, printable, and of a bounded length. The error is an *Error.
func CheckSubject(subject string) error {
	if subject == "" || len(subject) > maxSubject || !utf8.ValidString(subject) || strings.ContainsFunc(subject, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return refuse(Invalid, "the credential names nobody, or by a name that is too long or not printable")
	}
	return nil
}

// hears says whether the claim aud names one of the audience.
func hears(aud any, audience []string) bool {
	switch aud := aud.(type) {
	case string:
		return slices.Contains(audience, aud)
	case []any:
		return slices.ContainsFunc(aud, func(a any) bool {
			text, ok := a.(string)
			return ok && slices.Contains(audience, text)
		})
	}
	return false
}

// instant reads a claim that is a time, in nanoseconds since 1970.
func instant(claims jwt.MapClaims, name string) (ns int64, there, ok bool) {
	v, there := claims[name]
	if !there {
		return 0, false, true
	}
	s, ok := v.(float64)
	switch {
	case !ok:
		return 0, true, false
	case s >= math.MaxInt64/1e9:
		return math.MaxInt64, true, true
	case s <= math.MinInt64/1e9:
		return math.MinInt64, true, true
	}
	whole, part := math.Modf(s)
	return int64(whole)*1e9 + int64(part*1e9), true, true
}

// later is a time and a span behind it, as far as there are times.
func later(at int64, by time.Duration) int64 {
	switch sum := at + int64(by); {
	case by > 0 && sum < at:
		return math.MaxInt64
	case by < 0 && sum > at:
		return math.MinInt64
	default:
		return sum
	}
}

// find is the value of a claim: the member of that name, else the one at the end of a path with dots. nil if there is none.
func find(claims map[string]any, name string) any {
	if v, there := claims[name]; there {
		return v
	}
	for at := strings.IndexByte(name, '.'); at >= 0; {
		if in, ok := claims[name[:at]].(map[string]any); ok {
			if v := find(in, name[at+1:]); v != nil {
				return v
			}
		}
		next := strings.IndexByte(name[at+1:], '.')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return nil
}

// grants are what the claims about roles and tenants give.
func (o *Issuer) grants(claims jwt.MapClaims) Grants {
	roles := o.DefaultRoles
	if v := find(claims, o.Claims.Roles); v != nil {
		roles = o.Roles.all(texts(v))
	}
	v := find(claims, o.Claims.Tenants)
	if v == nil {
		return GrantsOf(roles, o.DefaultTenants...)
	}
	in, ok := v.(map[string]any)
	if !ok {
		return GrantsOf(roles, tenants(texts(v))...)
	}
	// Operators are operators of the service: that stands in the claim about roles, or with all tenants.
	g := Grants{All: roles & Operator}
	for name, v := range in {
		roles := o.Roles.all(texts(v))
		if name == Everywhere {
			g.All |= roles
		} else if id, err := tenant.Parse(name); err == nil && roles&^Operator != 0 {
			g.Items = append(g.Items, Grant{id, roles &^ Operator})
		}
	}
	return g
}

// all are the roles that any of the values gives.
func (n Names) all(values []string) Roles {
	var r Roles
	for _, v := range values {
		r |= n.of(v)
	}
	return r
}

// texts are the values of a claim that is a list, or a text of several.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return list(v)
	case []any:
		var out []string
		for _, item := range v {
			if text, ok := item.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}
