package native

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/audit"
	"granary/tenant/identity"
)

// route is one operation.
type route struct {
	method string // a GET answers HEAD too
	path   string // below Prefix, with variables: "/metrics/{id}"
	// serve answers the request. An error that it returns becomes a problem document, so it must not have answered yet.
	serve func(w http.ResponseWriter, r *http.Request) error
	// produces are the media types that it can answer with, the usual one first; nil: JSON alone. A request that accepts none
	// of them gets 406.
	produces []string
	// right is what it asks for in the tenant of the request.
	right right
	// audit is what the audit log calls it; "" for what changes no more than samples and definitions, and covers one tenant.
	audit string
	// self routes are about who asks, and not about a tenant.
	self bool
	// early routes answer before the store is ready.
	early bool
}

// right is what an operation asks of who wants it. The zero value is for operators alone, so that an operation which says
// nothing is closed.
type right uint8

const (
	operates right = iota
	enters         // any role in the tenant
	reads
	writes
	manages
)

// demand is the one place that says who may do what.
func (a *API) demand(r *http.Request, x right) error { return a.demandIn(r, tenantOf(r), x) }

// demandIn is demand in another tenant than that of the request.
func (*API) demandIn(r *http.Request, id tenant.ID, x right) error {
	needed := identity.Operate
	switch x {
	case enters:
		return nil // the selection of the tenant has seen to it
	case reads:
		needed = identity.Read
	case writes:
		needed = identity.Write
	case manages:
		needed = identity.Manage
	}
	return edge.Demand(edge.IdentityFrom(r.Context()), id, needed)
}

const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
)

var jsonOnly = []string{typeJSON}

// variables are the forms of the variables in paths; those that are not named take any one element. A path that does not
// have the form is not found, so that /v2/metrics/queues stays free for another dialect.
var variables = map[string]string{
	"id":  "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
	"key": "[0-9A-Za-z]{12}",
}

// methods are those that a page of another origin may use.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// Routes are the routes of the API, for the table of all routes and for the document.
func (a *API) Routes() []edge.Route { return slices.Clone(a.routes) }

// mount makes the router and the list of routes from one table.
func (a *API) mount(table []route) {
	a.router = mux.NewRouter().UseEncodedPath().SkipClean(true)
	a.router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, &edge.RouteError{Path: r.URL.Path})
	})
	for i := range table {
		if table[i].produces == nil {
			table[i].produces = jsonOnly
		}
	}
	for _, e := range edge.Endpoints(table, func(t *route) (method, path string) { return t.method, Prefix + t.path }) {
		a.router.Path(edge.Pattern(e.Path, variables)).Handler(&endpoint{a, e})
		a.routes = append(a.routes, edge.Route{Path: e.Path, Methods: e.Methods, Variables: variables})
	}
}

// ServeHTTP implements http.Handler. Identity stands before routing: who may not enter does not learn what there is. One
// slash at the end of a path says nothing.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	if a.o.CORS.Allow(w, r, methods) {
		return
	}
	if err := a.o.CORS.Check(r); err != nil {
		a.fail(w, r, err)
		return
	}
	who, err := a.o.Auth.Authenticate(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	r = r.WithContext(edge.WithIdentity(r.Context(), who))
	if path := r.URL.EscapedPath(); len(path) > len(Prefix)+1 && strings.HasSuffix(path, "/") && !strings.HasSuffix(path, "//") {
		u := *r.URL
		u.RawPath, u.Path = strings.TrimSuffix(path, "/"), strings.TrimSuffix(u.Path, "/")
		r.URL = &u // of the copy that WithContext has made
	}
	a.router.ServeHTTP(w, r)
}

// AnswerPanic implements edge.Panicker.
func (a *API) AnswerPanic(w http.ResponseWriter, r *http.Request) {
	a.problem(w, r, edge.ProblemOf(errPanic))
}

var errPanic = errors.New("panic")

// endpoint is a path with its operations.
type endpoint struct {
	a *API
	*edge.Endpoint[route]
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := e.Operation(r.Method)
	switch {
	case t != nil:
		if err := e.a.serve(t, w, r); err != nil {
			e.a.fail(w, r, err)
		}
	case r.Method == http.MethodOptions:
		w.Header()["Allow"] = []string{e.Allow}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header()["Allow"] = []string{e.Allow}
		e.a.fail(w, r, &edge.MethodError{Method: r.Method, Allow: e.Allow})
	}
}

// serve checks what every operation demands and runs it.
func (a *API) serve(t *route, w http.ResponseWriter, r *http.Request) error {
	if edge.Negotiate(r, t.produces...) == "" {
		return &acceptError{offers: t.produces}
	}
	if t.self {
		return t.serve(w, r)
	}
	id, err := a.o.Select.Select(r, edge.ScopeFrom(r.Context()))
	if err != nil {
		return err
	}
	r = r.WithContext(context.WithValue(r.Context(), tenantKey{}, id))
	if err := a.demand(r, t.right); err != nil {
		if t.audit != "" {
			a.o.Audit.Often(r, edge.IdentityFrom(r.Context()), audit.Entry{Action: t.audit, Tenant: id, Outcome: edge.Outcome(err)})
		}
		return err
	}
	if !t.early && a.o.Ready != nil {
		if ok, progress := a.o.Ready(); !ok {
			return withTenant(&edge.StartingError{Progress: progress}, id)
		}
	}
	if t.audit != "" {
		return a.audited(t, w, r)
	}
	return withTenant(t.serve(w, r), id)
}

type tenantKey struct{}

// tenantOf is the tenant that the request chooses, whether it exists or not.
func tenantOf(r *http.Request) tenant.ID {
	id, _ := r.Context().Value(tenantKey{}).(tenant.ID)
	return id
}

// reading is the tenant that a read is about; false if it does not exist, and then there is nothing to be found: a read
// makes no tenant.
func (a *API) reading(r *http.Request) (tenant.Tenant, bool) { return a.o.Tenants.Lookup(tenantOf(r)) }

// writing is the tenant that a write goes to, made if need be and if the settings let it.
func (a *API) writing(r *http.Request) (tenant.Num, error) {
	return a.o.Store.EnsureTenant(r.Context(), tenantOf(r))
}

// variable is the value of a variable of the path, decoded.
func variable(r *http.Request, name string) string {
	raw := mux.Vars(r)[name]
	if v, err := url.PathUnescape(raw); err == nil {
		return v
	}
	return raw // it came out of a path that was decoded once already
}
