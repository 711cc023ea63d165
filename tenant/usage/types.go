package usage

import (
	"granary/tenant"
)

// Counts are what a tenant used within some time.
type Counts struct {
	Samples uint64 // stored
	Bytes   uint64 // in which they came, after decompression
	Created uint64 // series that began
	Removed uint64 // series that ended
	Queries uint64
	Read    uint64 // samples that queries went through
	Sent    uint64 // bytes of their answers
}

// Add adds what other counts say.
func (c *Counts) Add(o *Counts) {
	c.Samples += o.Samples
	c.Bytes += o.Bytes
	c.Created += o.Created
	c.Removed += o.Removed
	c.Queries += o.Queries
	c.Read += o.Read
	c.Sent += o.Sent
}

// Hour is what a tenant used in one hour, by the time at which it was written or asked.
type Hour struct {
	Start int64 // seconds since 1970 UTC, a multiple of 3,600
	Counts
	Series int64 // at its end, or now
	Peak   int64 // the most at the same time
}

// NodeKey says which node is meant. The same machine under another user is another node.
type NodeKey struct {
	Tenant                        tenant.Num
	Cluster, Name, User, Template string // "" where nothing says it, but for Name
}

// Node is a node with its lives.
type Node struct {
	NodeKey
	TenantID tenant.ID
	Lives    []Life // ascending, at least one
}

// Life is a time in which a node sent samples: from its first sample to the last one plus the grace. Samples that are further
// apart than the grace belong to two lives.
type Life struct {
	From, To int64 // nanoseconds since 1970 UTC
	Running  bool  // the grace has not passed; To is now
}

// NodeFilter chooses nodes. Zero values choose all.
type NodeFilter struct {
	Tenants                       []tenant.Num // nil: all
	User, Cluster, Name, Template string
	From, To                      int64 // only lives that reach into [From, To), nanoseconds; a To of 0 is now
}

// nowhere says that nothing can be chosen.
func (f *NodeFilter) nowhere() bool { return f.Tenants != nil && len(f.Tenants) == 0 || f.From >= f.To }

func (f *NodeFilter) takes(k *NodeKey) bool {
	return (f.User == "" || f.User == k.User) && (f.Cluster == "" || f.Cluster == k.Cluster) && (f.Name == "" || f.Name == k.Name) &&
		(f.Template == "" || f.Template == k.Template)
}
