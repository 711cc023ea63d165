package server

import (
	"net"
	"net/http"
)

// guard stands before what belongs to the whole service and not to a dialect. The configuration opens it to everybody if
// it says in as many words that there is no identity. Else it is open to this machine as long as no source of identities
// is configured. The only source that there is, the key of ClusterCockpit's tokens, gives rights on /api alone, so with it
// nobody comes in.
func (s *Server) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.cfg.Auth.Open:
			h.ServeHTTP(w, r)
		case s.cfg.Auth.ClusterCockpitKey != nil:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "identity is demanded, and a token of main.jwt-public-key has no rights here; granary.auth: none opens this path", http.StatusUnauthorized)
		case !local(r):
			http.Error(w, "only from this machine, unless granary.auth is none", http.StatusForbidden)
		default:
			h.ServeHTTP(w, r)
		}
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
