package measures

import (
	"context"

	"granary/metricdef"
)

// DefinitionUpdate is what changes of one definition.
type DefinitionUpdate struct {
	Ref metricdef.Ref
	metricdef.Update
}

// UpdateDefinition changes what may change of a definition: unit, policy, plain tags, a retention of its own, label and resource. The change is in the
// journal and visible when it returns.
func (s *Store) UpdateDefinition(ctx context.Context, ref metricdef.Ref, u metricdef.Update) error {
	_, err := s.UpdateDefinitions(ctx, []DefinitionUpdate{{ref, u}})
	return err
}

// UpdateDefinitions is UpdateDefinition for several, of which none may come twice: all of them change, or none does. at is the one
// that cannot be changed so, -1 if the error is about none of them. A machine that dies before it returns may keep a part of the changes if
// the definitions are larger than a record of the journal, which has definitionBytes or so.
func (s *Store) UpdateDefinitions(ctx context.Context, list []DefinitionUpdate) (at int, err error) {
	if len(list) == 0 {
		return -1, nil
	}
	s.defining.Lock()
	defer s.defining.Unlock()
	if err := s.changeable(ctx); err != nil {
		return -1, err
	}
	var changes updates
	for i := range list {
		d := &list[i]
		if d.Policy != nil {
			if err := s.checkPolicy(s.Definitions.Owner(d.Ref), *d.Policy); err != nil {
				return i, err
			}
		}
		if s.Definitions.Tenant(d.Ref) == 0 {
			return i, &metricdef.UnknownError{Ref: d.Ref}
		}
		// Nobody else changes or ends it while s.defining is held, so that what is said now holds below, where everybody waits who writes.
		if err := changes.add(s.Definitions, d.Ref, &d.Update); err != nil {
			return i, err
		}
	}
	if at, err := s.checkLinks(list); err != nil {
		return at, err
	}
	p := &pending{wrote: s.o.Now().UnixNano()}
	s.seq.mu.Lock()
	if s.seq.closed {
		s.seq.mu.Unlock()
		return -1, errClosed
	}
	for i := range list {
		if sr := s.table.at(list[i].Ref); sr != nil && sr.state == dead {
			s.seq.mu.Unlock()
			return i, &metricdef.UnknownError{Ref: list[i].Ref}
		}
	}
	s.recordUpdates(p, &changes)
	if p.seq == 0 {
		s.seq.mu.Unlock()
		return -1, nil
	}
	s.seq.waiting = append(s.seq.waiting, p)
	s.seq.mu.Unlock()
	return -1, s.commit(p)
}
