package edge

import (
	"net/http"
	"strings"

	"granary/tenant"
	"granary/tenant/identity"
)

// Charged is the tenant in whose queue a request waits, before it is known what its body says: the one that the header chooses,
// else mapped, which a dialect has found in its own way ("" for none), else the only one of the scope, else the default.
// A tenant outside of the scope is none of them: nobody can fill the queue of another.
func (t *Tenants) Charged(r *http.Request, scope identity.Scope, mapped tenant.ID) tenant.ID {
	for _, name := range TenantHeaders {
		if v := r.Header[name]; len(v) > 0 {
			if id, err := tenant.Parse(strings.TrimSpace(v[0])); err == nil && scope.Contains(id) {
				return id
			}
		}
	}
	if mapped != "" && scope.Contains(mapped) {
		return mapped
	}
	if all := scope.Tenants(); len(all) == 1 {
		return all[0]
	}
	return t.Default
}
