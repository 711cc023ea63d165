package server

import (
	"context"
	"maps"
	"slices"

	"granary/api/edge"
	"granary/cmd/granary/config"
	"granary/compat/clustercockpit"
	"granary/compat/nats"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/line"
	"granary/measures/ingest/mapping"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// lines is ClusterCockpit's way in, for HTTP and NATS alike.
type lines struct {
	store    *measures.Store
	writer   *ingest.Writer
	rules    *rules
	fallback tenant.ID
	clusters map[string]tenant.ID
	bounds   config.Bounds
	queues   *queue.Fair
}

func newLines(store *measures.Store, writer *ingest.Writer, rules *rules, queues *queue.Fair, cfg *config.Config) *lines {
	return &lines{store: store, writer: writer, rules: rules, fallback: cfg.Tenants.Default, clusters: cfg.ClusterCockpit.Tenants, bounds: cfg.Bounds, queues: queues}
}

// scope is all tenants that clusters lie in.
func (l *lines) scope() identity.Scope {
	return identity.Only(append(slices.Collect(maps.Values(l.clusters)), l.fallback)...)
}

// tenantOf is the tenant of a cluster where other is that of those that the mapping does not name.
func (l *lines) tenantOf(cluster string, other tenant.ID) tenant.ID {
	if named, ok := l.clusters[cluster]; ok {
		return named
	}
	return other
}

// mapping is what lines mean that come with a default cluster. tenantOf is the tenant of a cluster, and key stands for it: where
// it says the same the lines go to the same tenants.
func (l *lines) mapping(ctx context.Context, cluster, key string, tenantOf func(cluster string) (tenant.ID, error)) line.Mapping {
	set := l.store.Policies.Current()
	m := &line.ClusterCockpit{Cluster: cluster, Tenants: key, Limits: bounds(l.bounds, set, policy.ClusterCockpitDefaultName)}
	if !set.Open() {
		m.Known = func(metric string) bool {
			_, known := set.Resolve(clustercockpit.Name, metric)
			return known
		}
	}
	m.Tenant = func(cluster string) (tenant.Num, error) {
		id, err := tenantOf(cluster)
		if err != nil {
			return 0, err
		}
		return l.store.EnsureTenant(ctx, id)
	}
	return mapping.ClusterCockpit{ClusterCockpit: m, Lines: mapping.Lines{Table: l.rules.Current()}}
}

// WriteLines implements clustercockpit.Writer. The context of a request ends with its connection, but lines that have come
// are stored whether or not their sender waits for the answer: the complete lines of a body that was cut off above all.
func (l *lines) WriteLines(ctx context.Context, from clustercockpit.Source, body []byte) (clustercockpit.Written, error) {
	ctx = context.WithoutCancel(ctx)
	sender := ingest.Sender{Subject: from.Subject, May: func(n tenant.Num) error {
		if id := l.store.Tenants.ID(n); id != "" {
			return from.May(id)
		}
		return nil // it is gone, and the store says so
	}}
	r, err := l.writer.WriteFrom(ctx, l.mapping(ctx, from.Cluster, otherKey(from.Other), from.Tenant), sender, body)
	w := clustercockpit.Written{Stored: r.Stored + r.Derived, Malformed: r.Malformed, Ignored: r.IgnoredHeader(), Limited: r.Ignored[measures.SeriesLimit]}
	if r.First != nil {
		w.First = clustercockpit.BadLine{Line: r.First.Line, Text: r.First.Text, Reason: r.First.Reason}
	}
	return w, err
}

// otherKey stands for a mapping that gives clusters their tenant, and all that it does not name to another.
func otherKey(other tenant.ID) string { return "mapped, else " + string(other) }

// natsLines is the same for the subscriptions of NATS. Each is somebody of its own, who writes and does nothing else.
type natsLines struct{ *lines }

// WriteLines implements nats.Writer.
func (l natsLines) WriteLines(ctx context.Context, s nats.Subscription, body []byte) (nats.Result, error) {
	var ticket queue.Ticket
	q := l.queues.Queue(l.charged(s))
	// It waits for as long as it takes: what arrives meanwhile pends, and overflow is counted by the subscription.
	if err := q.Await(ctx, &ticket, min(int64(len(body)), q.Max())); err != nil {
		return nats.Result{}, err
	}
	defer ticket.Leave()
	ctx = queue.With(ctx, &ticket)
	only := tenant.ID(s.Tenant)
	who := l.subscriber(s.Subject, only)
	key := "only " + s.Tenant
	if only == "" {
		key = otherKey(l.fallback)
	}
	tenantOf := func(cluster string) (tenant.ID, error) {
		id := only
		if id == "" {
			id = l.tenantOf(cluster, l.fallback)
		}
		return id, edge.Demand(who, id, identity.Write)
	}
	sender := ingest.Sender{Subject: who.Subject, Whole: true}
	r, err := l.writer.WriteFrom(ctx, l.mapping(ctx, s.ClusterTag, key, tenantOf), sender, body)
	out := nats.Result{Stored: r.Stored + r.Derived, Malformed: r.Malformed}
	for _, n := range r.Ignored {
		out.Ignored += n
	}
	return out, err
}

// subscriber is who writes what comes from a subject: into its own tenant, or into those that clusters lie in.
func (l *lines) subscriber(subject string, only tenant.ID) *identity.Identity {
	scope := l.scope()
	if only != "" {
		scope = identity.Only(only)
	}
	return identity.InScope("nats:"+subject, identity.Internal, subject, identity.Writer, scope)
}

// charged is the tenant in whose queue the bodies of a subscription wait.
func (l *lines) charged(s nats.Subscription) tenant.ID {
	if s.Tenant != "" {
		return tenant.ID(s.Tenant)
	}
	return l.tenantOf(s.ClusterTag, l.fallback)
}

func (s *Server) natsOptions() nats.Options {
	c := s.cfg.NATS
	o := nats.Options{
		Address: c.Address, Username: c.Username, Password: string(c.Password), CredsFile: c.CredsFile, Writer: natsLines{s.lines}, Logger: s.o.Logger,
		BatchBytes: int(c.BatchBytes), BatchWait: max(c.BatchWait, 1) /* 0 is the default there */, PendingMessages: int(c.PendingMessages), PendingBytes: int(c.PendingBytes),
	}
	for _, sub := range c.Subscriptions {
		o.Subscriptions = append(o.Subscriptions, nats.Subscription{
			Subject: sub.Subject, ClusterTag: sub.ClusterTag, Tenant: string(sub.Tenant), Durable: sub.Durable, Stream: sub.Stream, Consumer: sub.Consumer,
		})
	}
	return o
}

// seriesOf is all series of the hosts.
func (l *lines) seriesOf(used map[string][]string) map[metricdef.Ref]bool {
	refs := make(map[metricdef.Ref]bool)
	var walk func(n *metricdef.Node)
	walk = func(n *metricdef.Node) {
		for _, ref := range n.AllSeries() {
			refs[ref] = true
		}
		for _, child := range n.Children() {
			walk(child)
		}
	}
	for _, t := range l.store.Tenants.All() {
		root := l.store.Definitions.Root(t.Num)
		if root == nil {
			continue
		}
		for cluster, hosts := range used {
			c := root.Child(cluster)
			for _, host := range hosts {
				if c == nil {
					break
				}
				if h := c.Child(host); h != nil {
					walk(h)
				}
			}
		}
	}
	return refs
}
