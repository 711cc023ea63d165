package gnocchi

import (
	"encoding/base64"
	"net/http"
	"strings"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// Mode says how requests say who they are of.
type Mode uint8

// The modes.
const (
	// ModeAny goes by what they show. Where there is a source of identities that is a credential; else it is what a trusted proxy says in
	// header fields, or a name.
	ModeAny Mode = iota
	// ModeBasic is ModeAny without the header fields.
	ModeBasic
	// ModeHeaders goes by the header fields of a trusted proxy, also where there is a source of identities. Who comes without them has to show
	// a credential there; else they are nobody.
	ModeHeaders
)

// HeaderToken is the header field of tokens.
const HeaderToken = "X-Auth-Token"

// The header fields in which a trusted proxy says who its client is.
const (
	headerUser    = "X-User-Id"
	headerProject = edge.ProjectHeader
	headerRoles   = "X-Roles"
)

// The roles that mean something here. They are compared without regard to case.
const (
	roleAdmin   = "admin"
	roleService = "service"
)

// caller is who makes a request, as the dialect sees it.
type caller struct {
	// id has the rights of the caller in tenants, which are asked for where objects have no creator. What is given here is given for this
	// request and this dialect alone.
	id *identity.Identity
	// known says that the request says who it is of.
	known bool
	// vouched says that the rules alone decide what the caller may do, since a proxy or Keystone says who it is.
	vouched bool
	// user and project are what Gnocchi calls so; project is "" where there is none, as with names and passwords.
	user, project string
	// creator is what objects carry that the caller makes: the user, or user:project.
	creator string
	// admin and service are the roles that reach beyond what is the caller's own. They are given by a trusted proxy, by Keystone, by the role
	// of an operator, or by the name admin where nobody is asked who they are, and hold in this dialect alone.
	admin, service bool
	// roles are all roles that a proxy or Keystone names, in lower case.
	roles []string
	// home is the tenant of what the caller makes without saying whose it is.
	home tenant.ID
	// rules are those of the dialect.
	rules *Rules
}

// wide says whether the caller's sight is all tenants.
func (c *caller) wide() bool { return c.admin || c.service }

// locked says whether a request has to show who it is of.
func (d *Dialect) locked() bool { return d.o.Keystone != nil || d.o.Locked() }

// identify says who makes a request.
func (d *Dialect) identify(r *http.Request) (c *caller, err error) {
	switch {
	case d.told(r):
		c, err = d.byHeaders(r)
	case d.o.Keystone != nil && ofKeystone(r):
		c, err = d.byKeystone(r)
	case d.o.Believe != nil && isBasic(r) && d.o.Believe(r):
		var who *identity.Identity
		if who, err = d.o.Proxies.Bind(r, identity.Open()); err == nil {
			c, err = d.byName(r, who)
		}
	default:
		c, err = d.byCredential(r)
	}
	if err != nil {
		return nil, err
	}
	c.rules = d.o.Rules
	return c, nil
}

// enter is identify for a request that is about to be served. Pages of other origins change nothing: a service that is open to its machine
// would take that from any page that somebody looks at there.
func (d *Dialect) enter(r *http.Request) (*caller, error) {
	c, err := d.identify(r)
	if err == nil {
		err = d.pages.Check(r)
	}
	return c, err
}

// told says whether a proxy that is trusted here says who a request is of. A project alone bounds who shows a name besides.
func (d *Dialect) told(r *http.Request) bool {
	if d.o.Mode == ModeBasic || d.o.Mode == ModeAny && d.locked() || !d.o.Proxies.Trust(r.RemoteAddr) {
		return false
	}
	return r.Header[headerUser] != nil || r.Header[headerRoles] != nil || r.Header[headerProject] != nil && r.Header["Authorization"] == nil
}

// byCredential goes by what the guard finds, and by a name where nobody is asked to show more.
func (d *Dialect) byCredential(r *http.Request) (*caller, error) {
	who := identity.Open()
	if d.o.Auth != nil {
		var err error
		if who, err = d.o.Auth.Authenticate(r); err != nil {
			return nil, d.challenge(err)
		}
	}
	switch {
	case who.Source != identity.Anonymous:
		return d.byIdentity(r, who)
	case d.o.Keystone != nil:
		return nil, d.challenge(errDemanded)
	case d.o.Mode == ModeHeaders:
		// The proxy says nothing, so it is somebody whom it does not know.
		return &caller{id: identity.New("", identity.Anonymous, "", 0), vouched: true, creator: ":", home: d.o.Default}, nil
	}
	return d.byName(r, who)
}

// byIdentity is somebody whom Granary knows: a user in the tenant that the request chooses, which is their project, so that the people of a
// tenant share what they make.
func (d *Dialect) byIdentity(r *http.Request, who *identity.Identity) (*caller, error) {
	home, err := d.tenants.Select(r, who.Scope())
	if err != nil {
		return nil, err
	}
	c := &caller{id: who, known: true, user: userOf(who.Subject), project: string(home), admin: who.Operator(), home: home}
	c.creator = c.user + ":" + c.project
	return c, nil
}

// byName is somebody who says what they are called, where that is enough. who has the rights of those who show nothing.
func (d *Dialect) byName(r *http.Request, who *identity.Identity) (*caller, error) {
	home, err := d.tenants.Select(r, who.Scope())
	if err != nil {
		return nil, err
	}
	c := &caller{id: who, home: home}
	name, ok := basicUser(r)
	if !ok {
		return c, nil
	}
	if err := identity.CheckSubject(name); err != nil {
		return nil, badRequest("header Authorization: %v", err)
	}
	named := *who // for the audit log
	named.Subject = name
	c.id, c.known, c.user, c.creator = &named, true, name, name
	c.admin = name == roleAdmin && who.Operator()
	return c, nil
}

// word is what somebody who is trusted says of who makes a request: a proxy, or Keystone.
type word struct {
	user, project string
	roles         []string
	source        identity.Source
	name          string // of the user, for the audit log
}

// byHeaders takes the word of a proxy.
func (d *Dialect) byHeaders(r *http.Request) (*caller, error) {
	w := word{source: identity.Proxy}
	var err error
	if w.user, err = edge.Single(r.Header, headerUser); err != nil {
		return nil, err
	}
	if w.project, err = edge.Single(r.Header, headerProject); err != nil {
		return nil, err
	}
	if w.project == "" { // as there is none
		r = r.Clone(r.Context())
		r.Header.Del(headerProject)
	}
	for _, list := range r.Header[headerRoles] {
		w.roles = append(w.roles, strings.Split(list, ",")...)
	}
	return d.vouched(r, &w, true)
}

// vouched is who somebody is in the word of who is trusted. Roles reach beyond the project only if wide says so.
func (d *Dialect) vouched(r *http.Request, w *word, wide bool) (*caller, error) {
	c := &caller{vouched: true, known: true, user: userOf(w.user), project: w.project, home: d.o.Default}
	if w.user != "" {
		if err := identity.CheckSubject(w.user); err != nil {
			return nil, badRequest("header %s: %v", headerUser, err)
		}
	}
	c.creator = c.user + ":" + c.project
	for _, role := range w.roles {
		role = strings.ToLower(role)
		c.roles = append(c.roles, role)
		c.admin = c.admin || wide && role == roleAdmin
		c.service = c.service || wide && role == roleService
	}
	if w.user == "" && w.project == "" && !c.wide() {
		c.known = false // a proxy that names neither knows nobody
	}
	choice, scope := d.tenants, identity.Only(d.o.Default)
	var grants []identity.Grant
	if w.project != "" {
		id, err := tenant.Parse(w.project)
		if err != nil {
			return nil, badRequest("header %s: %v", headerProject, err)
		}
		choice.Default, scope = id, identity.Only(id)
		grants = append(grants, identity.Grant{Tenant: id, Roles: identity.Admin})
	}
	if c.wide() {
		scope = identity.AllTenants()
	}
	var err error
	if c.home, err = choice.Select(r, scope); err != nil {
		return nil, err
	}
	subject := w.name
	if subject == "" {
		subject = w.user
	}
	c.id = identity.New(subject, w.source, "", 0, grants...)
	return c, nil
}

// userOf is the name of somebody as a creator has it: the first colon of a creator stands between user and project.
func userOf(subject string) string {
	if !strings.ContainsAny(subject, ":%") {
		return subject
	}
	return colons.Replace(subject)
}

var colons = strings.NewReplacer("%", "%25", ":", "%3A")

// isBasic says whether a request shows a name.
func isBasic(r *http.Request) bool {
	scheme, _, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	return strings.EqualFold(scheme, "basic")
}

// basicUser is the name that a request shows with or without a password.
func basicUser(r *http.Request) (user string, ok bool) {
	if !isBasic(r) {
		return "", false
	}
	_, rest, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return "", false
	}
	user, _, ok = strings.Cut(string(text), ":")
	return user, ok && user != ""
}

// splitCreator is the user and the project of a creator.
func splitCreator(creator string) (user, project string) {
	user, project, _ = strings.Cut(creator, ":")
	return user, project
}
