package hawkular

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"granary/api/edge"
	"granary/tenant/audit"
	"granary/tenant/identity"
)

// AdminHeader is the field that carries the admin token.
const AdminHeader = "Hawkular-Admin-Token"

// TokenJudge judges admin tokens; edge.Guard does.
type TokenJudge interface {
	// Judge says who shows a token, which is an operator. The error is the refusal.
	Judge(r *http.Request, token string) (*identity.Identity, error)
}

// enter finds out who asks. For an operation about the service the admin token will do, and nothing else has to be shown then.
func (d *Dialect) enter(t *route, r *http.Request) (who *identity.Identity, admin bool, err error) {
	token := strings.TrimSpace(r.Header.Get(AdminHeader))
	if t != nil && (t.admin || t.token) && d.o.Admin != nil && token != "" {
		who, err = d.o.Admin.Judge(r, token)
		var refused *edge.UnauthorizedError
		if errors.As(err, &refused) {
			err = &adminError{http.StatusForbidden}
		}
		admin = true
	} else {
		who, err = d.identify(r)
	}
	if err == nil {
		err = d.stranger(r, who)
	}
	return who, admin, err
}

// identify finds out who asks.
func (d *Dialect) identify(r *http.Request) (*identity.Identity, error) {
	if d.o.Auth == nil {
		return identity.Open(), nil
	}
	return d.o.Auth.Authenticate(r)
}

// administers is nil if the request may do what is about the service. Where there is an admin token, nobody in particular, as everybody
// is to an open service, has to show it.
func (c *call) administers() error {
	if !c.admin && c.d.o.Admin != nil && c.who.Source == identity.Anonymous {
		if c.strict() {
			return &adminError{http.StatusBadRequest}
		}
		return &adminError{http.StatusForbidden}
	}
	err := edge.Demand(c.who, c.tenant, identity.Operate)
	if err != nil && !c.admin && c.d.o.Admin != nil && c.strict() {
		return &adminError{http.StatusBadRequest}
	}
	return err
}

// everywhere says whether the request may see all tenants at once.
func (c *call) everywhere() bool { return c.who.Scope().All() }

// audited tells the audit log how an operation about the service has ended: if it may have changed something, or if somebody was not
// allowed to do it.
func (c *call) audited(err error, begun bool) {
	e := audit.Entry{Action: cmp.Or(c.action, c.route.audit), Tenant: c.tenant, Outcome: edge.Outcome(err), Detail: c.detail}
	switch {
	case c.route.method == http.MethodGet && begun && !c.everywhere():
		return // it has seen no more than its own
	case c.route.method == http.MethodGet:
		e.Tenants = "*"
	default:
		e.Target = c.target // "": the path
	}
	switch {
	case begun && edge.Changed(err):
		c.d.o.Audit.Record(c.r, c.who, e)
	case edge.KindOf(err) == edge.Forbidden:
		c.d.o.Audit.Often(c.r, c.who, e)
	}
}

// adminError refuses a request without the admin token, or with a wrong one.
type adminError struct{ status int }

func (e *adminError) Error() string {
	switch {
	case e.status == http.StatusBadRequest:
		return "Admin token is not specified. Use '" + AdminHeader + "' header."
	default:
		return "Admin token is missing or not the right one. Use '" + AdminHeader + "' header."
	}
}

func (e *adminError) Kind() string {
	if e.status == http.StatusBadRequest {
		return string(edge.Invalid)
	}
	return string(edge.Forbidden)
}
func (*adminError) Code() string { return "admin-token" }
