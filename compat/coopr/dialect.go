package coopr

import (
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"granary/api/edge"
	"granary/tenant"
)

// Name is the dialect's name, in logs and in metrics.
const Name = "coopr"

// Superadmin is the tenant that always exists, and sees all others if its user is admin.
const Superadmin = "superadmin"

// Prefixes are the paths under which the dialect is mounted. Other paths below /v2 belong to somebody else.
var Prefixes = []string{"/v1/loom", "/v2/metrics/queues", "/v2/metrics/nodes", "/v3", pathStatus}

// The paths of the two reports, below each of versions.
var versions = []string{"/v1/loom", "/v2", "/v3"}

const (
	pathQueues = "/metrics/queues"
	pathUsage  = "/metrics/nodes/usage"
	pathStatus = "/status"
)

// Tenants knows which tenants there are.
type Tenants interface {
	Lookup(id tenant.ID) (tenant.Tenant, bool)
	All() []tenant.Tenant
}

// Queues knows what waits and what is worked on.
type Queues interface {
	// Counts are the writes of a tenant that wait for their turn and those that are being applied; none for a tenant that
	// nothing is known of.
	Counts(id tenant.ID) (queued, inProgress int)
}

// Nodes knows the nodes of which samples have come.
type Nodes interface {
	// Nodes are those that fit the filter, with all of their lives.
	Nodes(f Filter) ([]Node, error)
}

// Filter says which nodes are meant. A nil text fits every node.
type Filter struct {
	All    bool       // of all tenants, those that have ended too
	Name   *string    // of those, the ones of this name
	Tenant tenant.Num // if not All: of this one; 0 has none

	User, Cluster *string
	// Template is the template of the node's cluster.
	Template *string
}

// Node is one node. Its lives are disjoint and ascend.
type Node struct {
	Cluster, User, Template string
	Lives                   []Life
}

// Life is a time through which a node lived, in nanoseconds since 1970. That of a node that lives still ends now.
type Life struct{ From, To int64 }

// Access says who may ask for the usage of nodes.
type Access string

// The kinds of access.
const (
	// AccessDocs is what the documentation of Coopr says: administrators alone, and only superadmin names a tenant.
	AccessDocs Access = "docs"
	// AccessSource is what its program did: every user of a tenant sees all of the tenant, and may name it.
	AccessSource Access = "source"
)

// Options are the parts of a Dialect. Tenants, Queues and Nodes are required.
type Options struct {
	Tenants Tenants
	Queues  Queues
	Nodes   Nodes

	// Auth finds out whose API key a request carries. It takes the key from Coopr-ApiKey in all spellings, and where the
	// service is open it lets in who shows any, as Coopr never looked at them. nil: everybody is who the headers say.
	Auth edge.Authenticator
	// Proxies checks the tenant against the other headers that choose one. Its default is not used.
	Proxies edge.Tenants
	// Ready says whether requests can be served; until then they get 503. nil: always.
	Ready func() (ok bool, progress string)
	// Audit is told of each request that sees more than one tenant; nil: nobody is.
	Audit *edge.Audit

	Usage  Access        // "": AccessDocs
	Cached time.Duration // how old counts of queues may be; 0: as they are now

	Compress edge.Compress
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: slog.Default
}

// Dialect is the handler of everything below Prefixes. It is safe for concurrent use.
type Dialect struct {
	o      Options
	counts cache
}

// New makes the dialect.
func New(o Options) *Dialect {
	if o.Usage == "" {
		o.Usage = AccessDocs
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Dialect{o: o, counts: cache{of: o.Queues, keep: o.Cached}}
}

// Routes are the routes of the dialect, for the table of all routes.
func (d *Dialect) Routes() []edge.Route {
	routes := []edge.Route{{Path: pathStatus, Methods: []string{http.MethodGet}, Open: true}}
	for _, v := range versions {
		for _, p := range []string{pathQueues, pathUsage} {
			routes = append(routes, edge.Route{Path: v + p, Methods: []string{http.MethodGet}})
		}
	}
	return routes
}

// ServeHTTP implements http.Handler. Repeated slashes and dot segments of the path do not count. A wrong method and an
// unknown path are refused before anybody is asked who they are, as Coopr does.
func (d *Dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent := r.URL.Path
	if r.URL.RawPath != "" {
		sent = r.URL.RawPath // an encoded slash is none
	}
	serve := d.route(path.Clean("/" + sent))
	switch {
	case serve == nil:
		d.text(w, r, http.StatusNotFound, "Problem accessing: "+r.RequestURI+". Reason: Not Found")
	case r.Method != http.MethodGet:
		h := w.Header()
		h["Content-Type"] = nil // none, as there
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Allow", http.MethodGet)
		h.Set("Connection", "close")
		edge.CompressOff.Answer(w, r, http.StatusMethodNotAllowed, "", []byte(r.RequestURI))
	default:
		serve(w, r)
	}
}

// route is what answers a path, nil for nothing.
func (d *Dialect) route(p string) http.HandlerFunc {
	if p == pathStatus {
		return d.status
	}
	for _, v := range versions {
		switch rest, ok := strings.CutPrefix(p, v); {
		case !ok:
		case rest == pathQueues:
			return d.queues
		case rest == pathUsage:
			return d.usage
		}
	}
	return nil
}

// AnswerPanic implements edge.Panicker.
func (d *Dialect) AnswerPanic(w http.ResponseWriter, r *http.Request) {
	d.text(w, r, http.StatusInternalServerError, "Internal error")
}

// status says that the service is there, to whom it may concern.
func (d *Dialect) status(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	d.text(w, r, http.StatusOK, "OK\n")
}

func (d *Dialect) text(w http.ResponseWriter, r *http.Request, status int, text string) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	edge.CompressOff.Answer(w, r, status, "text/plain; charset=utf-8", []byte(strings.ToValidUTF8(text, "\uFFFD")))
}

func (d *Dialect) json(w http.ResponseWriter, r *http.Request, body []byte) {
	d.o.Compress.Answer(w, r, http.StatusOK, "application/json", body)
}

// tenants are the ids of all tenants, superadmin among them, ascending. The number is 0 for one that is not registered.
func (d *Dialect) tenants() []tenant.Tenant {
	all := d.o.Tenants.All()
	if !slices.ContainsFunc(all, func(t tenant.Tenant) bool { return t.ID == Superadmin }) {
		all = append(all, tenant.Tenant{ID: Superadmin})
	}
	slices.SortFunc(all, func(a, b tenant.Tenant) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}
