package metricdef

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"granary/tenant"
)

// Update is a change of a definition. What it does not name stays; tenant, type, name, identity tags, kind and dialect
// cannot change at all, nor who made it. Derived tags are not to be set or removed.
type Update struct {
	Unit     *string
	Policy   *string  // "": the rules choose again
	Set      []Tag    // plain tags that get a value, in any order
	Remove   []string // names of plain tags that go; one that is not there is passed over
	Replace  bool     // the plain tags in Set are all that it has from now on
	Explicit bool     // from now on it is one that was made by a create call
	// Retention, if not nil, is its own one from now on; 0: it has none of its own any more.
	Retention *time.Duration
	Label     *string
	Resource  *uuid.UUID // zero: it belongs to none any more
}

// IdentityTagError says that an update would change what makes the series the same series.
type IdentityTagError struct{ Tag string }

func (e *IdentityTagError) Error() string {
	return fmt.Sprintf("tag %q is part of the identity of the series and cannot be changed or removed", e.Tag)
}

// Kind is the kind of the error for the edges.
func (*IdentityTagError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*IdentityTagError) Code() string { return "identity-tag" }

// UnknownError says that there is no definition of that ref.
type UnknownError struct{ Ref Ref }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no definition of the number %d", e.Ref)
}

// Kind is the kind of the error for the edges.
func (*UnknownError) Kind() string { return "not found" }

// Code is the stable code of the error.
func (*UnknownError) Code() string { return "definition-not-found" }

// AppendUpdated appends the record of a definition, reserved or visible, as it would be after the update; nothing if the
// update changes nothing. The registry stays as it is until Update applies the record.
//
// REQUIRES: that nobody else updates the definition before the record is applied.
func (r *Registry) AppendUpdated(dst []byte, ref Ref, u *Update) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d := r.defs.get(ref)
	if d == nil {
		return dst, &UnknownError{ref}
	}
	rec := r.recordOf(ref, d)
	old := rec
	old.tags = slices.Clone(rec.tags)
	if err := r.checkDerived(r.tenants[rec.tenant], d, u); err != nil {
		return dst, err
	}
	if err := rec.change(u); err != nil {
		return dst, err
	}
	if rec.unit == old.unit && rec.explicit == old.explicit && rec.fields == old.fields && slices.Equal(rec.tags, old.tags) {
		return dst, nil
	}
	draft := rec.draft()
	if err := draft.Validate(); err != nil {
		return dst, err
	}
	return rec.append(dst), nil
}

// recordOf is what AppendRecord writes, before it is written.
//
// REQUIRES: r.mu.
func (r *Registry) recordOf(ref Ref, d *packed) record {
	x := r.tenants[tenant.Num(d.tenant)]
	run := r.words.at(d.tags, d.run())
	return record{
		ref: ref, tenant: tenant.Num(d.tenant), typ: d.typ, kind: d.kind(), explicit: d.explicit(), created: d.created,
		dialect: r.symbols.text(run[1]), unit: r.symbols.text(run[0]), name: r.symbols.text(x.pairs[d.name].value),
		tags: r.appendTags(make([]Tag, 0, len(run)), x, d, 0, len(run)-2), identity: int(d.identity),
		fields: r.fieldsOf(x, d),
	}
}

func (rec *record) change(u *Update) error {
	if u.Unit != nil {
		rec.unit = *u.Unit
	}
	if u.Policy != nil {
		rec.policy = *u.Policy
	}
	if u.Retention != nil {
		rec.retention = int64(*u.Retention)
	}
	if u.Label != nil {
		rec.label = *u.Label
	}
	if u.Resource != nil {
		rec.resource = *u.Resource
	}
	rec.explicit = rec.explicit || u.Explicit
	identity, plain := rec.tags[:rec.identity:rec.identity], slices.Clone(rec.tags[rec.identity:])
	for _, name := range u.Remove {
		if hasTag(identity, name) {
			return &IdentityTagError{name}
		}
		plain = slices.DeleteFunc(plain, func(t Tag) bool { return t.Name == name })
	}
	if u.Replace {
		plain = plain[:0]
	}
	set := slices.Clone(u.Set)
	slices.SortFunc(set, byName)
	for i, t := range set {
		switch {
		case hasTag(identity, t.Name):
			return &IdentityTagError{t.Name}
		case i > 0 && set[i-1].Name == t.Name:
			return &InvalidError{Field: "plain tags", Value: t.Name, Err: errors.New("is set twice")}
		}
	}
	plain = slices.DeleteFunc(plain, func(p Tag) bool {
		_, again := slices.BinarySearchFunc(set, p, byName)
		return again
	})
	plain = append(plain, set...)
	slices.SortFunc(plain, byName)
	rec.tags = append(identity, plain...)
	return nil
}

func byName(a, b Tag) int { return strings.Compare(a.Name, b.Name) }

// draft is the record as a draft, which knows what is valid.
func (rec *record) draft() Draft {
	return Draft{
		Identity: Identity{Tenant: rec.tenant, Type: rec.typ, Name: rec.name, Tags: rec.tags[:rec.identity]},
		Plain:    rec.tags[rec.identity:], Unit: rec.unit, Policy: rec.policy, Kind: rec.kind, Dialect: rec.dialect, Retention: time.Duration(rec.retention),
		ByID: rec.byID, Label: rec.label, Creator: rec.creator, Resource: rec.resource,
	}
}

// fields is what of a draft stands behind the tags of its record.
func (d *Draft) fields() fields {
	return fields{policy: d.Policy, retention: int64(d.Retention), linking: linking{byID: d.ByID, label: d.Label, creator: d.Creator, resource: d.Resource}}
}

// append appends the bytes of the record.
func (rec *record) append(dst []byte) []byte {
	start := len(dst)
	dst = beginRecord(dst, rec.ref, rec.tenant, rec.typ, rec.explicit, rec.created)
	dst = appendText(dst, rec.dialect)
	dst = appendText(dst, rec.unit)
	dst = appendText(dst, rec.name)
	for _, tags := range [][]Tag{rec.tags[:rec.identity], rec.tags[rec.identity:]} {
		dst = append(dst, byte(len(tags)))
		for _, t := range tags {
			dst = appendText(dst, t.Name)
			dst = appendText(dst, t.Value)
		}
	}
	dst = appendFields(dst, rec.kind, rec.typ, &rec.fields)
	return endRecord(dst, start)
}

// Update puts what the record at the front of b says in the place of the definition that has its ref, and returns the
// length of that record. A ref that has no visible definition gets one, as by Apply. Like Apply it is called by one
// goroutine at a time, in the order of the records.
func (r *Registry) Update(b []byte) (n int, ref Ref, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.settle()
	return r.update(b)
}

// updateStep is how many records UpdateAll takes before it lets readers in.
const updateStep = 256

// UpdateAll is Update for all records in b, one behind the other, and returns their refs. A posting list changes once for many of them.
// With an error come the refs of the records in front of the one that is at fault.
func (r *Registry) UpdateAll(b []byte) (refs []Ref, err error) {
	for len(b) > 0 && err == nil {
		refs, b, err = r.updateSome(refs, b)
	}
	return refs, err
}

func (r *Registry) updateSome(refs []Ref, b []byte) ([]Ref, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.settle()
	for range updateStep {
		if len(b) == 0 {
			break
		}
		n, ref, err := r.update(b)
		if err != nil {
			return refs, b, err
		}
		refs, b = append(refs, ref), b[n:]
	}
	return refs, b, nil
}

// update does the work of Update.
//
// REQUIRES: r.mu for writing, until settle has been called.
func (r *Registry) update(b []byte) (n int, ref Ref, err error) {
	n, ref, err = recordSize(b)
	if err != nil {
		return 0, 0, err
	}
	d := r.defs.get(ref)
	if d == nil || d.state() != visible {
		return r.applied(b, r.o.Sink)
	}
	rec := &r.scratch.rec
	if _, err := rec.decode(b); err != nil {
		return 0, 0, err
	}
	defer clear(rec.tags)
	old := r.recordOf(ref, d)
	if rec.tenant != old.tenant || rec.typ != old.typ || rec.name != old.name || rec.kind != old.kind || rec.byID != old.byID ||
		!slices.Equal(rec.tags[:rec.identity], old.tags[:old.identity]) {
		return 0, 0, &RecordError{At: recordHeader, Err: fmt.Errorf("update of another series than the one with ref %d", ref)}
	}
	if r.words.full() {
		return 0, 0, errExhausted
	}
	r.replace(ref, d, rec)
	if r.o.Sink != nil {
		r.o.Sink.Put(Bucket, binary.BigEndian.AppendUint32(nil, uint32(ref)), b[:n])
	}
	return n, ref, nil
}

// replace changes a visible definition. What it had is given back when what it gets is in use, so that what stays is
// never forgotten in between. Its postings follow with settle.
//
// REQUIRES: r.mu; rec has the same identity.
func (r *Registry) replace(ref Ref, d *packed, rec *record) {
	x := r.tenants[tenant.Num(d.tenant)]
	m := r.movesOf(x, ref)
	if path, ok := r.path(x, d); ok {
		x.nodes -= x.root.remove(path, x.pairs[d.name].value, ref)
	}
	was := *d
	old := slices.Clone(r.words.at(was.tags, was.room()))
	posted := r.appendPosted(nil, x, d)
	label, creator, link, _ := r.linkOf(d)

	d.flags &^= madeByACall | hasMore | hasLink
	if rec.explicit {
		d.flags |= madeByACall
	}
	d.flags |= rec.room()
	d.plain = uint8(len(rec.tags) - rec.identity)
	place, run := r.words.alloc(d.room())
	x.words += len(run) - was.room()
	d.tags = place
	run[0], run[1] = r.symbols.use(rec.unit), r.symbols.use(rec.dialect)
	copy(run[2:], old[2:2+int(d.identity)])
	for i := rec.identity; i < len(rec.tags); i++ {
		run[2+i] = x.use(&r.symbols, r.symbols.use(rec.tags[i].Name), r.symbols.use(rec.tags[i].Value))
	}
	r.setMore(d, run, rec)
	r.setLink(x, d, run, rec)

	now := r.appendPosted(nil, x, d)
	for _, id := range now {
		if !slices.Contains(posted, id) {
			m.list = append(m.list, move{id, ref, true})
		}
	}
	for _, id := range posted {
		if !slices.Contains(now, id) {
			m.list = append(m.list, move{id, ref, false})
		}
	}
	if _, _, n, _ := r.linkOf(d); n != link {
		if n != 0 {
			x.links.join(n, ref)
		}
		if link != 0 {
			x.links.leave(link, []Ref{ref})
		}
	}
	gone := old[2+int(was.identity) : was.run() : was.run()]
	if label != 0 {
		gone = append(gone, label)
	}
	m.gone = append(m.gone, r.unlink(gone, x, ref, label, creator, link)...)
	r.symbols.release(old[0])
	r.symbols.release(old[1])
	r.releaseMore(&was, old)
	r.words.release(was.tags, was.room())
	if path, ok := r.path(x, d); ok {
		if x.root == nil {
			x.root = &Node{r: r}
		}
		x.nodes += x.root.add(path, x.pairs[d.name].value, ref)
	}
}

// setMore fills the words behind the pairs, if the definition has them.
//
// REQUIRES: r.mu.
func (r *Registry) setMore(d *packed, run []uint32, rec *record) {
	if d.flags&hasMore != 0 {
		more := rec.more
		if rec.retention != 0 {
			more = view(append(appendRetention(nil, rec.retention), more...))
		}
		run[d.run()], run[d.run()+1] = r.symbols.use(rec.policy), r.symbols.use(more)
	}
}

// releaseMore undoes setMore. Run are the words of the definition, which need not be those that it has now.
//
// REQUIRES: r.mu.
func (r *Registry) releaseMore(d *packed, run []uint32) {
	if d.flags&hasMore != 0 {
		for _, s := range run[d.run():][:moreWords] {
			r.symbols.release(s)
		}
	}
}
