package clustercockpit

import (
	"context"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/queue"
)

// Tree is the series of a tenant by cluster, host and levels below. It must be safe for concurrent use.
type Tree interface {
	// Root is the level above the clusters; nil if the tenant has no series.
	Root(t tenant.Num) Node
}

// Node is one level of the tree: cluster, host, "hwthread3", "filesystem/home". What it returns is what was there at
// some moment of the call; a series may end at any time.
type Node interface {
	// Child is the level of that name below this one; nil if there is none.
	Child(name string) Node
	// Children calls yield for the levels below, sorted by name, until it returns false.
	Children(yield func(name string, n Node) bool)
	// Series is the level's own series of a metric.
	Series(metric string) (metricdef.Ref, bool)
	// AppendNearest appends the level's own series of a metric, or, if it has none, those of its nearest descendants that
	// have one, depth first.
	AppendNearest(refs []metricdef.Ref, metric string) []metricdef.Ref
	// AllSeries calls yield for all series of this very level, sorted by metric, until it returns false.
	AllSeries(yield func(metric string, ref metricdef.Ref) bool)
}

// Grid is what a Reader answers: Values[i] is the value of the slot that holds the time From + i*Step, NaN where there
// is none. Times are nanoseconds since 1970 UTC.
type Grid struct {
	From, Step int64
	Values     []float64
	// Turn, if not nil, is told how much has been read.
	Turn *queue.Turn
}

// Reader reads series on their slot grid.
type Reader interface {
	// Grid reads [from, to) of one series, or of several combined by method, appending to g.Values[:0].
	//
	// From is the later of from and the first slot of the series, even if no value is in range; of several series it is
	// the latest first slot. Reading stops at the newest slot; of several at the earliest newest one. A slot of the combined
	// series has a value if all series have one there; slots meet by time. A ref that is given twice counts twice. found is
	// the number of refs that have any sample at all; the others take no part. If found is 0, g means nothing.
	//
	// More than one series and a method that is neither Sum nor Mean are an error, with found set. An error of kind "over
	// limit" refuses this one grid.
	Grid(ctx context.Context, refs []metricdef.Ref, from, to int64, method policy.Method, g *Grid) (found int, err error)
}

// Window is a run of at most 512 slots of a series, as cc-metric-store keeps them in one buffer.
type Window struct {
	First int64 // time of the first slot, nanoseconds since 1970 UTC
	Step  int64 // nanoseconds
	Slots int   // up to the last slot that was written
}

// Store is what the endpoints for operators need.
type Store interface {
	// Newest is the time of the newest slot of a series and its step, in nanoseconds; false if it has no sample.
	Newest(ref metricdef.Ref) (t, step int64, ok bool)
	// Windows appends the windows of a series, oldest first.
	Windows(dst []Window, ref metricdef.Ref) []Window
	// Free removes the windows of the series that end (First + Slots*Step) before to, and returns how many there were.
	Free(ctx context.Context, refs []metricdef.Ref, to int64) (windows int, err error)
}

// Writer stores lines.
type Writer interface {
	// WriteLines decodes and stores a body of line protocol. All good lines are stored whatever the others are.
	WriteLines(ctx context.Context, from Source, body []byte) (Written, error)
}

// Source is what holds for all lines of a body.
type Source struct {
	Cluster string // of lines without a cluster tag; "" if none is known
	Subject string // who sends them
	// Other is the tenant of clusters that the mapping does not name; "" if the sender has to choose one first.
	Other tenant.ID
	// Tenant is the tenant of a cluster; the error refuses it to the sender.
	Tenant func(cluster string) (tenant.ID, error)
	// May refuses a tenant to the sender.
	May func(tenant.ID) error
}

// Written is what became of a body.
type Written struct {
	Stored    int    // lines
	Malformed int    // lines
	Ignored   string // the value of X-Granary-Ignored: "unknown-metric=3, too-old=1"; "" if nothing was ignored
	First     BadLine
	// Limited is how many samples were not stored since a tenant's limit on series is reached.
	Limited int
}

// BadLine is the first malformed line of a body.
type BadLine struct {
	Line   int    // counted from 1, blank lines and comments included
	Text   string // of the line
	Reason string // in the words of the line protocol library: "at line 2:50: value for field ..."
}

// Policies holds the set of policies in force.
type Policies interface {
	Current() *policy.Set
}

// Tenants finds a tenant by its name.
type Tenants interface {
	Lookup(id tenant.ID) (tenant.Tenant, bool)
}

// Limits are the limits of tenants on what a request may read. The defaults of the service are not among them: a site that moves
// here from cc-metric-store has never had any.
type Limits interface {
	OwnLimits(n tenant.Num) tenant.Limits
	Standing(n tenant.Num) *tenant.Standing
}
