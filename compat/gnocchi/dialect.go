package gnocchi

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/query"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/queue"
)

// Name is the dialect's name: in rules of policies, in definitions, in logs.
const Name = policy.Gnocchi

// The paths of the dialect: Prefix and what lies below it is the API, PrefixOther has the same below it again, and PathHealth is for
// load balancers.
const (
	Prefix      = "/v1"
	PrefixOther = "/gnocchi"
	PathHealth  = "/healthcheck"
)

const settingOrigins = "granary.compat.gnocchi.cors-origins"

const settingRequest = "granary.compat.gnocchi.max-request"

// Definitions finds metrics; metricdef.Registry does.
type Definitions interface {
	Resolve(t tenant.Num, typ metricdef.Type, key []byte) (metricdef.Ref, bool)
	Get(ref metricdef.Ref) (metricdef.Definition, bool)
	Kind(ref metricdef.Ref) metricdef.Kind
	ByID(id uuid.UUID) (metricdef.Ref, bool)
	Select(ctx context.Context, t tenant.Num, e match.Expr) ([]metricdef.Ref, error)
	Search(ctx context.Context, t tenant.Num, e match.Expr, p metricdef.Page) (metricdef.Found, error)
	OfTenant(t tenant.Num) []metricdef.Ref
	AfterID(after uuid.UUID) iter.Seq[metricdef.Ref]
	Count(t tenant.Num) int
	Len() int
	LinkedAs(t tenant.Num, resource uuid.UUID, label string) (metricdef.Ref, bool)
	AppendLinks(dst []metricdef.Link, t tenant.Num, resource uuid.UUID) []metricdef.Link
}

// Store keeps samples and changes definitions; measures.Store does.
type Store interface {
	PolicyStore
	EnsureTenant(ctx context.Context, id tenant.ID) (tenant.Num, error)
	Commit(ctx context.Context, b *measures.Batch) error
	CreateDefinitions(ctx context.Context, drafts []metricdef.Draft) []measures.CreateResult
	UpdateDefinitions(ctx context.Context, list []measures.DefinitionUpdate) (at int, err error)
	DeleteDefinitions(ctx context.Context, refs []metricdef.Ref) (int, error)

	CreateResourceType(ctx context.Context, t resource.Type) error
	UpdateResourceType(ctx context.Context, name string, change func(*resource.Type) (fill map[string]resource.Value, err error)) (resource.Type, error)
	DeleteResourceType(ctx context.Context, name string) error
	ChangeResource(ctx context.Context, c *measures.ResourceChange) (resource.Resource, []metricdef.Ref, error)
	DeleteResources(ctx context.Context, t tenant.Num, ids []uuid.UUID, cond func(*resource.Resource) error) (int, error)
}

// Queries prepares and bounds queries; query.Engine does.
type Queries interface {
	Prepare(ctx context.Context, r query.Request) (*query.Query, error)
	Admit(most, cost query.Cost) error
}

// Tenants finds tenants; tenant.Registry does.
type Tenants interface {
	Lookup(id tenant.ID) (tenant.Tenant, bool)
	ByNum(n tenant.Num) (tenant.Tenant, bool)
	ID(n tenant.Num) tenant.ID
	All() []tenant.Tenant
	Limits(n tenant.Num) tenant.Limits
	Standing(n tenant.Num) *tenant.Standing
}

// Policies say how metrics are kept; policy.Registry does.
type Policies interface {
	For(n tenant.Num) *policy.View
}

// DefaultMaxLimit is how many items a page has at most.
const DefaultMaxLimit = 1000

// Options are the parts of a Dialect. Definitions, Resources, Store, Queries, Tenants and Policies are required.
type Options struct {
	Definitions Definitions
	Resources   Resources
	Store       Store
	Queries     Queries
	Tenants     Tenants
	Policies    Policies

	// MaxLimit is how many items a page of a list has at most; 0: DefaultMaxLimit.
	MaxLimit int
	// Methods are those of archive policies that name none; nil: policy.DefaultMethods.
	Methods []policy.Method
	Version string // of Granary

	// Mode says who a request may say it is of; the zero value is ModeAny.
	Mode Mode
	// Auth says who asks; nil: everybody may do everything.
	Auth edge.Authenticator
	// Locked says whether there is a source of identities, so that nobody is who they merely say they are.
	Locked func() bool
	// Keystone knows the tokens of X-Auth-Token; nil: nobody does.
	Keystone *Keystone
	// Believe says whether the name that a request shows counts without a password though there is a source of identities; nil: none does.
	Believe func(r *http.Request) bool
	// Rules say who may do what; nil: DefaultRules.
	Rules *Rules
	// Proxies are those whose X-User-Id, X-Project-Id and X-Roles count.
	Proxies edge.Proxies
	// Default is the tenant of who has no project.
	Default tenant.ID
	// Origins are those of the web pages whose scripts may ask, "*" for all; nil: none.
	Origins []string
	// ProxyHeaders lets Forwarded and X-Forwarded-* change the addresses in answers.
	ProxyHeaders bool
	// Audit hears of changes and deletions, and of who looks at all tenants at once; nil: nobody does.
	Audit *edge.Audit
	// Ready says whether requests can be served; until then they get 503. nil: always.
	Ready func() (ok bool, progress string)

	// CheckRate says whether a tenant may send samples now; nil: always.
	CheckRate func(tenant.ID) error
	// Counters count what became of points; nil: own ones.
	Counters *ingest.Counters
	// Reads bounds the requests that read at the same time, and lets tenants take turns; nil: no bound.
	Reads    *queue.Fair
	Bodies   *edge.Bodies // reads bodies of measures; nil: edge's default limit
	Requests *edge.Bodies // reads all other bodies; nil: NewRequests(0)
	Compress edge.Compress

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

// DefaultRequest is the largest body of a request that writes no measures, in bytes.
const DefaultRequest = 16 << 20

// NewRequests makes what reads the bodies of requests that write no measures, up to limit bytes, 0: DefaultRequest.
func NewRequests(limit int64) *edge.Bodies {
	return edge.NewBodies(edge.BodyOptions{Limit: cmp.Or(limit, DefaultRequest), Setting: settingRequest})
}

// Dialect is the handler of everything below Prefix and PrefixOther, and of PathHealth. It is safe for concurrent use.
type Dialect struct {
	o       Options
	router  *mux.Router
	routes  []edge.Route
	tenants edge.Tenants
	pages   *edge.CORS // whose changes are taken

	intakes sync.Pool // of *intake
}

// New makes the dialect.
func New(o Options) *Dialect {
	o.MaxLimit = cmp.Or(o.MaxLimit, DefaultMaxLimit)
	if o.Methods == nil {
		o.Methods = policy.DefaultMethods()
	}
	if o.Locked == nil {
		o.Locked = func() bool { return false }
	}
	if o.Bodies == nil {
		o.Bodies = edge.NewBodies(edge.BodyOptions{Setting: "granary.limits.body"})
	}
	if o.Rules == nil {
		o.Rules = DefaultRules()
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
	d := &Dialect{o: o, tenants: edge.Tenants{Default: o.Default, Trusted: o.Proxies}, pages: edge.NewCORS(o.Origins)}
	d.pages.Setting = settingOrigins
	if k := o.Keystone; k != nil {
		own := *k
		own.suspects = make(chan struct{}, 1)
		d.o.Keystone = &own
	}
	d.mount(d.table())
	return d
}

// AnswerPanic implements edge.Panicker.
func (d *Dialect) AnswerPanic(w http.ResponseWriter, r *http.Request) {
	d.fail(w, r, errPanic)
}
