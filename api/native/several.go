package native

import (
	"net/http"
	"strings"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// several are the tenants that the parameter tenants names: ids with commas between them, in each of which the caller must have
// the right, or "*" for all, which is for operators.
func (a *API) several(r *http.Request, p *params, x right) (ids []tenant.ID, all bool, err error) {
	text := p.text("tenants", "")
	if p.err != nil {
		return nil, false, p.err
	}
	who := edge.IdentityFrom(r.Context())
	if text == identity.Everywhere {
		if err := edge.Demand(who, tenantOf(r), identity.Operate); err != nil {
			return nil, false, err
		}
		return nil, true, nil
	}
	for s := range strings.SplitSeq(text, ",") {
		id, err := tenant.Parse(s)
		if err != nil {
			p.refuse("tenants", err)
			return nil, false, p.err
		}
		if !who.Scope().Contains(id) {
			return nil, false, &edge.ForbiddenError{Tenant: id}
		}
		if err := a.demandIn(r, id, x); err != nil {
			return nil, false, err
		}
		ids = append(ids, id)
	}
	return ids, false, nil
}
