package native

import (
	"net/http"
	"strings"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// several are the tenants that the parameter tenants names: ids with commas between them, in each of which the caller must have
// the right, or "*" for all, which is for operators. A trusted proxy that says to which tenant the request belongs bounds both.
func (a *API) several(r *http.Request, p *params, x right) (ids []tenant.ID, all bool, err error) {
	text := p.text("tenants", "")
	if p.err != nil {
		return nil, false, p.err
	}
	who := edge.IdentityFrom(r.Context())
	scope, err := a.o.Select.Narrow(r, who.Scope())
	if err != nil {
		return nil, false, err
	}
	if text == identity.Everywhere {
		if err := edge.Demand(who, tenantOf(r), identity.Operate); err != nil {
			return nil, false, err
		}
		if !scope.All() {
			return nil, false, elsewhere(identity.Everywhere)
		}
		return nil, true, nil
	}
	for s := range strings.SplitSeq(text, ",") {
		id, err := tenant.Parse(s)
		if err != nil {
			p.refuse("tenants", err)
			return nil, false, p.err
		}
		switch {
		case !who.Scope().Contains(id):
			return nil, false, &edge.ForbiddenError{Tenant: id}
		case !scope.Contains(id):
			return nil, false, elsewhere(id)
		}
		if err := a.demandIn(r, id, x); err != nil {
			return nil, false, err
		}
		ids = append(ids, id)
	}
	return ids, false, nil
}

// elsewhere refuses a tenant to which the request does not belong, as a trusted proxy says.
func elsewhere(id tenant.ID) error {
	return &edge.ForbiddenError{Tenant: id, Reason: "the proxy says that the request belongs to another (" + edge.ProjectHeader + ")"}
}
