package clustercockpit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// Name is the dialect's name: in rules of policies, in definitions, in logs.
const Name = "clustercockpit"

// Prefix is the path under which the dialect is mounted.
const Prefix = "/api"

// The limits that hold where Options leave them 0, and the settings that change them.
const (
	DefaultPadding = 100_000
	DefaultQueries = 200_000
	DefaultAnswer  = 256 << 20

	settingAnswer  = "granary.compat.clustercockpit.max-answer"
	settingQueries = "granary.compat.clustercockpit.max-queries"
	settingPoints  = "granary.limits.query-points"
	settingBody    = "granary.compat.clustercockpit.max-query-body"
)

// Options are the parts of a Dialect. Tree, Reader, Store, Writer, Policies, Tenants and Default are required.
type Options struct {
	Tree     Tree
	Reader   Reader
	Store    Store
	Writer   Writer
	Policies Policies
	Tenants  Tenants
	// Limits are those of tenants; nil: there are none.
	Limits Limits

	// Default is the tenant of the clusters that Clusters does not name.
	Default  tenant.ID
	Clusters map[string]tenant.ID

	// Auth guards all five endpoints; nil: everybody may do everything.
	Auth edge.Authenticator
	// Audit hears of what is freed, and of who looks at all tenants at once; nil: nobody does.
	Audit *edge.Audit
	// Ready says whether requests can be served; until then they get 503. nil: always.
	Ready func() (ok bool, progress string)

	Lines    *edge.Bodies // reads the bodies of /api/write; nil: edge's default limit
	Requests *edge.Bodies // reads all other bodies; nil: NewRequests(0)
	Compress edge.Compress
	Padding  int   // nulls in front of one series; 0: DefaultPadding, below 0: none
	Queries  int   // queries of one request; 0: DefaultQueries
	Answer   int64 // bytes of one answer; 0: DefaultAnswer
	Points   int64 // points of all grids of one answer; 0: no limit
	// CheckRate says whether a tenant may send samples now; nil: always.
	CheckRate func(tenant.ID) error
	// SeriesStatus is the answer to a write of which samples were not stored since the limit on series is reached. 0 or 200: as if
	// nothing were, but for X-Granary-Ignored.
	SeriesStatus int
	// Select finds the tenant of clusters that Clusters does not name, for who comes with another identity than a token of
	// ClusterCockpit, and the tenant in whose queue a request waits. Its default is Default.
	Select edge.Tenants
	// Reads bounds the requests that read at the same time, and lets tenants take turns; nil: no bound.
	Reads *queue.Fair

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

// DefaultRequest is the largest body of a request that is no write, in bytes.
const DefaultRequest = 16 << 20

// NewRequests makes what reads the bodies of requests that are no writes, up to limit bytes, 0: DefaultRequest.
func NewRequests(limit int64) *edge.Bodies {
	return edge.NewBodies(edge.BodyOptions{Limit: cmp.Or(limit, DefaultRequest), Setting: settingBody})
}

// Dialect is the handler of everything below Prefix. It is safe for concurrent use.
type Dialect struct {
	o       Options
	router  *mux.Router
	routes  []edge.Route
	tenants []tenant.ID // of the mapping, sorted
	queries sync.Pool   // *answer
}

// New makes the dialect.
func New(o Options) *Dialect {
	o.Padding = cmp.Or(o.Padding, DefaultPadding)
	o.Queries = cmp.Or(o.Queries, DefaultQueries)
	o.Answer = cmp.Or(o.Answer, DefaultAnswer)
	if o.Lines == nil {
		o.Lines = edge.NewBodies(edge.BodyOptions{Setting: "granary.limits.body"})
	}
	if o.Requests == nil {
		o.Requests = NewRequests(0)
	}
	if o.Reads == nil {
		o.Reads = queue.NewFair(queue.FairOptions{Kind: queue.Queries})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Select.Default = o.Default
	d := &Dialect{o: o}
	d.queries.New = func() any { return &answer{d: d} }
	for _, id := range o.Clusters {
		d.tenants = append(d.tenants, id)
	}
	slices.Sort(d.tenants)
	d.tenants = slices.Compact(d.tenants)

	d.router = mux.NewRouter().UseEncodedPath().SkipClean(true)
	d.router.NotFoundHandler = http.NotFoundHandler()
	d.route("/api/query", identity.Read, d.query, http.MethodGet, http.MethodHead, http.MethodPost)
	d.route("/api/write", identity.Write, d.write, http.MethodPost)
	d.route("/api/free", identity.Manage, d.free, http.MethodPost)
	d.route("/api/debug", identity.Read, d.debug, http.MethodGet, http.MethodHead)
	d.route("/api/healthcheck", identity.Read, d.healthcheck, http.MethodGet, http.MethodHead)
	return d
}

// Routes are the routes of the dialect, for the table of all routes.
func (d *Dialect) Routes() []edge.Route { return slices.Clone(d.routes) }

// ServeHTTP implements http.Handler. A path that is not clean ("//api//query") is redirected to the clean one.
func (d *Dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if clean := cleanPath(r.URL.Path); clean != r.URL.Path {
		http.Redirect(w, r, (&url.URL{Path: clean, RawQuery: r.URL.RawQuery}).String(), http.StatusTemporaryRedirect)
		return
	}
	d.router.ServeHTTP(w, r)
}

// AnswerPanic implements edge.Panicker.
func (d *Dialect) AnswerPanic(w http.ResponseWriter, r *http.Request) {
	d.refuse(w, r, http.StatusInternalServerError, "internal error")
}

// route mounts an endpoint with and without a slash at its end and with any path below. A wrong method is refused before
// anybody is asked for a token, as the original does. right is what the endpoint asks for in the tenants that it touches.
func (d *Dialect) route(path string, right identity.Right, serve http.HandlerFunc, methods ...string) {
	d.routes = append(d.routes, edge.Route{Path: path, Deep: true, Methods: methods})
	allow := strings.Join(methods, ", ")
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", allow)
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		if v := d.admit(w, r, right); v != nil {
			serve(w, r.WithContext(context.WithValue(edge.WithIdentity(r.Context(), v.who), viewKey{}, v)))
		}
	})
	d.router.Path(path).Handler(h)
	d.router.PathPrefix(path + "/").Handler(h)
}

// admit checks identity, rights and readiness; if it refuses, it has answered and returns nil.
func (d *Dialect) admit(w http.ResponseWriter, r *http.Request, right identity.Right) *view {
	who := identity.Open()
	if d.o.Auth != nil {
		var err error
		if who, err = d.o.Auth.Authenticate(r); err != nil {
			d.unidentified(w, r, err)
			return nil
		}
	}
	v, err := d.look(r, who, right)
	if err != nil {
		d.fail(w, r, err)
		return nil
	}
	if d.o.Ready != nil {
		if ok, progress := d.o.Ready(); !ok {
			w.Header().Set("Retry-After", "1")
			d.refuse(w, r, http.StatusServiceUnavailable, "not ready: "+progress)
			return nil
		}
	}
	return v
}

// unidentified refuses who shows nothing that counts: in plain text, as the original does.
func (d *Dialect) unidentified(w http.ResponseWriter, r *http.Request, err error) {
	authorization := r.Header.Get("Authorization")
	other := authorization != "" && !strings.HasPrefix(authorization, "Bearer ") // the original does not look at it
	if edge.Status(err) != http.StatusUnauthorized && (edge.CodeOf(err) != "credentials-malformed" || !other) {
		d.fail(w, r, err)
		return
	}
	text := err.Error()
	if code := edge.CodeOf(err); code == "identity-required" || code == "credentials-missing" || (code == "credentials-wrong" || code == "credentials-malformed") && other {
		text = textNoToken
	}
	edge.Challenge(w.Header(), err)
	http.Error(w, text, http.StatusUnauthorized)
}

// enter waits until a request about a cluster, "" for none, may read; if it may not, it has been answered. Leave with the
// ticket.
func (d *Dialect) enter(w http.ResponseWriter, r *http.Request, t *queue.Ticket, cluster string) bool {
	err := d.o.Reads.Queue(d.charged(r, cluster)).Enter(r.Context(), t, 1)
	if err != nil {
		d.fail(w, r, err)
	}
	return err == nil
}

// charged is the tenant in whose queue a request about a cluster, "" for none, waits.
func (d *Dialect) charged(r *http.Request, cluster string) tenant.ID {
	v := viewOf(r.Context())
	if id, err := v.tenantOf(cluster); err == nil {
		return id
	}
	return d.o.Select.Charged(r, v.scope, "")
}

// checkRate refuses a body before it is read if all its lines can only be those of one tenant, and that one has sent more than its
// rate allows. Whose the lines of other bodies are is seen when they are decoded.
func (d *Dialect) checkRate(r *http.Request) error {
	if d.o.CheckRate == nil {
		return nil
	}
	if all := viewOf(r.Context()).tenants(); len(all) == 1 {
		return d.o.CheckRate(all[0])
	}
	return nil
}

// cleanPath is the path without empty, "." and ".." elements, keeping a slash at its end.
func cleanPath(p string) string {
	if p == "" {
		return "/"
	}
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		if len(p) == len(clean)+1 {
			return p // path.Clean only took the last slash
		}
		return clean + "/"
	}
	return clean
}

func (d *Dialect) root(id tenant.ID) Node {
	t, ok := d.o.Tenants.Lookup(id)
	if !ok {
		return nil
	}
	return d.o.Tree.Root(t.Num)
}

// refuse answers an error in the form of cc-metric-store.
func (d *Dialect) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	d.refuseAs(w, r, status, text, "")
}

// refuseAs is refuse with the stable code of the error, which has a page in docs/errors, in a member of our own.
func (d *Dialect) refuseAs(w http.ResponseWriter, r *http.Request, status int, text, code string) {
	buf := edge.NewBuffer()
	defer buf.Free()
	b := buf.B
	b = append(b, `{"status":`...)
	b = edge.AppendString(b, http.StatusText(status))
	b = append(b, `,"error":`...)
	b = edge.AppendString(b, text)
	if code != "" {
		b = append(b, `,"granary":{"code":`...)
		b = edge.AppendString(b, code)
		b = append(b, '}')
	}
	b = append(b, '}', '\n')
	buf.B = b
	edge.CompressOff.Answer(w, r, status, "application/json", buf.B)
}

// fail answers an error of a room below. What is internal is logged and not shown.
func (d *Dialect) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := edge.Status(err)
	switch {
	case r.Context().Err() != nil && errors.Is(err, r.Context().Err()):
		// The client has gone; nobody reads this answer.
		d.refuse(w, r, http.StatusServiceUnavailable, err.Error())
		return
	case status == http.StatusInternalServerError:
		d.o.Logger.Error("request failed", "dialect", Name, "path", r.URL.Path, "error", err)
		d.refuse(w, r, status, "internal error")
		return
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		edge.SetRetryAfter(w.Header(), err)
	}
	code := ""
	if status != http.StatusBadRequest { // what the original answers too is answered as the original does
		code = edge.CodeOf(err)
	}
	d.refuseAs(w, r, status, err.Error(), code)
}
