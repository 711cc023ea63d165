package coopr

import (
	"errors"
	"maps"
	"net/http"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// The header fields, in the spelling of the documentation. Before that they began with X-Coopr- and X-Loom-.
const (
	headerUser   = "Coopr-Userid"
	headerKey    = "Coopr-Apikey"
	headerTenant = "Coopr-Tenantid"
)

// shown is how a header field is spelled in texts.
var shown = map[string]string{headerUser: "Coopr-UserID", headerKey: "Coopr-ApiKey", headerTenant: "Coopr-TenantID"}

// spellings are the names under which a header field may come, as net/http writes them.
func spellings(name string) [3]string {
	return [...]string{name, "X-" + name, "X-Loom" + name[len("Coopr"):]}
}

// admin is the user who administers a tenant. Users are told apart by case.
const admin = "admin"

// caller is who asks, and as what.
type caller struct {
	user   string
	tenant tenant.Tenant // with number 0 for superadmin, unless there is a tenant of that name
	who    *identity.Identity
	admin  bool // of the tenant
	super  bool // of all tenants
}

// refusal is an answer to a request that is not served. It is no error: nothing above words it anew.
type refusal struct {
	status int
	text   string
	err    error // what it is about, nil for what only Coopr knows
}

// caller finds out who asks. The order is that of Coopr: user, tenant, and then whether the tenant exists. The key comes
// before that, so that nobody learns of tenants without one. A tenant that is not the key's does not exist for it.
func (d *Dialect) caller(r *http.Request) (c caller, no *refusal) {
	user, has, no := field(r.Header, headerUser)
	switch {
	case no != nil:
		return c, no
	case !has || user == "":
		return c, missing(headerUser)
	}
	c.user = user
	name, has, no := field(r.Header, headerTenant)
	switch {
	case no != nil:
		return c, no
	case !has:
		return c, missing(headerTenant)
	}
	if d.o.Ready != nil {
		if ok, progress := d.o.Ready(); !ok {
			return c, &refusal{status: http.StatusServiceUnavailable, text: "Not ready: " + progress}
		}
	}
	if no := d.identify(r, &c); no != nil {
		return c, no
	}
	return c, d.enter(r, &c, name)
}

// field is the value of a header field under any of its spellings. Several are refused unless they agree.
func field(h http.Header, name string) (value string, has bool, no *refusal) {
	for _, n := range spellings(name) {
		for _, v := range h[n] {
			if has && v != value {
				return "", false, &refusal{status: http.StatusBadRequest, text: shown[name] + " is given with different values in request headers."}
			}
			value, has = v, true
		}
	}
	return value, has, nil
}

func missing(name string) *refusal {
	return &refusal{status: http.StatusUnauthorized, text: shown[name] + " not found in request headers."}
}

// identify checks the key. It must be that of the user.
func (d *Dialect) identify(r *http.Request, c *caller) *refusal {
	c.who = identity.Open()
	if d.o.Auth == nil {
		return nil
	}
	who, err := d.o.Auth.Authenticate(r)
	switch {
	case err != nil && edge.CodeOf(err) == "identity-required":
		return missing(headerKey)
	case err != nil:
		return refuse(err)
	case who.Source != identity.Anonymous && who.Subject != c.user:
		return &refusal{status: http.StatusUnauthorized, text: "Coopr-ApiKey is not that of Coopr-UserID."}
	}
	c.who = who
	return nil
}

// enter finds the tenant, and what the caller is in it.
func (d *Dialect) enter(r *http.Request, c *caller, name string) *refusal {
	id, err := tenant.Parse(name)
	if err != nil {
		return unknown()
	}
	clone := *r
	clone.Header = maps.Clone(r.Header)
	clone.Header.Add(edge.TenantHeaders[0], name)
	scope := c.who.Scope()
	if id == Superadmin {
		scope = identity.AllTenants() // it exists for everybody
	}
	if _, err := d.o.Proxies.Select(&clone, scope); err != nil {
		var forbidden *edge.ForbiddenError
		if errors.As(err, &forbidden) && forbidden.Reason == "" {
			return unknown()
		}
		return refuse(err)
	}
	t, ok := d.o.Tenants.Lookup(id)
	if !ok && id != Superadmin {
		return unknown()
	}
	if !ok {
		t = tenant.Tenant{ID: id}
	}
	c.tenant = t
	if c.user == admin {
		c.super = id == Superadmin && c.who.Operator()
		c.admin = c.super || id != Superadmin && c.who.May(id, identity.Manage)
	}
	return nil
}

// reads says whether the caller may see what the tenant has.
func (c *caller) reads() bool { return c.who.May(c.tenant.ID, identity.Read) }

func unknown() *refusal {
	return &refusal{status: http.StatusNotFound, text: "Tenant does not exist."}
}

// refuse words an error of the edge.
func refuse(err error) *refusal {
	status := edge.Status(err)
	if status == http.StatusInternalServerError {
		return &refusal{status, "Error authenticating tenant", err}
	}
	return &refusal{status, edge.DetailOf(err), err}
}

// refuse answers a refusal. A bearer token that is wrong is refused as the guard of Coopr does, in JSON.
func (d *Dialect) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	h := w.Header()
	switch no.status {
	case http.StatusUnauthorized:
		if no.err != nil && len(r.Header["Authorization"]) > 0 {
			h.Set("WWW-Authenticate", `Bearer realm="granary", error="invalid_token"`)
			body := edge.AppendString([]byte(`{"error":"invalid_token","error_description":`), no.text)
			edge.CompressOff.Answer(w, r, no.status, "application/json", append(body, `,"auth_uri":[]}`...))
			return
		}
		h.Set("WWW-Authenticate", `Bearer realm="granary"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		edge.SetRetryAfter(h, no.err)
	case http.StatusInternalServerError:
		d.o.Logger.Error("request failed", "dialect", Name, "path", r.URL.Path, "error", no.err)
	}
	d.text(w, r, no.status, no.text)
}
