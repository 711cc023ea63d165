package keystone

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"golang.org/x/sync/singleflight"

	"granary/tenant/identity"
)

// Options are the parts of a Client. URL, User and Password are required.
type Options struct {
	// URL is where Keystone is, "https://keystone.example.org:5000", with or without "/v3".
	URL string
	// User, by its name in the domain UserDomain, asks for others. Its role in Project must let it validate tokens.
	User, UserDomain string
	// Password is asked for at each login, so that it may change.
	Password func() (string, error)
	// Project, by its name in the domain ProjectDomain, is the scope of the login; "": the user's own.
	Project, ProjectDomain string
	// Roots are the authorities whose certificates Keystone may have; nil: those of the system.
	Roots *x509.CertPool
	// Cache is how long an answer holds before Keystone is asked again; 0: DefaultCache.
	Cache time.Duration
	// Timeout bounds a question; 0: DefaultTimeout.
	Timeout time.Duration

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

// The values of options that are not given.
const (
	DefaultCache   = 5 * time.Minute
	DefaultTimeout = 10 * time.Second
	DefaultDomain  = "Default"
)

const (
	// maxQuestions is how many questions may wait for Keystone's answer.
	maxQuestions = 16
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 1 << 20
	// wrongFor is how long a token that Keystone does not know is refused without a question.
	wrongFor = 30 * time.Second
	// retryAfter is how long nothing is asked where Keystone does not answer, so that it comes to its feet, and does not lock an account for
	// logging in wrongly again and again.
	retryAfter = 5 * time.Second
)

// Holder is whose a token is, in the words of Keystone: ids, and names of roles.
type Holder struct {
	User, Project, Domain string // Project and Domain: "" where the token has no such scope
	Name                  string // of the user
	Roles                 []string
	Expires               time.Time
}

// entry is what is known of a token.
type entry struct {
	holder *Holder
	fresh  time.Time // until when nobody is asked
}

// refused is a token that is no good.
type refused struct {
	until time.Time
	err   error
}

// Client asks Keystone. It is safe for concurrent use.
type Client struct {
	o    Options
	base string // ends with "/v3/"
	http http.Client

	service *gophercloud.ServiceClient
	flights singleflight.Group
	slots   chan struct{}

	good memory[entry]
	bad  memory[refused]

	failing atomic.Bool  // the last question had no answer
	pause   atomic.Int64 // when it may be asked again, in nanoseconds
}

// New makes a client. It asks nothing yet.
func New(o Options) *Client {
	o.UserDomain, o.ProjectDomain = cmp.Or(o.UserDomain, DefaultDomain), cmp.Or(o.ProjectDomain, DefaultDomain)
	o.Cache, o.Timeout = cmp.Or(o.Cache, DefaultCache), cmp.Or(o.Timeout, DefaultTimeout)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	c := &Client{o: o, slots: make(chan struct{}, maxQuestions)}
	c.base = strings.TrimSuffix(strings.TrimSuffix(o.URL, "/"), "/v3") + "/v3/"
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}
	transport.MaxIdleConnsPerHost = maxQuestions
	c.http = http.Client{Transport: bounded{transport}, Timeout: o.Timeout, CheckRedirect: stay}
	provider := &gophercloud.ProviderClient{HTTPClient: c.http, ReauthFunc: c.login}
	provider.UseTokenLock()
	provider.UserAgent.Prepend("granary")
	c.service = &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: c.base}
	return c
}

// Address is where clients get tokens, below it.
func (c *Client) Address() string { return strings.TrimSuffix(c.base, "/v3/") }

// stay follows no redirect: it would lead the tokens in the header elsewhere.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// bounded cuts answers that are too long.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// login gets a token for the questions.
func (c *Client) login(ctx context.Context) error {
	password, err := c.o.Password()
	if err != nil {
		return err
	}
	login := &tokens.AuthOptions{Username: c.o.User, Password: password, DomainName: c.o.UserDomain}
	if c.o.Project != "" {
		login.Scope = tokens.Scope{ProjectName: c.o.Project, DomainName: c.o.ProjectDomain}
	}
	guest := &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{HTTPClient: c.http}, Endpoint: c.base}
	token, err := tokens.Create(ctx, guest, login).ExtractTokenID()
	switch {
	case gophercloud.ResponseCodeIs(err, http.StatusUnauthorized):
		return fmt.Errorf("the login of user %q (domain %q, project %q) is refused", c.o.User, c.o.UserDomain, c.o.Project)
	case err != nil:
		return fmt.Errorf("the login of user %q: %w", c.o.User, plain(err))
	case token == "":
		return fmt.Errorf("the login of user %q: the answer has no X-Subject-Token", c.o.User)
	}
	c.service.SetToken(token)
	return nil
}

// plain is an error without what answers hold, which may be secret.
func plain(err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		return fmt.Errorf("%s %s: status %d", code.Method, code.URL, code.Actual)
	}
	return err
}

// well says whether a text could be a token: one that may stand in a field of the header, and is not too long.
func well(token string) bool {
	return token != "" && len(token) <= identity.MaxToken && !strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' })
}

// Knows says whether a token is known to be good, without asking anybody.
func (c *Client) Knows(token string, now time.Time) bool {
	e, ok := c.good.get(sha256.Sum256([]byte(token)))
	return ok && now.Before(e.holder.Expires)
}

// Check says whose a token is. The error is an *identity.Error for a token that is no good, and an *UnavailableError where nobody can say.
func (c *Client) Check(ctx context.Context, token string) (*Holder, error) {
	if !well(token) {
		return nil, errWrong
	}
	d, now := digest(sha256.Sum256([]byte(token))), c.o.Now()
	e, known := c.good.get(d)
	switch {
	case known && !now.Before(e.holder.Expires):
		return nil, errEnded
	case known && now.Before(e.fresh):
		return e.holder, nil
	}
	if r, ok := c.bad.get(d); ok && now.Before(r.until) {
		return nil, r.err
	}
	done := c.flights.DoChan(string(d[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.o.Timeout)
		defer cancel()
		return c.ask(ctx, d, token)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*Holder), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask asks about a token, and remembers the answer.
func (c *Client) ask(ctx context.Context, d digest, token string) (*Holder, error) {
	e, known := c.good.get(d)
	if c.failing.Load() && c.o.Now().UnixNano() < c.pause.Load() {
		return c.unanswered(d, e, known, errPause)
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return c.unanswered(d, e, known, nil)
	}
	h, err := c.validate(ctx, token)
	now := c.o.Now()
	switch {
	case errors.Is(err, errWrong) && known:
		c.good.drop(d)
		c.bad.put(d, refused{now.Add(wrongFor), errEnded})
		return nil, errEnded
	case errors.Is(err, errWrong):
		c.bad.put(d, refused{now.Add(wrongFor), errWrong})
		return nil, errWrong
	case err != nil:
		return c.unanswered(d, e, known, err)
	}
	if c.failing.CompareAndSwap(true, false) {
		c.o.Logger.Info("Keystone answers again", "url", c.base)
	}
	if !now.Before(h.Expires) {
		c.bad.put(d, refused{now.Add(wrongFor), errEnded})
		return nil, errEnded
	}
	c.good.put(d, entry{h, now.Add(c.o.Cache)})
	return h, nil
}

// unanswered goes on with what was said before, if anything was.
func (c *Client) unanswered(d digest, e entry, known bool, err error) (*Holder, error) {
	now := c.o.Now()
	if err != nil && !errors.Is(err, errPause) {
		c.pause.Store(now.Add(retryAfter).UnixNano())
		if c.failing.CompareAndSwap(false, true) {
			c.o.Logger.Error("Keystone does not answer: tokens that it knew before go on to count until they expire, others cannot be checked",
				"url", c.base, "error", err)
		}
	}
	if known && now.Before(e.holder.Expires) {
		c.good.put(d, entry{e.holder, now.Add(retryAfter)})
		return e.holder, nil
	}
	return nil, &UnavailableError{err}
}

// answer is what Keystone says of a token.
type answer struct {
	Token struct {
		User struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"user"`
		Project *struct {
			ID string `json:"id"`
		} `json:"project"`
		Domain *struct {
			ID string `json:"id"`
		} `json:"domain"`
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
		Expires time.Time `json:"expires_at"`
	} `json:"token"`
}

// aboutToken says whether a status says something of the token that was asked about: that there is no such token, or that it is none.
func aboutToken(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false // of who asks
	}
	return status >= 400 && status < 500
}

// validate is the question. The token of the service is renewed where Keystone takes it no more.
func (c *Client) validate(ctx context.Context, token string) (*Holder, error) {
	if c.service.Token() == "" {
		if err := c.service.Reauthenticate(ctx, ""); err != nil {
			return nil, err
		}
	}
	var a answer
	resp, err := c.service.Get(ctx, c.service.ServiceURL("auth", "tokens")+"?nocatalog", &a, &gophercloud.RequestOpts{
		MoreHeaders: map[string]string{"X-Subject-Token": token}, OkCodes: []int{http.StatusOK, http.StatusNonAuthoritativeInfo},
	})
	if resp != nil {
		_ = resp.Body.Close() // which has been read
	}
	var login *gophercloud.ErrUnableToReauthenticate
	if errors.As(err, &login) {
		return nil, login.ErrReauth
	}
	var code gophercloud.ErrUnexpectedResponseCode
	switch {
	case errors.As(err, &code) && aboutToken(code.Actual):
		return nil, errWrong
	case err != nil:
		return nil, plain(err)
	case a.Token.User.ID == "" || a.Token.Expires.IsZero():
		return nil, errors.New("the answer names no user, or no end")
	}
	h := &Holder{User: a.Token.User.ID, Name: a.Token.User.Name, Expires: a.Token.Expires}
	if a.Token.Project != nil {
		h.Project = a.Token.Project.ID
	}
	if a.Token.Domain != nil {
		h.Domain = a.Token.Domain.ID
	}
	for _, r := range a.Token.Roles {
		h.Roles = append(h.Roles, r.Name)
	}
	return h, nil
}
