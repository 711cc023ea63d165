package metricdef

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"granary/tenant"
)

// ClusterTree is the default of Options.Tree, the hierarchy of ClusterCockpit: cluster, hostname, then type and type-id
// glued, then stype and stype-id glued. Only numeric series that have both cluster and hostname are in it. The type
// "node" contributes no element, an id without a type is one of its own, and without an element for the type there is none
// for the sub-type either.
func ClusterTree(path []string, typ Type, tags []Tag) ([]string, bool) {
	if typ != Gauge && typ != Counter {
		return path, false
	}
	var cluster, host, kind, id, sub, subID string
	for i := range tags {
		v := tags[i].Value
		switch tags[i].Name {
		case "cluster":
			cluster = v
		case "hostname":
			host = v
		case "type":
			kind = v
		case "type-id":
			id = v
		case "stype":
			sub = v
		case "stype-id":
			subID = v
		}
	}
	if cluster == "" || host == "" {
		return path, false
	}
	path = append(path, cluster, host)
	if kind == "node" || kind+id == "" {
		return path, true
	}
	path = append(path, kind+id)
	if sub+subID != "" {
		path = append(path, sub+subID)
	}
	return path, true
}

// Node is one level of the tree of a tenant. Its methods take the registry's read lock themselves; they are safe for
// concurrent use and must not be called from within each other's iterators' locks, which hold none. A node stays usable
// when the last series below it is gone; it is empty then and no longer reachable from the root.
type Node struct {
	r    *Registry
	name string

	// Under r.mu. Small sets of children are a sorted slice that is replaced and never changed. Large ones are a map, and the
	// slice is what a reader has made of it, nil after a change.
	kids   atomic.Pointer[[]*Node]
	byName map[string]*Node
	series []nodeSeries // sorted by symbol and ref
}

type nodeSeries struct {
	metric uint32 // symbol of the name
	ref    Ref
}

// smallNode is the number of children up to which a sorted slice is searched.
const smallNode = 64

// Root is the top of the tenant's tree, whose children are the clusters. It is nil if no series of the tenant is in
// the tree.
func (r *Registry) Root(t tenant.Num) *Node {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if x := r.tenants[t]; x != nil && x.root != nil && !x.root.empty() {
		return x.root
	}
	return nil
}

// Name is the path element of the node, "" for the root.
func (n *Node) Name() string { return n.name }

// Child is the node below n of that name, nil if there is none. A nil node has no children.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	n.r.mu.RLock()
	defer n.r.mu.RUnlock()
	return n.child(name)
}

func (n *Node) child(name string) *Node {
	if n.byName != nil {
		return n.byName[name]
	}
	kids := n.kids.Load()
	if kids == nil {
		return nil
	}
	if i, ok := slices.BinarySearchFunc(*kids, name, compareNames); ok {
		return (*kids)[i]
	}
	return nil
}

// sorted returns the children sorted by name. The slice is never changed.
func (n *Node) sorted() []*Node {
	if p := n.kids.Load(); p != nil {
		return *p
	}
	n.r.mu.RLock()
	defer n.r.mu.RUnlock()
	return n.sortedLocked()
}

// REQUIRES: n.r.mu, for reading at least.
func (n *Node) sortedLocked() []*Node {
	if p := n.kids.Load(); p != nil {
		return *p
	}
	kids := make([]*Node, 0, len(n.byName))
	for _, k := range n.byName {
		kids = append(kids, k)
	}
	slices.SortFunc(kids, func(a, b *Node) int { return strings.Compare(a.name, b.name) })
	n.kids.Store(&kids)
	return kids
}

// Children are the nodes below n, sorted by name, as they were when the iteration began. No lock is held meanwhile.
func (n *Node) Children() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		if n == nil {
			return
		}
		for _, k := range n.sorted() {
			if !yield(k.name, k) {
				return
			}
		}
	}
}

// Series is the series of that metric at this very node. If several meet there, which differ in tags that are no part
// of the tree, it is the one with the lowest ref.
func (n *Node) Series(metric string) (Ref, bool) {
	if n == nil {
		return 0, false
	}
	n.r.mu.RLock()
	defer n.r.mu.RUnlock()
	return n.first(n.r.symbols.find(metric))
}

// first is the series of a metric with the lowest ref.
//
// REQUIRES: n.r.mu.
func (n *Node) first(metric uint32) (Ref, bool) {
	if i, _ := n.find(metric, 0); i < len(n.series) && n.series[i].metric == metric {
		return n.series[i].ref, true
	}
	return 0, false
}

// AppendNearest appends the series of that metric at this node if there is one, else those of the nodes below, in the
// order of their names; going down a branch ends where the metric is found. It takes the lock once, and allocates
// nothing if dst has room.
func (n *Node) AppendNearest(dst []Ref, metric string) []Ref {
	if n == nil {
		return dst
	}
	n.r.mu.RLock()
	defer n.r.mu.RUnlock()
	symbol := n.r.symbols.find(metric)
	if symbol == 0 {
		return dst
	}
	return n.appendNearest(dst, symbol)
}

func (n *Node) appendNearest(dst []Ref, metric uint32) []Ref {
	if ref, ok := n.first(metric); ok {
		return append(dst, ref)
	}
	for _, k := range n.sortedLocked() {
		dst = k.appendNearest(dst, metric)
	}
	return dst
}

// AllSeries are the metrics of this very node with the series that Series answers, sorted by metric, as they were when
// the iteration began. No lock is held meanwhile.
func (n *Node) AllSeries() iter.Seq2[string, Ref] {
	return func(yield func(string, Ref) bool) {
		if n == nil {
			return
		}
		type entry struct {
			metric string
			ref    Ref
		}
		n.r.mu.RLock()
		all := make([]entry, 0, len(n.series))
		for i, s := range n.series {
			if i == 0 || n.series[i-1].metric != s.metric {
				all = append(all, entry{n.r.symbols.text(s.metric), s.ref})
			}
		}
		n.r.mu.RUnlock()
		slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.metric, b.metric) })
		for _, e := range all {
			if !yield(e.metric, e.ref) {
				return
			}
		}
	}
}

// find is the place of a series among those of the node, or where it would be.
func (n *Node) find(metric uint32, ref Ref) (int, bool) {
	return slices.BinarySearchFunc(n.series, nodeSeries{metric, ref}, func(a, b nodeSeries) int {
		if a.metric != b.metric {
			return cmp.Compare(a.metric, b.metric)
		}
		return cmp.Compare(a.ref, b.ref)
	})
}

func (n *Node) empty() bool {
	if n.byName != nil {
		return len(n.byName) == 0 && len(n.series) == 0
	}
	return len(n.series) == 0 && (n.kids.Load() == nil || len(*n.kids.Load()) == 0)
}

// add says how many nodes it made.
func (n *Node) add(path []string, metric uint32, ref Ref) (made int) {
	for _, name := range path {
		k := n.child(name)
		if k == nil {
			k = &Node{r: n.r, name: strings.Clone(name)}
			n.link(k)
			made++
		}
		n = k
	}
	if i, ok := n.find(metric, ref); !ok {
		n.series = append(growSlice(n.series), nodeSeries{})
		copy(n.series[i+1:], n.series[i:])
		n.series[i] = nodeSeries{metric, ref}
	}
	return made
}

func (n *Node) link(k *Node) {
	if n.byName != nil {
		n.byName[k.name] = k
		n.kids.Store(nil)
		return
	}
	var old []*Node
	if p := n.kids.Load(); p != nil {
		old = *p
	}
	if len(old) == smallNode {
		n.byName = make(map[string]*Node, 2*smallNode)
		for _, o := range old {
			n.byName[o.name] = o
		}
		n.byName[k.name] = k
		n.kids.Store(nil)
		return
	}
	i, _ := slices.BinarySearchFunc(old, k.name, compareNames)
	kids := make([]*Node, 0, len(old)+1)
	kids = append(append(append(kids, old[:i]...), k), old[i:]...)
	n.kids.Store(&kids)
}

func (n *Node) unlink(k *Node) {
	if n.byName != nil {
		delete(n.byName, k.name)
		n.kids.Store(nil)
		return
	}
	kids := slices.DeleteFunc(slices.Clone(*n.kids.Load()), func(o *Node) bool { return o == k })
	n.kids.Store(&kids)
}

// remove says how many nodes went.
func (n *Node) remove(path []string, metric uint32, ref Ref) (gone int) {
	if len(path) > 0 {
		k := n.child(path[0])
		if k == nil {
			return 0
		}
		if gone = k.remove(path[1:], metric, ref); k.empty() {
			n.unlink(k)
			gone++
		}
		return gone
	}
	if i, ok := n.find(metric, ref); ok {
		n.series = slices.Delete(n.series, i, i+1)
	}
	return 0
}

func compareNames(n *Node, name string) int { return strings.Compare(n.name, name) }
