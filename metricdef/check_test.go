package metricdef

import (
	"fmt"
	"slices"

	"granary/tenant"
)

// check verifies what must hold between the parts of a registry.
func (r *Registry) check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	symbolUses := map[uint32]uint32{r.nameTag: 1, r.labelTag: 1}
	pairUses := map[tenant.Num]map[uint32]uint32{}
	pairRefs := map[tenant.Num]map[uint32][]Ref{}
	all := map[tenant.Num][]Ref{}
	belonging := map[tenant.Num][]member{}
	claimed, words := map[tenant.Num]int{}, map[tenant.Num]int{}
	seen, total := 0, 0
	for ref := Ref(1); ref < r.next; ref++ {
		d := r.defs.get(ref)
		if d == nil {
			continue
		}
		total++
		t := tenant.Num(d.tenant)
		x := r.tenants[t]
		if x == nil {
			return fmt.Errorf("ref %d: tenant %d has no index", ref, t)
		}
		if pairUses[t] == nil {
			pairUses[t], pairRefs[t] = map[uint32]uint32{}, map[uint32][]Ref{}
		}
		claimed[t]++
		words[t] += d.room()
		run := r.words.at(d.tags, d.run())
		symbolUses[run[0]]++
		symbolUses[run[1]]++
		if d.flags&hasMore != 0 {
			for _, more := range r.words.at(d.tags, d.room())[d.run():][:moreWords] {
				symbolUses[more]++
			}
		}
		label, creator, link, byID := r.linkOf(d)
		symbolUses[creator]++
		named := map[uint32]uint32{}
		for _, id := range append([]uint32{d.name}, run[2:]...) {
			pairUses[t][id]++
			named[x.pairs[id].name] = id
		}
		if label != 0 {
			pairUses[t][label]++
			if named[r.labelTag] == 0 {
				named[r.labelTag] = label
			}
		}
		if link != 0 {
			belonging[t] = append(belonging[t], member{link, ref, d.state() == visible})
			for _, id := range x.links.list[link].pairs {
				if name := x.pairs[id].name; named[name] == 0 {
					named[name] = id
				}
			}
			if !has(&x.links.labels, hashPair(link, label), uint32(ref)) {
				return fmt.Errorf("ref %d: not in the table of labels", ref)
			}
		}
		if _, named := parseID(r.symbols.text(x.pairs[d.name].value)); byID && !named {
			return fmt.Errorf("ref %d: an id that is none", ref)
		}
		if d.state() == visible {
			for name, id := range named {
				pairRefs[t][id] = append(pairRefs[t][id], ref)
				if r.pairOf(x, d, name) != id {
					return fmt.Errorf("ref %d: another pair of %q than %d", ref, r.symbols.text(name), id)
				}
			}
		}
		if !has(&r.keys, r.keyHash(d), uint32(ref)) {
			return fmt.Errorf("ref %d: not in the key table", ref)
		}
		if d.state() == visible {
			seen++
			all[t] = append(all[t], ref)
			if !has(&r.ids, idHash(r.id(d)), uint32(ref)) {
				return fmt.Errorf("ref %d: not in the id table", ref)
			}
			if path, ok := r.path(x, d); ok {
				n := x.root
				for _, name := range path {
					if n == nil {
						return fmt.Errorf("ref %d: path %q is missing in the tree", ref, path)
					}
					n = n.child(name)
				}
				if n == nil {
					return fmt.Errorf("ref %d: path %q is missing in the tree", ref, path)
				}
				if _, ok := n.find(x.pairs[d.name].value, ref); !ok {
					return fmt.Errorf("ref %d: not at its node %q", ref, path)
				}
			}
		}
	}
	if r.keys.n != total || r.ids.n != seen || r.visible != seen || len(r.tenants) != len(claimed) {
		return fmt.Errorf("%d keys, %d ids, %d visible, %d tenants; want %d, %d, %d, %d", r.keys.n, r.ids.n, r.visible, len(r.tenants), total, seen, seen, len(claimed))
	}
	for t, x := range r.tenants {
		if x.claimed != claimed[t] || !slices.Equal(x.all, all[t]) {
			return fmt.Errorf("tenant %d: %d claimed, all %v; want %d, %v", t, x.claimed, x.all, claimed[t], all[t])
		}
		if err := x.checkLinks(r, belonging[t]); err != nil {
			return fmt.Errorf("tenant %d: %w", t, err)
		}
		if x.links != nil {
			for n := range x.links.list {
				for _, id := range x.links.list[n].pairs {
					pairUses[t][id]++
				}
			}
		}
		values := map[uint32][]uint32{}
		used := 0
		for id := range x.pairs {
			p := &x.pairs[id]
			if p.uses != pairUses[t][uint32(id)] {
				return fmt.Errorf("tenant %d: pair %d has %d uses, want %d", t, id, p.uses, pairUses[t][uint32(id)])
			}
			if p.uses == 0 {
				continue
			}
			used++
			var one [1]Ref
			if got, want := x.postings(uint32(id), &one), pairRefs[t][uint32(id)]; !slices.Equal(got, want) {
				return fmt.Errorf("tenant %d: pair %d has the refs %v, want %v", t, id, got, want)
			}
			if x.find(p.name, p.value) != uint32(id) {
				return fmt.Errorf("tenant %d: pair %d is not found", t, id)
			}
			symbolUses[p.name]++
			symbolUses[p.value]++
			values[p.name] = append(values[p.name], uint32(id))
		}
		if x.byText.n != used || len(x.names.list) != len(values) || len(x.free) != len(x.pairs)-1-used {
			return fmt.Errorf("tenant %d: %d pairs in the table, %d names, %d free; want %d, %d, %d", t, x.byText.n, len(x.names.list), len(x.free), used, len(values), len(x.pairs)-1-used)
		}
		for _, v := range x.names.list {
			name := v.name
			if x.names.of(name).name != name {
				return fmt.Errorf("tenant %d: name %d is not found", t, name)
			}
			got := slices.Sorted(slices.Values(v.pairs))
			if !slices.Equal(got, values[name]) {
				return fmt.Errorf("tenant %d: name %d has the pairs %v, want %v", t, name, got, values[name])
			}
		}
		listed, texts, nodes := 0, 0, 0
		for _, v := range x.names.list {
			listed += namedBytes + 4*cap(v.pairs)
		}
		for _, list := range x.lists {
			listed += 4 * cap(list)
		}
		for id := range x.pairs {
			texts += len(r.symbols.text(x.pairs[id].value))
		}
		if x.root != nil {
			nodes = x.root.count() - 1
		}
		if x.listed != listed || x.texts != texts || x.nodes != nodes || x.words != words[t] {
			return fmt.Errorf("tenant %d: counted %d, %d, %d, %d, want %d bytes of lists and %d of texts, %d nodes, %d words", t, x.listed, x.texts, x.nodes, x.words, listed, texts, nodes, words[t])
		}
		if x.root != nil {
			if err := x.root.check(true); err != nil {
				return fmt.Errorf("tenant %d: %w", t, err)
			}
		}
	}
	live := 0
	for id := range r.symbols.all {
		y := &r.symbols.all[id]
		if id > 0 && y.uses != symbolUses[uint32(id)] {
			return fmt.Errorf("symbol %q has %d uses, want %d", r.symbols.text(uint32(id)), y.uses, symbolUses[uint32(id)])
		}
		if y.uses > 0 {
			live += int(y.len)
			if r.symbols.find(r.symbols.text(uint32(id))) != uint32(id) {
				return fmt.Errorf("symbol %q is not found", r.symbols.text(uint32(id)))
			}
		}
	}
	if live != r.symbols.live {
		return fmt.Errorf("%d bytes of symbols, counted as %d", live, r.symbols.live)
	}
	return nil
}

// member is a definition that belongs to a resource.
type member struct {
	link    uint32
	ref     Ref
	visible bool
}

// checkLinks verifies that the links are those that the definitions say.
func (x *index) checkLinks(r *Registry, members []member) error {
	if (x.links == nil) != (len(members) == 0) {
		return fmt.Errorf("links %v of %d definitions", x.links, len(members))
	}
	if x.links == nil {
		return nil
	}
	refs, claimed := map[uint32][]Ref{}, map[uint32]uint32{}
	for _, m := range members {
		claimed[m.link]++
		if m.visible {
			refs[m.link] = append(refs[m.link], m.ref)
		}
	}
	held, used := 0, 0
	for n := range x.links.list {
		l := &x.links.list[n]
		held += 4 * (cap(l.refs) + cap(l.pairs))
		if l.claimed != claimed[uint32(n)] || !slices.Equal(l.refs, refs[uint32(n)]) {
			return fmt.Errorf("link %d has %d definitions, %v; want %d, %v", n, l.claimed, l.refs, claimed[uint32(n)], refs[uint32(n)])
		}
		if l.claimed == 0 {
			continue
		}
		used++
		if r.linkAt(x, l.resource) != uint32(n) {
			return fmt.Errorf("link %d is not found", n)
		}
	}
	if x.links.held != held || x.links.byResource.n != used || x.links.labels.n != len(members) || len(x.links.free) != len(x.links.list)-1-used {
		return fmt.Errorf("%d bytes in %d links with %d labels, %d free; want %d, %d, %d", x.links.held, x.links.byResource.n, x.links.labels.n, len(x.links.free), held, used, len(members))
	}
	return nil
}

func has(t *table, hash, id uint32) bool {
	for p := t.first(hash); p >= 0; p = t.after(hash, p) {
		if t.slots[p].id == id {
			return true
		}
	}
	return false
}

// count is how many nodes there are, with this one.
func (n *Node) count() int {
	sum := 1
	for _, k := range n.sortedLocked() {
		sum += k.count()
	}
	return sum
}

// check verifies order and that no node but the root is empty.
func (n *Node) check(root bool) error {
	if !root && n.empty() {
		return fmt.Errorf("node %q is empty", n.name)
	}
	var kids []*Node
	if n.byName != nil {
		for name, k := range n.byName {
			if k.name != name {
				return fmt.Errorf("node %q is called %q", k.name, name)
			}
			kids = append(kids, k)
		}
	} else if p := n.kids.Load(); p != nil {
		kids = *p
		if !slices.IsSortedFunc(kids, func(a, b *Node) int { return compareNames(a, b.name) }) {
			return fmt.Errorf("children of %q are not sorted", n.name)
		}
	}
	for _, k := range kids {
		if err := k.check(false); err != nil {
			return err
		}
	}
	return nil
}

// postings are the refs of a pair. A list of one is put into the space that the caller gives.
func (x *index) postings(id uint32, one *[1]Ref) []Ref {
	p := &x.pairs[id]
	switch p.n {
	case 0:
		return nil
	case 1:
		one[0] = Ref(p.at)
		return one[:]
	}
	list := x.lists[p.at]
	return list[:len(list):len(list)]
}
