package server

import (
	"context"
	"log/slog"

	"granary/compat/clustercockpit"
	"granary/measures"
	"granary/measures/query"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// tree shows the definitions to the ClusterCockpit dialect.
type tree struct{ defs *metricdef.Registry }

func (t tree) Root(num tenant.Num) clustercockpit.Node { return asNode(t.defs.Root(num)) }

type node struct{ *metricdef.Node }

func asNode(n *metricdef.Node) clustercockpit.Node {
	if n == nil {
		return nil
	}
	return node{n}
}

func (n node) Child(name string) clustercockpit.Node { return asNode(n.Node.Child(name)) }

func (n node) Children(yield func(string, clustercockpit.Node) bool) {
	for name, child := range n.Node.Children() {
		if !yield(name, node{child}) {
			return
		}
	}
}

func (n node) AllSeries(yield func(string, metricdef.Ref) bool) {
	for metric, ref := range n.Node.AllSeries() {
		if !yield(metric, ref) {
			return
		}
	}
}

// reader reads grids for the ClusterCockpit dialect.
type reader struct{ engine *query.Engine }

func (r reader) Grid(ctx context.Context, refs []metricdef.Ref, from, to int64, method policy.Method, g *clustercockpit.Grid) (int, error) {
	q := query.Grid{Values: g.Values, Turn: g.Turn}
	n, err := r.engine.Grid(ctx, refs, from, to, method, &q)
	g.From, g.Step, g.Values = q.From, q.Step, q.Values
	return n, err
}

// windows shows and frees ClusterCockpit's windows.
type windows struct {
	*measures.Store
	log *slog.Logger
}

func (w windows) Windows(dst []clustercockpit.Window, ref metricdef.Ref) []clustercockpit.Window {
	list, err := w.Store.Windows(context.Background(), ref)
	if err != nil {
		w.log.Error("series cannot be read", "ref", ref, "error", err)
	}
	for _, v := range list {
		dst = append(dst, clustercockpit.Window{First: v.Start, Step: v.Step, Slots: v.Slots})
	}
	return dst
}
