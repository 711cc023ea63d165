package identity

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// AuthorityOptions are the sources of an authority. What is not given is no source.
type AuthorityOptions struct {
	Issuers []Issuer
	Tokens  []StaticToken
	// Keys are the API keys; nil for none. They are a source that counts if Locked is set: without it the first key does not shut
	// a service that is open.
	Keys   *Keys
	Locked bool
	// Htpasswd is a file of names and passwords, "" for none, and Users is what they may do.
	Htpasswd string
	Users    map[string]Grants
	Proxy    ProxyFields
	// Certificates are rules for client certificates.
	Certificates []CertificateRule

	ReadFile func(name string) ([]byte, error) // nil: ReadFile
	Logger   *slog.Logger                      // nil: slog.Default
}

// Authority judges credentials by all sources that the configuration names. It is safe for concurrent use.
type Authority struct {
	o         AuthorityOptions
	tokens    *tokens
	statics   *staticTokens
	passwords *passwords // nil for none
	certs     certificates
	known     cache
}

// NewAuthority reads the files of all sources. One with a fault is an error.
func NewAuthority(o AuthorityOptions) (*Authority, error) {
	if o.ReadFile == nil {
		o.ReadFile = ReadFile
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	a := &Authority{o: o, certs: newCertificates(o.Certificates)}
	var issuers []*issuer
	for _, i := range o.Issuers {
		is, err := newIssuer(i, o.ReadFile)
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", i.Name, err)
		}
		issuers = append(issuers, is)
	}
	a.tokens = newTokens(issuers)
	var err error
	if a.statics, err = newStaticTokens(o.Tokens, o.ReadFile); err != nil {
		return nil, err
	}
	if o.Htpasswd != "" {
		if a.passwords, err = newPasswords(o.Htpasswd, o.Users, o.ReadFile); err != nil {
			return nil, err
		}
	}
	for _, f := range a.files() {
		f.taken = func(names []string) {
			what, n := a.count(f)
			a.o.Logger.Info("identity: file read again", "file", strings.Join(names, ", "), what, n)
		}
		f.report = func(err error) {
			a.o.Logger.Error("identity: a file with a fault is not taken, what was in force stays", "error", err)
		}
	}
	return a, nil
}

// files are the files of all sources.
func (a *Authority) files() []*files {
	list := []*files{a.statics.files}
	for _, i := range a.tokens.issuers {
		list = append(list, i.files)
	}
	if a.passwords != nil {
		list = append(list, a.passwords.files)
	}
	return list
}

// count is how much of what is in force from the files of a source.
func (a *Authority) count(f *files) (what string, n int) {
	switch {
	case f == a.statics.files:
		return "tokens", len(*a.statics.now.Load())
	case a.passwords != nil && f == a.passwords.files:
		return "users", len(a.passwords.now.Load().users)
	}
	for _, i := range a.tokens.issuers {
		if f == i.files {
			return "keys", len(i.keys.Load().byName)
		}
	}
	return "keys", 0
}

// Refresh reads the files that have changed. One with a fault, or that is gone, leaves what was in force, and is logged.
func (a *Authority) Refresh() {
	for _, f := range a.files() {
		f.loadChanged(false)
	}
}

// Configured says whether there is any source, so that whoever comes without a credential can be refused.
func (a *Authority) Configured() bool { return a.o.Configured() }

// Configured says whether there is any source that counts.
func (o *AuthorityOptions) Configured() bool {
	return len(o.Issuers) > 0 || len(o.Tokens) > 0 || o.Locked || o.Htpasswd != "" || o.Proxy.Subject != "" || len(o.Certificates) > 0
}

// Proxy names the header fields that make a credential of kind ProxyHeaders. They count from trusted proxies only, which is for
// the caller to see to.
func (a *Authority) Proxy() *ProxyFields { return &a.o.Proxy }

// Identify says who shows a credential. The error is an *Error.
func (a *Authority) Identify(c Credential, now time.Time) (*Identity, error) {
	switch c.Kind {
	case Bearer:
		return a.bearer(c.Token, now)
	case Password:
		return a.password(c, now)
	case ClientCertificate:
		return a.certs.judge(c.Certificate, now)
	case ProxyHeaders:
		if a.o.Proxy.Subject != "" {
			return a.o.Proxy.proxied(c)
		}
	}
	return nil, refuse(Missing, "no credential is shown that is taken here")
}

// errUnknown refuses what is no key and no static token, and does not look like a signed one.
var errUnknown error = refuse(Wrong, "the token or key is not known here")

// bearer judges a text that is all there is.
func (a *Authority) bearer(token string, now time.Time) (*Identity, error) {
	if len(token) > MaxToken {
		return nil, refuse(TooLarge, fmt.Sprintf("the token has more than %d bytes", MaxToken))
	}
	if id, secret, ok := splitKey(token); ok { // which no signed token is
		if a.o.Keys != nil {
			if who, err := a.o.Keys.find(id, secret, now); who != nil || err != nil {
				return who, err
			}
		}
	} else if v := a.known.get(token); v != nil && v.current() {
		if err := v.valid(now); err != nil {
			return nil, err
		}
		return v.who, nil
	}
	if who := a.statics.now.Load().find(token); who != nil {
		return who, nil
	}
	if len(a.tokens.issuers) == 0 || strings.Count(token, ".") != 2 {
		return nil, errUnknown
	}
	v, err := a.tokens.verify(token, now)
	if err != nil {
		return nil, err
	}
	if err := v.valid(now); err != nil {
		return nil, err
	}
	a.known.put(token, v)
	return v.who, nil
}

// Holds says whether a text is an API key or a token of the configuration that is in force. These are long and random: to look one up costs
// a hash, and nobody finds one by trying, so who guesses is not slowed by leaving this unanswered.
func (a *Authority) Holds(text string, now time.Time) bool {
	if id, secret, ok := splitKey(text); ok && a.o.Keys != nil {
		who, err := a.o.Keys.find(id, secret, now)
		return who != nil && err == nil
	}
	return a.statics.now.Load().find(text) != nil
}

// password judges a name and a password. The password may be a key or a token too, whatever the name is.
func (a *Authority) password(c Credential, now time.Time) (*Identity, error) {
	who, err := a.bearer(c.Password, now)
	if err == nil || a.passwords == nil {
		return who, err
	}
	if !errors.Is(err, errUnknown) { // as every password ends there, it makes no garbage
		var refused *Error
		if errors.As(err, &refused) && !refused.Guess() {
			return nil, err
		}
	}
	return a.passwords.check(c.User, c.Password)
}
