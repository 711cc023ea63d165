package resource

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"granary/tenant"
)

// AppendRemove appends the record that ends resources of a tenant.
//
//	u8 version = 1, u24 length of the body, body: uvarint tenant number, then 16 bytes for each id
func AppendRemove(dst []byte, t tenant.Num, ids []uuid.UUID) []byte {
	start := len(dst)
	dst = binary.AppendUvarint(append(dst, recordVersion, 0, 0, 0), uint64(t))
	for i := range ids {
		dst = append(dst, ids[i][:]...)
	}
	return endRecord(dst, start)
}

// MaxRemove is how many resources one record ends at most.
const MaxRemove = 10_000

// Remove applies the record of AppendRemove at the front of rec: resources go with their former revisions, and those that are not there
// are passed over. It returns the length of the record.
func (r *Registry) Remove(rec []byte) (n int, t tenant.Num, ids []uuid.UUID, err error) {
	p := openRecord(rec, recordVersion, 16*MaxRemove+binary.MaxVarintLen64)
	if t = tenant.Num(p.uvarint(math.MaxUint32)); p.err == nil && (t == 0 || (len(p.b)-p.at)%16 != 0) {
		p.fail(errNumber)
	}
	for p.err == nil && p.at < len(p.b) {
		ids = append(ids, uuid.UUID(p.take(16)))
	}
	if n, err = p.end(); err != nil {
		return 0, 0, nil, err
	}
	for part := range slices.Chunk(ids, 256) { // readers are let in
		r.mu.Lock()
		for _, id := range part {
			r.end(t, id)
		}
		r.mu.Unlock()
	}
	return n, t, ids, nil
}

// AppendType appends the record of a type that is new at a time, in nanoseconds since 1970 UTC.
func (r *Registry) AppendType(dst []byte, t Type, now int64) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return dst, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.typeState(t.Name) != nil {
		return dst, &ExistsError{"resource type", t.Name}
	}
	if len(r.types) >= MaxTypes {
		return dst, &InvalidError{"resource type", t.Name, fmt.Errorf("there are %d types already, more are not possible", MaxTypes)}
	}
	n := create(t)
	n.Created = now
	return n.append(dst), nil
}

// AppendTypeChange appends the record of a type as it would be after change, nothing if it stays the same. What change answers besides are
// the values that resources without one get for an attribute.
func (r *Registry) AppendTypeChange(dst []byte, name string, change func(*Type) (fills map[string]Value, err error)) ([]byte, error) {
	r.mu.RLock()
	old := r.typeState(name)
	r.mu.RUnlock()
	if old == nil {
		return dst, &UnknownTypeError{name}
	}
	next := old.Clone()
	fills, err := change(&next)
	if err != nil {
		return dst, err
	}
	n, err := old.change(&next, fills)
	if err != nil || n == nil {
		return dst, err
	}
	return n.append(dst), nil
}

// AppendTypeEnd appends the record that ends a type, which no resource has.
func (r *Registry) AppendTypeEnd(dst []byte, name string) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.typeState(name) == nil {
		return dst, &UnknownTypeError{name}
	}
	if n := r.uses(name); n > 0 || name == Generic {
		return dst, &InUseError{name, n}
	}
	return appendTypeEnd(dst, name), nil
}

// AppendTypeRecord appends the record of a type as it is, nothing if there is none or it is the generic one.
func (r *Registry) AppendTypeRecord(dst []byte, name string) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if t := r.types[name]; t != nil {
		return t.append(dst)
	}
	return dst
}

// ApplyType makes the type of the record at the front of rec what the record says, and returns the length of the record. What resources
// have of attributes that are no more is gone, and they get the values that the change brought.
func (r *Registry) ApplyType(rec []byte) (n int, name string, err error) {
	return r.applyType(rec, false, true)
}

// NameType does what ApplyType does if there is no such type, or what is known of it is older: the record tells what was known when it was
// written.
func (r *Registry) NameType(rec []byte) (taken bool, err error) {
	_, name, err := r.applyType(rec, true, true)
	return name != "", err
}

// RestoreType does what ApplyType does with an entry of the catalog; the sink is not called.
func (r *Registry) RestoreType(k, value []byte) error {
	n, name, err := r.applyType(value, false, false)
	if err == nil && (n != len(value) || name != string(k)) {
		err = &RecordError{n, errors.New("not the only record of its entry, or not the one of its key")}
	}
	return err
}

func (r *Registry) applyType(rec []byte, naming, sink bool) (n int, name string, err error) {
	name, t, n, err := parseType(rec)
	if err != nil {
		return 0, "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.types[name]
	if naming && (t == nil || old != nil && !old.guessed && old.mark >= t.mark) {
		return n, "", nil
	}
	switch {
	case t != nil:
		r.retype(old, t)
		if sink {
			r.sink(TypeBucket, []byte(name), rec[:n])
		}
	case r.uses(name) == 0: // else the record that ended the last one is lost, and the type is still needed
		delete(r.types, name)
		if sink {
			r.sink(TypeBucket, []byte(name), nil)
		}
	}
	return n, name, nil
}

// guess makes up a type that is lost, or widens one that was made up, so that it has room for the values of a resource. REQUIRES: r.mu.
func (r *Registry) guess(t *typeState, res *Resource, mark uint64, sink bool) *typeState {
	old := t
	if t == nil {
		t = &typeState{Type: Type{Name: res.Type, Created: res.Created}, guessed: true}
	}
	if t = t.guess(res.Attributes, mark); t != old {
		if r.retype(old, t); sink {
			r.sink(TypeBucket, []byte(t.Name), t.append(nil))
		}
	}
	return t
}

// retype puts a type in the place of another of the same name, nil if there was none, and makes the columns of its resources follow.
// REQUIRES: r.mu.
func (r *Registry) retype(old, t *typeState) {
	r.types[t.Name] = t
	if old == nil {
		return
	}
	// from says for each attribute which column it has had.
	from := make([]int, len(t.Attributes))
	for i := range t.Attributes {
		a := &t.Attributes[i]
		if from[i] = old.index(a.Name); from[i] >= 0 && (old.Attributes[from[i]].Kind != a.Kind || t.since[i] > old.mark && !old.guessed) {
			from[i] = -1
		}
	}
	for k, tab := range r.tables {
		if k.typ != t.Name {
			continue
		}
		tab.typ, tab.bytes = t, 0
		for _, p := range [...]*part{&tab.now, &tab.former} {
			for _, b := range p.blocks {
				tab.bytes += b.retype(old, t, from)
			}
		}
	}
}

// retype gives a block the columns of another type, with the values that its rows get, and says what its rows take.
func (b *block) retype(old, t *typeState, from []int) (bytes int64) {
	values := make([]column, len(from))
	for i, was := range from {
		if was >= 0 {
			values[i] = b.values[was]
		}
	}
	b.values = values
	for i, rev := range b.revision {
		if rev == 0 {
			continue
		}
		b.changed(i)
		for k := range t.fills {
			if f := &t.fills[k]; f.mark > old.mark {
				kind := t.Attributes[k].Kind
				if _, ok := values[k].get(kind, i); !ok {
					values[k].set(kind, i, f.value, true)
				}
			}
		}
		bytes += b.rowBytes(i)
	}
	return bytes
}
