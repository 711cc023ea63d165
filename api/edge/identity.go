package edge

import (
	"context"
	"net/http"

	"granary/tenant/identity"
)

// Authenticator finds out who makes a request. An error is the refusal; a dialect puts it into its own words, and the
// text of an error of kind forbidden or invalid may be shown. It must be safe for concurrent use.
type Authenticator interface {
	Authenticate(r *http.Request) (*identity.Identity, error)
}

type identityKey struct{}

// WithIdentity returns a context that carries who makes the request.
func WithIdentity(ctx context.Context, i *identity.Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, i)
}

// IdentityFrom returns the identity of the context, nil if there is none. A nil identity has no rights.
func IdentityFrom(ctx context.Context) *identity.Identity {
	i, _ := ctx.Value(identityKey{}).(*identity.Identity)
	return i
}

// ScopeFrom returns the scope of the context; a context without an identity reaches no tenant.
func ScopeFrom(ctx context.Context) identity.Scope { return IdentityFrom(ctx).Scope() }
