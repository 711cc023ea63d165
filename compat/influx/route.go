package influx

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/tenant/identity"
)

// route is one operation.
type route struct {
	method string // a GET answers HEAD too
	path   string
	serve  func(*call) error
	// right is what it asks for in the tenant of the request; own operations judge that themselves.
	right identity.Right
	own   bool
	// open operations ask for no identity and no tenant, and answer before the store is ready.
	open bool
	// names are the keys among Databases that a request may mean, the most exact one first.
	names func(*call) []string
}

// table is all operations.
func (d *Dialect) table() []route {
	return []route{
		{method: http.MethodGet, path: pathPing, open: true, serve: (*call).ping},
		{method: http.MethodGet, path: pathHealth, open: true, serve: (*call).health},
		{method: http.MethodGet, path: pathQuery, own: true, names: (*call).database, serve: (*call).statements},
		{method: http.MethodPost, path: pathQuery, own: true, names: (*call).database, serve: (*call).statements},
		{method: http.MethodPost, path: pathWrite, right: identity.Write, names: (*call).database, serve: (*call).write},
		{method: http.MethodPost, path: pathWriteV2, right: identity.Write, names: (*call).bucket, serve: (*call).write},
	}
}

// Routes are the routes of the dialect, for the table of all routes and for the document.
func (d *Dialect) Routes() []edge.Route { return slices.Clone(d.routes) }

// mount makes the router and the list of routes from the table.
func (d *Dialect) mount(table []route) {
	d.router = mux.NewRouter().UseEncodedPath().SkipClean(true)
	d.router.NotFoundHandler = http.HandlerFunc(d.notFound)
	for _, e := range edge.Endpoints(table, func(t *route) (method, path string) { return t.method, t.path }) {
		d.router.Path(e.Path).Handler(&endpoint{d, e})
		open := true
		for _, t := range e.Operations {
			open = open && t.open
		}
		d.routes = append(d.routes, edge.Route{Path: e.Path, Methods: e.Methods, Open: open})
	}
}

// ServeHTTP implements http.Handler.
func (d *Dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Influxdb-Version"] = []string{InfluxVersion}
	h["X-Influxdb-Build"] = []string{"OSS"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	d.router.ServeHTTP(w, r)
}

// notFound answers a path that there is not. Who may not enter does not learn what there is.
func (d *Dialect) notFound(w http.ResponseWriter, r *http.Request) {
	if _, err := d.identify(r); err != nil {
		d.fail(w, r, err)
		return
	}
	d.fail(w, r, &routeError{r.URL.Path})
}

// endpoint is a path with its operations.
type endpoint struct {
	d *Dialect
	*edge.Endpoint[route]
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := e.Operation(r.Method)
	var who *identity.Identity
	if t == nil || !t.open {
		var err error
		if who, err = e.d.identify(r); err != nil {
			e.d.fail(w, r, err)
			return
		}
	}
	switch {
	case t != nil:
		e.d.run(t, w, r, who)
	case r.Method == http.MethodOptions:
		w.Header()["Allow"] = []string{e.Allow}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header()["Allow"] = []string{e.Allow}
		e.d.fail(w, r, &edge.MethodError{Method: r.Method, Allow: e.Allow})
	}
}

// second says whether a request belongs to the second version of the API, whose errors have another form.
func second(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, PrefixV2) }
