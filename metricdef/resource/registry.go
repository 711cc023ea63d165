package resource

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"granary/metricdef"
	"granary/tenant"
)

// Buckets of the catalog. In Bucket stand the revisions of resources, under tenant (big-endian, 4 bytes), id and revision (big-endian,
// 4 bytes); in TypeBucket the types, under their names.
const (
	Bucket     = "resources"
	TypeBucket = "resource-types"
)

// Options configure a registry. The zero value is of use.
type Options struct {
	// Sink, if not nil, is called for each change that is applied. It is called under the registry's lock and must not call back.
	Sink metricdef.Sink
	// Gone says that a tenant has ended: what it has is still here until it is removed, and nobody sees it. It is called under the
	// registry's lock. If nil, none has.
	Gone func(tenant.Num) bool
}

// Registry holds the resource types of the service and the resources of all tenants. Everything is safe for concurrent use, under
// the rules of DESIGN.md.
type Registry struct {
	o Options

	mu      sync.RWMutex
	types   map[string]*typeState // without the generic one
	tables  map[tableKey]*table
	tenants map[tenant.Num][]*table // by name of the type
	ids     map[uuid.UUID]place     // the current revision; those of other tenants hang on it by twin
	blocks  []*block                // by number
	unused  []uint32                // numbers of blocks that can be given again
	current int                     // resources
	former  int                     // revisions that are not the current ones
}

type tableKey struct {
	tenant tenant.Num
	typ    string
}

// NewRegistry returns a registry that has no resources, and no type but the generic one.
func NewRegistry(o Options) *Registry {
	if o.Gone == nil {
		o.Gone = func(tenant.Num) bool { return false }
	}
	return &Registry{
		o: o, types: make(map[string]*typeState), tables: make(map[tableKey]*table), tenants: make(map[tenant.Num][]*table),
		ids: make(map[uuid.UUID]place), blocks: make([]*block, 1),
	}
}

// Get is the current revision of a resource.
func (r *Registry) Get(t tenant.Num, id uuid.UUID) (Resource, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b, i := r.find(t, id)
	if b == nil || r.o.Gone(t) {
		return Resource{}, false
	}
	return b.get(i), true
}

// Has says whether a tenant has a resource of that id.
func (r *Registry) Has(t tenant.Num, id uuid.UUID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b, _ := r.find(t, id)
	return b != nil && !r.o.Gone(t)
}

// Where names the tenants that have a resource of that id: who has had it for longest comes first.
func (r *Registry) Where(id uuid.UUID) []tenant.Num {
	type home struct {
		tenant  tenant.Num
		created int64
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []home
	for at := r.ids[id]; at != 0; {
		b, i := r.row(at)
		if !r.o.Gone(b.t.tenant) {
			list = append(list, home{b.t.tenant, b.created[i]})
		}
		at = b.twin[i]
	}
	slices.SortFunc(list, func(x, y home) int {
		return cmp.Or(cmp.Compare(x.created, y.created), cmp.Compare(x.tenant, y.tenant))
	})
	nums := make([]tenant.Num, len(list))
	for i, h := range list {
		nums[i] = h.tenant
	}
	return nums
}

// History lists the revisions of a resource, oldest first, the current one last.
func (r *Registry) History(t tenant.Num, id uuid.UUID) []Resource {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b, i := r.find(t, id)
	if b == nil || r.o.Gone(t) {
		return nil
	}
	list := []Resource{b.get(i)}
	for at := b.prev[i]; at != 0; at = b.prev[i] {
		b, i = r.row(at)
		list = append(list, b.get(i))
	}
	slices.Reverse(list)
	return list
}

// Type is the type of that name.
func (r *Registry) Type(name string) (Type, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t := r.typeState(name)
	if t == nil {
		return Type{}, false
	}
	return t.Clone(), true
}

// Types lists all types by name.
func (r *Registry) Types() []Type {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := []Type{generic.Clone()}
	for _, t := range r.types {
		list = append(list, t.Clone())
	}
	slices.SortFunc(list, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Uses counts the resources that have a type, those of tenants that have ended too as long as they are here. Who has
// another type does not count for the generic one.
func (r *Registry) Uses(name string) (n int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.uses(name)
}

func (r *Registry) uses(name string) (n int) {
	for key, t := range r.tables {
		if key.typ == name {
			n += t.now.rows
		}
	}
	return n
}

// Len counts the resources of all tenants, and the former revisions.
func (r *Registry) Len() (current, former int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.current, r.former
}

// Count counts the resources of a tenant, also of one that has ended.
func (r *Registry) Count(t tenant.Num) (n int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, tab := range r.tenants[t] {
		n += tab.now.rows
	}
	return n
}

// BytesOf says about what the resources of a tenant take, with the texts that others share.
func (r *Registry) BytesOf(t tenant.Num) (n int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, tab := range r.tenants[t] {
		n += tab.bytes
	}
	return n
}

// Bytes says about what the resources of all tenants take.
func (r *Registry) Bytes() (n int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, tab := range r.tables {
		n += tab.bytes
	}
	return n
}

// OfTenant lists up to max ids of a tenant's resources, also of one that has ended.
func (r *Registry) OfTenant(t tenant.Num, max int) (ids []uuid.UUID) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, tab := range r.tenants[t] {
		for _, b := range tab.now.blocks {
			for i, rev := range b.revision {
				if rev == 0 {
					continue
				}
				if len(ids) == max {
					return ids
				}
				ids = append(ids, b.id[i])
			}
		}
	}
	return ids
}

// Tags are the texts of a resource by which its metrics can be found: its id, type and original id, whose it is, and its
// attributes, sorted by name. What is null or empty has none.
func (r *Registry) Tags(t tenant.Num, id uuid.UUID) []metricdef.Tag {
	res, ok := r.Get(t, id)
	if !ok {
		return nil
	}
	tags := []metricdef.Tag{
		{Name: "original_resource_id", Value: res.Original}, {Name: "resource_id", Value: id.String()}, {Name: "resource_type", Value: res.Type},
	}
	if res.User != nil {
		tags = append(tags, metricdef.Tag{Name: "user_id", Value: *res.User})
	}
	if res.Project != nil {
		tags = append(tags, metricdef.Tag{Name: "project_id", Value: *res.Project})
	}
	for name, v := range res.Attributes {
		tags = append(tags, metricdef.Tag{Name: name, Value: v.String()})
	}
	tags = slices.DeleteFunc(tags, func(t metricdef.Tag) bool { return t.Value == "" })
	// An attribute may be named like one of the first: those win.
	slices.SortStableFunc(tags, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(tags, func(a, b metricdef.Tag) bool { return a.Name == b.Name })
}

// TypeOf is the name of the type of a resource, "" if there is none of that id.
func (r *Registry) TypeOf(t tenant.Num, id uuid.UUID) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if b, _ := r.find(t, id); b != nil {
		return b.t.typ.Name
	}
	return ""
}

// OfType lists the resources of a type, those of tenants that have ended too.
func (r *Registry) OfType(name string) (list []Ref) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for k, tab := range r.tables {
		if k.typ != name {
			continue
		}
		for _, b := range tab.now.blocks {
			for i, rev := range b.revision {
				if rev != 0 {
					list = append(list, Ref{k.tenant, b.id[i]})
				}
			}
		}
	}
	return list
}

// Ref addresses a resource.
type Ref struct {
	Tenant tenant.Num
	ID     uuid.UUID
}

// typeState is the state of a type, nil if there is none. REQUIRES: r.mu.
func (r *Registry) typeState(name string) *typeState {
	if name == Generic {
		return generic
	}
	return r.types[name]
}

// row is the block and the slot of a place.
func (r *Registry) row(at place) (*block, int) {
	return r.blocks[at>>slotBits], int(at & (blockRows - 1))
}

// find is the row of the current revision, nil if there is none. REQUIRES: r.mu.
func (r *Registry) find(t tenant.Num, id uuid.UUID) (*block, int) {
	for at := r.ids[id]; at != 0; {
		b, i := r.row(at)
		if b.t.tenant == t {
			return b, i
		}
		at = b.twin[i]
	}
	return nil, 0
}

// key is the key of a revision in the catalog.
func key(t tenant.Num, id uuid.UUID, revision int) []byte {
	k := binary.BigEndian.AppendUint32(make([]byte, 0, 24), uint32(t))
	return binary.BigEndian.AppendUint32(append(k, id[:]...), uint32(revision))
}

func (r *Registry) sink(bucket string, key, value []byte) {
	if r.o.Sink != nil {
		r.o.Sink.Put(bucket, key, value)
	}
}

// AppendCreate appends the record of a resource that is new at a time, in nanoseconds since 1970 UTC. It says why there cannot be one
// by an error, an *ExistsError if there is one already.
//
// REQUIRES: that nobody else changes resources or types before the record is applied. The same holds for all methods that append.
func (r *Registry) AppendCreate(dst []byte, d *Draft, now int64) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t := r.typeState(d.Type)
	if t == nil {
		return dst, &UnknownTypeError{d.Type}
	}
	if err := d.validate(&t.Type, func(string) bool { return true }); err != nil {
		return dst, err
	}
	if b, _ := r.find(d.Tenant, d.ID); b != nil {
		return dst, &ExistsError{"resource", d.ID.String()}
	}
	n := Resource{Draft: *d, Revision: 1, RevisionStart: micros(now, 0)}
	n.Created = n.RevisionStart
	return appendRecord(dst, &n, t.mark), nil
}

// micros makes a time a whole number of microseconds behind another.
func micros(now, behind int64) int64 {
	now -= now % 1000
	return max(now, behind+1000-behind%1000)
}

// AppendUpdate appends the record of a resource as it would be after the update: nothing if the update changes nothing.
func (r *Registry) AppendUpdate(dst []byte, t tenant.Num, id uuid.UUID, u *Update, now int64) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b, i := r.find(t, id)
	if b == nil {
		return dst, &UnknownError{id}
	}
	old := b.get(i)
	d, changed := old.with(u)
	if err := d.validate(&b.t.typ.Type, func(name string) bool { _, ok := u.Attributes[name]; return ok }); err != nil {
		return dst, err
	}
	if !changed {
		return dst, nil
	}
	n := Resource{Draft: d, Revision: old.Revision + 1, Created: old.Created, RevisionStart: micros(now, old.RevisionStart)}
	return appendRecord(dst, &n, b.t.typ.mark), nil
}

// AppendRecord appends the record of a resource as it is, nothing if there is none.
func (r *Registry) AppendRecord(dst []byte, t tenant.Num, id uuid.UUID) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b, i := r.find(t, id)
	if b == nil {
		return dst
	}
	n := b.get(i)
	return appendRecord(dst, &n, b.t.typ.mark)
}

// Apply makes the resource of the record at the front of rec what the record says, and returns the length of the record, and whose
// resource it was. A revision above the current one makes that a former one; a record of the same revision takes its place. Any
// other is of a resource that ended in between without a record of it, and begins anew. Records are applied in their order, by one
// goroutine at a time, live and in replay.
func (r *Registry) Apply(rec []byte) (n int, t tenant.Num, id uuid.UUID, err error) {
	res, mark, n, err := parseRecord(rec)
	if err != nil {
		return 0, 0, uuid.UUID{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apply(&res, mark, rec[:n])
	return n, res.Tenant, res.ID, nil
}

// Name does what Apply does if the tenant has no resource of that id, or what is known of it is older: the record tells again what was known
// when it was written.
func (r *Registry) Name(rec []byte) (taken bool, err error) {
	res, mark, n, err := parseRecord(rec)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, i := r.find(res.Tenant, res.ID); b == nil || b.revStart[i] < res.RevisionStart {
		r.apply(&res, mark, rec[:n])
		taken = true
	}
	return taken, nil
}

// Restore does what Apply does with an entry of the catalog; the sink is not called. Types are restored first, and entries in the
// order of their keys.
func (r *Registry) Restore(k, value []byte) error {
	res, mark, n, err := parseRecord(value)
	switch {
	case err != nil:
		return err
	case n != len(value):
		return &RecordError{n, fmt.Errorf("%d bytes behind the record", len(value)-n)}
	case string(k) != string(key(res.Tenant, res.ID, res.Revision)):
		return &RecordError{recordHeader, fmt.Errorf("tenant, id or revision are not those of the key %x", k)}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apply(&res, mark, nil)
	return nil
}

// apply is Apply; rec is nil if the sink need not hear of it. REQUIRES: r.mu.
func (r *Registry) apply(res *Resource, mark uint64, rec []byte) {
	t := r.typeState(res.Type)
	if t == nil || t.guessed {
		t = r.guess(t, res, mark, rec != nil)
	}
	res.Attributes = t.settle(res.Attributes, mark)
	b, i := r.find(res.Tenant, res.ID)
	if b != nil && (b.t.typ.Name != res.Type || res.Revision < int(b.revision[i]) || res.Revision == int(b.revision[i]) && res.RevisionStart != b.revStart[i]) {
		r.end(res.Tenant, res.ID)
		b = nil
	}
	switch {
	case b == nil:
		tab := r.table(res.Tenant, t)
		at := r.take(tab, &tab.now)
		b, i = r.row(at)
		b.put(i, res)
		b.twin[i] = r.ids[res.ID]
		r.ids[res.ID] = at
		r.current++
	case res.Revision > int(b.revision[i]):
		old := b.get(i)
		old.RevisionEnd = res.RevisionStart
		at := r.take(b.t, &b.t.former)
		was, k := r.row(at)
		was.put(k, &old)
		was.prev[k] = b.prev[i]
		b.t.bytes += was.rowBytes(k) - b.rowBytes(i)
		b.put(i, res)
		b.prev[i] = at
		r.former++
	default:
		b.t.bytes -= b.rowBytes(i)
		b.put(i, res)
	}
	b.t.bytes += b.rowBytes(i)
	if rec != nil {
		r.sink(Bucket, key(res.Tenant, res.ID, res.Revision), rec)
	}
}

// table is the table of a tenant for a type, made if there is none. REQUIRES: r.mu.
func (r *Registry) table(n tenant.Num, t *typeState) *table {
	k := tableKey{n, t.Name}
	tab := r.tables[k]
	if tab == nil {
		tab = &table{tenant: n, typ: t}
		r.tables[k] = tab
		list := r.tenants[n]
		at, _ := slices.BinarySearchFunc(list, t.Name, func(t *table, name string) int { return strings.Compare(t.typ.Name, name) })
		r.tenants[n] = slices.Insert(slices.Clone(list), at, tab)
	}
	return tab
}

// take makes a free row in a part of a table. REQUIRES: r.mu.
func (r *Registry) take(t *table, p *part) place {
	p.rows++
	if n := len(p.free); n > 0 {
		at := p.free[n-1]
		p.free = p.free[:n-1]
		r.blocks[at>>slotBits].live++
		return at
	}
	var b *block
	if n := len(p.blocks); n > 0 && len(p.blocks[n-1].revision) < blockRows {
		b = p.blocks[n-1]
	} else {
		b = &block{t: t, values: make([]column, len(t.typ.Attributes))}
		if n := len(r.unused); n > 0 {
			b.number, r.unused = r.unused[n-1], r.unused[:n-1]
			r.blocks[b.number] = b
		} else {
			b.number = uint32(len(r.blocks))
			r.blocks = append(r.blocks, b)
		}
		p.blocks = append(p.blocks, b)
	}
	b.live++
	return place(b.number<<slotBits | uint32(b.add()))
}

// give makes a row of a part free again, and a block without rows go. REQUIRES: r.mu.
func (r *Registry) give(p *part, at place) {
	b, i := r.row(at)
	b.t.bytes -= b.rowBytes(i)
	b.clear(i)
	p.rows--
	if b.live--; b.live > 0 {
		p.free = append(p.free, at)
		return
	}
	p.blocks = slices.DeleteFunc(slices.Clone(p.blocks), func(x *block) bool { return x == b })
	p.free = slices.DeleteFunc(p.free, func(at place) bool { return uint32(at>>slotBits) == b.number })
	r.blocks[b.number] = nil
	r.unused = append(r.unused, b.number)
}

// end takes a resource away with its former revisions. REQUIRES: r.mu.
func (r *Registry) end(n tenant.Num, id uuid.UUID) bool {
	b, i := r.find(n, id)
	if b == nil {
		return false
	}
	tab, at := b.t, place(b.number<<slotBits|uint32(i))
	if twin := b.twin[i]; r.ids[id] != at {
		for x := r.ids[id]; ; {
			other, k := r.row(x)
			if other.twin[k] == at {
				other.twin[k] = twin
				break
			}
			x = other.twin[k]
		}
	} else if twin != 0 {
		r.ids[id] = twin
	} else {
		delete(r.ids, id)
	}
	for prev := b.prev[i]; prev != 0; {
		was, k := r.row(prev)
		r.sink(Bucket, key(n, id, int(was.revision[k])), nil)
		next := was.prev[k]
		r.give(&tab.former, prev)
		r.former--
		prev = next
	}
	r.sink(Bucket, key(n, id, int(b.revision[i])), nil)
	r.give(&tab.now, at)
	r.current--
	if tab.now.rows == 0 {
		delete(r.tables, tableKey{n, tab.typ.Name})
		if r.tenants[n] = slices.DeleteFunc(slices.Clone(r.tenants[n]), func(x *table) bool { return x == tab }); len(r.tenants[n]) == 0 {
			delete(r.tenants, n)
		}
	}
	return true
}

// TypeRecords yields what the catalog has to hold in TypeBucket, as keys and records, and Records what in Bucket.
func (r *Registry) TypeRecords(yield func(key, record []byte) bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, t := range r.types {
		if !yield([]byte(name), t.append(nil)) {
			return
		}
	}
}

// Records is as TypeRecords says.
func (r *Registry) Records(yield func(key, record []byte) bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, tab := range r.tables {
		for _, p := range [...]*part{&tab.now, &tab.former} {
			for _, b := range p.blocks {
				for i, rev := range b.revision {
					if rev == 0 {
						continue
					}
					res := b.get(i)
					if !yield(key(res.Tenant, res.ID, res.Revision), appendRecord(nil, &res, tab.typ.mark)) {
						return
					}
				}
			}
		}
	}
}
