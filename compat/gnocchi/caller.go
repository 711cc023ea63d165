package gnocchi

import (
	"encoding/base64"
	"errors"
	"fmt"
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
	ModeAny     Mode = iota // by what they show: header fields of a trusted proxy, else a name
	ModeBasic               // by a name, and a password where names have one
	ModeHeaders             // by the header fields of a trusted proxy
)

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
	id *identity.Identity
	// known says that the request says who it is of.
	known bool
	// user and project are what Gnocchi calls so; project is "" where there is none, as with names and passwords.
	user, project string
	// creator is what objects carry that the caller makes: the user, or user:project.
	creator string
	// admin and service are the roles that reach beyond what is the caller's own. They are given by a trusted proxy, or by the role of an
	// operator, or by the name admin where nobody is asked who they are, and hold in this dialect alone.
	admin, service bool
	// home is the tenant of what the caller makes without saying whose it is.
	home tenant.ID
}

// wide says whether the caller's sight is all tenants.
func (c *caller) wide() bool { return c.admin || c.service }

// identify says who makes a request.
func (d *Dialect) identify(r *http.Request) (*caller, error) {
	id := identity.Open()
	if d.o.Auth != nil {
		var err error
		if id, err = d.o.Auth.Authenticate(r); err != nil {
			return nil, err
		}
	}
	c := &caller{id: id, home: d.o.Default}
	_, user := r.Header[headerUser]
	_, project := r.Header[headerProject]
	_, roles := r.Header[headerRoles]
	if (user || project || roles) && d.o.Mode != ModeBasic && !d.o.Locked() && d.o.Proxies.Trust(r.RemoteAddr) {
		return c, c.fromHeaders(r.Header)
	}
	switch {
	case d.o.Locked():
		c.known, c.user = true, id.Subject
		c.admin = id.Operator()
	case d.o.Mode != ModeHeaders:
		c.user, c.known = basicUser(r)
		c.admin = c.known && c.user == roleAdmin
	}
	c.creator = c.user
	return c, nil
}

// fromHeaders takes what a trusted proxy says.
func (c *caller) fromHeaders(h http.Header) error {
	c.known = true
	c.user, c.project = h.Get(headerUser), h.Get(headerProject)
	c.creator = c.user + ":" + c.project
	if c.project != "" {
		id, err := tenant.Parse(c.project)
		if err != nil {
			return fmt.Errorf("header %s: %w", headerProject, err)
		}
		c.home = id
	}
	for _, list := range h[headerRoles] {
		for role := range strings.SplitSeq(list, ",") {
			c.admin = c.admin || strings.EqualFold(role, roleAdmin)
			c.service = c.service || strings.EqualFold(role, roleService)
		}
	}
	return nil
}

// basicUser is the name that a request shows with or without a password.
func basicUser(r *http.Request) (user string, ok bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if !strings.EqualFold(scheme, "basic") {
		return "", false
	}
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

// errUnknown refuses a request that does not say who it is of.
var errUnknown = &edge.UnauthorizedError{Err: errors.New(""), Challenges: nil}
