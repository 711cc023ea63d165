package hawkular

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"granary/api/edge"
	"granary/tenant/identity"
)

const settingOrigins = "granary.compat.hawkular.cors-origins"

// origins are the web pages whose scripts may ask. An origin that is named may send what the browser knows of the user, and counts for
// the origins of its subdomains too. "*" is every page that can say who it is by itself.
type origins struct {
	any   bool
	named []*url.URL
}

func newOrigins(list []string) origins {
	var o origins
	for _, text := range list {
		if text == "*" {
			o.any = true
		} else if u, err := url.Parse(text); err == nil && u.Host != "" {
			o.named = append(o.named, u)
		}
	}
	return o
}

// names says whether an origin is one of those named, or of a subdomain of one. Scheme and port must be the same.
func (o *origins) names(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return slices.ContainsFunc(o.named, func(n *url.URL) bool {
		host, of := strings.ToLower(u.Hostname()), strings.ToLower(n.Hostname())
		return u.Scheme == n.Scheme && u.Port() == n.Port() && (host == of || strings.HasSuffix(host, "."+of))
	})
}

// What pages may use. The first fields of both lists are those that the peers name.
const (
	corsMethods       = "GET, POST, PUT, DELETE, OPTIONS, HEAD"
	corsHeaders       = "origin,accept,content-type,hawkular-tenant,authorization,hawkular-admin-token,content-encoding,tenant,x-scope-orgid,x-api-key"
	corsMohawkHeaders = "authorization,content-type,hawkular-tenant,origin,accept,hawkular-admin-token,content-encoding,tenant,x-scope-orgid,x-api-key"
	corsMohawkMethods = "GET, POST, DELETE, PUT, OPTIONS, HEAD"
	corsExpose        = "Location,Retry-After,Allow,X-Granary-Ignored," + ErrorHeader
	corsAge           = "259200"
)

// cross writes the fields that let the page of a request read the answer. It answers preflights, before anybody is asked who they
// are, and in the strict mode the pages that may not ask at all.
func (d *Dialect) cross(w http.ResponseWriter, r *http.Request) (answered bool) {
	h := w.Header()
	origin := r.Header.Get("Origin")
	named := origin != "" && d.origins.names(origin)
	allowed := named || d.origins.any || origin == "" || !foreign(r)
	if !allowed && d.o.Strict {
		w.WriteHeader(http.StatusBadRequest)
		return true
	}
	switch {
	case !allowed:
	case named:
		h["Access-Control-Allow-Origin"] = []string{origin}
		h["Access-Control-Allow-Credentials"] = []string{"true"}
	case origin != "" && d.o.Strict:
		h["Access-Control-Allow-Origin"] = []string{origin}
	case d.origins.any && !d.o.Strict: // as Mohawk does, whoever asks
		h["Access-Control-Allow-Origin"] = []string{"*"}
	}
	if len(h["Access-Control-Allow-Origin"]) > 0 {
		methods, headers := corsMohawkMethods, corsMohawkHeaders
		if d.o.Strict {
			methods, headers = corsMethods, corsHeaders
		}
		h["Access-Control-Allow-Methods"] = []string{methods}
		h["Access-Control-Allow-Headers"] = []string{headers}
		h["Access-Control-Expose-Headers"] = []string{corsExpose}
		if origin != "" {
			h["Access-Control-Max-Age"] = []string{corsAge}
		}
	}
	if r.Method != http.MethodOptions || origin == "" {
		return false
	}
	if !d.o.Strict {
		h["Allow"] = []string{mohawkAllow}
	}
	w.WriteHeader(http.StatusOK)
	return true
}

// mohawkAllow is what Mohawk says of each path that it answers OPTIONS for.
const mohawkAllow = "GET,PUT,POST,DELETE,OPTIONS"

// stranger refuses a request that comes from the page of another origin and has nothing but the place where its browser runs, or what
// the browser knows, to say for itself. Without this every page that somebody looks at could use a service that is open to the machine,
// or the password that the browser remembers. What counts is a token or key that the page itself shows, or that the configuration
// names its origin.
func (d *Dialect) stranger(r *http.Request, who *identity.Identity) error {
	if !foreign(r) {
		return nil
	}
	origin := r.Header.Get("Origin")
	if d.origins.names(origin) || d.origins.any && who.Source != identity.Anonymous && shows(r) {
		return nil
	}
	return &originError{origin, d.origins.any}
}

// foreign says whether the page of another origin sends a request, as far as its browser says. A read that says no origin is none
// whose answer the page could see.
func foreign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "": // a program, or an old browser
		if origin == "" {
			return false
		}
	default:
		if origin == "" {
			return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
		}
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}

// shows says whether a request has a token or key in a place that a script must fill by itself. A password may be the browser's.
func shows(r *http.Request) bool {
	if r.Header.Get(AdminHeader) != "" {
		return true
	}
	for _, name := range edge.KeyHeaders {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	scheme, _, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	return strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token")
}

// originError refuses the page of another origin.
type originError struct {
	origin string
	any    bool // a token or key would let it in
}

func (e *originError) Error() string {
	if !e.any {
		return fmt.Sprintf("a page from %q may not do this: only those that %s names may", shorten(e.origin), settingOrigins)
	}
	return fmt.Sprintf("a page from %q may not do this without a token or key of its own (setting %s)", shorten(e.origin), settingOrigins)
}
func (*originError) Kind() string { return string(edge.Forbidden) }
func (*originError) Code() string { return "origin-forbidden" }
