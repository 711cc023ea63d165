package endpoint

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"granary/cmd/granary/config"
	"granary/tenant/identity"
)

// dialTimeout bounds the way to a server that does not answer at all.
const dialTimeout = 10 * time.Second

// NewClient makes the client of a server, with fields that every request gets, nil for none. It is an error if a file of the endpoint cannot be
// read now.
func NewClient(e *config.BridgeEndpoint, fields http.Header) (*http.Client, error) {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: min(dialTimeout, e.Timeout)}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
	}
	var err error
	if t.TLSClientConfig, err = tlsOf(e); err != nil {
		return nil, err
	}
	c := &caller{e: e, fields: fields, next: t}
	if _, err := c.authorization(); err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     c,
		Timeout:       e.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func tlsOf(e *config.BridgeEndpoint) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: e.ServerName}
	if e.CAFile != "" {
		pem, err := identity.ReadFile(e.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca-file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca-file: %s has no certificate (PEM)", e.CAFile)
		}
	}
	if e.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(e.CertFile, e.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert-file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// caller adds who asks to each request.
type caller struct {
	e      *config.BridgeEndpoint
	fields http.Header
	next   *http.Transport
}

// RoundTrip is part of http.RoundTripper.
func (c *caller) RoundTrip(r *http.Request) (*http.Response, error) {
	field, err := c.authorization()
	if err != nil {
		if r.Body != nil {
			err = errors.Join(err, r.Body.Close())
		}
		return nil, err
	}
	r = r.Clone(r.Context())
	if field != "" {
		r.Header.Set("Authorization", field)
	}
	for name, values := range c.fields {
		r.Header[name] = values
	}
	return c.next.RoundTrip(r)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (c *caller) CloseIdleConnections() { c.next.CloseIdleConnections() }

// authorization is the value of the header field; "" for none.
func (c *caller) authorization() (string, error) {
	e := c.e
	switch {
	case e.Bearer != "" || e.BearerFile != "":
		return scheme("Bearer", e.Bearer, e.BearerFile)
	case e.Token != "" || e.TokenFile != "":
		return scheme("Token", e.Token, e.TokenFile)
	case e.User != "":
		password, err := secret(e.Password, e.PasswordFile)
		if err != nil {
			return "", err
		}
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(e.User, password)
		return r.Header.Get("Authorization"), nil
	}
	return "", nil
}

func scheme(name string, value config.Secret, file string) (string, error) {
	text, err := secret(value, file)
	return name + " " + text, err
}

// secret is the text that the configuration spells out or that stands in a file. What cannot be a header field is refused here, since the
// error of net/http would quote it.
func secret(value config.Secret, file string) (string, error) {
	text, where := string(value), "the secret"
	if file != "" {
		b, err := identity.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		text, where = string(bytes.TrimSpace(b)), "the secret in "+file
		if text == "" {
			return "", fmt.Errorf("%s is empty", where)
		}
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", fmt.Errorf("%s has control characters, or more than one line", where)
	}
	return text, nil
}

// SizeError is an answer that is larger than it may be.
type SizeError struct{ Max int64 }

func (e *SizeError) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes (max-answer)", e.Max)
}

// Answer is what a server said, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request and reads the answer, up to a number of bytes.
func Do(c *http.Client, r *http.Request, most int64) (*Answer, error) {
	res, err := c.Do(r)
	if err != nil {
		// The text of the error has the address, which may hold what a query says.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = fmt.Errorf("%s %s: %w", r.Method, r.URL.Host, u.Err)
		}
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Host, err)
	}
	if int64(len(body)) > most {
		return nil, &SizeError{most}
	}
	return &Answer{res.StatusCode, res.Header, body}, nil
}
