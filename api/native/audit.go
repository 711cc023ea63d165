package native

import (
	"context"
	"net/http"
	"strings"

	"granary/api/edge"
	"granary/tenant/audit"
)

// audited runs an operation that the audit log hears of: once it is done, or has failed in a way that may have changed something, or
// somebody was not allowed to do it.
func (a *API) audited(t *route, w http.ResponseWriter, r *http.Request) error {
	detail := map[string]any{}
	r = r.WithContext(context.WithValue(r.Context(), detailKey{}, detail))
	id := tenantOf(r)
	err := withTenant(t.serve(w, r), id)
	e := audit.Entry{Action: t.audit, Tenant: id, Outcome: edge.Outcome(err), Detail: detail}
	if strings.HasSuffix(t.audit, ".list") {
		e.Tenants = "*"
	}
	if at := w.Header()["Location"]; err == nil && len(at) > 0 {
		e.Target = at[0] // what was made
	}
	who := edge.IdentityFrom(r.Context())
	switch {
	case edge.Changed(err):
		a.o.Audit.Record(r, who, e)
	case edge.KindOf(err) == edge.Forbidden:
		a.o.Audit.Often(r, who, e)
	}
	return err
}

type detailKey struct{}

// tell adds to what the audit log says of the operation.
func tell(r *http.Request, name string, v any) {
	if detail, ok := r.Context().Value(detailKey{}).(map[string]any); ok {
		detail[name] = v
	}
}
