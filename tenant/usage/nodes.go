package usage

import (
	"bytes"
	"cmp"
	"slices"
)

// pageNodes is how many nodes are read from the store at once: nothing that writes to it waits longer for a reader.
const pageNodes = 1000

// Nodes are the nodes that a filter chooses, by tenant, cluster, name, user, template.
func (l *Ledger) Nodes(f NodeFilter) ([]Node, error) {
	var list []Node
	err := l.EachNode(f, nil, func(n *Node) bool {
		list = append(list, *n)
		return true
	})
	return list, err
}

// held is a node as memory had it when somebody asked.
type held struct {
	key   []byte
	node  NodeKey
	spans []span
}

// EachNode calls fn for the nodes that a filter chooses and that come behind a key, nil for all, in the order of their keys, until fn answers false.
// The node is fn's.
func (l *Ledger) EachNode(f NodeFilter, after *NodeKey, fn func(*Node) bool) error {
	now := l.o.Now().UnixNano()
	if f.To == 0 {
		f.To = now + 1
	}
	if f.nowhere() {
		return nil
	}
	tenants := slices.Clone(f.Tenants)
	slices.Sort(tenants)
	tenants = slices.Compact(tenants)
	var from []byte // the first key that counts
	if after != nil {
		from = append(after.Bytes(), 0)
	}
	memory := l.heldNodes(&f, from)
	show := func(k *NodeKey, spans []span) bool {
		n := Node{NodeKey: *k, TenantID: l.o.TenantID(k.Tenant), Lives: lives(spans, f.From, f.To, now)}
		return len(n.Lives) == 0 || fn(&n)
	}
	emit := func(key []byte, k *NodeKey, spans []span) bool {
		for len(memory) > 0 {
			switch c := bytes.Compare(memory[0].key, key); {
			case c < 0:
				if !show(&memory[0].node, memory[0].spans) {
					return false
				}
				memory = memory[1:]
				continue
			case c == 0:
				spans = joinAll(spans, memory[0].spans)
				memory = memory[1:]
			}
			break
		}
		return show(k, spans)
	}
	going := true
	read := func(low, high []byte) error {
		if from != nil && bytes.Compare(from, low) > 0 {
			low = from
		}
		for going && (high == nil || bytes.Compare(low, high) < 0) {
			page, next, err := l.storedNodes(low, high, &f)
			if err != nil {
				return err
			}
			for i := range page {
				if going = emit(page[i].key, &page[i].node, page[i].spans); !going {
					return nil
				}
			}
			if next == nil {
				return nil
			}
			low = next
		}
		return nil
	}
	if f.Tenants == nil {
		if err := read(nil, nil); err != nil {
			return err
		}
	}
	for _, t := range tenants {
		if err := read(tenantKey(t), tenantKey(t+1)); err != nil {
			return err
		}
	}
	for i := range memory {
		if !going {
			break
		}
		going = show(&memory[i].node, memory[i].spans)
	}
	return nil
}

// heldNodes are the nodes in memory that a filter takes, from a key on, by their keys.
func (l *Ledger) heldNodes(f *NodeFilter, from []byte) []held {
	l.mu.Lock()
	var list []held
	if f.Tenants == nil {
		list = make([]held, 0, len(l.nodes))
	}
	for k, n := range l.nodes {
		if f.takes(&k) && (f.Tenants == nil || slices.Contains(f.Tenants, k.Tenant)) {
			list = append(list, held{node: k, spans: n.spans()})
		}
	}
	l.mu.Unlock()
	for i := range list {
		list[i].key = list[i].node.Bytes()
	}
	list = slices.DeleteFunc(list, func(h held) bool { return bytes.Compare(h.key, from) < 0 })
	slices.SortFunc(list, func(a, b held) int { return bytes.Compare(a.key, b.key) })
	return list
}

// lives are the spans that reach into a range.
func lives(spans []span, from, to, now int64) []Life {
	var list []Life
	for _, s := range spans {
		if s.to <= from || s.from >= to {
			continue
		}
		life := Life{From: s.from, To: s.to}
		if s.from <= now && now < s.to {
			life.To, life.Running = now, true
		}
		list = append(list, life)
	}
	return list
}

// Compare orders nodes as they are listed.
func (k *NodeKey) Compare(o *NodeKey) int {
	return cmp.Or(cmp.Compare(k.Tenant, o.Tenant), cmp.Compare(k.Cluster, o.Cluster), cmp.Compare(k.Name, o.Name),
		cmp.Compare(k.User, o.User), cmp.Compare(k.Template, o.Template))
}
