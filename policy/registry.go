package policy

import (
	"encoding/binary"
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"granary/tenant"
)

// Bucket is the catalogue bucket that holds what is in force: the set of the configuration, as its record under the key
// "current", and each other scope, as its record under "scope" and the tenant's number (big-endian, 4 bytes; 0 is the service).
const Bucket = "policies"

const (
	configKey = "current"
	scopeKey  = "scope"
)

// Sink takes what the applier has changed, so that a catalogue can follow behind the journal. Key and value may be kept.
type Sink interface {
	Put(bucket string, key, value []byte)
}

// Options configure a registry. The zero value is of use.
type Options struct {
	// Sink, if not nil, is called for each set and scope that is put into force.
	Sink Sink
	// MaxRecord bounds the record of a scope, in bytes; 0 is no bound.
	MaxRecord int
}

// Registry holds what is in force: the set of the configuration, and the scopes of the service and of tenants. Reads cost an
// atomic load and at most two look-ups.
type Registry struct {
	o       Options
	applied atomic.Pointer[state]
	// latest is what has been sequenced, also if it is not applied yet; nil: as applied. Under the sequencer's lock.
	latest *state

	mu    sync.Mutex // of those who make a view
	views sync.Map   // tenant.Num -> *View
}

// state is everything that is in force at a time. It is immutable.
type state struct {
	generation uint64
	config     *Set
	scopes     map[Scope]*owned
}

// NewRegistry makes a registry that holds the open set of revision 0: what FromClusterCockpit makes of no metrics, kept
// for ever.
func NewRegistry(o Options) *Registry {
	s, err := FromClusterCockpit(nil, Retention{Length: Forever}, true)
	if err != nil {
		panic(err) // no metric is at fault
	}
	r := &Registry{o: o}
	r.applied.Store(&state{generation: 1, config: s})
	return r
}

// Current returns the set of the configuration that is in force.
func (r *Registry) Current() *Set { return r.applied.Load().config }

// Generation grows with each change of anything, for as long as the process lives.
func (r *Registry) Generation() uint64 { return r.applied.Load().generation }

// For returns what a tenant sees. It is the same view for as long as nothing in it has changed.
func (r *Registry) For(n tenant.Num) *View {
	if v, ok := r.views.Load(n); ok && v.(*View).of(r.applied.Load()) {
		return v.(*View)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.applied.Load()
	if v, ok := r.views.Load(n); ok && v.(*View).of(st) {
		return v.(*View)
	}
	v := st.view(n)
	r.views.Store(n, v)
	return v
}

func (st *state) view(n tenant.Num) *View {
	return &View{tenant: n, config: st.config, service: st.scopes[Service], own: st.own(n)}
}

func (st *state) own(n tenant.Num) *owned {
	if n == 0 {
		return nil
	}
	return st.scopes[OfTenant(n)]
}

// of says whether the view is that of a state.
func (v *View) of(st *state) bool {
	return v.config == st.config && v.service == st.scopes[Service] && v.own == st.own(v.tenant)
}

func (st *state) withConfig(s *Set) *state {
	return &state{st.generation + 1, s, st.scopes}
}

func (st *state) withScope(o *owned) *state {
	scopes := maps.Clone(st.scopes)
	if scopes == nil {
		scopes = make(map[Scope]*owned)
	}
	scopes[o.scope] = o
	return &state{st.generation + 1, st.config, scopes}
}

// Apply puts the set of a configuration's record into force. Records are applied in their order in the journal, by one
// goroutine at a time; a record whose revision is not above the current one is held already and changes nothing.
func (r *Registry) Apply(record []byte) error {
	changed, err := r.apply(record)
	if changed {
		r.put([]byte(configKey), record)
	}
	return err
}

// ApplyScope puts a scope into force, as Apply does with the configuration.
func (r *Registry) ApplyScope(record []byte) error {
	o, changed, err := r.applyScope(record)
	if changed {
		r.put(keyOf(o.scope), record)
	}
	return err
}

func (r *Registry) put(key, record []byte) {
	if r.o.Sink != nil {
		r.o.Sink.Put(Bucket, key, append([]byte(nil), record...))
	}
}

func keyOf(s Scope) []byte { return binary.BigEndian.AppendUint32([]byte(scopeKey), uint32(s)) }

// Restore does what Apply and ApplyScope do with an entry that comes from the catalogue; the sink is not called.
func (r *Registry) Restore(key, value []byte) error {
	if string(key) == configKey {
		_, err := r.apply(value)
		return err
	}
	o, _, err := r.applyScope(value)
	if err == nil && string(key) != string(keyOf(o.scope)) {
		err = errors.New("policies: the key of a scope in the catalogue is not that of its record")
	}
	return err
}

// Records yields what the catalogue has to hold, as keys and records.
func (r *Registry) Records(yield func(key, record []byte) bool) {
	st := r.applied.Load()
	if st.config.revision > 0 && !yield([]byte(configKey), AppendRecord(nil, st.config)) {
		return
	}
	for s, o := range st.scopes {
		if !yield(keyOf(s), appendScope(nil, o)) {
			return
		}
	}
}

func (r *Registry) apply(record []byte) (changed bool, err error) {
	s, err := ParseRecord(record)
	if err != nil {
		return false, err
	}
	st := r.applied.Load()
	if s.revision <= st.config.revision {
		return false, nil
	}
	r.applied.Store(st.withConfig(s))
	return true, nil
}

func (r *Registry) applyScope(record []byte) (o *owned, changed bool, err error) {
	if o, err = parseScope(record); err != nil {
		return nil, false, err
	}
	st := r.applied.Load()
	if old := st.scopes[o.scope]; old != nil && o.revision <= old.revision {
		return o, false, nil
	}
	r.applied.Store(st.withScope(o))
	return o, true, nil
}

// sequenced is the state with all that has been sequenced. REQUIRES: the store's sequencer lock.
func (r *Registry) sequenced() *state {
	if r.latest != nil {
		return r.latest
	}
	return r.applied.Load()
}

// Withdraw takes back all that was sequenced and is not applied. REQUIRES: the store's sequencer lock, and that nothing of it
// will be applied.
func (r *Registry) Withdraw() { r.latest = nil }

// Next is the record of s under the revision that follows that of the set in force, or nil if s has its content, so that an
// unchanged configuration logs nothing. The first set is always due, for revision 0 was never logged. It counts as sequenced.
// REQUIRES: the store's sequencer lock.
func (r *Registry) Next(s *Set) (record []byte, err error) {
	st := r.sequenced()
	if st.config.revision > 0 && Equal(st.config, s) {
		return nil, nil
	}
	s = s.WithRevision(st.config.revision + 1)
	record = AppendRecord(nil, s)
	if err := r.fits(Configuration, record); err != nil {
		return nil, err
	}
	r.latest = st.withConfig(s)
	return record, nil
}

// Seeded says whether Edit.Seed was there for the service.
func (r *Registry) Seeded() bool {
	o := r.applied.Load().scopes[Service]
	return o != nil && o.seeded
}

// fits says whether a record is as short as it must be.
func (r *Registry) fits(s Scope, record []byte) error {
	if m := r.o.MaxRecord; m > 0 && len(record) > m {
		return &LimitError{s, "bytes of all policies and rules in their record", int64(len(record)), int64(m)}
	}
	return nil
}

// AppendScope appends the record of a scope as it is applied, nothing if there is none. Journals name it again in each of
// their segments, so that a lost catalogue does not take it along.
func (r *Registry) AppendScope(dst []byte, s Scope) []byte {
	if o := r.applied.Load().scopes[s]; o != nil {
		return appendScope(dst, o)
	}
	return dst
}
