package metricdef

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"granary/metricdef/match"
	"granary/tenant"
)

// Bucket is the bucket of the catalog that holds the definitions.
const Bucket = "definitions"

// Sink takes what the registry wants kept: a nil value deletes the key. It must copy key and value.
type Sink interface {
	Put(bucket string, key, value []byte)
}

// Options are what a registry needs to know.
type Options struct {
	TenantID func(tenant.Num) tenant.ID
	Sink     Sink
	Tree     func(path []string, typ Type, tags []Tag) ([]string, bool)
}

type item struct {
	def     Definition
	created int64
	visible bool
}

// Registry holds definitions.
type Registry struct {
	o    Options
	mu   sync.RWMutex
	defs map[Ref]*item
	keys map[string]Ref
	ids  map[uuid.UUID]Ref
	next Ref
	rec  record
	root map[tenant.Num]*Node
}

// NewRegistry returns an empty registry.
func NewRegistry(o Options) *Registry {
	if o.Tree == nil {
		o.Tree = ClusterTree
	}
	return &Registry{o: o, defs: map[Ref]*item{}, keys: map[string]Ref{}, ids: map[uuid.UUID]Ref{}, next: 1, root: map[tenant.Num]*Node{}}
}

func mapKey(t tenant.Num, typ Type, key []byte) string {
	return string(append([]byte{byte(t), byte(t >> 8), byte(t >> 16), byte(t >> 24), byte(typ)}, key...))
}

// Resolve finds the definition of a key.
func (r *Registry) Resolve(t tenant.Num, typ Type, key []byte) (Ref, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	ref, ok := r.keys[mapKey(t, typ, key)]
	return ref, ok
}

// Reserve makes a ref that Resolve sees.
func (r *Registry) Reserve(d *Draft, now int64) Ref {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref := r.next
	r.next++
	r.add(*d, ref, now)
	return ref
}

func (r *Registry) add(d Draft, ref Ref, created int64) *item {
	d.Tags, d.Plain = slices.Clone(d.Tags), slices.Clone(d.Plain)
	key := AppendKey(nil, d.Name, d.Tags)
	var tid tenant.ID
	if r.o.TenantID != nil {
		tid = r.o.TenantID(d.Tenant)
	}
	it := &item{def: Definition{Draft: d, Ref: ref, Created: time.Unix(0, created).UTC(), ID: NewID(tid, d.Type, string(key))}, created: created}
	r.defs[ref] = it
	r.keys[mapKey(d.Tenant, d.Type, key)] = ref
	return it
}

// AppendRecord appends the record of a definition.
func (r *Registry) AppendRecord(dst []byte, ref Ref) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	it := r.defs[ref]
	if it == nil {
		return dst
	}
	d := &it.def
	start := len(dst)
	dst = beginRecord(dst, ref, d.Tenant, d.Type, d.Explicit, it.created)
	dst = appendText(dst, d.Dialect)
	dst = appendText(dst, d.Unit)
	dst = appendText(dst, d.Name)
	for _, tags := range [][]Tag{d.Tags, d.Plain} {
		dst = append(dst, byte(len(tags)))
		for _, t := range tags {
			dst = appendText(appendText(dst, t.Name), t.Value)
		}
	}
	return endRecord(dst, start)
}

// Withdraw undoes Reserve.
func (r *Registry) Withdraw(ref Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if it := r.defs[ref]; it != nil && !it.visible {
		r.drop(it)
	}
}

func (r *Registry) drop(it *item) {
	d := &it.def
	delete(r.defs, d.Ref)
	k := mapKey(d.Tenant, d.Type, AppendKey(nil, d.Name, d.Tags))
	if r.keys[k] == d.Ref {
		delete(r.keys, k)
	}
}

// Apply applies one record.
func (r *Registry) Apply(rec []byte) (n int, ref Ref, err error) { return r.apply(rec, true) }

// Restore takes one entry of the catalog; the sink is not called.
func (r *Registry) Restore(key, value []byte) error {
	if bytes.Equal(key, []byte{0, 0, 0, 0}) {
		return nil
	}
	_, _, err := r.apply(value, false)
	return err
}

func (r *Registry) apply(b []byte, keep bool) (n int, ref Ref, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err = r.rec.decode(b)
	if err != nil {
		return 0, 0, err
	}
	rec := &r.rec
	it := r.defs[rec.ref]
	if it == nil {
		d := Draft{Identity: Identity{Tenant: rec.tenant, Type: rec.typ, Name: string(rec.name)}, Unit: string(rec.unit), Dialect: string(rec.dialect), Explicit: rec.explicit}
		for i, t := range rec.tags {
			tag := Tag{string(t.name), string(t.value)}
			if i < rec.identity {
				d.Tags = append(d.Tags, tag)
			} else {
				d.Plain = append(d.Plain, tag)
			}
		}
		it = r.add(d, rec.ref, rec.created)
		r.next = max(r.next, rec.ref+1)
	}
	if !it.visible {
		it.visible = true
		r.ids[it.def.ID] = rec.ref
		if path, ok := r.o.Tree(nil, it.def.Type, append(slices.Clone(it.def.Tags), it.def.Plain...)); ok {
			root := r.root[it.def.Tenant]
			if root == nil {
				root = &Node{r: r}
				r.root[it.def.Tenant] = root
			}
			root.add(path, it.def.Name, rec.ref)
		}
		if keep && r.o.Sink != nil {
			r.o.Sink.Put(Bucket, []byte{byte(rec.ref >> 24), byte(rec.ref >> 16), byte(rec.ref >> 8), byte(rec.ref)}, b[:n])
		}
	}
	return n, rec.ref, nil
}

// Remove ends definitions.
func (r *Registry) Remove(refs []Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		it := r.defs[ref]
		if it == nil {
			continue
		}
		r.drop(it)
		delete(r.ids, it.def.ID)
		if path, ok := r.o.Tree(nil, it.def.Type, append(slices.Clone(it.def.Tags), it.def.Plain...)); ok {
			r.root[it.def.Tenant].remove(path, it.def.Name, ref)
		}
		if r.o.Sink != nil {
			r.o.Sink.Put(Bucket, []byte{byte(ref >> 24), byte(ref >> 16), byte(ref >> 8), byte(ref)}, nil)
		}
	}
}

func (r *Registry) get(ref Ref) *item {
	if it := r.defs[ref]; it != nil && it.visible {
		return it
	}
	return nil
}

// Get returns a visible definition.
func (r *Registry) Get(ref Ref) (Definition, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if it := r.get(ref); it != nil {
		return it.def, true
	}
	return Definition{}, false
}

// Name is the name of a visible definition.
func (r *Registry) Name(ref Ref) string {
	d, _ := r.Get(ref)
	return d.Name
}

// Tenant is the tenant of a visible definition.
func (r *Registry) Tenant(ref Ref) tenant.Num {
	d, _ := r.Get(ref)
	return d.Tenant
}

// ByID finds a definition by its id.
func (r *Registry) ByID(id uuid.UUID) (Ref, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	ref, ok := r.ids[id]
	return ref, ok
}

// Len counts visible definitions.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.ids)
}

// Count counts the visible definitions of a tenant.
func (r *Registry) Count(t tenant.Num) int {
	refs, _ := r.Select(context.Background(), t, nil)
	return len(refs)
}

// Select searches.
func (r *Registry) Select(_ context.Context, t tenant.Num, e match.Expr) ([]Ref, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var refs []Ref
	for ref, it := range r.defs {
		if it.visible && it.def.Tenant == t && (e == nil || e.Eval(func(name string) string {
			if name == NameTag {
				return it.def.Name
			}
			for _, tg := range append(slices.Clone(it.def.Tags), it.def.Plain...) {
				if tg.Name == name {
					return tg.Value
				}
			}
			return ""
		})) {
			refs = append(refs, ref)
		}
	}
	slices.Sort(refs)
	return refs, nil
}
