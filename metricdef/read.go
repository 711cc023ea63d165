package metricdef

import (
	"iter"
	"time"

	"github.com/google/uuid"

	"granary/tenant"
)

// appendTags appends the tags from number i to number n of a definition, identity tags first.
//
// REQUIRES: r.mu.
func (r *Registry) appendTags(dst []Tag, x *index, d *packed, i, n int) []Tag {
	for _, id := range r.words.at(d.tags, d.run())[2+i : 2+n] {
		p := &x.pairs[id]
		dst = append(dst, Tag{r.symbols.text(p.name), r.symbols.text(p.value)})
	}
	return dst
}

// appendKey appends the key text of a definition.
//
// REQUIRES: r.mu.
func (r *Registry) appendKey(dst []byte, d *packed) []byte {
	x := r.tenants[tenant.Num(d.tenant)]
	var few [8]Tag
	tags := r.appendTags(few[:0], x, d, 0, int(d.identity))
	return AppendKey(dst, r.symbols.text(x.pairs[d.name].value), tags)
}

// fieldsOf is what stands behind the tags in the record of a definition.
//
// REQUIRES: r.mu.
func (r *Registry) fieldsOf(x *index, d *packed) fields {
	f := fields{linking: r.linkingOf(x, d)}
	if d.flags&hasMore != 0 {
		more := r.words.at(d.tags, d.room())[d.run():]
		f.policy = r.symbols.text(more[0])
		f.retention, f.more = cutRetention(r.symbols.text(more[1]))
	}
	return f
}

// REQUIRES: r.mu.
func (r *Registry) keyHash(d *packed) uint32 {
	var few [256]byte
	return r.hashKey(tenant.Num(d.tenant), d.typ, r.appendKey(few[:0], d))
}

// REQUIRES: r.mu.
func (r *Registry) id(d *packed) uuid.UUID {
	if d.flags&hasLink != 0 {
		if _, _, _, byID := r.linkOf(d); byID {
			id, _ := parseID(r.symbols.text(r.tenants[tenant.Num(d.tenant)].pairs[d.name].value))
			return id
		}
	}
	var few [256]byte
	return newID(r.o.TenantID(tenant.Num(d.tenant)), d.typ, r.appendKey(few[:0], d))
}

// hasKey compares a key text with the one of the definition, part by part and without making it.
//
// REQUIRES: r.mu.
func (r *Registry) hasKey(d *packed, key []byte) bool {
	x := r.tenants[tenant.Num(d.tenant)]
	rest, ok := cutText(key, r.symbols.text(x.pairs[d.name].value), namePart)
	if !ok || d.identity == 0 {
		return ok && len(rest) == 0
	}
	lead := byte('{')
	for _, id := range r.words.at(d.tags, d.run())[2 : 2+int(d.identity)] {
		p := &x.pairs[id]
		if rest, ok = cutByte(rest, lead); !ok {
			return false
		}
		if rest, ok = cutText(rest, r.symbols.text(p.name), tagPart); !ok {
			return false
		}
		if len(rest) < 2 || rest[0] != '=' || rest[1] != '"' {
			return false
		}
		if rest, ok = cutText(rest[2:], r.symbols.text(p.value), valuePart); !ok {
			return false
		}
		if rest, ok = cutByte(rest, '"'); !ok {
			return false
		}
		lead = ','
	}
	return len(rest) == 1 && rest[0] == '}'
}

func cutByte(key []byte, c byte) ([]byte, bool) {
	if len(key) == 0 || key[0] != c {
		return key, false
	}
	return key[1:], true
}

// cutText takes the text, as AppendKey writes it, from the front of the key.
func cutText(key []byte, text string, kind part) ([]byte, bool) {
	if len(key) >= len(text) && string(key[:len(text)]) == text && kind.plain(text) {
		return key[len(text):], true
	}
	for i := range len(text) {
		c := text[i]
		if kind.special(c) {
			var ok bool
			if key, ok = cutByte(key, '\\'); !ok {
				return key, false
			}
			if c == '\n' {
				c = 'n'
			}
		}
		var ok bool
		if key, ok = cutByte(key, c); !ok {
			return key, false
		}
	}
	return key, true
}

// seen is the definition of a ref if readers may see it.
//
// REQUIRES: r.mu.
func (r *Registry) seen(ref Ref) *packed {
	if d := r.defs.get(ref); d != nil && d.state() == visible {
		return d
	}
	return nil
}

// Get returns the definition of a ref, if there is one that is visible.
func (r *Registry) Get(ref Ref) (Definition, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d := r.seen(ref)
	if d == nil {
		return Definition{}, false
	}
	x := r.tenants[tenant.Num(d.tenant)]
	run := r.words.at(d.tags, d.run())
	tags := r.appendTags(make([]Tag, 0, len(run)-2), x, d, 0, len(run)-2)
	identity := int(d.identity)
	f := r.fieldsOf(x, d)
	return Definition{
		Draft: Draft{
			Identity: Identity{Tenant: tenant.Num(d.tenant), Type: d.typ, Name: r.symbols.text(x.pairs[d.name].value), Tags: tags[:identity:identity]},
			Plain:    tags[identity:],
			Unit:     r.symbols.text(run[0]),
			Policy:   f.policy,
			Dialect:  r.symbols.text(run[1]),
			Explicit: d.explicit(), Kind: d.kind(), Retention: time.Duration(f.retention),
			ByID: f.byID, Label: f.label, Creator: f.creator, Resource: f.resource,
		},
		ID:      r.id(d),
		Ref:     ref,
		Created: time.Unix(0, d.created).UTC(),
	}, true
}

// Name is the name of the metric, "" if the ref has no visible definition.
func (r *Registry) Name(ref Ref) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d := r.seen(ref)
	if d == nil {
		return ""
	}
	return r.symbols.text(r.tenants[tenant.Num(d.tenant)].pairs[d.name].value)
}

// Tenant is the tenant of a definition, 0 if the ref has no visible one.
func (r *Registry) Tenant(ref Ref) tenant.Num {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if d := r.seen(ref); d != nil {
		return tenant.Num(d.tenant)
	}
	return 0
}

// Explicit says whether a definition, visible or only reserved, was made by a create call. It is for writers.
func (r *Registry) Explicit(ref Ref) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d := r.defs.get(ref)
	return d != nil && d.explicit()
}

// Owner is the tenant of a definition, visible or only reserved, 0 if the ref has none. It is for writers.
func (r *Registry) Owner(ref Ref) tenant.Num {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if d := r.defs.get(ref); d != nil {
		return tenant.Num(d.tenant)
	}
	return 0
}

// Family is the tenant and the type of a definition, zero if the ref has no visible one.
func (r *Registry) Family(ref Ref) (tenant.Num, Type) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if d := r.seen(ref); d != nil {
		return tenant.Num(d.tenant), d.typ
	}
	return 0, 0
}

// All yields the refs of all visible definitions, ascending. Definitions that come or go meanwhile may be missed.
func (r *Registry) All() iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		var refs []Ref
		for from, more := Ref(1), true; more; {
			r.mu.RLock()
			refs, from, more = r.defs.appendVisible(refs[:0], from)
			r.mu.RUnlock()
			for _, ref := range refs {
				if !yield(ref) {
					return
				}
			}
		}
	}
}

// OfTenant returns the refs of all visible definitions of a tenant, ascending. The caller does not change the slice.
func (r *Registry) OfTenant(t tenant.Num) []Ref {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if x := r.tenants[t]; x != nil {
		return x.all[:len(x.all):len(x.all)]
	}
	return nil
}

// Next is the ref that the next new definition gets.
func (r *Registry) Next() Ref {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next
}

// Raise makes next the lowest ref that a new definition may get: refs below it are in use somewhere.
func (r *Registry) Raise(next Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = max(r.next, next)
}

// ByID finds a visible definition of any tenant by its id. The caller checks the tenant against its scope. The id of a series of
// a deleted tenant may have been given again by one of the same name, which is the newer one.
func (r *Registry) ByID(id uuid.UUID) (Ref, bool) {
	h := idHash(id)
	r.mu.RLock()
	defer r.mu.RUnlock()
	var found Ref
	for p := r.ids.first(h); p >= 0; p = r.ids.after(h, p) {
		if ref := Ref(r.ids.slots[p].id); ref > found && r.id(r.defs.get(ref)) == id {
			found = ref
		}
	}
	return found, found != 0
}

// Len is the number of visible definitions.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.visible
}

// Count is the number of visible definitions of a tenant.
func (r *Registry) Count(t tenant.Num) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if x := r.tenants[t]; x != nil {
		return len(x.all)
	}
	return 0
}

// Claimed is Count with the definitions that are reserved; limits are held against it.
func (r *Registry) Claimed(t tenant.Num) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if x := r.tenants[t]; x != nil {
		return x.claimed
	}
	return 0
}

// BytesOf is about the memory that the definitions of a tenant take, with its tree.
func (r *Registry) BytesOf(t tenant.Num) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if x := r.tenants[t]; x != nil {
		return x.held()
	}
	return 0
}

// Bytes is the memory that the registry holds, without its tree and the overhead of the allocator.
func (r *Registry) Bytes() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.defs.bytes() + r.symbols.bytes() + r.words.bytes() + r.keys.bytes() + r.ids.bytes()
	for _, x := range r.tenants {
		n += x.bytes()
	}
	return n
}
