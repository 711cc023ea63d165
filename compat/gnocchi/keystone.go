package gnocchi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"granary/api/edge"
	"granary/compat/gnocchi/keystone"
	"granary/tenant/identity"
)

// Tokens says whose tokens are; keystone.Client does.
type Tokens interface {
	Check(ctx context.Context, token string) (*keystone.Holder, error)
	// Knows says whether a token is good, without asking anybody.
	Knows(token string, now time.Time) bool
}

// Keystone is a source of identities for this dialect alone. Once it is there, every request has to show who it is of.
type Keystone struct {
	Tokens Tokens
	// Guard slows who guesses, and tells the audit log; nil: nobody does.
	Guard *edge.Guard
	// Address is where clients get tokens, for those who show none.
	Address string

	// suspects holds a token for each question about a token from an address that has failed too often.
	suspects chan struct{}
}

// keyPrefix begins Granary's own keys, which may stand where tokens of Keystone do.
const keyPrefix = "gk_"

// ofKeystone says whether a request shows a token of Keystone.
func ofKeystone(r *http.Request) bool {
	token := r.Header.Get(HeaderToken)
	return token != "" && !strings.HasPrefix(token, keyPrefix)
}

// byKeystone takes the word of Keystone.
func (d *Dialect) byKeystone(r *http.Request) (*caller, error) {
	text, err := edge.Single(r.Header, HeaderToken)
	if err != nil {
		return nil, err
	}
	a := &attempt{k: d.o.Keystone, ctx: r.Context()}
	defer a.end()
	var who *identity.Identity
	if g := d.o.Keystone.Guard; g != nil {
		_, err = g.Judging(a).Judge(r, text)
	} else if who, err = a.Identify(identity.Credential{Kind: identity.Bearer, Token: text}, d.o.Now()); err == nil {
		_, err = d.o.Proxies.Bind(r, who)
	}
	if err != nil {
		return nil, d.challenge(err)
	}
	w := word{user: a.holder.User, project: a.holder.Project, roles: a.holder.Roles, source: identity.Keystone, name: a.holder.Name}
	// Where a proxy bounds the request to a tenant, no role leads out of it.
	bound := r.Header[headerProject] != nil && d.o.Proxies.Trust(r.RemoteAddr)
	return d.vouched(r, &w, !bound)
}

// attempt is the authority of one token, so that a guard can judge it.
type attempt struct {
	k      *Keystone
	ctx    context.Context
	holder *keystone.Holder
	slow   bool // it has its turn among suspects
}

// Identify implements edge.Authority.
func (a *attempt) Identify(c identity.Credential, _ time.Time) (*identity.Identity, error) {
	var err error
	if a.holder, err = a.k.Tokens.Check(a.ctx, c.Token); err != nil {
		return nil, err
	}
	return identity.New(a.holder.Name, identity.Keystone, "", 0), nil
}

// Holds implements edge.Authority. Tokens of Keystone are too long to be guessed, so who comes from an address that has failed too often is
// not locked out: what is not known to be good is asked about, one token at a time.
func (a *attempt) Holds(text string, now time.Time) bool {
	if a.k.Tokens.Knows(text, now) {
		return true
	}
	if len(text) < 32 {
		return false
	}
	select {
	case a.k.suspects <- struct{}{}:
		a.slow = true
		return true
	default:
		return false
	}
}

// Configured implements edge.Authority.
func (*attempt) Configured() bool { return true }

func (a *attempt) end() {
	if a.slow {
		<-a.k.suspects
	}
}

// challenge says in a refusal where tokens are to be had.
func (d *Dialect) challenge(err error) error {
	var e *edge.UnauthorizedError
	if k := d.o.Keystone; k != nil && k.Address != "" && errors.As(err, &e) {
		return &edge.UnauthorizedError{Err: e.Err, Challenges: append([]string{fmt.Sprintf("Keystone uri=%q", k.Address)}, e.Challenges...)}
	}
	if d.o.Keystone != nil && edge.KindOf(err) == edge.Forbidden && !errors.As(err, &e) { // by who judges tokens without a guard, or since it comes from elsewhere
		return d.challenge(&edge.UnauthorizedError{Err: err})
	}
	return err
}

var (
	// errUnknown refuses a request that does not say who it is of.
	errUnknown = &edge.UnauthorizedError{Err: errors.New(""), Challenges: nil}
	// errDemanded refuses a request that shows nothing where Keystone is to be asked.
	errDemanded = &edge.UnauthorizedError{Err: &demandedError{}, Challenges: nil}
)

// demandedError says that there is a source of identities.
type demandedError struct{}

func (*demandedError) Error() string {
	return "identity is demanded: a token of Keystone in X-Auth-Token, or what else granary.identity names"
}
func (*demandedError) Kind() string { return string(edge.Forbidden) }
func (*demandedError) Code() string { return "identity-required" }
