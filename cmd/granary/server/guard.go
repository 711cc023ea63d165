package server

import (
	"net"
	"net/http"

	"granary/api/edge"
	"granary/cmd/granary/config"
	"granary/tenant/identity"
)

// access says who may enter what belongs to no dialect with an identity of its own: the native API, and what belongs to
// the whole service. The configuration opens it to everybody if it says in as many words that there is no identity. Else
// it is open to this machine as long as no source of identities is configured. The only source that there is, the key of
// ClusterCockpit's tokens, gives rights on /api alone, so with it nobody comes in. Who comes in is an operator, for
// nothing tells one from another.
type access struct{ auth config.Auth }

// Authenticate implements edge.Authenticator.
func (a access) Authenticate(r *http.Request) (*identity.Identity, error) {
	switch {
	case a.auth.Open:
	case a.auth.ClusterCockpitKey != nil:
		return nil, identityError{}
	case !local(r):
		return nil, elsewhereError{}
	}
	return identity.Open(), nil
}

// identityError refuses who shows no identity that counts here.
type identityError struct{}

func (identityError) Error() string {
	return "identity is demanded, and a token of main.jwt-public-key has no rights here; granary.auth: none opens this path"
}
func (identityError) Kind() string { return string(edge.Forbidden) }
func (identityError) Code() string { return "identity-required" }
func (identityError) Status() int  { return http.StatusUnauthorized }

// Problem names the setting.
func (identityError) Problem() map[string]any { return map[string]any{"setting": "granary.auth"} }

// elsewhereError refuses who comes from another machine.
type elsewhereError struct{}

func (elsewhereError) Error() string { return "only from this machine, unless granary.auth is none" }
func (elsewhereError) Kind() string  { return string(edge.Forbidden) }
func (elsewhereError) Code() string  { return "this-machine-only" }

// Problem names the setting.
func (elsewhereError) Problem() map[string]any { return map[string]any{"setting": "granary.auth"} }

// guard lets in whom access lets in.
func (s *Server) guard(h http.Handler) http.Handler {
	gate := access{s.cfg.Auth}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := gate.Authenticate(r); err != nil {
			status := edge.Status(err)
			if status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			http.Error(w, err.Error(), status)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// local says whether the request comes from this machine. What a proxy on this machine hands on does not.
func local(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
