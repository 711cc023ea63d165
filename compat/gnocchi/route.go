package gnocchi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/tenant/identity"
)

// route is one operation.
type route struct {
	method string
	// path lies below Prefix, "" being Prefix itself. Its variables take one element each, as it is encoded.
	path  string
	serve func(*call) error
	// right is what it asks for in the tenant of who asks; who may do what to which object is a matter of the rules (rights.go).
	right identity.Right
	// open operations are answered to who says nothing of themselves, and before the store is ready.
	open bool
	// anyone may ask without saying who it is, once the store is ready and where the service is open.
	anyone bool
	// audit is what the audit log calls an operation that it hears of.
	audit string
	// points operations take measures: their bodies pass the queue of the tenant.
	points bool
	// block says that the body is a block of snappy, which it is for points operations only.
	block bool
	// absent is a method that the path has not, and for which it is as good as none: 404 and not 405.
	absent string
	// takes is the media type of the body, if it is not JSON; "*": any.
	takes string
	// produces is the media type of the answer, if it is not JSON. The request must accept it; "*": there is none to accept.
	produces string
}

// table is all operations, those of one area after the other.
func (d *Dialect) table() []route {
	return slices.Concat(
		d.rootRoutes(),
		d.writeRoutes(),
		d.influxRoutes(),
		d.prometheusRoutes(),
		d.statusRoutes(),
		d.archivePolicyRoutes(),
		d.archivePolicyRuleRoutes(),
		d.resourceTypeRoutes(), d.resourceRoutes(), d.namedMetricRoutes(),
		d.metricRoutes(),
		d.measuresRoutes(),
		d.aggregatesRoutes(),
	)
}

const (
	typeJSON = "application/json"
	typeHTML = "text/html"
)

// Routes are the routes of the dialect, for the table of all routes and for the document.
func (d *Dialect) Routes() []edge.Route { return slices.Clone(d.routes) }

// mount makes the router and the list of routes from the table.
func (d *Dialect) mount(table []route) {
	d.router = mux.NewRouter().UseEncodedPath().SkipClean(true)
	d.router.NotFoundHandler = http.HandlerFunc(d.notFound)
	for _, e := range edge.Endpoints(table, func(t *route) (method, path string) { return t.method, Prefix + t.path }) {
		// A HEAD is none of Gnocchi's methods.
		methods := slices.DeleteFunc(slices.Clone(e.Methods), func(m string) bool { return m == http.MethodHead && e.Operations[m] == nil })
		slices.Sort(methods)
		methods = slices.Compact(methods)
		d.router.Path(e.Path).Handler(&endpoint{d, e, strings.Join(methods, ", ")})
		open := true
		for _, t := range e.Operations {
			open = open && t.open
		}
		for _, prefix := range [...]string{"", PrefixOther} {
			d.routes = append(d.routes, edge.Route{Path: prefix + e.Path, Methods: methods, Open: open})
		}
	}
	d.routes = append(d.routes, edge.Route{Path: PathHealth, Methods: []string{http.MethodGet}, Open: true},
		edge.Route{Path: PrefixOther, Methods: []string{http.MethodGet}, Open: true})
}

// ServeHTTP implements http.Handler. Slashes at the end of a path and doubled ones say nothing.
func (d *Dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cache-Control"] = []string{"no-store"}
	if d.cross(w, r) {
		return
	}
	path, base := r.URL.EscapedPath(), ""
	if rest, ok := strings.CutPrefix(path, PrefixOther); ok && (rest == "" || rest[0] == '/') {
		path, base = rest, PrefixOther
	}
	plain := normal(path)
	switch {
	case plain == PathHealth && base == "":
		d.health(w, r)
		return
	case plain == "" && base != "":
		d.Versions(w, r.WithContext(withBase(r.Context(), base)))
		return
	case path == Prefix && r.Method == http.MethodGet:
		d.redirect(w, r.WithContext(withBase(r.Context(), base)))
		return
	}
	u := *r.URL
	u.RawPath = plain
	u.Path, _ = url.PathUnescape(plain) // it came in a form that can be decoded
	r = r.WithContext(withBase(r.Context(), base))
	r.URL = &u
	d.router.ServeHTTP(w, r)
}

// normal is a path without empty elements, and without a slash at its end.
func normal(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return strings.TrimSuffix(path, "/")
}

// notFound answers a path that there is not.
func (d *Dialect) notFound(w http.ResponseWriter, r *http.Request) {
	if !d.strange(w, r) {
		d.fail(w, r, errNoRoute)
	}
}

// NotFound answers a path that is nobody's in the words of the dialect, which is what clients are used to that have no other.
func (d *Dialect) NotFound(w http.ResponseWriter, r *http.Request) { d.fail(w, r, errNoRoute) }

// strange refuses who has to show who they are, and does not, before anything is said of a path or method that there is not.
func (d *Dialect) strange(w http.ResponseWriter, r *http.Request) bool {
	if !d.locked() {
		return false
	}
	_, err := d.enter(r)
	if err != nil {
		d.fail(w, r, err)
	}
	return err != nil
}

// endpoint is a path with its operations.
type endpoint struct {
	d *Dialect
	*edge.Endpoint[route]
	allow string
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := e.Operations[r.Method]
	switch {
	case t != nil:
		e.d.run(t, w, r)
	case r.Method == http.MethodOptions:
		w.Header()["Allow"] = []string{e.allow}
		w.WriteHeader(http.StatusOK)
	default:
		if e.d.strange(w, r) {
			return
		}
		if err := acceptable(r, typeJSON); err != nil {
			e.d.fail(w, r, err)
			return
		}
		for _, t := range e.Operations {
			if t.absent == r.Method {
				e.d.fail(w, r, errAbsent)
				return
			}
		}
		w.Header()["Allow"] = []string{e.allow}
		e.d.fail(w, r, &methodError{edge.MethodError{Method: r.Method, Allow: e.allow}})
	}
}
