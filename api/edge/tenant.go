package edge

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"granary/tenant"
	"granary/tenant/identity"
)

// TenantHeaders are the header fields by which a client of any dialect may choose the tenant of a request.
var TenantHeaders = []string{"Tenant", "Hawkular-Tenant", "X-Scope-Orgid"}

// ProjectHeader is what a proxy that knows its clients adds. It counts only from those that are trusted.
const ProjectHeader = "X-Project-Id"

// Loopback is this machine: who is trusted as a proxy where nothing else is said.
var Loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// Tenants chooses the tenant of a request. It is the same for all dialects.
type Tenants struct {
	Default tenant.ID      // of requests that choose none
	Trusted []netip.Prefix // the proxies whose X-Project-Id counts
}

// Select is the tenant that the header of the request chooses, whether it exists or not. The error is one of kind invalid
// where two different ones are chosen, or what is chosen is no id, and of kind forbidden where the scope or a trusted
// proxy does not let the request there.
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
	if projects := r.Header[ProjectHeader]; len(projects) > 0 && t.trusts(r.RemoteAddr) {
		for _, p := range projects {
			p = strings.TrimSpace(p)
			switch {
			case by == "":
				chosen, by = p, ProjectHeader
			case p != chosen && by == ProjectHeader:
				return "", &tenantHeaderError{first: by, second: by, values: [2]string{chosen, p}}
			case p != chosen:
				return "", &ForbiddenError{Tenant: tenant.ID(shorten(chosen)), Reason: "the proxy says that the request belongs to another (" + ProjectHeader + ")"}
			}
		}
	}
	id := t.Default
	if by != "" {
		var err error
		if id, err = tenant.Parse(chosen); err != nil {
			return "", fmt.Errorf("header %s: %w", by, err)
		}
	}
	if !scope.Contains(id) {
		return "", &ForbiddenError{Tenant: id}
	}
	return id, nil
}

func (t *Tenants) trusts(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(t.Trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
}

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
