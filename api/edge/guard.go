package edge

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"granary/tenant/identity"
)

// Authority judges credentials. It must be safe for concurrent use.
type Authority interface {
	// Identify says who shows a credential. Texts of errors never hold what was shown.
	Identify(c identity.Credential, now time.Time) (*identity.Identity, error)
	// Holds says whether a text is a key or token in force that is too long and too random to be guessed, at the cost of a hash.
	Holds(text string, now time.Time) bool
	// Configured says whether there is any source of identities. Then nobody gets in without one.
	Configured() bool
}

// GuardOptions are the parts of a Guard. Authority is required.
type GuardOptions struct {
	Authority Authority
	Carriers  Carriers
	// Open lets everybody in, whatever there is to show: the configuration says so in as many words.
	Open bool
	// Locked says that there is a source of identities beside the authority, which counts elsewhere.
	Locked bool
	// Throttle slows those who guess; nil: nothing does.
	Throttle *Throttle
	// Audit hears of refused credentials; nil: nobody does.
	Audit *Audit
	// Basic says that a name and a password can be shown, so that browsers ask for them.
	Basic bool
	Now   func() time.Time // nil: time.Now
}

// Guard says who makes a request, for all dialects alike. One source of identities, whichever it is, protects every route
// that asks the guard. With none the service is open to this machine, and with the option Open to everybody; who comes
// in without having shown anything is an operator, for nothing tells one from another. It is safe for concurrent use.
type Guard struct {
	o GuardOptions
	// own belongs to a dialect with tokens of its own, and judges first.
	own Verifier
	// anywhere opens to all addresses what is open to this machine.
	anywhere bool
}

// Verifier judges tokens that count in one dialect alone.
type Verifier interface {
	// Verify says who shows the token of a Bearer. The error is the refusal in the words of the dialect.
	Verify(token string, now time.Time) (*identity.Identity, error)
}

// NewGuard makes a guard.
func NewGuard(o GuardOptions) *Guard {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Guard{o: o}
}

// Anywhere is a guard that lets other machines in too where the service is open to this one. It is for a dialect whose
// clients know no identity, and for which an open service is what they expect.
func (g *Guard) Anywhere() *Guard {
	c := *g
	c.anywhere = true
	return &c
}

// With is a guard for a dialect with tokens of its own. What they are may be shown as a Bearer only, and one source more
// stands before this dialect, even if the service is open otherwise.
func (g *Guard) With(own Verifier) *Guard {
	c := *g
	c.own = own
	return &c
}

// Field is a guard that also takes a key or a token from one more field of the header.
func (g *Guard) Field(name string) *Guard {
	c := *g
	c.o.Carriers.Field = http.CanonicalHeaderKey(name)
	return &c
}

// Parameters is a guard that also takes a name and a password from the parameters u and p of the URL.
func (g *Guard) Parameters() *Guard {
	c := *g
	c.o.Carriers.Parameters = true
	return &c
}

// Authenticate implements Authenticator. Where a trusted proxy says to which tenant a request belongs, whoever makes it has
// rights in that tenant alone: no list of tenants, no route of operators leads out of it.
func (g *Guard) Authenticate(r *http.Request) (*identity.Identity, error) {
	who, err := g.authenticate(r)
	if err != nil {
		return nil, err
	}
	return g.o.Carriers.Proxies.Bind(r, who)
}

func (g *Guard) authenticate(r *http.Request) (*identity.Identity, error) {
	c, err := g.o.Carriers.Find(r)
	if err != nil {
		return nil, err
	}
	if c.Kind == identity.NoCredential {
		return g.anonymous(r)
	}
	return g.judge(r, c)
}

// Judging is a guard for a secret of one dialect, which stands in a field of the header that Carriers does not know and which the
// authority knows. Who guesses it waits as all who guess do, and is audited.
func (g *Guard) Judging(a Authority) *Guard {
	c := *g
	c.o.Authority, c.own = a, nil
	return &c
}

// Judge says who shows a token in a field of its own. What else the request shows does not count, but where it comes from does.
func (g *Guard) Judge(r *http.Request, token string) (*identity.Identity, error) {
	who, err := g.judge(r, identity.Credential{Kind: identity.Bearer, Token: token})
	if err != nil {
		return nil, err
	}
	return g.o.Carriers.Proxies.Bind(r, who)
}

// judge says who shows a credential.
func (g *Guard) judge(r *http.Request, c identity.Credential) (*identity.Identity, error) {
	now := g.o.Now()
	ip := g.o.Carriers.Proxies.Client(r)
	blocked, err := g.o.Throttle.enter(ip, c, now)
	if err != nil && !g.o.Authority.Holds(c.Token+c.Password, now) { // a credential has one of the two
		g.o.Audit.failed(r, c, err)
		return nil, err
	}
	who, err := g.identify(c, now)
	if err == nil {
		g.o.Throttle.succeeded(ip, c)
		return who, nil
	}
	if (g.own == nil || c.Kind != identity.Bearer) && !g.o.Authority.Configured() && !strings.HasPrefix(c.Token, keyPrefix) && !strings.HasPrefix(c.Password, keyPrefix) {
		// Nobody could have said that this is right. What a client shows to an open service it shows to no purpose.
		return g.anonymous(r)
	}
	if guessed(err) {
		if late := g.o.Throttle.failed(ip, c, blocked, now); late != nil {
			err = late
		}
	}
	g.o.Audit.failed(r, c, err)
	return nil, g.refusal(err, true)
}

// guessed says whether a refused credential could be a guess. What was good once, or is good elsewhere, is none.
func guessed(err error) bool {
	var judged interface{ Guess() bool }
	return errors.As(err, &judged) && judged.Guess()
}

// keyPrefix begins an API key. One that was taken back must not do more than it did before, so it is refused by an open
// service too.
const keyPrefix = "gk_"

// identify asks the dialect's own tokens, then all other sources.
func (g *Guard) identify(c identity.Credential, now time.Time) (*identity.Identity, error) {
	if g.own == nil || c.Kind != identity.Bearer || strings.HasPrefix(c.Token, keyPrefix) {
		return g.o.Authority.Identify(c, now)
	}
	who, err := g.own.Verify(c.Token, now)
	if err == nil {
		return who, nil
	}
	who, other := g.o.Authority.Identify(c, now)
	var judged *identity.Error
	if other != nil && (!errors.As(other, &judged) || judged.Guess() || judged.Fault == identity.Missing) {
		return nil, err // nobody else knows it
	}
	return who, other
}

// anonymous judges a request that shows nothing.
func (g *Guard) anonymous(r *http.Request) (*identity.Identity, error) {
	switch {
	case g.own != nil:
		return nil, g.refusal(&identityError{}, false)
	case g.o.Open:
	case g.o.Authority.Configured():
		return nil, g.refusal(&identityError{}, false)
	case g.o.Locked:
		return nil, g.refusal(&identityError{other: true}, false)
	case !g.anywhere && !Here(r):
		return nil, &elsewhereError{}
	}
	return identity.Open(), nil
}

// refusal makes the 401 of an error; what is no question of identity stays as it is.
func (g *Guard) refusal(err error, shown bool) error {
	if KindOf(err) != Forbidden {
		return err
	}
	list := challengesPlain
	switch {
	case g.o.Basic && shown:
		list = challengesBasicWrong
	case g.o.Basic:
		list = challengesBasic
	case shown:
		list = challengesWrong
	}
	return &UnauthorizedError{Err: err, Challenges: list}
}

var (
	challengesPlain      = []string{"Bearer"}
	challengesWrong      = []string{`Bearer error="invalid_token"`}
	challengesBasic      = []string{"Bearer", basicChallenge}
	challengesBasicWrong = []string{`Bearer error="invalid_token"`, basicChallenge}
)

const basicChallenge = `Basic realm="granary", charset="UTF-8"`

// UnauthorizedError is a refusal that another credential would overcome.
type UnauthorizedError struct {
	Err        error
	Challenges []string // values of WWW-Authenticate
}

func (e *UnauthorizedError) Error() string { return e.Err.Error() }
func (e *UnauthorizedError) Unwrap() error { return e.Err }

// Status is the status of the answer.
func (*UnauthorizedError) Status() int { return http.StatusUnauthorized }

// Challenge says in the header of an answer of 401 what could be shown. err is the refusal.
func Challenge(h http.Header, err error) {
	var e *UnauthorizedError
	if errors.As(err, &e) {
		h["Www-Authenticate"] = e.Challenges
		return
	}
	h["Www-Authenticate"] = challengesPlain
}

// identityError refuses who shows nothing where identity is demanded.
type identityError struct {
	other bool // the only source counts elsewhere
}

func (e *identityError) Error() string {
	if e.other {
		return "identity is demanded, and a token of main.jwt-public-key has no rights here; granary.auth: none opens this path"
	}
	return "identity is demanded: a token or key in Authorization or X-Api-Key, or what else granary.identity names"
}

// Kind implements the kinds of errors.
func (*identityError) Kind() string { return string(Forbidden) }

// Code implements the codes of errors.
func (*identityError) Code() string { return "identity-required" }

// Problem names the setting.
func (e *identityError) Problem() map[string]any {
	if e.other {
		return map[string]any{"setting": "granary.auth"}
	}
	return map[string]any{"setting": "granary.identity"}
}

// elsewhereError refuses who comes from another machine.
type elsewhereError struct{}

func (*elsewhereError) Error() string { return elsewhereText }

const elsewhereText = "only from this machine, as long as nothing says who may enter: granary.identity names who may, and granary.auth: none lets everybody in"

// Kind implements the kinds of errors.
func (*elsewhereError) Kind() string { return string(Forbidden) }

// Code implements the codes of errors.
func (*elsewhereError) Code() string { return "this-machine-only" }

// Problem names the setting.
func (*elsewhereError) Problem() map[string]any { return map[string]any{"setting": "granary.auth"} }
