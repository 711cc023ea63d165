package identity

import "granary/tenant"

// ProxyFields are the header fields in which trusted proxies say who their client is. The names are as in requests; no Subject
// is no such source.
type ProxyFields struct {
	Subject, Roles, Tenants string
	// RoleNames says what the values of Roles mean.
	RoleNames Names
	// DefaultRoles and DefaultTenants hold where the proxy does not send the field.
	DefaultRoles   Roles
	DefaultTenants []tenant.ID
	Allow          Allow
}

// proxied judges what a trusted proxy says.
func (p *ProxyFields) proxied(c Credential) (*Identity, error) {
	if err := CheckSubject(c.User); err != nil {
		return nil, err
	}
	roles, in := p.DefaultRoles, p.DefaultTenants
	if c.HasRoles {
		roles = p.RoleNames.all(list(c.Roles))
	}
	if c.HasTenants {
		in = tenants(list(c.Tenants))
	}
	g := p.Allow.limit(GrantsOf(roles, in...))
	return New(c.User, Proxy, "", g.All, g.Items...), nil
}
