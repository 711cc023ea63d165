package edge

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"granary/tenant/identity"
)

// KeyHeaders are the header fields that carry an API key or a token and nothing else.
var KeyHeaders = []string{"X-Api-Key", "Coopr-Apikey", "X-Coopr-Apikey", "X-Loom-Apikey"}

// Carriers takes credentials out of requests. They are the same for all dialects: "Authorization: Bearer", "Token" and
// "Basic", the fields of KeyHeaders, the fields in which a trusted proxy says who its client is, and the certificate of the
// connection.
type Carriers struct {
	// Proxies are those whose fields count.
	Proxies Proxies
	// Subject, Roles and Tenants name their fields; no Subject: none do.
	Subject, Roles, Tenants string
	// Certificates says that a client's certificate is a credential. It belongs to the connection, so it counts where the
	// request itself shows nothing.
	Certificates bool
	// Field is one more field of the header that carries a key or a token and nothing else; "": none does.
	Field string
	// Parameters says that u and p of the URL are a name and a password, and so is what stands behind "Authorization: Token" with a colon
	// in it, as clients of InfluxDB send them.
	Parameters bool
}

// shown is a credential and where it stood.
type shown struct {
	identity.Credential
	by string
}

// Find is the credential of a request, of kind NoCredential if it shows none. The error is one of kind invalid where two
// different ones are shown, or one cannot be read. It never quotes what is shown.
func (c *Carriers) Find(r *http.Request) (identity.Credential, error) {
	var found shown
	for _, v := range r.Header["Authorization"] {
		cred, err := authorization(v)
		if c.Parameters {
			cred = pair(cred, v)
		}
		if err == nil {
			found, err = found.and(shown{cred, "Authorization"})
		}
		if err != nil {
			return identity.Credential{}, err
		}
	}
	for _, name := range KeyHeaders {
		var err error
		if found, err = found.field(r, name); err != nil {
			return identity.Credential{}, err
		}
	}
	if c.Field != "" {
		var err error
		if found, err = found.field(r, c.Field); err != nil {
			return identity.Credential{}, err
		}
	}
	if c.Parameters && r.URL.RawQuery != "" {
		var err error
		if found, err = found.and(shown{parameters(r), "the parameter p"}); err != nil {
			return identity.Credential{}, err
		}
	}
	if c.Subject != "" && len(r.Header[c.Subject]) > 0 && c.Proxies.Trust(r.RemoteAddr) {
		cred, err := c.proxied(r)
		if err == nil {
			found, err = found.and(shown{cred, c.Subject})
		}
		if err != nil {
			return identity.Credential{}, err
		}
	}
	if found.Kind == identity.NoCredential && c.Certificates && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return identity.Credential{Kind: identity.ClientCertificate, Certificate: r.TLS.VerifiedChains[0][0]}, nil
	}
	return found.Credential, nil
}

// field is what is shown together with the keys in a field of the header.
func (a shown) field(r *http.Request, name string) (shown, error) {
	for _, v := range r.Header[name] {
		var err error
		if a, err = a.and(shown{bearer(v), name}); err != nil {
			return shown{}, err
		}
	}
	return a, nil
}

// and is what two places show together: the same secret in two places is one credential.
func (a shown) and(b shown) (shown, error) {
	switch {
	case b.Kind == identity.NoCredential:
		return a, nil
	case a.Kind == identity.NoCredential:
		return b, nil
	}
	same := subtle.ConstantTimeCompare([]byte(a.secret()), []byte(b.secret())) == 1
	if a.Kind == identity.ProxyHeaders || b.Kind == identity.ProxyHeaders || a.User != "" && b.User != "" && a.User != b.User || !same {
		return shown{}, &ambiguousError{a.by, b.by}
	}
	if a.Kind == identity.Password {
		return a, nil
	}
	return b, nil
}

func (a shown) secret() string {
	if a.Kind == identity.Password {
		return a.Password
	}
	return a.Token
}

func bearer(text string) identity.Credential {
	if text = strings.TrimSpace(text); text == "" {
		return identity.Credential{}
	}
	return identity.Credential{Kind: identity.Bearer, Token: text}
}

// authorization reads a value of Authorization. A scheme that nobody here knows shows nothing.
func authorization(v string) (identity.Credential, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"), strings.EqualFold(scheme, "Token"):
		return bearer(rest), nil
	case strings.EqualFold(scheme, "Basic"):
		var room [192]byte // so that what is usual makes no garbage but the text itself
		text, err := base64.StdEncoding.AppendDecode(room[:0], []byte(strings.TrimSpace(rest)))
		user, password, ok := strings.Cut(string(text), ":")
		if err != nil || !ok {
			return identity.Credential{}, &credentialError{"Authorization", "is not base64 of a name, a colon and a password, as Basic has it"}
		}
		return identity.Credential{Kind: identity.Password, User: user, Password: password}, nil
	}
	return identity.Credential{}, nil
}

// pair is a credential of Authorization where the text behind "Token" may be a name and a password.
func pair(cred identity.Credential, v string) identity.Credential {
	if user, password, ok := strings.Cut(cred.Token, ":"); ok && cred.Kind == identity.Bearer && len(v) > 5 && strings.EqualFold(strings.TrimSpace(v)[:5], "Token") {
		return identity.Credential{Kind: identity.Password, User: user, Password: password}
	}
	return cred
}

// parameters are u and p of the URL.
func parameters(r *http.Request) identity.Credential {
	q := r.URL.Query()
	switch user, password := q.Get("u"), q.Get("p"); {
	case password == "":
		return identity.Credential{}
	case user == "":
		return bearer(password)
	default:
		return identity.Credential{Kind: identity.Password, User: user, Password: password}
	}
}

// proxied is what a trusted proxy says of its client.
func (c *Carriers) proxied(r *http.Request) (identity.Credential, error) {
	who, err := Single(r.Header, c.Subject)
	if who == "" || err != nil {
		return identity.Credential{}, err
	}
	cred := identity.Credential{Kind: identity.ProxyHeaders, User: who}
	if v, ok := r.Header[c.Roles]; ok && c.Roles != "" {
		cred.Roles, cred.HasRoles = strings.Join(v, ","), true
	}
	if v, ok := r.Header[c.Tenants]; ok && c.Tenants != "" {
		cred.Tenants, cred.HasTenants = strings.Join(v, ","), true
	}
	return cred, nil
}

// Single is the value of a field that says who somebody is, "" if it is not there. The error refuses one that is there twice, with
// different values.
func Single(h http.Header, name string) (string, error) {
	list := h[name]
	if len(list) == 0 {
		return "", nil
	}
	for _, other := range list[1:] {
		if other != list[0] {
			return "", &credentialError{name, "is there twice, with different values"}
		}
	}
	return list[0], nil
}

// ambiguousError refuses a request that shows two different credentials.
type ambiguousError struct{ first, second string }

func (e *ambiguousError) Error() string {
	if e.first == e.second {
		return fmt.Sprintf("the request shows two different credentials in %s", e.first)
	}
	return fmt.Sprintf("the request shows two different credentials: in %s and in %s", e.first, e.second)
}

// Kind implements the kinds of errors.
func (*ambiguousError) Kind() string { return string(Invalid) }

// Code implements the codes of errors.
func (*ambiguousError) Code() string { return "credentials-ambiguous" }

// credentialError refuses a header field that should hold a credential.
type credentialError struct{ field, text string }

func (e *credentialError) Error() string { return "header " + e.field + " " + e.text }

// Kind implements the kinds of errors.
func (*credentialError) Kind() string { return string(Invalid) }

// Code implements the codes of errors.
func (*credentialError) Code() string { return "credentials-malformed" }
