package hawkular

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant/identity"
)

// route is one operation.
type route struct {
	method string // a GET answers HEAD too
	// path lies below Prefix, or is whole if it begins with "/hawkular". Its variables take one element each, as it is encoded; three
	// have a meaning of their own: {type} is gauges, counters, availability or strings, {numbers} is gauges or counters, {metrics}
	// is metrics or m.
	path  string
	serve func(*call) error
	// right is what it asks for in the tenant of the request.
	right identity.Right
	// open operations ask for no identity and no tenant, and answer before the store is ready.
	open bool
	// admin operations are about the service: they ask for an operator, or for the admin token. The right does not count.
	admin bool
	// token operations take the admin token in the place of an identity, as admin ones do, and do not demand it.
	token bool
	// self operations are about who asks, and not about a tenant: they choose none.
	self bool
	// audit is what the audit log calls an operation that it hears of.
	audit string
	// points operations take measures: their bodies pass the queue of the tenant.
	points bool
	// produces are the media types that it answers with, the usual one first; nil: JSON alone. The strict mode refuses a request that
	// accepts none of them.
	produces []string
}

// table is all operations, those of one area after the other.
func (d *Dialect) table() []route {
	return slices.Concat(
		d.statusRoutes(), d.tenantRoutes(),
		d.definitionRoutes(), d.tagRoutes(), d.exportRoutes(), d.openshiftRoutes(),
		d.rawRoutes(), d.rawDeleteRoutes(), d.availabilityRoutes(), d.periodRoutes(),
		d.statsRoutes(), d.rateRoutes(), d.writeRoutes(),
		d.alertRoutes(),
	)
}

// typeNames are the types as paths name them.
var typeNames = map[string]metricdef.Type{
	"gauges": metricdef.Gauge, "counters": metricdef.Counter, "availability": metricdef.Availability, "strings": metricdef.String,
}

// variables are the forms of the variables in paths that do not take any one element.
var variables = map[string]string{
	"type":    "gauges|counters|availability|strings",
	"numbers": "gauges|counters",
	"metrics": "metrics|m",
}

const typeJSON = "application/json"

var jsonOnly = []string{typeJSON}

// Routes are the routes of the dialect, for the table of all routes and for the document.
func (d *Dialect) Routes() []edge.Route { return slices.Clone(d.routes) }

// mount makes the router and the list of routes from the table.
func (d *Dialect) mount(table []route) {
	d.router = mux.NewRouter().UseEncodedPath().SkipClean(true)
	d.router.NotFoundHandler = http.HandlerFunc(d.notFound)
	for i := range table {
		t := &table[i]
		if t.produces == nil {
			t.produces = jsonOnly
		}
		if !strings.HasPrefix(t.path, "/hawkular/") {
			t.path = Prefix + t.path
		}
	}
	for _, e := range edge.Endpoints(table, func(t *route) (method, path string) { return t.method, t.path }) {
		d.router.Path(edge.Pattern(e.Path, variables)).Handler(&endpoint{d, e})
		open := true
		for _, t := range e.Operations {
			open = open && t.open
		}
		d.routes = append(d.routes, edge.Route{Path: e.Path, Methods: e.Methods, Variables: variables, Open: open})
	}
}

// ServeHTTP implements http.Handler. One slash at the end of a path says nothing.
func (d *Dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Vary"] = []string{"Origin, Accept-Encoding"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	if d.o.Strict {
		h["Cache-Control"] = []string{"no-cache"}
	} else {
		h["Cache-Control"] = []string{"no-store"}
	}
	if d.cross(w, r) {
		return
	}
	if path := r.URL.EscapedPath(); strings.HasSuffix(path, "/") && !strings.HasSuffix(path, "//") {
		u := *r.URL
		u.RawPath, u.Path = strings.TrimSuffix(path, "/"), strings.TrimSuffix(u.Path, "/")
		r = r.Clone(r.Context())
		r.URL = &u
	}
	d.router.ServeHTTP(w, r)
}

// notFound answers a path that there is not. Who may not enter does not learn what there is.
func (d *Dialect) notFound(w http.ResponseWriter, r *http.Request) {
	if _, err := d.identify(r); err != nil {
		d.fail(w, r, err)
		return
	}
	unknown := &edge.RouteError{Path: r.URL.Path}
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), Prefix+"/"), "/")
	if typeNames[first] != 0 && strings.Contains(rest, "/") && !strings.Contains(strings.ToLower(rest), "%2f") {
		d.fail(w, r, &slashError{unknown})
		return
	}
	d.fail(w, r, unknown)
}

// slashError refuses a path that may have an id with a slash in it.
type slashError struct{ *edge.RouteError }

func (e *slashError) Error() string {
	return e.RouteError.Error() + `; a "/" in an id is written as %2F`
}

// endpoint is a path with its operations.
type endpoint struct {
	d *Dialect
	*edge.Endpoint[route]
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := e.Operation(r.Method)
	if t != nil && t.open {
		e.d.run(t, w, r, nil, false)
		return
	}
	who, admin, err := e.d.enter(t, r)
	switch {
	case err != nil:
		e.d.fail(w, r, err)
	case t != nil:
		e.d.run(t, w, r, who, admin)
	case r.Method == http.MethodOptions:
		w.Header()["Allow"] = []string{e.allowed(r)}
		w.WriteHeader(http.StatusOK)
	default:
		w.Header()["Allow"] = []string{e.Allow}
		e.d.fail(w, r, &edge.MethodError{Method: r.Method, Allow: e.Allow})
	}
}

// mohawkOptions are the paths for which Mohawk answers OPTIONS, with the same words for all.
var mohawkOptions = regexp.MustCompile(`^` + Prefix + `/(gauges/([^/]+/(raw|stats|data)|raw|raw/query|data|stats/query)|m/stats/query)$`)

// allowed is what OPTIONS says of a path.
func (e *endpoint) allowed(r *http.Request) string {
	if !e.d.o.Strict && mohawkOptions.MatchString(r.URL.EscapedPath()) {
		return mohawkAllow
	}
	return e.Allow
}
