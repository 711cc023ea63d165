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
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/identity"
)

// lines is ClusterCockpit's way in, for HTTP and NATS alike.
type lines struct {
	store    *measures.Store
	writer   *ingest.Writer
	fallback tenant.ID
	clusters map[string]tenant.ID
	bounds   config.Bounds
}

func newLines(store *measures.Store, writer *ingest.Writer, cfg *config.Config) *lines {
	return &lines{store: store, writer: writer, fallback: cfg.Tenants.Default, clusters: cfg.ClusterCockpit.Tenants, bounds: cfg.Bounds}
}

// scope is all tenants that clusters lie in.
func (l *lines) scope() identity.Scope {
	return identity.Only(append(slices.Collect(maps.Values(l.clusters)), l.fallback)...)
}

// mapping is what lines mean that come with a default cluster; only, if not empty, is the tenant of all of them.
func (l *lines) mapping(ctx context.Context, cluster string, only tenant.ID, scope identity.Scope) *line.ClusterCockpit {
	set := l.store.Policies.Current()
	m := &line.ClusterCockpit{Cluster: cluster, Tenants: string(only), Limits: bounds(l.bounds, set)}
	if !set.Open() {
		m.Known = func(metric string) bool {
			_, known := set.Resolve(clustercockpit.Name, metric)
			return known
		}
	}
	m.Tenant = func(cluster string) (tenant.Num, error) {
		id := only
		if id == "" {
			id = l.fallback
			if named, ok := l.clusters[cluster]; ok {
				id = named
			}
		}
		if !scope.Contains(id) {
			return 0, &edge.ForbiddenError{Tenant: id}
		}
		return l.store.EnsureTenant(ctx, id)
	}
	return m
}

// WriteLines implements clustercockpit.Writer. The context of a request ends with its connection, but lines that have come
// are stored whether or not their sender waits for the answer: the complete lines of a body that was cut off above all.
func (l *lines) WriteLines(ctx context.Context, from clustercockpit.Source, body []byte) (clustercockpit.Written, error) {
	ctx = context.WithoutCancel(ctx)
	r, err := l.writer.WriteLines(ctx, l.mapping(ctx, from.Cluster, "", from.Scope), body)
	w := clustercockpit.Written{Stored: r.Stored, Malformed: r.Malformed, Ignored: r.IgnoredHeader()}
	if r.First != nil {
		w.First = clustercockpit.BadLine{Line: r.First.Line, Text: r.First.Text, Reason: r.First.Reason}
	}
	return w, err
}

// natsLines is the same for the subscriptions of NATS.
type natsLines struct{ *lines }

// WriteLines implements nats.Writer.
func (l natsLines) WriteLines(ctx context.Context, s nats.Subscription, body []byte) (nats.Result, error) {
	r, err := l.writer.WriteLines(ctx, l.mapping(ctx, s.ClusterTag, tenant.ID(s.Tenant), identity.AllTenants()), body)
	out := nats.Result{Stored: r.Stored, Malformed: r.Malformed}
	for _, n := range r.Ignored {
		out.Ignored += n
	}
	return out, err
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
