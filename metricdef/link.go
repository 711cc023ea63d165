package metricdef

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"unsafe"

	"github.com/google/uuid"

	"granary/tenant"
)

// LabelTag is the tag under which searches find a definition by its label.
const LabelTag = "metric_name"

// ResourceTag is the tag under which searches find a definition by the text of the id of its resource.
const ResourceTag = "resource_id"

// linking is what a definition says of people and resources. Most say nothing.
type linking struct {
	byID           bool
	label, creator string
	resource       uuid.UUID
}

var errLink = errors.New("a name that is no id, or a resource without a label")

// fits says whether a definition of that name may be linked so.
func (l *linking) fits(name string, identity int) bool {
	if l.byID {
		if _, ok := parseID(name); !ok || identity > 0 {
			return false
		}
	}
	return l.resource == (uuid.UUID{}) || l.label != ""
}

// parseID reads the name of a definition by id.
func parseID(name string) (uuid.UUID, bool) {
	const canonical = 36
	if len(name) != canonical {
		return uuid.UUID{}, false
	}
	id, err := uuid.Parse(name)
	var text [canonical]byte
	if err != nil || id == (uuid.UUID{}) {
		return uuid.UUID{}, false
	}
	b, _ := id.MarshalText()
	copy(text[:], b)
	return id, string(text[:]) == name
}

func (d *Draft) checkLink() error {
	switch {
	case d.ByID && len(d.Tags) > 0:
		return &InvalidError{Field: "identity tags", Value: d.Tags[0].Name, Err: errors.New("a metric whose name is its id has none")}
	case len(d.Label) > MaxText:
		return &InvalidError{Field: "label", Value: d.Label, Err: errTooLong}
	case len(d.Creator) > MaxText:
		return &InvalidError{Field: "creator", Value: d.Creator, Err: errTooLong}
	case d.Resource != (uuid.UUID{}) && d.Label == "":
		return &InvalidError{Field: "label", Value: "", Err: errors.New("must not be empty where a resource is named")}
	}
	if d.ByID {
		if _, ok := parseID(d.Name); !ok {
			return &InvalidError{Field: "name", Value: d.Name, Err: errors.New("must be a UUID other than zero, in lower case with four hyphens, where it is the id")}
		}
	}
	return nil
}

// links are the resources that the definitions of one tenant belong to. They are made with the first of them.
type links struct {
	list       []link   // by number; 0 is none
	free       []uint32 // numbers that can be given again
	byResource table    // hash of the id -> number
	labels     table    // (number, pair of the label) -> ref, reserved and visible
	held       int      // bytes of the lists in list
}

// link is a resource with the definitions that belong to it. It is there while one of them is.
type link struct {
	resource uuid.UUID
	refs     []Ref    // visible ones, ascending; immutable up to its length, as a posting list is
	pairs    []uint32 // the tags that the definitions have by it, one for each name; it uses them, not each definition
	claimed  uint32   // definitions, reserved ones too
}

func (r *Registry) hashResource(id uuid.UUID) uint32 {
	return uint32(maphash.Bytes(r.symbols.seed, id[:]))
}

// linkAt is the number of the link of a resource, 0 if nothing belongs to it.
//
// REQUIRES: r.mu.
func (r *Registry) linkAt(x *index, resource uuid.UUID) uint32 {
	if x == nil || x.links == nil {
		return 0
	}
	h := r.hashResource(resource)
	for p := x.links.byResource.first(h); p >= 0; p = x.links.byResource.after(h, p) {
		if n := x.links.byResource.slots[p].id; x.links.list[n].resource == resource {
			return n
		}
	}
	return 0
}

// attach counts one definition more that belongs to the resource, and returns the number of the link; 0 for none.
//
// REQUIRES: r.mu for writing.
func (r *Registry) attach(t tenant.Num, x *index, resource uuid.UUID) uint32 {
	if resource == (uuid.UUID{}) {
		return 0
	}
	n := r.linkAt(x, resource)
	if n == 0 {
		if x.links == nil {
			x.links = &links{list: make([]link, 1, 4)}
		}
		l := x.links
		if free := len(l.free); free > 0 {
			n, l.free = l.free[free-1], l.free[:free-1]
		} else {
			n = uint32(len(l.list))
			l.list = append(growSlice(l.list), link{})
		}
		l.list[n] = link{resource: resource, pairs: r.derive(t, x, resource)}
		l.held += 4 * cap(l.list[n].pairs)
		l.byResource.insert(r.hashResource(resource), n)
	}
	x.links.list[n].claimed++
	return n
}

// detach counts one definition less. With the last one the link goes, and its pairs are appended, which the caller releases.
//
// REQUIRES: r.mu for writing; the definition is no longer among refs and not posted for pairs.
func (r *Registry) detach(gone []uint32, x *index, n uint32) []uint32 {
	l := &x.links.list[n]
	if l.claimed--; l.claimed > 0 {
		return gone
	}
	gone = append(gone, l.pairs...)
	x.links.held -= 4 * (cap(l.refs) + cap(l.pairs))
	x.links.byResource.remove(r.hashResource(l.resource), n)
	*l = link{}
	if x.links.free = append(x.links.free, n); len(x.links.free) == len(x.links.list)-1 {
		x.links = nil
	}
	return gone
}

// join puts visible definitions among those of a link, leave takes them away. Refs are sorted.
func (l *links) join(n uint32, ref Ref) {
	k := &l.list[n]
	before := cap(k.refs)
	k.refs = addRef(k.refs, ref)
	l.held += 4 * (cap(k.refs) - before)
}

func (l *links) leave(n uint32, refs []Ref) {
	k := &l.list[n]
	before := cap(k.refs)
	k.refs = without(k.refs, refs)
	l.held += 4 * (cap(k.refs) - before)
}

func (l *links) bytes() int {
	if l == nil {
		return 0
	}
	return int(unsafe.Sizeof(*l)) + int(unsafe.Sizeof(link{}))*cap(l.list) + 4*cap(l.free) + l.byResource.bytes() + l.labels.bytes() + l.held
}

// linkOf is what the words of a definition say of its linking: the pair of its label, the symbol of its creator, the number of its
// link, and whether its name is its id.
//
// REQUIRES: r.mu.
func (r *Registry) linkOf(d *packed) (label, creator, link uint32, byID bool) {
	if d.flags&hasLink == 0 {
		return 0, 0, 0, false
	}
	n := d.room()
	w := r.words.at(d.tags, n)[n-linkWords:]
	return w[0], w[1], w[2] >> 1, w[2]&byIDBit != 0
}

// linkingOf is linkOf in texts.
//
// REQUIRES: r.mu.
func (r *Registry) linkingOf(x *index, d *packed) linking {
	label, creator, n, byID := r.linkOf(d)
	l := linking{byID: byID, creator: r.symbols.text(creator), label: r.symbols.text(x.pairs[label].value)}
	if n != 0 {
		l.resource = x.links.list[n].resource
	}
	return l
}

// setLink fills the last words of a definition, if it has those of a linking, and makes it one that ResolveLink finds.
//
// REQUIRES: r.mu for writing.
func (r *Registry) setLink(x *index, d *packed, run []uint32, rec *record) {
	if d.flags&hasLink == 0 {
		return
	}
	var label uint32
	if rec.label != "" {
		label = x.use(&r.symbols, r.symbols.again(r.labelTag), r.symbols.use(rec.label))
	}
	n := r.attach(tenant.Num(d.tenant), x, rec.resource)
	w := run[len(run)-linkWords:]
	w[0], w[1], w[2] = label, r.symbols.use(rec.creator), n<<1
	if rec.byID {
		w[2] |= byIDBit
	}
	if n != 0 {
		x.links.labels.insert(hashPair(n, label), uint32(rec.ref))
	}
}

// unlink undoes setLink, but for the use of the pair of the label; see detach.
//
// REQUIRES: r.mu for writing.
func (r *Registry) unlink(gone []uint32, x *index, ref Ref, label, creator, link uint32) []uint32 {
	r.symbols.release(creator)
	if link == 0 {
		return gone
	}
	x.links.labels.remove(hashPair(link, label), uint32(ref))
	return r.detach(gone, x, link)
}

// ResolveLink finds the definition that belongs to a resource under a label, also one that is only reserved. It is for writers.
func (r *Registry) ResolveLink(t tenant.Num, resource uuid.UUID, label string) (Ref, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.linkedAs(t, resource, label, func(*packed) bool { return true })
}

// LinkedAs finds the visible definition that belongs to a resource under a label.
func (r *Registry) LinkedAs(t tenant.Num, resource uuid.UUID, label string) (Ref, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.linkedAs(t, resource, label, func(d *packed) bool { return d.state() == visible })
}

// REQUIRES: r.mu.
func (r *Registry) linkedAs(t tenant.Num, resource uuid.UUID, label string, wanted func(*packed) bool) (Ref, bool) {
	x := r.tenants[t]
	n := r.linkAt(x, resource)
	value := r.symbols.find(label)
	if n == 0 || value == 0 {
		return 0, false
	}
	pair := x.find(r.labelTag, value)
	h := hashPair(n, pair)
	for p := x.links.labels.first(h); p >= 0; p = x.links.labels.after(h, p) {
		ref := Ref(x.links.labels.slots[p].id)
		d := r.defs.get(ref)
		if label, _, link, _ := r.linkOf(d); label == pair && link == n && wanted(d) {
			return ref, true
		}
	}
	return 0, false
}

// Linked returns the refs of the visible definitions that belong to a resource, ascending. The caller does not change the slice.
func (r *Registry) Linked(t tenant.Num, resource uuid.UUID) []Ref {
	r.mu.RLock()
	defer r.mu.RUnlock()
	x := r.tenants[t]
	n := r.linkAt(x, resource)
	if n == 0 {
		return nil
	}
	refs := x.links.list[n].refs
	return refs[:len(refs):len(refs)]
}

// Belongs is the resource that a definition belongs to, reserved or visible; zero if it belongs to none.
func (r *Registry) Belongs(ref Ref) uuid.UUID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d := r.defs.get(ref)
	if d == nil {
		return uuid.UUID{}
	}
	_, _, n, _ := r.linkOf(d)
	if n == 0 {
		return uuid.UUID{}
	}
	return r.tenants[tenant.Num(d.tenant)].links.list[n].resource
}

// Link is a definition as its resource has it.
type Link struct {
	Label string
	Ref   Ref
	ID    uuid.UUID
}

// AppendLinks appends the visible definitions that belong to a resource, in the order of their refs.
func (r *Registry) AppendLinks(dst []Link, t tenant.Num, resource uuid.UUID) []Link {
	r.mu.RLock()
	defer r.mu.RUnlock()
	x := r.tenants[t]
	n := r.linkAt(x, resource)
	if n == 0 {
		return dst
	}
	dst = slices.Grow(dst, len(x.links.list[n].refs))
	for _, ref := range x.links.list[n].refs {
		d := r.defs.get(ref)
		label, _, _, _ := r.linkOf(d)
		dst = append(dst, Link{Label: r.symbols.text(x.pairs[label].value), Ref: ref, ID: r.id(d)})
	}
	return dst
}

// LinkError says that a resource has another metric of that label already.
type LinkError struct {
	Resource uuid.UUID
	Label    string
	Ref      Ref // the metric that it has; 0: one of the same call
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("the resource %s has another metric with the label %q already", e.Resource, e.Label)
}

// Kind is the kind of the error for the edges.
func (*LinkError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*LinkError) Code() string { return "label-taken" }
