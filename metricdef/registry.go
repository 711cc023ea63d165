package metricdef

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/google/uuid"

	"granary/tenant"
)

// Bucket is the catalog bucket that holds the definitions: the ref (big-endian, 4 bytes) and the record. Under the
// ref 0, which no definition has, stands the next ref (big-endian, 4 bytes) as of the last removal.
const Bucket = "definitions"

// Sink takes what the applier has changed, so that a catalog can follow behind the journal. A nil value deletes the
// key. Key and value belong to the registry: Put copies what it keeps. It is called under the registry's lock.
type Sink interface {
	Put(bucket string, key, value []byte)
}

// Options configure a registry.
type Options struct {
	// TenantID names the tenant of a number; ids of definitions are made from it. It is called under the registry's lock,
	// when a definition becomes visible, is removed, or is asked for. If nil, the number in decimal stands for the name.
	TenantID func(tenant.Num) tenant.ID
	// Sink, if not nil, is called for each definition that Apply makes visible and Remove ends.
	Sink Sink
	// Tree says where in the tree a definition stands: it appends the path to path, or returns false for a definition that
	// is not in the tree. Identity tags come first in tags, plain tags behind them. It must always answer the same for the
	// same arguments. It is called under the registry's lock. If nil, ClusterTree is used.
	Tree func(path []string, typ Type, tags []Tag) ([]string, bool)
	// Derived says which tags the definitions that belong to a resource have by it, beside ResourceTag, one for each name. It is asked
	// when the first of them comes, and again by Relink. It is called under the registry's lock. If nil, there are no others.
	Derived func(t tenant.Num, resource uuid.UUID) []Tag
}

// Registry holds the definitions of one partition and finds them by key, by id, by their tags and by their place in
// the tree. Everything is safe for concurrent use, under the rules of DESIGN.md.
type Registry struct {
	o        Options
	seal     seal   // of cursors
	nameTag  uint32 // symbol of NameTag, always in use
	labelTag uint32 // symbol of LabelTag, always in use

	mu      sync.RWMutex
	next    Ref
	visible int
	defs    defs
	symbols symbols
	words   words
	keys    table // hash of tenant, type and key text -> ref, reserved and visible
	ids     table // front of the UUID -> ref, visible
	tenants map[tenant.Num]*index
	recent  recent

	scratch struct { // of whoever holds the lock for writing
		rec  record
		tags []Tag
		path []string
		key  []byte

		moves moves
	}
}

// NewRegistry returns an empty registry.
func NewRegistry(o Options) *Registry {
	if o.TenantID == nil {
		o.TenantID = func(n tenant.Num) tenant.ID { return tenant.ID(fmt.Sprint(n)) }
	}
	if o.Tree == nil {
		o.Tree = ClusterTree
	}
	r := &Registry{o: o, next: 1, symbols: makeSymbols(), tenants: make(map[tenant.Num]*index)}
	r.nameTag, r.labelTag = r.symbols.use(NameTag), r.symbols.use(LabelTag)
	r.Seal([SecretLen]byte{})
	return r
}

// recent remembers the tags of the definition that was added last. Definitions come host by host, so most tags are
// those of the one before, at the same place, and need not be looked up.
type recent struct {
	tenant tenant.Num
	tags   []Tag // texts of symbols in use
	pairs  []uint32
}

func (r *Registry) hashKey(t tenant.Num, typ Type, key []byte) uint32 {
	h := maphash.Bytes(r.symbols.seed, key)
	h ^= (uint64(t)<<8 | uint64(typ)) * 0x9e3779b97f4a7c15
	return uint32((h * 0xd6e8feb86659fd93) >> 32)
}

// Resolve finds the definition of that tenant, type and key text, also one that is only reserved. It allocates nothing and
// does not keep key.
func (r *Registry) Resolve(t tenant.Num, typ Type, key []byte) (Ref, bool) {
	h := r.hashKey(t, typ, key)
	r.mu.RLock()
	defer r.mu.RUnlock()
	for p := r.keys.first(h); p >= 0; p = r.keys.after(h, p) {
		ref := Ref(r.keys.slots[p].id)
		if d := r.defs.get(ref); d.tenant == uint32(t) && d.typ == typ && r.hasKey(d, key) {
			return ref, true
		}
	}
	return 0, false
}

// Reserve makes a definition that Resolve finds at once and readers see when its record has been applied. Its key must
// not resolve; nothing of the draft is kept. now is its date of creation in nanoseconds since 1970 UTC. The answer is 0
// if the draft is not valid, which its method Validate explains, or if there are no refs left.
//
// REQUIRES: the sequencer's lock, under which the caller has called Resolve.
func (r *Registry) Reserve(d *Draft, now int64) Ref {
	if d.Validate() != nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next > maxRef || r.words.full() {
		return 0
	}
	rec := &r.scratch.rec
	*rec = record{
		ref: r.next, tenant: d.Tenant, typ: d.Type, kind: d.Values(), explicit: d.Explicit, created: now,
		dialect: d.Dialect, unit: d.Unit, name: d.Name, fields: d.fields(),
		tags: append(append(rec.tags[:0], d.Tags...), d.Plain...), identity: len(d.Tags),
	}
	r.add(rec)
	clear(rec.tags)
	return rec.ref
}

// Withdraw undoes Reserve. The ref is not used again.
//
// REQUIRES: the sequencer's lock.
func (r *Registry) Withdraw(ref Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.defs.get(ref); d != nil && d.state() == reserved {
		r.keys.remove(r.keyHash(d), uint32(ref))
		x := r.tenants[tenant.Num(d.tenant)]
		r.release(x, r.appendUsed(nil, d))
		r.release(x, r.forget(nil, x, ref))
	}
}

// AppendRecord appends the record of a definition, reserved or visible; nothing if the ref has none.
func (r *Registry) AppendRecord(dst []byte, ref Ref) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d := r.defs.get(ref)
	if d == nil {
		return dst
	}
	x := r.tenants[tenant.Num(d.tenant)]
	run := r.words.at(d.tags, d.run())
	start := len(dst)
	dst = beginRecord(dst, ref, tenant.Num(d.tenant), d.typ, d.explicit(), d.created)
	dst = appendText(dst, r.symbols.text(run[1]))
	dst = appendText(dst, r.symbols.text(run[0]))
	dst = appendText(dst, r.symbols.text(x.pairs[d.name].value))
	pairs := run[2:]
	for _, n := range [2]int{int(d.identity), int(d.plain)} {
		dst = append(dst, byte(n))
		for _, id := range pairs[:n] {
			p := &x.pairs[id]
			dst = appendText(dst, r.symbols.text(p.name))
			dst = appendText(dst, r.symbols.text(p.value))
		}
		pairs = pairs[n:]
	}
	f := r.fieldsOf(x, d)
	return endRecord(appendFields(dst, d.kind(), d.typ, &f), start)
}

// Apply makes the definition of the record at the front of rec visible, and returns the length of that record. One that
// is visible already is left as it is. Records are applied in their order, by one goroutine at a time, live and in
// replay; in replay the ref need not have been reserved.
func (r *Registry) Apply(rec []byte) (n int, ref Ref, err error) {
	return r.apply(rec, r.o.Sink)
}

// Restore does what Apply does with an entry of the catalog; the sink is not called.
func (r *Registry) Restore(key, value []byte) error {
	if len(key) != 4 {
		return fmt.Errorf("definition: key %x of the catalog has %d bytes, 4 expected", key, len(key))
	}
	ref := Ref(binary.BigEndian.Uint32(key))
	if ref == 0 {
		if len(value) != 4 {
			return fmt.Errorf("definition: next ref has %d bytes, 4 expected", len(value))
		}
		r.mu.Lock()
		r.next = max(r.next, Ref(binary.BigEndian.Uint32(value)))
		r.mu.Unlock()
		return nil
	}
	n, got, err := recordSize(value)
	switch {
	case err != nil:
		return err
	case n != len(value):
		return &RecordError{At: n, Err: fmt.Errorf("%d bytes behind the record", len(value)-n)}
	case got != ref:
		return &RecordError{At: recordHeader, Err: fmt.Errorf("ref %d under the key of %d", got, ref)}
	}
	_, _, err = r.apply(value, nil)
	return err
}

var errExhausted = errors.New("no room for another definition")

func (r *Registry) apply(b []byte, sink Sink) (n int, ref Ref, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.applied(b, sink)
}

// applied does the work of apply.
//
// REQUIRES: r.mu for writing.
func (r *Registry) applied(b []byte, sink Sink) (n int, ref Ref, err error) {
	n, ref, err = recordSize(b)
	if err != nil {
		return 0, 0, err
	}
	d := r.defs.get(ref)
	if d != nil && d.state() == visible {
		return n, ref, nil
	}
	if d == nil {
		rec := &r.scratch.rec
		if _, err := rec.decode(b); err != nil {
			return 0, 0, err
		}
		if r.words.full() {
			return 0, 0, errExhausted
		}
		d = r.add(rec)
		clear(rec.tags)
	}
	r.show(ref, d)
	if sink != nil {
		var key [4]byte
		binary.BigEndian.PutUint32(key[:], uint32(ref))
		sink.Put(Bucket, key[:], b[:n])
	}
	return n, ref, nil
}

// add makes a reserved definition.
//
// REQUIRES: r.mu; rec.ref is absent.
func (r *Registry) add(rec *record) *packed {
	x := r.tenants[rec.tenant]
	if x == nil {
		x = newIndex()
		r.tenants[rec.tenant] = x
	}
	x.claimed++
	r.next = max(r.next, rec.ref+1)

	p := packed{
		created: rec.created, tenant: uint32(rec.tenant),
		identity: uint8(rec.identity), plain: uint8(len(rec.tags) - rec.identity), typ: rec.typ,
	}
	if rec.explicit {
		p.flags |= madeByACall
	}
	p.flags |= rec.room()
	p.setKind(rec.kind)
	p.setState(reserved)
	place, run := r.words.alloc(p.room())
	x.words += len(run)
	p.tags = place
	run[0], run[1] = r.symbols.use(rec.unit), r.symbols.use(rec.dialect)
	if r.recent.tenant != rec.tenant {
		r.recent = recent{tenant: rec.tenant, tags: r.recent.tags[:0], pairs: r.recent.pairs[:0]}
	}
	for i, t := range rec.tags {
		if i < len(r.recent.tags) && r.recent.tags[i] == t {
			x.pairs[r.recent.pairs[i]].uses++
			run[2+i] = r.recent.pairs[i]
			continue
		}
		id := x.use(&r.symbols, r.symbols.use(t.Name), r.symbols.use(t.Value))
		run[2+i] = id
		pr := &x.pairs[id]
		if i == len(r.recent.tags) {
			r.recent.tags, r.recent.pairs = append(r.recent.tags, Tag{}), append(r.recent.pairs, 0)
		}
		r.recent.tags[i], r.recent.pairs[i] = Tag{r.symbols.text(pr.name), r.symbols.text(pr.value)}, id
	}
	r.setMore(&p, run, rec)
	r.setLink(x, &p, run, rec)
	p.name = x.use(&r.symbols, r.symbols.again(r.nameTag), r.symbols.use(rec.name))
	d := r.defs.add(rec.ref)
	*d = p
	key := AppendKey(r.scratch.key[:0], rec.name, rec.tags[:rec.identity])
	r.keys.insert(r.hashKey(rec.tenant, rec.typ, key), uint32(rec.ref))
	r.scratch.key = key
	return d
}

// show makes a reserved definition visible.
//
// REQUIRES: r.mu.
func (r *Registry) show(ref Ref, d *packed) {
	x := r.tenants[tenant.Num(d.tenant)]
	d.setState(visible)
	r.visible++
	x.all = addRef(x.all, ref)
	var few [16]uint32
	for _, id := range r.appendPosted(few[:0], x, d) {
		x.post(id, ref)
	}
	if _, _, n, _ := r.linkOf(d); n != 0 {
		x.links.join(n, ref)
	}
	r.ids.insert(idHash(r.id(d)), uint32(ref))
	if path, ok := r.path(x, d); ok {
		if x.root == nil {
			x.root = &Node{r: r}
		}
		x.nodes += x.root.add(path, x.pairs[d.name].value, ref)
	}
}

// path is the place of the definition in the tree, in scratch memory.
//
// REQUIRES: r.mu for writing.
func (r *Registry) path(x *index, d *packed) ([]string, bool) {
	r.scratch.tags = r.appendTags(r.scratch.tags[:0], x, d, 0, d.run()-2)
	path, ok := r.o.Tree(r.scratch.path[:0], d.typ, r.scratch.tags)
	r.scratch.path = path
	return path, ok && len(path) > 0
}

// removeStep is how many definitions Remove ends in one go before it lets readers in.
const removeStep = 4096

// Remove ends definitions: they are hidden when it returns, and their refs never used again. Refs without a visible definition
// are passed over. Like Apply it is called by one goroutine at a time, in the order of the records.
func (r *Registry) Remove(refs []Ref) {
	sorted := slices.Clone(refs)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	for step := range slices.Chunk(sorted, removeStep) {
		r.removeSome(step)
	}
	if r.o.Sink != nil && len(sorted) > 0 {
		r.mu.RLock()
		next := r.next
		r.mu.RUnlock()
		r.o.Sink.Put(Bucket, make([]byte, 4), binary.BigEndian.AppendUint32(nil, uint32(next)))
	}
}

func (r *Registry) removeSome(refs []Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	byTenant := make(map[tenant.Num][]Ref)
	for _, ref := range refs {
		if d := r.defs.get(ref); d != nil && d.state() == visible {
			byTenant[tenant.Num(d.tenant)] = append(byTenant[tenant.Num(d.tenant)], ref)
		}
	}
	for t, refs := range byTenant {
		x := r.tenants[t]
		x.all = without(x.all, refs)
		var pairs, posted, numbers []uint32
		for _, ref := range refs {
			d := r.defs.get(ref)
			r.visible--
			r.keys.remove(r.keyHash(d), uint32(ref))
			r.ids.remove(idHash(r.id(d)), uint32(ref))
			if path, ok := r.path(x, d); ok {
				x.nodes -= x.root.remove(path, x.pairs[d.name].value, ref)
			}
			pairs, posted = r.appendUsed(pairs, d), r.appendPosted(posted, x, d)
			if _, _, n, _ := r.linkOf(d); n != 0 {
				numbers = append(numbers, n)
			}
		}
		slices.Sort(posted)
		for _, id := range slices.Compact(posted) {
			x.unpost(id, refs)
		}
		slices.Sort(numbers)
		for _, n := range slices.Compact(numbers) {
			x.links.leave(n, refs)
		}
		r.release(x, pairs)
		var gone []uint32
		for _, ref := range refs {
			gone = r.forget(gone, x, ref)
			if r.o.Sink != nil {
				r.o.Sink.Put(Bucket, binary.BigEndian.AppendUint32(nil, uint32(ref)), nil)
			}
		}
		r.release(x, gone)
	}
}

// release counts one use less of the pairs.
//
// REQUIRES: r.mu.
func (r *Registry) release(x *index, pairs []uint32) {
	x.release(&r.symbols, pairs)
	r.recent = recent{}
}

// forget makes the ref absent, and appends the pairs that are to be released if it was the last of its resource.
//
// REQUIRES: r.mu; its pairs were released.
func (r *Registry) forget(gone []uint32, x *index, ref Ref) []uint32 {
	d := r.defs.get(ref)
	t, run := tenant.Num(d.tenant), r.words.at(d.tags, d.room())
	r.symbols.release(run[0])
	r.symbols.release(run[1])
	r.releaseMore(d, run)
	label, creator, link, _ := r.linkOf(d)
	gone = r.unlink(gone, x, ref, label, creator, link)
	r.words.release(d.tags, len(run))
	x.words -= len(run)
	r.defs.drop(ref)
	if x.claimed--; x.claimed == 0 {
		delete(r.tenants, t)
	}
	return gone
}

func idHash(id uuid.UUID) uint32 { return binary.BigEndian.Uint32(id[:]) }
