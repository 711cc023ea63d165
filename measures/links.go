package measures

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"granary/metricdef"
	"granary/tenant"
)

var errNoResource = errors.New("there is no such resource")

// checkResource says whether definitions of a tenant may belong to a resource; zero is none. REQUIRES: s.defining, under which
// resources end.
func (s *Store) checkResource(num tenant.Num, id uuid.UUID) error {
	if id == (uuid.UUID{}) || s.Resources.Has(num, id) {
		return nil
	}
	return &metricdef.InvalidError{Field: "resource", Value: id.String(), Err: errNoResource}
}

// IDError says that a definition cannot have an id since another has it.
type IDError struct{ ID uuid.UUID }

func (e *IDError) Error() string { return fmt.Sprintf("another metric has the id %s", e.ID) }

// Kind is "conflict".
func (*IDError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*IDError) Code() string { return "id-taken" }

// checkTaken says whether the id or the label of a draft, which is valid and whose key nothing has, is that of another definition. Reserved
// are the ids that the same call has given. REQUIRES: s.defining.
func (s *Store) checkTaken(d *metricdef.Draft, reserved map[string]bool) error {
	if err := s.checkID(d, reserved); err != nil {
		return err
	}
	if d.Resource == (uuid.UUID{}) {
		return nil
	}
	if other, ok := s.Definitions.ResolveLink(d.Tenant, d.Resource, d.Label); ok {
		return &metricdef.LinkError{Resource: d.Resource, Label: d.Label, Ref: other}
	}
	return nil
}

// checkID is the part of checkTaken that is about ids.
func (s *Store) checkID(d *metricdef.Draft, reserved map[string]bool) error {
	if d.ByID {
		id := uuid.MustParse(d.Name)
		if _, ok := s.Definitions.ByID(id); ok || reserved[d.Name] {
			return &IDError{id}
		}
	}
	return nil
}

// belonging is how a resource has one of its definitions.
type belonging struct {
	tenant   tenant.Num
	resource uuid.UUID
	label    string
}

// checkLinks says which of the updates cannot be, -1 and nil if all can: afterwards each label leads to one definition of a resource at most.
// Labels that move between the definitions of the list do not stand in each other's way. REQUIRES: s.defining; the definitions are visible.
func (s *Store) checkLinks(list []DefinitionUpdate) (int, error) {
	var after map[metricdef.Ref]belonging
	for i := range list {
		u := &list[i]
		if u.Label == nil && u.Resource == nil {
			continue
		}
		d, ok := s.Definitions.Get(u.Ref)
		if !ok {
			return i, &metricdef.UnknownError{Ref: u.Ref}
		}
		b := belonging{d.Tenant, d.Resource, d.Label}
		if u.Label != nil {
			b.label = *u.Label
		}
		if u.Resource != nil {
			b.resource = *u.Resource
			if err := s.checkResource(d.Tenant, b.resource); err != nil {
				return i, err
			}
		}
		if after == nil {
			after = make(map[metricdef.Ref]belonging, len(list))
		}
		after[u.Ref] = b
	}
	taken := make(map[belonging]metricdef.Ref, len(after))
	for i := range list {
		ref := list[i].Ref
		b, ok := after[ref]
		if !ok || b.resource == (uuid.UUID{}) {
			continue
		}
		other, ok := taken[b]
		if !ok {
			if other, ok = s.Definitions.ResolveLink(b.tenant, b.resource, b.label); ok {
				_, moves := after[other]
				ok = !moves
			}
		}
		if ok && other != ref {
			return i, &metricdef.LinkError{Resource: b.resource, Label: b.label, Ref: other}
		}
		taken[b] = ref
	}
	return -1, nil
}
