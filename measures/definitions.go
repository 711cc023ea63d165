package measures

import (
	"context"
	"slices"

	"granary/metricdef"
	"granary/tenant"
)

// Definitions that calls make, change and end. Whoever does so holds s.defining from the first look to the applied record, so
// that what is read of a definition is what the record changes. Writers who make definitions by data do not wait for it: the
// sequencer's lock keeps names unique.

// definitionStep is how many definitions are made, changed or ended under one hold of the sequencer's lock.
const definitionStep = 10_000

// definitionTags is how many tags those have that are made under one hold, so that nobody waits long for who makes such with many tags.
const definitionTags = 5 * definitionStep

// CreateResult says what became of one draft.
type CreateResult struct {
	Ref     metricdef.Ref // 0 if Err is set
	Existed bool          // there was a definition of this identity; it keeps its unit, policy, kind, label, creator and resource
	// Explicit says that it had been made by a create call before. Such a one keeps its plain tags and retention too; one that only
	// data had made takes what the draft says of them.
	Explicit bool
	Err      error
}

// CreateDefinitions makes definitions that are in the journal and visible when it returns. Each draft has a result of its own,
// in the order of the drafts. Explicit ones stay, also without samples, until a call ends them, and one that only data made before
// becomes explicit, and takes the plain tags and the retention that the draft has; the others end like those that data makes, once they have had samples.
func (s *Store) CreateDefinitions(ctx context.Context, drafts []metricdef.Draft) []CreateResult {
	results := make([]CreateResult, len(drafts))
	for from, to := 0, 0; from < len(drafts); from = to {
		to = from + stepOf(drafts[from:])
		if err := s.createSome(ctx, drafts[from:to], results[from:to]); err != nil {
			for i := from; i < to; i++ {
				if results[i].Err == nil {
					results[i] = CreateResult{Err: err}
				}
			}
		}
	}
	return results
}

// stepOf is how many of the drafts are made under one hold of the lock.
func stepOf(drafts []metricdef.Draft) int {
	tags := 0
	for i := range drafts {
		tags += len(drafts[i].Tags) + len(drafts[i].Plain)
		if i == definitionStep || i > 0 && tags > definitionTags {
			return i
		}
	}
	return len(drafts)
}

func (s *Store) createSome(ctx context.Context, drafts []metricdef.Draft, results []CreateResult) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	if err := s.changeable(ctx); err != nil {
		return err
	}
	p := &pending{wrote: s.o.Now().UnixNano()}
	s.seq.mu.Lock()
	if s.seq.closed {
		s.seq.mu.Unlock()
		return errClosed
	}
	wait := s.sequenceCreate(p, drafts, results)
	if p.seq == 0 {
		if !wait {
			s.seq.mu.Unlock()
			return nil
		}
		p.seq = s.seq.next - 1 // what another writer makes is visible when its group is done
	}
	s.seq.waiting = append(s.seq.waiting, p)
	s.seq.mu.Unlock()
	return s.commit(p)
}

// changeable is nil while definitions and tenants can be changed.
func (s *Store) changeable(ctx context.Context) error {
	if err := s.writable(); err != nil {
		return err
	}
	return ctx.Err()
}

// sequenceCreate reserves what does not exist and says whether something that does is not visible yet. REQUIRES: s.seq.mu
// and s.defining.
func (s *Store) sequenceCreate(p *pending, drafts []metricdef.Draft, results []CreateResult) (wait bool) {
	q := &s.seq
	q.unnamed = recycle(q.unnamed)
	var known []metricdef.Ref
	promoted := make(map[metricdef.Ref]promotion)
	ids := make(map[string]bool)
	made := make(map[tenant.Num]uint64)
	for i := range drafts {
		d := &drafts[i]
		if err := s.checkDraft(d); err != nil {
			results[i].Err = err
			continue
		}
		q.key = metricdef.AppendKey(q.key[:0], d.Name, d.Tags)
		ref, ok := s.Definitions.Resolve(d.Tenant, d.Type, q.key)
		if ok {
			sr := s.table.grow(ref)
			if sr.state == unused {
				sr.state = live
			}
			wait = wait || sr.state == reserved
			results[i] = CreateResult{Ref: ref, Existed: true, Explicit: s.Definitions.Explicit(ref)}
			if _, again := promoted[ref]; again {
				results[i].Explicit = true
			} else if d.Explicit && !results[i].Explicit {
				known = append(known, ref)
				promoted[ref] = promotion{promote(d), i}
			}
			continue
		}
		if results[i].Err = s.checkTaken(d, ids); results[i].Err != nil {
			continue
		}
		if ref, results[i].Err = s.reserve(d, p.wrote); ref == 0 {
			continue
		}
		results[i].Ref = ref
		if d.ByID {
			ids[d.Name] = true
		}
		made[d.Tenant]++
		q.unnamed = append(q.unnamed, ref)
		q.undo = append(q.undo, undo{ref: ref, what: undoDictionary})
		s.table.at(ref).dictionary = uint32(q.segment)
	}
	s.appendDictionary(p)
	s.appendChanges(p, made, nil)
	s.appendUpdates(p, known, func(ref metricdef.Ref) *metricdef.Update { return promoted[ref].change }, func(ref metricdef.Ref, err error) {
		results[promoted[ref].at] = CreateResult{Err: err}
	})
	return wait
}

// promotion is what an explicit draft changes of a definition that only data has made, and the place of the draft.
type promotion struct {
	change *metricdef.Update
	at     int
}

func promote(d *metricdef.Draft) *metricdef.Update {
	u := &metricdef.Update{Explicit: true, Set: d.Plain}
	if d.Retention > 0 {
		u.Retention = &d.Retention
	}
	return u
}

// checkDraft says why a definition cannot be made.
func (s *Store) checkDraft(d *metricdef.Draft) error {
	if err := s.checkDefinition(d); err != nil {
		return err
	}
	return s.checkResource(d.Tenant, d.Resource)
}

// checkDefinition is checkDraft without asking for the resource.
func (s *Store) checkDefinition(d *metricdef.Draft) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if _, ok := s.Tenants.ByNum(d.Tenant); !ok {
		return &tenant.UnknownError{Num: d.Tenant}
	}
	return s.checkPolicy(d.Tenant, d.Policy)
}

func (s *Store) checkPolicy(num tenant.Num, name string) error {
	if name == "" {
		return nil
	}
	if _, ok := s.Policies.For(num).ByName(name); !ok {
		return &policyError{name}
	}
	return nil
}

// reserve makes a definition that is visible when its record is applied. REQUIRES: s.seq.mu, and that nothing has its key.
func (s *Store) reserve(d *metricdef.Draft, now int64) (metricdef.Ref, error) {
	limits := s.Tenants.Standing(d.Tenant).Limits()
	if n := int64(s.Definitions.Claimed(d.Tenant)); limits.Series > 0 && n >= limits.Series {
		return 0, tenant.Over(s.Tenants.ID(d.Tenant), tenant.LimitSeries, n+1, limits.Series)
	}
	if err := s.checkTags(limits, d); err != nil {
		return 0, err
	}
	if err := s.memoryFull(d.Tenant, newSeriesBytes); err != nil {
		return 0, err
	}
	ref := s.Definitions.Reserve(d, now)
	if ref == 0 {
		if err := d.Validate(); err != nil {
			return 0, err
		}
		const all = 1<<32 - 2
		return 0, tenant.Over(s.Tenants.ID(d.Tenant), tenant.LimitSeries, all+1, all)
	}
	sr := s.table.grow(ref)
	sr.state, sr.takes = reserved, d.Values()
	sr.policy.Store(s.policyOfDraft(d))
	s.seq.undo = append(s.seq.undo, undo{ref: ref, what: undoReserve})
	return ref, nil
}

// appendUpdates appends the records of definitions as they are after their updates; those that stay as they are get none.
// Failed gets those that cannot change so, and why. REQUIRES: s.seq.mu and s.defining.
func (s *Store) appendUpdates(p *pending, refs []metricdef.Ref, of func(metricdef.Ref) *metricdef.Update, failed func(metricdef.Ref, error)) {
	var changes updates
	for _, ref := range refs {
		if err := changes.add(s.Definitions, ref, of(ref)); err != nil {
			failed(ref, err)
		}
	}
	s.recordUpdates(p, &changes)
}

// updates are records of definitions as they will be, in the parts in which they stand in the journal.
type updates struct {
	records []byte
	ends    []int // of the parts but the last one
}

// add adds the record of a definition, if the update changes something.
//
// REQUIRES: s.defining until recordUpdates.
func (u *updates) add(defs *metricdef.Registry, ref metricdef.Ref, change *metricdef.Update) (err error) {
	start := 0
	if len(u.ends) > 0 {
		start = u.ends[len(u.ends)-1]
	}
	if u.records, err = defs.AppendUpdated(u.records, ref, change); err == nil && len(u.records)-start >= definitionBytes {
		u.ends = append(u.ends, len(u.records))
	}
	return err
}

// recordUpdates puts the records into the journal. REQUIRES: s.seq.mu and s.defining.
func (s *Store) recordUpdates(p *pending, u *updates) {
	start := 0
	for _, end := range append(u.ends, len(u.records)) {
		if part := u.records[start:end]; len(part) > 0 {
			s.record(recUpdate, p, func(b []byte) []byte { return append(b, part...) })
		}
		start = end
	}
	p.updates = u.records
}

// applyUpdates puts definition records in the place of what the definitions were. Series that changed are named again in the
// journal segment that is written: the one that named them may have been begun before this record was applied.
func (s *Store) applyUpdates(payload []byte) error {
	refs, err := s.Definitions.UpdateAll(payload)
	for _, ref := range refs {
		s.learn(ref)
	}
	if err != nil {
		return &DamagedError{Kind: recUpdate, Reason: err.Error()}
	}
	s.redefined.Add(1)
	s.seq.mu.Lock()
	defer s.seq.mu.Unlock()
	for _, ref := range refs {
		sr := s.table.grow(ref)
		if sr.state == unused {
			sr.state = live
		}
		sr.policy.Store(nil)
		sr.dictionary = 0
	}
	return nil
}

// DeleteDefinitions ends definitions with all that their series hold. They are hidden when it returns; the same identity
// written afterwards is another series. It returns how many there were; refs of none are passed over.
func (s *Store) DeleteDefinitions(ctx context.Context, refs []metricdef.Ref) (int, error) {
	return s.deleteAll(ctx, refs, func(*series) bool { return true })
}

// DeleteUnwritten is DeleteDefinitions for those to which no sample was ever written, and none is on its way: the others stay. It is for who takes back
// what it has made a moment ago, while others may have begun to write to it.
func (s *Store) DeleteUnwritten(ctx context.Context, refs []metricdef.Ref) (int, error) {
	return s.deleteAll(ctx, refs, func(sr *series) bool { return sr.top == 0 && !sr.anchored })
}

// deleteAll ends those of the definitions that may go, which is asked with s.seq.mu held.
func (s *Store) deleteAll(ctx context.Context, refs []metricdef.Ref, may func(*series) bool) (int, error) {
	refs = slices.Clone(refs)
	slices.Sort(refs)
	count := 0
	for part := range slices.Chunk(slices.Compact(refs), definitionStep) {
		n, err := s.deleteSome(ctx, part, may)
		if count += n; err != nil {
			return count, err
		}
	}
	return count, nil
}

func (s *Store) deleteSome(ctx context.Context, refs []metricdef.Ref, may func(*series) bool) (int, error) {
	s.defining.Lock()
	defer s.defining.Unlock()
	var ending []metricdef.Ref
	err := s.change(ctx, recRemove, func(int64) ([]byte, error) {
		for _, ref := range refs {
			if ref == 0 || s.Definitions.Tenant(ref) == 0 {
				continue
			}
			sr := s.table.grow(ref)
			if sr.state == dead || !may(sr) {
				continue
			}
			// What is sequenced for it before this record goes with it; what comes later is told that it is stale.
			s.seq.undo = append(s.seq.undo, undo{ref: ref, what: undoRemove})
			sr.state = dead
			ending = append(ending, ref)
		}
		if len(ending) == 0 {
			return nil, nil
		}
		return appendRefs(nil, ending), nil
	}, func() {
		s.applyRemove(ending)
		s.removed.Add(int64(len(ending)))
	})
	if err != nil {
		return 0, err
	}
	return len(ending), nil
}
