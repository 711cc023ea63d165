package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"granary/tenant"
	"granary/tenant/identity"
)

// Identity is granary.identity: who may enter. No source at all leaves the service open to its machine.
type Identity struct {
	Issuers []identity.Issuer // jwt
	// Keys counts API keys as a source also while there is none: keys.enabled.
	Keys         bool
	Tokens       []identity.StaticToken // tokens; a token that the file spells out is kept as its SHA-256
	Htpasswd     string                 // basic.file
	Users        map[string]identity.Grants
	Proxy        identity.ProxyFields
	Certificates []identity.CertificateRule
	Failures     Failures
}

// Failures is granary.identity.failures: how often an address may try before it has to wait.
type Failures struct {
	Allowed int64 // 0 is no bound
	Window  time.Duration
	Block   time.Duration
}

// Sources are the sources as an authority takes them.
func (i *Identity) Sources() identity.AuthorityOptions {
	return identity.AuthorityOptions{Issuers: i.Issuers, Locked: i.Keys, Tokens: i.Tokens, Htpasswd: i.Htpasswd, Users: i.Users,
		Proxy: i.Proxy, Certificates: i.Certificates}
}

func (c *Config) readIdentity(s *section) {
	i := &c.Identity
	s.each("jwt", func(s *section) { i.readIssuer(s) })
	keys := s.sub("keys")
	keys.bool("enabled", &i.Keys)
	keys.end(true)
	s.each("tokens", func(s *section) { i.readToken(s) })

	basic := s.sub("basic")
	basic.text("file", &i.Htpasswd)
	users := basic.sub("users")
	members := []member{{key: "NAME"}} // so that the keys are known without one
	if users.n != nil {
		members, i.Users = users.n.members, map[string]identity.Grants{}
	}
	for _, m := range members {
		user := s.r.section(m.value, join(users.path, m.key))
		g := user.grants()
		user.end(true)
		switch {
		case user.n != nil:
			i.Users[m.key] = g
		case users.n != nil && m.value.kind == null:
			s.r.wrong(m.value, user.path, "an object")
		}
	}
	basic.end(true)
	if users.n != nil && i.Htpasswd == "" {
		basic.fault("file", "expected a file of names and passwords, since there are users")
	}

	i.readProxy(s.sub("proxy"))
	s.each("certificates", func(s *section) {
		var r identity.CertificateRule
		s.text("subject", &r.Subject)
		r.Grants = s.grants()
		s.end(true)
		if s.n == nil {
			return
		}
		if !identity.CheckCertificateRule(r.Subject) {
			s.fault("subject", `expected a distinguished name, or "DNS:…", "URI:…" or "EMAIL:…" for an alternative name`)
		}
		i.Certificates = append(i.Certificates, r)
	})

	f := s.sub("failures")
	f.integer("allowed", &i.Failures.Allowed, 0, math.MaxInt32)
	f.duration("window", &i.Failures.Window, time.Second)
	f.duration("block", &i.Failures.Block, time.Second)
	f.end(true)
	s.end(true)
}

func (i *Identity) readIssuer(s *section) {
	o := identity.Issuer{Leeway: 30 * time.Second, Claims: identity.ClaimNames{Subject: "sub", Roles: "granary.roles", Tenants: "granary.tenants"}}
	s.text("issuer", &o.Name)
	o.Audience, _ = s.texts("audience")
	s.text("jwks-file", &o.JWKSFile)
	s.each("keys", func(s *section) {
		var k identity.KeyFile
		s.text("kid", &k.ID)
		s.text("file", &k.File)
		s.end(true)
		if s.n == nil {
			return
		}
		if k.File == "" {
			s.fault("file", "expected the file of a public key (PEM)")
		}
		o.Keys = append(o.Keys, k)
	})
	o.Algorithms, _ = s.texts("algorithms")
	s.duration("leeway", &o.Leeway, 0)
	claims := s.sub("claims")
	claims.text("subject", &o.Claims.Subject)
	claims.text("roles", &o.Claims.Roles)
	claims.text("tenants", &o.Claims.Tenants)
	claims.end(true)
	o.Roles = s.roleNames("roles")
	o.DefaultRoles = s.roles("default-roles")
	o.DefaultTenants = s.tenants("default-tenants")
	o.Allow = s.allow()
	s.end(true)
	if s.n == nil {
		return
	}
	switch {
	case o.Name == "":
		s.fault("issuer", "expected what the claim iss of its tokens is")
	case slices.ContainsFunc(i.Issuers, func(x identity.Issuer) bool { return x.Name == o.Name }):
		s.fault("issuer", "expected an issuer that is not there already")
	case len(o.Audience) == 0:
		s.fault("audience", "expected at least one text; a token for another service must not open this one")
	case o.JWKSFile == "" && len(o.Keys) == 0:
		s.fault("jwks-file", "expected a file of keys, or keys")
	case o.Leeway > 10*time.Minute:
		s.fault("leeway", "expected at most 10m")
	}
	for _, a := range o.Algorithms {
		if !slices.Contains(identity.Algorithms, a) {
			s.fault("algorithms", "expected some of "+strings.Join(identity.Algorithms, ", "))
		}
	}
	i.Issuers = append(i.Issuers, o)
}

func (i *Identity) readToken(s *section) {
	var t identity.StaticToken
	s.text("name", &t.Name)
	if s.n != nil && t.Name == "" {
		s.fault("name", "expected a name, which is the subject of who shows the token")
	}
	s.staticToken(&t)
	t.Grants = s.grants()
	s.end(true)
	if s.n != nil {
		i.Tokens = append(i.Tokens, t)
	}
}

// staticToken reads a token, its file, or its SHA-256.
func (s *section) staticToken(t *identity.StaticToken) {
	var secret Secret
	s.secret("token", &secret)
	s.text("token-file", &t.File)
	s.text("sha256", &t.SHA256)
	if s.n == nil {
		return
	}
	given := 0
	for _, text := range []string{string(secret), t.File, t.SHA256} {
		if text != "" {
			given++
		}
	}
	switch b, err := hex.DecodeString(t.SHA256); {
	case given != 1:
		s.fault("token-file", fmt.Sprintf("expected one of token, token-file and sha256, found %d", given))
	case t.SHA256 != "" && (err != nil || len(b) != sha256.Size):
		s.fault("sha256", "expected 64 hexadecimal digits")
	case secret != "":
		if err := identity.CheckStatic(string(secret)); err != nil {
			s.fault("token", "the token "+err.Error())
		}
		sum := sha256.Sum256([]byte(secret))
		t.SHA256 = hex.EncodeToString(sum[:])
	}
}

func (i *Identity) readProxy(s *section) {
	p := &i.Proxy
	for _, f := range []struct {
		key  string
		name *string
	}{{"subject", &p.Subject}, {"roles", &p.Roles}, {"tenants", &p.Tenants}} {
		s.text(f.key, f.name)
		if name := *f.name; name != "" && textproto.TrimString(name) != name || strings.ContainsAny(name, " :\r\n\t") {
			s.fault(f.key, "expected the name of a header field")
		}
	}
	p.RoleNames = s.roleNames("role-names")
	p.DefaultRoles = s.roles("default-roles")
	p.DefaultTenants = s.tenants("default-tenants")
	p.Allow = s.allow()
	s.end(true)
	if s.n != nil && p.Subject == "" {
		s.fault("subject", "expected the name of the header field that says who it is")
	}
}

// fault adds an error about a key of the section, which is there.
func (s *section) fault(key, text string) {
	n := s.n.find(key)
	if n == nil {
		n = s.n
	}
	s.r.errs = append(s.r.errs, &Error{n.file, n.line, join(s.path, key), text})
}

// each reads a list of objects, or none so that the keys are known.
func (s *section) each(key string, read func(*section)) {
	n := s.get(key)
	path := join(s.path, key)
	if n == nil {
		read(s.r.section(nil, path+"[0]"))
		return
	}
	if n.kind != list {
		s.wrong(n, key, "a list of objects")
		return
	}
	for i, item := range n.items {
		path := path + "[" + strconv.Itoa(i) + "]"
		if item.kind == null {
			s.r.wrong(item, path, "an object")
			continue
		}
		read(s.r.section(item, path))
	}
}

// roles reads a list of roles.
func (s *section) roles(key string) identity.Roles {
	n := s.get(key)
	if n == nil {
		return 0
	}
	return s.r.rolesOf(n, join(s.path, key))
}

func (r *reader) rolesOf(n *node, path string) identity.Roles {
	const expected = "a list of roles: reader, writer, admin, operator"
	if n.kind != list {
		r.wrong(n, path, expected)
		return 0
	}
	var roles identity.Roles
	for _, item := range n.items {
		role, err := identity.ParseRole(item.text)
		if item.kind != text || err != nil {
			r.wrong(item, path, expected)
		}
		roles |= role
	}
	return roles
}

// roleNames reads an object of values to lists of roles.
func (s *section) roleNames(key string) identity.Names {
	in := s.sub(key)
	if in.n == nil {
		return nil
	}
	names := identity.Names{}
	for _, m := range in.n.members {
		names[m.key] = s.r.rolesOf(m.value, join(in.path, m.key))
	}
	return names
}

// tenants reads a list of tenants; the text "*" is all of them.
func (s *section) tenants(key string) []tenant.ID {
	n := s.get(key)
	if n == nil {
		return nil
	}
	if n.kind == text && n.text == identity.Everywhere {
		return []tenant.ID{identity.Everywhere}
	}
	if n.kind != list {
		s.wrong(n, key, `a list of tenants, or "*"`)
		return nil
	}
	ids := []tenant.ID{}
	for _, item := range n.items {
		id, err := tenant.Parse(item.text)
		if item.kind != text || err != nil {
			s.wrong(item, key, `the id of a tenant: 1 to 128 bytes, printable, without "/"; "*" is all of them`)
			continue
		}
		ids = append(ids, id)
	}
	return ids
}

// grants reads roles and the tenants in which they hold.
func (s *section) grants() identity.Grants {
	roles := s.roles("roles")
	in := s.tenants("tenants")
	if s.n != nil {
		switch {
		case roles == 0:
			s.fault("roles", "expected at least one of reader, writer, admin, operator")
		case len(in) == 0 && roles != identity.Operator:
			s.fault("tenants", `expected the tenants in which the roles hold, or "*"`)
		}
	}
	return identity.GrantsOf(roles, in...)
}

// allow reads the most that a source may give.
func (s *section) allow() identity.Allow {
	in := s.sub("allow")
	var a identity.Allow
	in.bool("operator", &a.Operator)
	a.Tenants = in.tenants("tenants")
	in.end(true)
	if a.Operator && a.Tenants != nil && !slices.Contains(a.Tenants, identity.Everywhere) {
		in.fault("operator", `expected false, or the tenants "*": operators are operators of all tenants`)
	}
	return a
}
