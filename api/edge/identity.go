package edge

import (
	"context"
	"net/http"
	"slices"

	"granary/tenant"
)

// Identity is who makes a request.
type Identity struct {
	Subject string // "" for anonymous
	Roles   []string
}

// RoleOperator is the role of who may do what concerns more than one tenant.
const RoleOperator = "operator"

// Has says whether the identity has the role.
func (i Identity) Has(role string) bool { return slices.Contains(i.Roles, role) }

// Scope is the tenants that a request may touch: a list, or all. The zero value is none.
type Scope struct {
	all     bool
	tenants []tenant.ID // sorted
}

// AllTenants is the scope of operators, and of everybody where no identity is asked for.
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

// Authenticator finds out who makes a request. An error is the refusal; a dialect puts it into its own words, and the
// text of an error of kind forbidden or invalid may be shown. It must be safe for concurrent use.
type Authenticator interface {
	Authenticate(r *http.Request) (Identity, Scope, error)
}

type identityKey struct{}

type caller struct {
	identity Identity
	scope    Scope
}

// WithIdentity returns a context that carries who makes the request and what it may touch.
func WithIdentity(ctx context.Context, i Identity, s Scope) context.Context {
	return context.WithValue(ctx, identityKey{}, &caller{i, s})
}

// IdentityFrom returns the identity of the context; the zero Identity if there is none.
func IdentityFrom(ctx context.Context) Identity {
	if c, ok := ctx.Value(identityKey{}).(*caller); ok {
		return c.identity
	}
	return Identity{}
}

// ScopeFrom returns the scope of the context; a context without one reaches no tenant.
func ScopeFrom(ctx context.Context) Scope {
	if c, ok := ctx.Value(identityKey{}).(*caller); ok {
		return c.scope
	}
	return Scope{}
}
