package policy

import "sync/atomic"

// Bucket is the catalogue bucket that holds the set in force, as its record under the key "current".
const Bucket = "policies"

// Sink takes what the applier has changed, so that a catalogue can follow behind the journal. Key and value may be kept.
type Sink interface {
	Put(bucket string, key, value []byte)
}

// Options configure a registry. The zero value is of use.
type Options struct {
	// Sink, if not nil, is called for each set that Apply puts into force.
	Sink Sink
}

// Registry holds the set that is in force. Reads cost one atomic load.
type Registry struct {
	o       Options
	current atomic.Pointer[Set]
}

// NewRegistry makes a registry that holds the open set of revision 0: what FromClusterCockpit makes of no metrics, kept
// for ever.
func NewRegistry(o Options) *Registry {
	s, err := FromClusterCockpit(nil, Retention{Length: Forever}, true)
	if err != nil {
		panic(err) // no metric is at fault
	}
	r := &Registry{o: o}
	r.current.Store(s)
	return r
}

// Current returns the set in force.
func (r *Registry) Current() *Set { return r.current.Load() }

// Apply puts the set of a record into force. Records are applied in their order in the journal, by one goroutine at a time; a
// record whose revision is not above the current one is held already and changes nothing.
func (r *Registry) Apply(record []byte) error {
	changed, err := r.apply(record)
	if changed && r.o.Sink != nil {
		r.o.Sink.Put(Bucket, []byte("current"), append([]byte(nil), record...))
	}
	return err
}

// Restore does what Apply does with a value that comes from the catalogue; the sink is not called.
func (r *Registry) Restore(value []byte) error {
	_, err := r.apply(value)
	return err
}

func (r *Registry) apply(record []byte) (changed bool, err error) {
	s, err := ParseRecord(record)
	if err != nil {
		return false, err
	}
	if s.revision <= r.current.Load().revision {
		return false, nil
	}
	r.current.Store(s)
	return true, nil
}

// AppendRecord appends the journal record of s to dst.
func (r *Registry) AppendRecord(dst []byte, s *Set) []byte { return AppendRecord(dst, s) }

// Next is s under the revision that follows the current one, or nil if s has the content of the current set, so that an
// unchanged configuration logs nothing. The first set is always due, for revision 0 was never logged.
// REQUIRES: the store's sequencer lock, until the record is applied or given up.
func (r *Registry) Next(s *Set) *Set {
	c := r.current.Load()
	if c.revision > 0 && Equal(c, s) {
		return nil
	}
	return s.WithRevision(c.revision + 1)
}
