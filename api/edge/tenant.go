package edge

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"granary/tenant"
	"granary/tenant/identity"
)

// TenantHeaders are the header fields by which a client of any dialect may choose the tenant of a request.
var TenantHeaders = []string{"Tenant", "Hawkular-Tenant", "X-Scope-Orgid"}

// ProjectHeader is what a proxy that knows its clients adds. It counts only from those that are trusted.
const ProjectHeader = "X-Project-Id"

// Tenants chooses the tenant of a request. It is the same for all dialects.
type Tenants struct {
	Default tenant.ID // of requests that choose none
	Trusted Proxies   // those whose X-Project-Id counts
}

// Select is the tenant that the header of the request chooses, whether it exists or not. A request that chooses none is
// about the default tenant if that is in its scope, else about the only one that is. The error is one of kind invalid
// where two different ones are chosen, where none is and there are several, or what is chosen is no id, and of kind
// forbidden where the scope or a trusted proxy does not let the request there.
func (t *Tenants) Select(r *http.Request, scope identity.Scope) (tenant.ID, error) {
	chosen, by := "", ""
	for _, name := range TenantHeaders {
		for _, v := range r.Header[name] {
			v = strings.TrimSpace(v)
			if by != "" && v != chosen {
				return "", &tenantHeaderError{first: by, second: name, values: [2]string{chosen, v}}
			}
			chosen, by = v, name
		}
	}
	project, bound, err := t.Trusted.project(r)
	switch {
	case err != nil:
		return "", err
	case bound && by == "":
		chosen, by = string(project), ProjectHeader
	case bound && chosen != string(project):
		return "", &ForbiddenError{Tenant: tenant.ID(shorten(chosen)), Reason: "the proxy says that the request belongs to another (" + ProjectHeader + ")"}
	}
	if by == "" {
		return t.unchosen(scope)
	}
	id, err := tenant.Parse(chosen)
	if err != nil {
		return "", fmt.Errorf("header %s: %w", by, err)
	}
	if !scope.Contains(id) {
		return "", &ForbiddenError{Tenant: id}
	}
	return id, nil
}

// Chooses says whether a request chooses a tenant, or a trusted proxy chooses it. Fields that are blank choose nothing.
func (t *Tenants) Chooses(r *http.Request) bool {
	for _, name := range TenantHeaders {
		for _, v := range r.Header[name] {
			if strings.TrimSpace(v) != "" {
				return true
			}
		}
	}
	_, bound, _ := t.Trusted.project(r) // what is wrong with it Select says
	return bound
}

// Bind is who makes a request, with the rights that a trusted proxy leaves them: if it names a tenant, those in that tenant.
func (p Proxies) Bind(r *http.Request, who *identity.Identity) (*identity.Identity, error) {
	id, bound, err := p.project(r)
	if err != nil || !bound {
		return who, err
	}
	return who.Within(id), nil
}

// project is the tenant to which a request belongs as one of the proxies says; false if none says so.
func (p Proxies) project(r *http.Request) (id tenant.ID, bound bool, err error) {
	list := r.Header[ProjectHeader]
	if len(list) == 0 || !p.Trust(r.RemoteAddr) {
		return "", false, nil
	}
	name := strings.TrimSpace(list[0])
	for _, other := range list[1:] {
		if other = strings.TrimSpace(other); other != name {
			return "", false, &tenantHeaderError{first: ProjectHeader, second: ProjectHeader, values: [2]string{name, other}}
		}
	}
	if id, err = tenant.Parse(name); err != nil {
		return "", false, fmt.Errorf("header %s: %w", ProjectHeader, err)
	}
	return id, true, nil
}

// unchosen is the tenant of a request that chooses none.
func (t *Tenants) unchosen(scope identity.Scope) (tenant.ID, error) {
	if scope.Contains(t.Default) {
		return t.Default, nil
	}
	switch list := scope.Tenants(); len(list) {
	case 0:
		return "", &ForbiddenError{Tenant: t.Default}
	case 1:
		return list[0], nil
	default:
		return "", &choiceError{list}
	}
}

// choiceError refuses a request that could be about several tenants and does not say about which.
type choiceError struct{ tenants []tenant.ID }

// maxNamed bounds the tenants that an error names.
const maxNamed = 20

func (e *choiceError) Error() string {
	return fmt.Sprintf("the header Tenant (or Hawkular-Tenant, X-Scope-OrgID) has to choose one of your %d tenants: %s", len(e.tenants), strings.Join(e.names(), ", "))
}

func (e *choiceError) names() []string {
	var names []string
	for i, id := range e.tenants {
		if i == maxNamed {
			return append(names, "…")
		}
		names = append(names, string(id))
	}
	return names
}

// Kind implements the kinds of errors.
func (*choiceError) Kind() string { return string(Invalid) }

// Code implements the codes of errors.
func (*choiceError) Code() string { return "tenant-not-chosen" }

// NotChosen says whether a request was refused because it could be about several tenants and chooses none.
func NotChosen(err error) bool {
	var e *choiceError
	return errors.As(err, &e)
}

// Problem names the tenants.
func (e *choiceError) Problem() map[string]any { return map[string]any{"tenants": e.names()} }

// tenantHeaderError refuses a request that chooses two tenants.
type tenantHeaderError struct {
	first, second string
	values        [2]string
}

func (e *tenantHeaderError) Error() string {
	return fmt.Sprintf("the request chooses two tenants: %s is %q and %s is %q", e.first, shorten(e.values[0]), e.second, shorten(e.values[1]))
}

// Kind implements the kinds of errors.
func (*tenantHeaderError) Kind() string { return string(Invalid) }

// Code implements the codes of errors.
func (*tenantHeaderError) Code() string { return "tenant-ambiguous" }

// ForbiddenError refuses a tenant to who asks.
type ForbiddenError struct {
	Tenant tenant.ID
	Reason string // "": it is not theirs
}

func (e *ForbiddenError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("tenant %q is not yours", string(e.Tenant))
	}
	return fmt.Sprintf("tenant %q: %s", string(e.Tenant), e.Reason)
}

// Kind implements the kinds of errors.
func (*ForbiddenError) Kind() string { return string(Forbidden) }

// Code implements the codes of errors.
func (*ForbiddenError) Code() string { return "tenant-forbidden" }

// Problem names the tenant.
func (e *ForbiddenError) Problem() map[string]any { return map[string]any{"tenant": string(e.Tenant)} }
