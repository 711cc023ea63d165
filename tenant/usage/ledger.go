package usage

import (
	"cmp"
	"log/slog"
	"sync"
	"time"

	"granary/tenant"
)

// Tags are the names of tags that say of which node a sample is; of each list the first one that a series has counts.
type Tags struct {
	Node, Cluster, User, Template []string
}

// DefaultGrace is how long a node is taken to run behind its last sample if nothing is said.
const DefaultGrace = 5 * time.Minute

// DefaultKeep is how long usage is kept if nothing is said.
const DefaultKeep = 400 * 24 * time.Hour

// Options configure a ledger.
type Options struct {
	Tags  Tags
	Grace time.Duration // 0: DefaultGrace
	Keep  time.Duration // 0: DefaultKeep
	// TenantID names a tenant, also one that was deleted; nil: "".
	TenantID func(tenant.Num) tenant.ID
	// Series says whose a series is and what its tags are, if Name was not told of it; nil: nobody knows.
	Series func(series uint32) (t tenant.Num, tag func(name string) string, ok bool)
	Store  Store // nil: nothing is saved
	Now    func() time.Time
	Logger *slog.Logger
}

// Ledger is the ledger of one store. What it counts is told by one goroutine at a time, the one that applies records; questions may
// come from any.
type Ledger struct {
	o     Options
	grace int64

	// leaving is held for reading by who asks, and for writing while what was saved leaves memory, so that nobody counts it twice or
	// misses it. It is taken before mu.
	leaving sync.RWMutex

	mu       sync.Mutex
	accounts map[tenant.Num]*account
	table    table
	bases    []*base  // by number; nil: free, and the first ones, which are none
	free     []uint32 // numbers of forgotten bases, which no series has
	known    map[NodeKey]uint32
	nodes    map[NodeKey]*node
	dirty    []*node
	who      string                 // whose rows come now
	reads    map[tenant.Num]*Counts // not in the journal yet
	saving   *Saving                // on its way to the store; nil: nothing is
	position uint64                 // all records up to here are in the store
	swept    time.Time              // when old usage was looked for last
	totals   Totals
}

// Totals are what was counted since the start, of all tenants.
type Totals struct {
	Counts
	Nodes int // held in memory
	Saves uint64
}

// New makes an empty ledger.
func New(o Options) *Ledger {
	o.Grace, o.Keep = cmp.Or(o.Grace, DefaultGrace), cmp.Or(o.Keep, DefaultKeep)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.TenantID == nil {
		o.TenantID = func(tenant.Num) tenant.ID { return "" }
	}
	return &Ledger{
		o: o, grace: int64(o.Grace), accounts: make(map[tenant.Num]*account), bases: make([]*base, firstBase), known: make(map[NodeKey]uint32),
		nodes: make(map[NodeKey]*node), reads: make(map[tenant.Num]*Counts),
	}
}

// Totals are what was counted since the start.
func (l *Ledger) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.totals
	t.Nodes = len(l.nodes)
	return t
}
