package server

import (
	"granary/compat/coopr"
	"granary/tenant"
	"granary/tenant/queue"
	"granary/tenant/usage"
)

// coopr is the dialect's part of the wiring.
func (s *Server) coopr() coopr.Options {
	cfg := s.cfg
	o := coopr.Options{
		Tenants: s.store.Tenants, Queues: queueCounts{s.writes}, Nodes: lives{s.store.Usage},
		Auth: s.guard, Audit: s.audits(), Proxies: s.selector(), Ready: s.ready,
		Usage: coopr.AccessDocs, Cached: cfg.Coopr.QueueCache, Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
	if cfg.Coopr.SourceUsage {
		o.Usage = coopr.AccessSource
	}
	return o
}

// queueCounts are the counts of queues as Coopr knows them.
type queueCounts struct{ *queue.Fair }

// Counts implements coopr.Queues.
func (q queueCounts) Counts(id tenant.ID) (queued, inProgress int) {
	s := q.Stats(id)
	return s.Queued, s.InProgress
}

// lives are the nodes of the ledger as Coopr knows them.
type lives struct{ *usage.Ledger }

// Nodes implements coopr.Nodes. The ledger takes a text that is empty for none.
func (l lives) Nodes(f coopr.Filter) (nodes []coopr.Node, err error) {
	var u usage.NodeFilter
	if !f.All {
		u.Tenants = []tenant.Num{f.Tenant}
	}
	is := func(want *string, has string) bool { return want == nil || *want == has }
	for _, t := range []struct {
		from *string
		to   *string
	}{{f.User, &u.User}, {f.Cluster, &u.Cluster}, {f.Template, &u.Template}} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	err = l.EachNode(u, nil, func(n *usage.Node) bool {
		if is(f.Name, string(n.TenantID)) && is(f.User, n.User) && is(f.Cluster, n.Cluster) && is(f.Template, n.Template) {
			node := coopr.Node{Cluster: n.Cluster, User: n.User, Template: n.Template, Lives: make([]coopr.Life, len(n.Lives))}
			for i, life := range n.Lives {
				node.Lives[i] = coopr.Life{From: life.From, To: life.To}
			}
			nodes = append(nodes, node)
		}
		return true
	})
	return nodes, err
}
