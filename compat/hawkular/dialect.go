package hawkular

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/compat/hawkular/alerts"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/known"
	"granary/measures/query"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
	"granary/tenant/queue"
)

// Name is the dialect's name: in rules of policies, in definitions, in logs.
const Name = "hawkular"

// Prefix is the path of everything but alerts, and PrefixAlerts that of alerts.
const (
	Prefix       = "/hawkular/metrics"
	PrefixAlerts = "/hawkular/alerts"
)

// DefaultStart is how far before now a range begins that names no start.
const DefaultStart = 8 * time.Hour

const settingRequest = "granary.compat.hawkular.max-request"

// Definitions finds metrics; metricdef.Registry does.
type Definitions interface {
	Resolve(t tenant.Num, typ metricdef.Type, key []byte) (metricdef.Ref, bool)
	Get(ref metricdef.Ref) (metricdef.Definition, bool)
	// Tag is the value of a tag by which a search finds the metric, "" if there is none of that name.
	Tag(ref metricdef.Ref, name string) string
	Kind(ref metricdef.Ref) metricdef.Kind
	ByID(id uuid.UUID) (metricdef.Ref, bool)
	Count(t tenant.Num) int
	Claimed(t tenant.Num) int
	Select(ctx context.Context, t tenant.Num, e match.Expr) ([]metricdef.Ref, error)
	Filter(ctx context.Context, refs []metricdef.Ref, f metricdef.Filter) ([]metricdef.Ref, error)
	Tags(ctx context.Context, t tenant.Num, e match.Expr, p metricdef.TagPage) (metricdef.TagsFound, error)
	ValuesOf(ctx context.Context, t tenant.Num, names []string, e match.Expr, f metricdef.Filter) ([][]metricdef.ValueCount, error)
}

// Store keeps samples and changes definitions and tenants; measures.Store does.
type Store interface {
	EnsureTenant(ctx context.Context, id tenant.ID) (tenant.Num, error)
	Commit(ctx context.Context, b *measures.Batch) error
	CreateDefinitions(ctx context.Context, drafts []metricdef.Draft) []measures.CreateResult
	UpdateDefinition(ctx context.Context, ref metricdef.Ref, u metricdef.Update) error
	UpdateDefinitions(ctx context.Context, list []measures.DefinitionUpdate) (at int, err error)
	DeleteDefinitions(ctx context.Context, refs []metricdef.Ref) (int, error)
	DeleteUnwritten(ctx context.Context, refs []metricdef.Ref) (int, error)
	DeleteRange(ctx context.Context, refs []metricdef.Ref, from, to int64) error
	Bounds(ref metricdef.Ref, from, to int64) (measures.Bounds, bool)
	Newest(ref metricdef.Ref) (t, step int64, ok bool)
	Before(ctx context.Context, r *measures.Reader, ref metricdef.Ref, t int64) (at int64, v float64, ok bool, err error)
	Border(ref metricdef.Ref, from, to, n int64, back bool) int64
	ReadText(ctx context.Context, r *measures.TextReader, ref metricdef.Ref, from, to int64) error
	RetentionOf(ref metricdef.Ref) time.Duration

	CreateTenant(ctx context.Context, d tenant.Draft) (num tenant.Num, existed bool, err error)
	UpdateTenant(ctx context.Context, num tenant.Num, set tenant.Settings) error
	DeleteTenant(ctx context.Context, num tenant.Num) error
}

// Queries prepares and bounds queries; query.Engine does.
type Queries interface {
	Prepare(ctx context.Context, r query.Request) (*query.Query, error)
	Admit(most, cost query.Cost) error
}

// Tenants finds tenants; tenant.Registry does.
type Tenants interface {
	Lookup(id tenant.ID) (tenant.Tenant, bool)
	All() []tenant.Tenant
	Limits(n tenant.Num) tenant.Limits
	Standing(n tenant.Num) *tenant.Standing
}

// Options are the parts of a Dialect. Definitions, Store, Queries and Tenants are required.
type Options struct {
	Definitions Definitions
	Store       Store
	Queries     Queries
	Tenants     Tenants

	// Alerts watches alerts; nil: there are none.
	Alerts *alerts.Watch

	// Strict is Hawkular Metrics 0.32, else Mohawk's documentation is the guide.
	Strict bool
	// Own leaves metrics of other dialects out of lists and searches; by their ids they are found.
	Own bool
	// DefaultStart is how far before now a range begins that names no start; 0: DefaultStart.
	DefaultStart time.Duration
	Version      string // of Granary

	// Auth says who asks; nil: everybody may do everything.
	Auth edge.Authenticator
	// Admin judges admin tokens; nil: there is none.
	Admin TokenJudge
	// Origins are those of the web pages whose scripts may ask, "*" for all that show a token or key; nil: none.
	Origins []string
	// Select chooses the tenant of a request. Its default is that of requests without a header, but in the strict mode.
	Select edge.Tenants
	// Audit hears of changes of tenants, of deletions, and of who looks at all tenants at once; nil: nobody does.
	Audit *edge.Audit
	// Ready says whether requests can be served; until then they get 503. nil: always.
	Ready func() (ok bool, progress string)

	// CheckRate says whether a tenant may send samples now; nil: always.
	CheckRate func(tenant.ID) error
	// SeriesStatus is the answer to a write of which points were not stored since the limit on series is reached; 0: 429.
	SeriesStatus int
	// MaxText is how many bytes a text may have, or the tags of a point; 0: measures.DefaultMaxText.
	MaxText int
	// Counters count what became of points; nil: own ones.
	Counters *ingest.Counters
	// Reads bounds the requests that read at the same time, and lets tenants take turns; nil: no bound.
	Reads    *queue.Fair
	Bodies   *edge.Bodies // reads bodies of points; nil: edge's default limit
	Requests *edge.Bodies // reads all other bodies; nil: NewRequests(0)
	Compress edge.Compress

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

// DefaultRequest is the largest body of a request that writes no points, in bytes.
const DefaultRequest = 16 << 20

// NewRequests makes what reads the bodies of requests that write no points, up to limit bytes, 0: DefaultRequest.
func NewRequests(limit int64) *edge.Bodies {
	return edge.NewBodies(edge.BodyOptions{Limit: cmp.Or(limit, DefaultRequest), Setting: settingRequest})
}

// Dialect is the handler of everything below Prefix and PrefixAlerts. It is safe for concurrent use.
type Dialect struct {
	o      Options
	router *mux.Router
	routes []edge.Route
	// origins are Options.Origins.
	origins origins
	known   known.Cache // of the types and ids of metrics
	intakes sync.Pool   // *intake
}

// New makes the dialect.
func New(o Options) *Dialect {
	o.DefaultStart = cmp.Or(o.DefaultStart, DefaultStart)
	if o.Bodies == nil {
		o.Bodies = edge.NewBodies(edge.BodyOptions{Setting: "granary.limits.body"})
	}
	if o.Requests == nil {
		o.Requests = NewRequests(0)
	}
	if o.Counters == nil {
		o.Counters = &ingest.Counters{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Compress = o.Compress.Every() // as both peers do; clients unpack without asking whether they have to
	d := &Dialect{o: o, origins: newOrigins(o.Origins)}
	d.mount(d.table())
	return d
}

// AnswerPanic implements edge.Panicker.
func (d *Dialect) AnswerPanic(w http.ResponseWriter, r *http.Request) {
	d.fail(w, r, errPanic)
}
