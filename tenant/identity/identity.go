package identity

import (
	"cmp"
	"slices"

	"granary/tenant"
)

// Source is what vouches for an identity.
type Source string

// The sources.
const (
	Anonymous      Source = ""               // nobody: the service is open
	JWT            Source = "jwt"            // a signed token
	Key            Source = "key"            // an API key made over REST
	Token          Source = "token"          // a token of the configuration
	Basic          Source = "basic"          // name and password
	Proxy          Source = "proxy"          // header fields of a trusted proxy
	Certificate    Source = "certificate"    // a client certificate
	ClusterCockpit Source = "clustercockpit" // a token of main.jwt-public-key, which holds on /api alone
	Keystone       Source = "keystone"       // a token of OpenStack's Keystone, which holds in Gnocchi's dialect alone
	Internal       Source = "internal"       // the service itself: a subscription of NATS
)

// Grant is the roles that an identity has in one tenant.
type Grant struct {
	Tenant tenant.ID
	Roles  Roles
}

// Identity is who makes a request. It is never changed and may be shared by many requests.
type Identity struct {
	Subject string // "" for anonymous
	Source  Source
	// Credential names what was shown, without being a secret: the id of a key, the name of a token, the issuer of a JWT.
	Credential string

	everywhere Roles
	scope      Scope
	grants     []Grant // ascending by tenant, one each
}

// New makes an identity that has some roles in every tenant, those that do not exist yet too, and others in some tenants.
// Several grants for one tenant add up.
func New(subject string, source Source, credential string, everywhere Roles, grants ...Grant) *Identity {
	i := &Identity{Subject: subject, Source: source, Credential: credential, everywhere: everywhere}
	for _, g := range slices.SortedStableFunc(slices.Values(grants), func(a, b Grant) int { return cmp.Compare(a.Tenant, b.Tenant) }) {
		if n := len(i.grants); n > 0 && i.grants[n-1].Tenant == g.Tenant {
			i.grants[n-1].Roles |= g.Roles
			continue
		}
		i.grants = append(i.grants, g)
	}
	i.scope = Scope{all: everywhere != 0}
	for _, g := range i.grants {
		if g.Roles != 0 && !i.scope.all {
			i.scope.tenants = append(i.scope.tenants, g.Tenant)
		}
	}
	return i
}

// InScope makes an identity that has the same roles in all tenants of a scope.
func InScope(subject string, source Source, credential string, roles Roles, s Scope) *Identity {
	if s.all {
		return New(subject, source, credential, roles)
	}
	grants := make([]Grant, len(s.tenants))
	for i, id := range s.tenants {
		grants[i] = Grant{id, roles}
	}
	return New(subject, source, credential, 0, grants...)
}

// Within is the identity with what it may do in one tenant, and nothing else: an operator is an administrator of it.
func (i *Identity) Within(id tenant.ID) *Identity {
	roles := i.In(id)
	if roles.Has(Operator) {
		roles = roles&^Operator | Admin
	}
	return New(i.Subject, i.Source, i.Credential, 0, Grant{id, roles})
}

// In is the roles in a tenant.
func (i *Identity) In(id tenant.ID) Roles {
	if i == nil {
		return 0
	}
	roles := i.everywhere
	if at, ok := slices.BinarySearchFunc(i.grants, id, func(g Grant, id tenant.ID) int { return cmp.Compare(g.Tenant, id) }); ok {
		roles |= i.grants[at].Roles
	}
	return roles
}

// May says whether the identity has a right in a tenant.
func (i *Identity) May(id tenant.ID, r Right) bool { return i.In(id).May(r) }

// Operator says whether the identity has all rights in all tenants.
func (i *Identity) Operator() bool { return i != nil && i.everywhere.Has(Operator) }

// Everywhere is the roles in every tenant.
func (i *Identity) Everywhere() Roles { return i.everywhere }

// Grants are the roles in single tenants, ascending by tenant. The slice belongs to the identity.
func (i *Identity) Grants() []Grant { return i.grants }

// Scope is the tenants in which the identity has any role.
func (i *Identity) Scope() Scope {
	if i == nil {
		return Scope{}
	}
	return i.scope
}

// Open is the identity of everybody where no identity is asked for: nothing tells one from another, so all are operators.
func Open() *Identity { return open }

var open = New("", Anonymous, "", Operator)

// Scope is the tenants that a request may touch: a list, or all. The zero value is none.
type Scope struct {
	all     bool
	tenants []tenant.ID // sorted
}

// AllTenants is the scope of who has a role everywhere.
func AllTenants() Scope { return Scope{all: true} }

// Only is the scope of the tenants given.
func Only(ids ...tenant.ID) Scope {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return Scope{tenants: slices.Compact(ids)}
}

// All says whether the scope is all tenants, those that do not exist yet too.
func (s Scope) All() bool { return s.all }

// Contains says whether the tenant lies in the scope.
func (s Scope) Contains(id tenant.ID) bool {
	if s.all {
		return true
	}
	_, ok := slices.BinarySearch(s.tenants, id)
	return ok
}

// Tenants returns the tenants of a scope that is not All, sorted. The slice belongs to the scope.
func (s Scope) Tenants() []tenant.ID { return s.tenants }
