package native

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
	"granary/measures"
	"granary/measures/ingest/known"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// Name is the name of this API among the dialects: in rules of policies, in definitions, in logs.
const Name = "native"

// Prefix is the path under which the API is mounted.
const Prefix = "/v2"

// Store is what changes the store.
type Store interface {
	// EnsureTenant makes the tenant if it does not exist and the settings let a write make it.
	EnsureTenant(ctx context.Context, id tenant.ID) (tenant.Num, error)
	Stats() measures.Stats
	// Held is what a tenant holds in memory and in files.
	Held(num tenant.Num) measures.Held
	// Commit stores a batch; measures.Store says more.
	Commit(ctx context.Context, b *measures.Batch) error
}

// Tenants finds tenants.
type Tenants interface {
	Lookup(id tenant.ID) (tenant.Tenant, bool)
	// All are those that can be seen.
	All() []tenant.Tenant
	// Limits are those in force for a tenant.
	Limits(n tenant.Num) tenant.Limits
	// MadeByWrites says whether a write may make a tenant of that id.
	MadeByWrites(id tenant.ID) bool
}

// Options are the parts of an API. The interfaces are required.
type Options struct {
	Store   Store
	Tenants Tenants
	// ServiceLimits are those of the configuration. Of those that are capped no tenant gets more.
	ServiceLimits tenant.Limits
	Definitions   Definitions
	Ends          Ends
	Metrics       Metrics
	Policies      Policies
	Lines         Lines
	Queries       Queries
	// Writes is where bodies of measures wait, to be shown; nil: nowhere.
	Writes *queue.Fair
	// Reads bounds the queries that are worked on at the same time, and lets tenants take turns; nil: nothing does.
	Reads *queue.Fair
	// CheckRate says whether a tenant may send samples now; nil: always.
	CheckRate func(tenant.ID) error
	// SeriesStatus is the answer to a write of which nothing was stored since the limit on series is reached; 0: 429.
	SeriesStatus int
	// LimitSources says where each limit in force for a tenant comes from, in the order of tenant.LimitFields; LimitUse how much of a
	// limit, by its number, is used, and false where that cannot be said; Standing counts what was refused. Nil: nothing is said.
	LimitSources func(tenant.Num) []tenant.LimitSource
	Standing     func(n tenant.Num) *tenant.Standing
	LimitUse     func(t *tenant.Tenant, number int) (int64, bool)
	// TenantChanges is the store again.
	TenantChanges TenantChanges
	Ranges        Ranges // and again
	KeyChanges    KeyChanges
	Keys          Keys
	Usage         Usage

	// PolicyOf names the policy of a metric, and says whether the metric names it itself.
	PolicyOf func(d *metricdef.Definition) (name string, explicit bool)
	// ResourceType names the type of a tenant's resource, "" if there is no such resource; nil: no types are named.
	ResourceType func(t tenant.Num, id uuid.UUID) string

	Version      string
	Capabilities Capabilities

	// Select chooses the tenant of a request.
	Select edge.Tenants
	// Auth says who asks; nil: everybody may do everything.
	Auth edge.Authenticator
	// Audit hears of changes of what a tenant or the service is set up with, and of deletions; nil: nobody does.
	Audit *edge.Audit
	// CORS says which web pages may ask; nil: those of the service itself.
	CORS *edge.CORS
	// Ready says whether requests can be served; until then they get 503. nil: always.
	Ready func() (ok bool, progress string)

	Bodies   *edge.Bodies // reads bodies of measures; nil: edge's default limit
	Requests *edge.Bodies // reads bodies that are no measures; nil: NewRequests(0)
	Compress edge.Compress

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

// DefaultRequest is the largest body of a request that writes no measures, in bytes.
const DefaultRequest = 16 << 20

const settingRequest = "granary.native.max-request"

// NewRequests makes what reads the bodies of requests that write no measures, up to limit bytes, 0: DefaultRequest.
func NewRequests(limit int64) *edge.Bodies {
	return edge.NewBodies(edge.BodyOptions{Limit: cmp.Or(limit, DefaultRequest), Setting: settingRequest})
}

// API is the handler of everything below Prefix. It is safe for concurrent use.
type API struct {
	o      Options
	router *mux.Router
	routes []edge.Route

	// headers knows the text in front of the samples of an item. Which metric it names does not depend on policies.
	headers known.Cache
	intakes sync.Pool // *intake
}

// New makes the API.
func New(o Options) *API {
	if o.Requests == nil {
		o.Requests = NewRequests(0)
	}
	if o.Bodies == nil {
		o.Bodies = edge.NewBodies(edge.BodyOptions{Setting: "granary.limits.body"})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CORS == nil {
		o.CORS = edge.NewCORS(nil)
	}
	if o.Auth == nil {
		o.Auth = everybody{}
	}
	a := &API{o: o}
	a.mount(a.table())
	return a
}

// table is every operation, a resource a line. Whoever adds a resource adds its line here, and its file.
func (a *API) table() []route {
	var all []route
	for _, resource := range [][]route{
		a.statusRoutes(),
		a.tenantRoutes(),
		a.limitRoutes(),
		a.queueRoutes(),
		a.keyRoutes(),
		a.measuresRoutes(),
		a.metricRoutes(),
		a.tagRoutes(),
		a.policyRoutes(),
		a.queryRoutes(),
		a.usageRoutes(),
	} {
		all = append(all, resource...)
	}
	return all
}

// everybody is an operator.
type everybody struct{}

func (everybody) Authenticate(*http.Request) (*identity.Identity, error) {
	return identity.Open(), nil
}
