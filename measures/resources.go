package measures

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/google/uuid"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// Resources change like definitions that calls change: under s.defining from the first look to the applied record. So what is applied of
// them is what has been sequenced, and nothing has to be taken back of them when a group fails.

// CreateResourceType makes a resource type. The error is a *resource.ExistsError if there is one of that name.
func (s *Store) CreateResourceType(ctx context.Context, t resource.Type) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	return s.changeType(ctx, func(now int64) ([]byte, error) { return s.Resources.AppendType(nil, t, now) })
}

// UpdateResourceType changes the attributes of a type, and returns it as it is then. What change answers besides are the values that resources
// get which have none of an attribute; one that is required, and is new or was not, needs one. Values of attributes that are
// no more are gone, also in former revisions. Nobody makes or changes a definition or a resource while change runs.
func (s *Store) UpdateResourceType(ctx context.Context, name string, change func(*resource.Type) (fill map[string]resource.Value, err error)) (resource.Type, error) {
	s.defining.Lock()
	defer s.defining.Unlock()
	changed := false
	err := s.changeType(ctx, func(int64) ([]byte, error) {
		rec, err := s.Resources.AppendTypeChange(nil, name, change)
		changed = len(rec) > 0
		return rec, err
	})
	if err != nil {
		return resource.Type{}, err
	}
	if changed {
		// Searches for metrics may find the former tags for a moment more: what all resources of a type have takes a while.
		s.relink(slices.Values(s.Resources.OfType(name)))
	}
	t, _ := s.Resources.Type(name)
	return t, nil
}

// DeleteResourceType ends a type. The error is a *resource.InUseError if a resource has it.
func (s *Store) DeleteResourceType(ctx context.Context, name string) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	return s.changeType(ctx, func(int64) ([]byte, error) { return s.Resources.AppendTypeEnd(nil, name) })
}

// changeType commits the record that prepare makes of a type, if it makes one. REQUIRES: s.defining.
func (s *Store) changeType(ctx context.Context, prepare func(now int64) ([]byte, error)) error {
	if err := s.changeable(ctx); err != nil {
		return err
	}
	rec, err := prepare(s.o.Now().UnixNano())
	if err != nil || len(rec) == 0 {
		return err
	}
	var segment uint64
	var name string
	err = s.change(ctx, recTypes, func(int64) ([]byte, error) {
		segment = s.seq.segment
		return rec, nil
	}, func() {
		if _, name, err = s.Resources.ApplyType(rec); err != nil {
			panic("measures: own record of a resource type: " + err.Error())
		}
	})
	if err != nil {
		return err
	}
	s.nameAgain(segment, func(p *pending) {
		delete(s.seq.types, name)
		g := together{s: s, p: p, kind: recNaming}
		s.nameType(&g, name)
		g.end()
	})
	return nil
}

// nameAgain lets a change be named in the present journal segment if that is another than the one that its record was written for: what
// writers have named there meanwhile may be what was before. If it fails only the damage of a later loss of the catalog is larger. REQUIRES:
// s.defining.
func (s *Store) nameAgain(segment uint64, name func(*pending)) {
	p := &pending{wrote: s.o.Now().UnixNano()}
	s.seq.mu.Lock()
	if s.seq.closed || s.seq.segment == segment {
		s.seq.mu.Unlock()
		return
	}
	if name(p); p.seq == 0 {
		s.seq.mu.Unlock()
		return
	}
	s.seq.waiting = append(s.seq.waiting, p)
	s.seq.mu.Unlock()
	if err := s.commit(p); err != nil {
		s.o.Logger.Warn("a change of resources is not named in the journal's new segment", "error", err)
	}
}

// DeleteResources ends resources of a tenant with their metrics and all that these hold, and returns how many there were; ids of none are
// passed over. They are hidden when it returns. Many go in steps. In each cond, if not nil, is asked about all resources of the step
// before any of them goes, and nothing goes any more once it answers an error, which is returned. Nothing changes a resource between
// cond and its end.
func (s *Store) DeleteResources(ctx context.Context, t tenant.Num, ids []uuid.UUID, cond func(*resource.Resource) error) (int, error) {
	count := 0
	for len(ids) > 0 {
		n, rest, err := s.deleteResources(ctx, t, ids, cond)
		if count += n; err != nil {
			return count, err
		}
		ids = rest
	}
	return count, nil
}

// deleteResources deletes as many of the first ids as one record has room for, and says what is left.
func (s *Store) deleteResources(ctx context.Context, t tenant.Num, ids []uuid.UUID, cond func(*resource.Resource) error) (count int, rest []uuid.UUID, err error) {
	s.defining.Lock()
	defer s.defining.Unlock()
	if err := s.changeable(ctx); err != nil {
		return 0, nil, err
	}
	var ending []uuid.UUID
	var refs []metricdef.Ref
	seen := make(map[uuid.UUID]bool)
	for rest = ids; len(rest) > 0 && len(ending) < definitionStep && len(refs) < definitionStep; rest = rest[1:] {
		res, ok := s.Resources.Get(t, rest[0])
		if !ok || seen[res.ID] {
			continue
		}
		if cond != nil {
			if err := cond(&res); err != nil {
				return 0, nil, err
			}
		}
		seen[res.ID] = true
		ending = append(ending, res.ID)
		refs = append(refs, s.Definitions.Linked(t, res.ID)...)
	}
	if len(ending) == 0 {
		return 0, nil, nil
	}
	p := &pending{wrote: s.o.Now().UnixNano()}
	rec := resource.AppendRemove(nil, t, ending)
	p.apply = func() {
		s.endResources(rec)
		s.applyRemove(refs)
		s.removed.Add(int64(len(refs)))
	}
	s.seq.mu.Lock()
	if s.seq.closed {
		s.seq.mu.Unlock()
		return 0, nil, errClosed
	}
	kept := refs[:0]
	for _, ref := range refs {
		if sr := s.table.grow(ref); sr.state != dead {
			s.seq.undo = append(s.seq.undo, undo{ref: ref, what: undoRemove})
			sr.state = dead
			kept = append(kept, ref)
		}
	}
	refs = kept
	g := together{s: s, p: p, kind: recTogether}
	g.add(recUnresource, rec)
	if len(refs) > 0 {
		p.accounts = accountOf(nil, map[tenant.Num]uint64{t: uint64(len(refs))})
		g.add(recAccount, p.accounts)
		for part := range slices.Chunk(refs, definitionStep) {
			g.add(recRemove, appendRefs(nil, part))
		}
	}
	g.end()
	s.seq.waiting = append(s.seq.waiting, p)
	s.seq.mu.Unlock()
	if err := s.commit(p); err != nil {
		return 0, nil, err
	}
	return len(ending), rest, nil
}

// endResources applies a record of resources that end, which the store has made itself.
func (s *Store) endResources(rec []byte) {
	if _, _, _, err := s.Resources.Remove(rec); err != nil {
		panic("measures: own record of resources that end: " + err.Error())
	}
}

// dropResources ends all resources of a tenant whose series have ended.
func (s *Store) dropResources(ctx context.Context, num tenant.Num) error {
	for {
		if err := s.changeable(ctx); err != nil {
			return err
		}
		ids := s.Resources.OfTenant(num, definitionStep)
		if len(ids) == 0 {
			return nil
		}
		if err := s.dropSome(num, ids); err != nil {
			return err
		}
	}
}

func (s *Store) dropSome(num tenant.Num, ids []uuid.UUID) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	rec := resource.AppendRemove(nil, num, ids)
	return s.changeNow(recUnresource, func(int64) ([]byte, error) { return rec, nil }, func() { s.endResources(rec) })
}

// nameResource puts a resource, and its type, into the present journal segment, so that a lost catalog does not take them
// along. REQUIRES: s.seq.mu.
func (s *Store) nameResource(p *pending, k resource.Ref) {
	if k.ID == (uuid.UUID{}) || s.seq.resources[k] {
		return
	}
	rec := s.Resources.AppendRecord(nil, k.Tenant, k.ID)
	if len(rec) == 0 {
		return
	}
	s.seq.resources[k] = true
	g := together{s: s, p: p, kind: recNaming}
	s.nameType(&g, s.Resources.TypeOf(k.Tenant, k.ID))
	g.add(recResources, rec)
	g.end()
}

// nameType puts a resource type into the present journal segment. REQUIRES: s.seq.mu.
func (s *Store) nameType(g *together, name string) {
	if !s.seq.types[name] {
		s.seq.types[name] = true
		g.add(recTypes, s.Resources.AppendTypeRecord(nil, name))
	}
}

// relinks are the resources whose definitions have other tags since a replay began.
type relinks struct {
	all  bool // those of a type too
	some map[resource.Ref]bool
}

func (l *relinks) add(num tenant.Num, ids ...uuid.UUID) {
	if l.some == nil {
		l.some = make(map[resource.Ref]bool)
	}
	for _, id := range ids {
		l.some[resource.Ref{Tenant: num, ID: id}] = true
	}
}

// settleLinks gives definitions the tags of their resources as replay has left those.
func (s *Store) settleLinks() {
	if s.relinks.all {
		s.Definitions.RelinkAll()
	} else {
		s.relink(maps.Keys(s.relinks.some))
	}
	s.relinks = relinks{}
}

// relink gives definitions the tags of resources as these are now: those of a tenant in one go.
func (s *Store) relink(changed iter.Seq[resource.Ref]) {
	of := make(map[tenant.Num][]uuid.UUID)
	for r := range changed {
		of[r.Tenant] = append(of[r.Tenant], r.ID)
	}
	for num, ids := range of {
		s.Definitions.Relink(num, ids...)
	}
}

// applyResourceRecord applies a record of resources or types. Recovery only.
func (s *Store) applyResourceRecord(r *journal.Record) error {
	var n int
	var num tenant.Num
	var id uuid.UUID
	var ids []uuid.UUID
	var err error
	for rest := r.Payload; len(rest) > 0 && err == nil; rest = rest[n:] {
		switch r.Kind {
		case recTypes:
			n, _, err = s.Resources.ApplyType(rest)
			s.relinks.all = true
		case recResources:
			n, num, id, err = s.Resources.Apply(rest)
			s.relinks.add(num, id)
		case recUnresource:
			n, num, ids, err = s.Resources.Remove(rest)
			s.relinks.add(num, ids...)
		}
	}
	if err != nil {
		return &DamagedError{Kind: r.Kind, Reason: err.Error()}
	}
	return nil
}

// applyNaming tells what a journal segment names again. Recovery only.
func (s *Store) applyNaming(r *journal.Record) error {
	return eachPart(r, func(part journal.Record) (err error) {
		taken := false
		switch part.Kind {
		case recTypes:
			taken, err = s.Resources.NameType(part.Payload)
		case recResources:
			taken, err = s.Resources.Name(part.Payload)
		default:
			err = errors.New("part is no resource and no type of one")
		}
		s.relinks.all = s.relinks.all || taken
		if err != nil {
			return &DamagedError{Kind: r.Kind, Reason: err.Error()}
		}
		return nil
	})
}
