package clustercockpit

import (
	"granary/metricdef"
	"granary/tenant"
)

// FromRegistry is the tree that the registry of definitions keeps.
func FromRegistry(r *metricdef.Registry) Tree { return registryTree{r} }

type registryTree struct{ r *metricdef.Registry }

func (t registryTree) Root(num tenant.Num) Node { return registryNode(t.r.Root(num)) }

// node is one pointer, so that a Node made of it needs no memory.
type node struct{ n *metricdef.Node }

// registryNode is n as a Node; a nil node is a nil Node.
func registryNode(n *metricdef.Node) Node {
	if n == nil {
		return nil
	}
	return node{n}
}

func (n node) Child(name string) Node { return registryNode(n.n.Child(name)) }

func (n node) Children(yield func(string, Node) bool) {
	for name, child := range n.n.Children() {
		if !yield(name, node{child}) {
			return
		}
	}
}

func (n node) Series(metric string) (metricdef.Ref, bool) { return n.n.Series(metric) }

func (n node) AllSeries(yield func(string, metricdef.Ref) bool) {
	for metric, ref := range n.n.AllSeries() {
		if !yield(metric, ref) {
			return
		}
	}
}
