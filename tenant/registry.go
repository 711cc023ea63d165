package tenant

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Bucket is the catalogue bucket that holds the tenants: the number (big-endian, 4 bytes) and the record.
const Bucket = "tenants"

// Sink takes what the applier has changed, so that a catalogue can follow behind the journal. Key and value may be kept.
type Sink interface {
	Put(bucket string, key, value []byte)
}

// Options configure a registry. The zero value is of use.
type Options struct {
	// Sink, if not nil, is called for each tenant that Apply makes visible.
	Sink Sink
	// Limits hold for the tenants that have none of their own, kind by kind. Those that are capped nobody passes.
	Limits Limits
	// MaxTenants bounds the tenants that Admit lets through; 0 means no bound.
	MaxTenants int
	// ExplicitOnly refuses, in Admit, tenants that would be made by the first write, unless they were named to Expect.
	ExplicitOnly bool
	// CreateRate is how many tenants a minute the first write may make, CreateBurst how many at once; 0 means no bound. Those
	// that were named to Expect do not count.
	CreateRate, CreateBurst int64
}

// Draft is a tenant that does not exist yet.
type Draft struct {
	ID       ID
	Implicit bool // made by a write, not by a call
	Settings
}

// Registry knows all tenants. Methods are safe for concurrent use; the ones that change it say whose turn it must be.
type Registry struct {
	o Options

	mu      sync.RWMutex
	byID    map[ID]Num // reserved and visible, without those that leave
	entries []entry    // by number - 1; numbers that were withdrawn leave a gap
	leaving map[ID]Num // visible ones that are gone for writers
	visible int
	retains int // visible ones that have a retention of their own

	expected map[ID]bool // never changed, only replaced

	created Rate                              // tenants that writes have made
	refused [len(creationNames)]atomic.Uint64 // of what Admit did not let through

	overrides Overrides
	base      *Limits // of tenants of which nothing is said
	standings standings
}

// entry is a tenant as the registry keeps it: small, since there may be thousands of whom nothing is said.
type entry struct {
	num      Num
	id       ID
	created  time.Time
	set      *Settings // nil: the zero value. Never changed, only replaced
	implicit bool
	more     string // fields of its record that are not known
	limits   string // limits of its record that are not known
	state    state
	leaving  bool // for writers it is gone: the record that ends it is on its way or applied
}

type state uint8

const (
	absent state = iota
	reserved
	visible
	ending // gone for everybody, its data is being removed
	ended  // its data is gone; the number stays taken
)

func (e *entry) record() *record { return &record{e.tenant(), e.state, e.more, e.limits} }

// settings are those of the tenant. They must not be changed.
func (e *entry) settings() *Settings {
	if e.set == nil {
		return &noSettings
	}
	return e.set
}

var noSettings Settings

// tenant is the tenant as it is shown.
func (e *entry) tenant() Tenant {
	return Tenant{Num: e.num, ID: e.id, Created: e.created, Implicit: e.implicit, Settings: *e.settings()}
}

// newEntry is the entry of a tenant.
func newEntry(t *Tenant, s state) entry {
	e := entry{num: t.Num, id: t.ID, created: t.Created, implicit: t.Implicit, state: s}
	if t.Settings != noSettings {
		set := t.Settings
		e.set = &set
	}
	return e
}

// NewRegistry makes an empty registry.
func NewRegistry(o Options) *Registry {
	r := &Registry{o: o, byID: make(map[ID]Num), leaving: make(map[ID]Num)}
	r.resolveBase()
	return r
}

// Resolve returns the number of a tenant, reserved or visible. It is for writers.
func (r *Registry) Resolve(id ID) (Num, bool) {
	r.mu.RLock()
	n, ok := r.byID[id]
	r.mu.RUnlock()
	return n, ok
}

// Expect names tenants that the configuration wants: a write may make them also where Options.ExplicitOnly is set. They
// replace the ones named before.
func (r *Registry) Expect(ids ...ID) {
	expected := make(map[ID]bool, len(ids))
	for _, id := range ids {
		expected[id] = true
	}
	r.mu.Lock()
	r.expected = expected
	r.mu.Unlock()
}

// MadeByWrites says whether a write may make a tenant of that id, as far as its name goes.
func (r *Registry) MadeByWrites(id ID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.o.ExplicitOnly || r.expected[id]
}

// Admit says whether the tenant may be made, by the limits on the count, on implicit creation and on its rate, which it is
// charged with. now is in nanoseconds since 1970. The error is a *LimitError.
func (r *Registry) Admit(d *Draft, now int64) error {
	r.mu.RLock()
	n, expected := len(r.byID), r.expected[d.ID]
	r.mu.RUnlock()
	if d.Implicit && r.o.ExplicitOnly && !expected {
		r.refused[CreationExplicit].Add(1)
		return &LimitError{Tenant: d.ID, Limit: "implicit tenants", Max: 0, Value: 1, Setting: "granary.tenants.create"}
	}
	if r.o.MaxTenants > 0 && n >= r.o.MaxTenants {
		r.refused[CreationCount].Add(1)
		return &LimitError{Tenant: d.ID, Limit: "tenants", Max: int64(r.o.MaxTenants), Value: int64(n) + 1, Setting: "granary.tenants.max"}
	}
	if !d.Implicit || expected || r.o.CreateRate <= 0 {
		return nil
	}
	// The bucket counts in sixtieths, so that a rate of one a minute is a whole number a second.
	if wait := r.created.Take(now, r.o.CreateRate, 60*max(r.o.CreateBurst, 1), 60); wait > 0 {
		r.refused[CreationRate].Add(1)
		return &LimitError{Tenant: d.ID, Limit: "tenants made by writes in a minute", Max: r.o.CreateRate, Value: r.o.CreateRate + 1, Setting: "granary.tenants.create-rate", Wait: wait}
	}
	return nil
}

// Creation is a reason for which Admit does not let a tenant through.
type Creation uint8

// The reasons of Admit.
const (
	CreationExplicit Creation = iota // a write may make none
	CreationCount                    // there are too many
	CreationRate                     // writes make too many at a time
)

var creationNames = [...]string{"explicit", "count", "rate"}

// String is the reason's stable name.
func (c Creation) String() string { return creationNames[c] }

// CreationsRefused calls fn with how many tenants were not made since the start, reason by reason.
func (r *Registry) CreationsRefused(fn func(Creation, uint64)) {
	for c := range r.refused {
		fn(Creation(c), r.refused[c].Load())
	}
}

// Reserve gives the tenant a number; one that exists, reserved or visible, keeps its own. now is in nanoseconds since 1970.
// REQUIRES: the store's sequencer lock.
func (r *Registry) Reserve(d *Draft, now int64) Num {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, ok := r.byID[d.ID]; ok {
		return n
	}
	n := Num(len(r.entries) + 1)
	t := Tenant{Num: n, ID: d.ID, Created: time.Unix(0, now).UTC(), Implicit: d.Implicit, Settings: d.Settings}
	r.entries = append(r.entries, newEntry(&t, reserved))
	r.byID[d.ID] = n
	return n
}

// AppendRecord appends the record of a tenant, whatever its state, to dst; nothing for a number that has none.
func (r *Registry) AppendRecord(dst []byte, n Num) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.entry(n)
	if e == nil || e.state == absent {
		return dst
	}
	return appendRecord(dst, e.record())
}

// Withdraw takes back a reservation whose record was not committed. A visible tenant stays. The number is not given again
// before a restart.
// REQUIRES: the store's sequencer lock.
func (r *Registry) Withdraw(n Num) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entry(n); e != nil && e.state == reserved {
		delete(r.byID, e.id)
		*e = entry{}
		r.restand(n, e)
	}
}

// maxGap bounds how far the number of a record may lie above the highest one known. Numbers of withdrawn reservations
// are missing in the journal, but a record that is off by more is damaged, and must not make the registry allocate.
const maxGap = 1 << 16

// Apply makes the tenant of the record at the front of rec visible and returns the record's length. A tenant that is
// visible already, or was deleted, is left as it is. Records are applied in their order, by one goroutine at a time.
func (r *Registry) Apply(rec []byte) (int, Num, error) {
	size, num, changed, err := r.apply(rec)
	if changed && r.o.Sink != nil {
		r.o.Sink.Put(Bucket, binary.BigEndian.AppendUint32(nil, uint32(num)), append([]byte(nil), rec[:size]...))
	}
	return size, num, err
}

// Update puts what the record at the front of rec says in the place of what is known of its tenant: settings and whether it is
// being deleted. It returns the record's length. Records are applied in their order, as by Apply.
func (r *Registry) Update(rec []byte) (int, Num, error) {
	size, t, err := parseRecord(rec)
	if err != nil {
		return 0, 0, err
	}
	if err := r.put(&t, true); err != nil {
		return 0, 0, err
	}
	if r.o.Sink != nil {
		r.o.Sink.Put(Bucket, binary.BigEndian.AppendUint32(nil, uint32(t.Num)), append([]byte(nil), rec[:size]...))
	}
	return size, t.Num, nil
}

// Restore does what Apply does with a value that comes from the catalogue; the sink is not called.
func (r *Registry) Restore(value []byte) error {
	size, _, _, err := r.apply(value)
	if err == nil && size != len(value) {
		err = fmt.Errorf("tenant record: %d bytes behind it", len(value)-size)
	}
	return err
}

func (r *Registry) apply(rec []byte) (size int, num Num, changed bool, err error) {
	size, t, err := parseRecord(rec)
	if err != nil {
		return 0, 0, false, err
	}
	r.mu.RLock()
	e := r.entry(t.Num)
	known := e != nil && e.state >= visible && e.id == t.ID
	r.mu.RUnlock()
	if known {
		return size, t.Num, false, nil
	}
	if err := r.put(&t, false); err != nil {
		return 0, 0, false, err
	}
	return size, t.Num, true, nil
}

// put makes an entry what a record says. Only an update changes a tenant that is known.
func (r *Registry) put(t *record, update bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(t.Num)
	if update && e != nil && e.state > t.state && e.id == t.ID {
		return nil // replay of what came before its end
	}
	if n, ok := r.byID[t.ID]; ok && n != t.Num && t.state == visible {
		return fmt.Errorf("tenant record: tenant %q has the number %d, not %d", t.ID, n, t.Num)
	}
	if int64(t.Num) > int64(len(r.entries))+maxGap {
		return fmt.Errorf("tenant record: number %d of tenant %q, where %d are known", t.Num, t.ID, len(r.entries))
	}
	for int(t.Num) > len(r.entries) {
		r.entries = append(r.entries, entry{})
	}
	e = r.entry(t.Num)
	if e.state != absent && e.id != t.ID {
		return fmt.Errorf("tenant record: number %d is tenant %q, not %q", t.Num, e.id, t.ID)
	}
	r.count(e, -1)
	next := newEntry(&t.Tenant, t.state)
	next.more, next.limits, next.leaving = t.more, t.limits, t.state > visible || e.leaving
	*e = next
	r.count(e, 1)
	r.restand(t.Num, e)
	switch {
	case !e.leaving:
		r.byID[t.ID] = t.Num
	case r.byID[t.ID] == t.Num:
		delete(r.byID, t.ID)
	}
	if e.state > visible && r.leaving[t.ID] == t.Num {
		delete(r.leaving, t.ID)
	}
	return nil
}

// count adds the entry to what is counted, or takes it away. REQUIRES: r.mu.
func (r *Registry) count(e *entry, by int) {
	if e.state == visible {
		r.visible += by
		if e.settings().Retention != (Retention{}) {
			r.retains += by
		}
	}
}

// entry is nil for a number that was never given. REQUIRES: r.mu.
func (r *Registry) entry(n Num) *entry {
	if n == 0 || int(n) > len(r.entries) {
		return nil
	}
	return &r.entries[n-1]
}

// Lookup returns the visible tenant of that id.
func (r *Registry) Lookup(id ID) (Tenant, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if t, ok := r.shown(r.byID[id]); ok {
		return t, true
	}
	return r.shown(r.leaving[id])
}

// ByNum returns the visible tenant of that number.
func (r *Registry) ByNum(n Num) (Tenant, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.shown(n)
}

func (r *Registry) shown(n Num) (Tenant, bool) {
	e := r.entry(n)
	if e == nil || e.state != visible {
		return Tenant{}, false
	}
	return e.tenant(), true
}

// ID is the id of a tenant, reserved or visible; "" for a number that is neither.
func (r *Registry) ID(n Num) ID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.entry(n); e != nil {
		return e.id
	}
	return ""
}

// All returns the visible tenants, by ascending number.
func (r *Registry) All() []Tenant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]Tenant, 0, r.visible)
	for i := range r.entries {
		if r.entries[i].state == visible {
			out = append(out, r.entries[i].tenant())
		}
	}
	return out
}

// Len is the number of visible tenants.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.visible
}
