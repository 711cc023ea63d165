package influx

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/measures/ingest"
	"granary/measures/ingest/line"
	rules "granary/measures/ingest/mapping"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
	"granary/tenant/queue"
)

// Name is the dialect's name: in rules of policies, in definitions, in logs.
const Name = "influx"

// Prefixes are the paths under which the dialect is mounted.
var Prefixes = []string{pathWrite, pathQuery, pathPing, pathHealth, PrefixV2}

// PrefixV2 is the path of everything that belongs to the second version.
const PrefixV2 = "/api/v2"

// The paths of the dialect.
const (
	pathWrite   = "/write"
	pathQuery   = "/query"
	pathPing    = "/ping"
	pathHealth  = "/health"
	pathWriteV2 = PrefixV2 + "/write"
)

// InfluxVersion is the version of InfluxDB as whose server the dialect presents itself: the last one that has both ways to write.
const InfluxVersion = "1.8.10-granary"

// Lines stores bodies of line protocol. ingest.Writer is one.
type Lines interface {
	WriteFrom(ctx context.Context, m line.Mapping, from ingest.Sender, body []byte) (ingest.Result, error)
}

// Store makes tenants; measures.Store does.
type Store interface {
	EnsureTenant(ctx context.Context, id tenant.ID) (tenant.Num, error)
}

// Tenants finds tenants; tenant.Registry does.
type Tenants interface {
	Lookup(id tenant.ID) (tenant.Tenant, bool)
	ID(n tenant.Num) tenant.ID
	Limits(n tenant.Num) tenant.Limits
}

// Definitions finds metrics; metricdef.Registry does.
type Definitions interface {
	Get(ref metricdef.Ref) (metricdef.Definition, bool)
	Kind(ref metricdef.Ref) metricdef.Kind
	Search(ctx context.Context, t tenant.Num, e match.Expr, p metricdef.Page) (metricdef.Found, error)
	Tags(ctx context.Context, t tenant.Num, e match.Expr, p metricdef.TagPage) (metricdef.TagsFound, error)
	Values(ctx context.Context, t tenant.Num, name string, e match.Expr, p metricdef.TagPage) (metricdef.ValuesFound, error)
}

// Fields says what becomes of fields that are no numbers.
type Fields struct{ Strings, Booleans line.Treatment }

// Options are the parts of a Dialect. Lines, Store, Tenants and Definitions are required.
type Options struct {
	Lines       Lines
	Store       Store
	Tenants     Tenants
	Definitions Definitions

	// Databases name tenants: by "db" or "db/rp" for the first version, by "bucket" or "org/bucket" for the second one.
	Databases map[string]tenant.ID
	// Fields is for tenants of which TenantFields says nothing.
	Fields       Fields
	TenantFields map[tenant.ID]Fields
	// Bounds are those of the times of a tenant's samples now; nil: there are none.
	Bounds func(tenant.ID) line.Bounds
	// Mapping is the table of rules that make other samples of what is sent; nil: there are none.
	Mapping func() *rules.Table

	// Auth says who asks; nil: everybody may do everything.
	Auth edge.Authenticator
	// Select chooses the tenant of a request that names one, or that names no database with a tenant of its own.
	Select edge.Tenants
	// Ready says whether requests can be served; until then they get 503. nil: always.
	Ready func() (ok bool, progress string)

	// CheckRate says whether a tenant may send samples now; nil: always.
	CheckRate func(tenant.ID) error
	// SeriesStatus is 200 if a body of which samples were not stored since the limit on series is reached is a success.
	SeriesStatus int
	Bodies       *edge.Bodies // reads bodies of lines; nil: edge's default limit
	Requests     *edge.Bodies // reads bodies of queries; nil: NewRequests(0)
	// Reads bounds the queries that are answered at the same time, and lets tenants take turns; nil: no bound.
	Reads    *queue.Fair
	Compress edge.Compress

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

// DefaultRequest is the largest body of a query, in bytes.
const DefaultRequest = 1 << 20

const settingRequest = "granary.compat.influx.max-request"

// NewRequests makes what reads the bodies of queries, up to limit bytes, 0: DefaultRequest.
func NewRequests(limit int64) *edge.Bodies {
	return edge.NewBodies(edge.BodyOptions{Limit: cmp.Or(limit, DefaultRequest), Setting: settingRequest})
}

// Dialect is the handler of everything below Prefixes. It is safe for concurrent use.
type Dialect struct {
	o      Options
	router *mux.Router
	routes []edge.Route
}

// New makes the dialect.
func New(o Options) *Dialect {
	if o.Bodies == nil {
		o.Bodies = edge.NewBodies(edge.BodyOptions{Setting: "granary.limits.body"})
	}
	if o.Requests == nil {
		o.Requests = NewRequests(0)
	}
	if o.Bounds == nil {
		o.Bounds = func(tenant.ID) line.Bounds { return line.Bounds{} }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	d := &Dialect{o: o}
	d.mount(d.table())
	return d
}

// fieldsOf is what becomes of fields of a tenant that are no numbers.
func (d *Dialect) fieldsOf(id tenant.ID) Fields {
	if f, ok := d.o.TenantFields[id]; ok {
		return f
	}
	return d.o.Fields
}

// AnswerPanic implements edge.Panicker.
func (d *Dialect) AnswerPanic(w http.ResponseWriter, r *http.Request) {
	d.fail(w, r, errPanic)
}
