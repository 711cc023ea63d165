package metricdef

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"granary/tenant"
)

// Derived tags are those that a definition has by its label and its resource. They stand in the postings like its own tags,
// so that every search finds them, but in no record. A tag of its own hides the derived one of that name.

// DerivedTagError says that an update would set or remove a tag that comes from the resource or the label of the metric.
type DerivedTagError struct{ Tag string }

func (e *DerivedTagError) Error() string {
	return fmt.Sprintf("tag %q comes from the resource or the label of the metric and is read-only", e.Tag)
}

// Kind is the kind of the error for the edges.
func (*DerivedTagError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*DerivedTagError) Code() string { return "derived-tag" }

// derive takes the pairs of the tags that definitions have by a resource into use, one for each name, by name. What cannot be a tag is
// passed over: what is empty, longer than MaxText, or has one of the names that stand for something else.
//
// REQUIRES: r.mu for writing.
func (r *Registry) derive(t tenant.Num, x *index, resource uuid.UUID) []uint32 {
	tags := []Tag{{ResourceTag, resource.String()}}
	if r.o.Derived != nil {
		for _, tag := range r.o.Derived(t, resource) {
			switch tag.Name {
			case "", NameTag, LabelTag, ResourceTag:
				continue
			}
			if tag.Value != "" && len(tag.Name) <= MaxText && len(tag.Value) <= MaxText {
				tags = append(tags, tag)
			}
		}
	}
	slices.SortStableFunc(tags, func(a, b Tag) int { return cmp.Compare(a.Name, b.Name) })
	tags = slices.CompactFunc(tags, func(a, b Tag) bool { return a.Name == b.Name })
	pairs := make([]uint32, len(tags))
	for i, tag := range tags {
		pairs[i] = x.use(&r.symbols, r.symbols.use(tag.Name), r.symbols.use(tag.Value))
	}
	return pairs
}

// hides says whether one of a definition's own pairs has that tag name.
func (x *index) hides(own []uint32, name uint32) bool {
	for _, id := range own {
		if x.pairs[id].name == name {
			return true
		}
	}
	return false
}

// appendDerived appends the pairs that a definition has by its label and its resource and does not hide.
//
// REQUIRES: r.mu.
func (r *Registry) appendDerived(dst []uint32, x *index, d *packed) []uint32 {
	label, _, n, _ := r.linkOf(d)
	if label == 0 && n == 0 {
		return dst
	}
	own := r.words.at(d.tags, d.run())[2:]
	if label != 0 && !x.hides(own, r.labelTag) {
		dst = append(dst, label)
	}
	if n != 0 {
		for _, id := range x.links.list[n].pairs {
			if !x.hides(own, x.pairs[id].name) {
				dst = append(dst, id)
			}
		}
	}
	return dst
}

// appendPosted appends all pairs under which searches find a definition when it is visible.
//
// REQUIRES: r.mu.
func (r *Registry) appendPosted(dst []uint32, x *index, d *packed) []uint32 {
	dst = append(append(dst, d.name), r.words.at(d.tags, d.run())[2:]...)
	return r.appendDerived(dst, x, d)
}

// appendUsed appends the pairs that a definition counts as a user of.
//
// REQUIRES: r.mu.
func (r *Registry) appendUsed(dst []uint32, d *packed) []uint32 {
	dst = append(append(dst, d.name), r.words.at(d.tags, d.run())[2:]...)
	if label, _, _, _ := r.linkOf(d); label != 0 {
		dst = append(dst, label)
	}
	return dst
}

// checkDerived says whether an update would change a derived tag.
//
// REQUIRES: r.mu.
func (r *Registry) checkDerived(x *index, d *packed, u *Update) error {
	if d.flags&hasLink == 0 || len(u.Set)+len(u.Remove) == 0 {
		return nil
	}
	for _, id := range r.appendDerived(nil, x, d) {
		name := r.symbols.text(x.pairs[id].name)
		if hasTag(u.Set, name) || slices.Contains(u.Remove, name) {
			return &DerivedTagError{name}
		}
	}
	return nil
}

// Tag is the value that a visible definition has of a tag, its own or a derived one; "" if it has none. NameTag is the name.
func (r *Registry) Tag(ref Ref, name string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d, symbol := r.seen(ref), r.symbols.find(name)
	if d == nil || symbol == 0 {
		return ""
	}
	x := r.tenants[tenant.Num(d.tenant)]
	return r.symbols.text(x.pairs[r.pairOf(x, d, symbol)].value)
}

// Derived returns the tags that a visible definition has by its label and its resource and does not hide, by name. They are found by
// searches and belong to no record.
func (r *Registry) Derived(ref Ref) []Tag {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d := r.seen(ref)
	if d == nil {
		return nil
	}
	x := r.tenants[tenant.Num(d.tenant)]
	var tags []Tag
	for _, id := range r.appendDerived(nil, x, d) {
		tags = append(tags, Tag{r.symbols.text(x.pairs[id].name), r.symbols.text(x.pairs[id].value)})
	}
	slices.SortFunc(tags, func(a, b Tag) int { return cmp.Compare(a.Name, b.Name) })
	return tags
}

// relinkStep is how many resources Relink looks at in one go before it lets others in.
const relinkStep = 512

// Relink asks Options.Derived again for the tags of the definitions that belong to resources. It is called when these have changed, come or
// gone. Many at once cost much less than one after the other, since every posting list that changes is copied.
func (r *Registry) Relink(t tenant.Num, resources ...uuid.UUID) {
	for step := range slices.Chunk(resources, relinkStep) {
		r.relinkSome(t, step)
	}
}

func (r *Registry) relinkSome(t tenant.Num, resources []uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.tenants[t]
	var numbers []uint32
	for _, id := range resources {
		if n := r.linkAt(x, id); n != 0 && !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) > 0 {
		r.relink(t, x, numbers)
	}
}

// RelinkAll does what Relink does for all resources of all tenants, as when the resources were loaded after the definitions. Nobody reads
// or writes until it returns.
func (r *Registry) RelinkAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, x := range r.tenants {
		if x.links == nil {
			continue
		}
		var all []uint32
		for n := range x.links.list {
			if x.links.list[n].claimed > 0 {
				all = append(all, uint32(n))
			}
		}
		r.relink(t, x, all)
	}
}

// relink derives the pairs of links anew. What changes of a posting list changes in one go, however many links bring it about. What
// is in use afterwards is taken before what was is given back.
//
// REQUIRES: r.mu for writing.
func (r *Registry) relink(t tenant.Num, x *index, numbers []uint32) {
	gone, come := make(map[uint32][]Ref), make(map[uint32][]Ref)
	var old []uint32
	for _, n := range numbers {
		l := &x.links.list[n]
		fresh := r.derive(t, x, l.resource)
		for _, id := range l.pairs {
			if !slices.Contains(fresh, id) {
				gone[id] = r.appendBare(gone[id], x, l.refs, x.pairs[id].name)
			}
		}
		for _, id := range fresh {
			if !slices.Contains(l.pairs, id) {
				come[id] = r.appendBare(come[id], x, l.refs, x.pairs[id].name)
			}
		}
		old = append(old, l.pairs...)
		x.links.held += 4 * (cap(fresh) - cap(l.pairs))
		l.pairs = fresh
	}
	for id, refs := range gone {
		slices.Sort(refs)
		x.unpost(id, refs)
	}
	for id, refs := range come {
		slices.Sort(refs)
		x.postAll(id, refs)
	}
	r.release(x, old)
}

// appendBare appends those of the refs whose definitions have no tag of their own of that name.
//
// REQUIRES: r.mu.
func (r *Registry) appendBare(dst []Ref, x *index, refs []Ref, name uint32) []Ref {
	dst = slices.Grow(dst, len(refs))
	for _, ref := range refs {
		d := r.defs.get(ref)
		if !x.hides(r.words.at(d.tags, d.run())[2:], name) {
			dst = append(dst, ref)
		}
	}
	return dst
}
