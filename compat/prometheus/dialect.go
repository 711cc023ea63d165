package prometheus

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/known"
	"granary/measures/ingest/line"
	"granary/measures/ingest/mapping"
	"granary/measures/ingest/remote"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/identity"
)

// Name is the dialect's name: in rules of policies, in definitions, in logs.
const Name = policy.Prometheus

// Paths are those under which Prometheus itself, Cortex and Mimir, and Thanos take remote write. They are the same here.
var Paths = []string{"/api/v1/write", "/api/v1/push", "/prometheus/api/v1/write", "/receive"}

// Limits of a request, by default, and the settings that change them.
const (
	DefaultMaxSamples = 1_000_000
	DefaultMaxLabels  = remote.DefaultMaxLabels

	settingSamples = "granary.compat.prometheus.max-samples"
	settingLabels  = "granary.compat.prometheus.max-labels"
	settingPast    = "granary.compat.prometheus.bounds.past"
	settingFuture  = "granary.compat.prometheus.bounds.future"
)

// Definitions finds series; metricdef.Registry does.
type Definitions interface {
	Resolve(t tenant.Num, typ metricdef.Type, key []byte) (metricdef.Ref, bool)
	Kind(ref metricdef.Ref) metricdef.Kind
}

// Store keeps samples; measures.Store does.
type Store interface {
	EnsureTenant(ctx context.Context, id tenant.ID) (tenant.Num, error)
	Commit(ctx context.Context, b *measures.Batch) error
}

// Tenants finds tenants; tenant.Registry does.
type Tenants interface {
	Lookup(id tenant.ID) (tenant.Tenant, bool)
	Limits(n tenant.Num) tenant.Limits
}

// Options are the parts of a Dialect. Definitions, Store and Tenants are required.
type Options struct {
	Definitions Definitions
	Store       Store
	Tenants     Tenants

	// Mapping is the table of rules that make other samples of what is sent; nil: there are none.
	Mapping func() *mapping.Table
	// Bounds are how far from now a sample may lie; nil: anywhere.
	Bounds func() line.Bounds
	// MaxSamples is how many samples a request may have; 0: DefaultMaxSamples. MaxLabels is how many labels a series may have beside its
	// name; 0: DefaultMaxLabels, which is the most that is possible.
	MaxSamples, MaxLabels int

	// Auth says who asks; nil: everybody may do everything.
	Auth edge.Authenticator
	// Select chooses the tenant of a request.
	Select edge.Tenants
	// Ready says whether requests can be served; until then they get 503. nil: always.
	Ready func() (ok bool, progress string)
	// CheckRate says whether a tenant may send samples now; nil: always.
	CheckRate func(tenant.ID) error
	// Counters count what became of samples; nil: own ones.
	Counters *ingest.Counters
	Bodies   *edge.Bodies // reads the bodies; nil: edge's default limit

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

// Dialect is the handler of Paths. It is safe for concurrent use.
type Dialect struct {
	o       Options
	routes  []route
	cors    *edge.CORS // no page of another origin writes
	learned atomic.Pointer[learned]
	intakes sync.Pool // *intake
}

// learned is what is remembered of the labels of series for as long as a table of rules is in force.
type learned struct {
	rules *mapping.Table
	known known.Cache
}

// memory is what is remembered under the rules in force.
func (d *Dialect) memory() *learned {
	l, rules := d.learned.Load(), d.o.Mapping()
	if l.rules == rules {
		return l
	}
	fresh := &learned{rules: rules}
	d.learned.CompareAndSwap(l, fresh) // else another request has seen the same, or what came behind it
	return fresh
}

// New makes the dialect.
func New(o Options) *Dialect {
	o.MaxSamples = cmp.Or(o.MaxSamples, DefaultMaxSamples)
	o.MaxLabels = cmp.Or(o.MaxLabels, DefaultMaxLabels)
	if o.Bodies == nil {
		o.Bodies = edge.NewBodies(edge.BodyOptions{Setting: "granary.limits.body"})
	}
	if o.Counters == nil {
		o.Counters = &ingest.Counters{}
	}
	if o.Bounds == nil {
		o.Bounds = func() line.Bounds { return line.Bounds{} }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Mapping == nil {
		o.Mapping = func() *mapping.Table { return nil }
	}
	d := &Dialect{o: o, routes: table(), cors: edge.NewCORS(nil)}
	d.learned.Store(&learned{rules: o.Mapping()})
	return d
}

// route is one operation.
type route struct {
	method, path string
	serve        func(*call) error
	right        identity.Right // what it asks for in the tenant of the request
}

// table is all operations.
func table() (list []route) {
	for _, path := range Paths {
		list = append(list, route{http.MethodPost, path, (*call).write, identity.Write})
	}
	return list
}

// Routes are the routes of the dialect, for the table of all routes.
func (d *Dialect) Routes() (list []edge.Route) {
	for _, t := range d.routes {
		list = append(list, edge.Route{Path: t.path, Methods: []string{t.method}})
	}
	return list
}

// ServeHTTP implements http.Handler.
func (d *Dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cache-Control"] = []string{"no-store"}
	path := r.URL.EscapedPath()
	for i := range d.routes {
		t := &d.routes[i]
		if t.path != path {
			continue
		}
		if t.method != r.Method {
			h["Allow"] = []string{t.method}
			d.fail(w, r, &edge.MethodError{Method: r.Method, Allow: t.method})
			return
		}
		d.run(t, w, r)
		return
	}
	d.fail(w, r, &routeError{r.URL.Path})
}

// AnswerPanic implements edge.Panicker.
func (d *Dialect) AnswerPanic(w http.ResponseWriter, r *http.Request) {
	d.fail(w, r, errPanic)
}
