package measures

import (
	"context"
	"slices"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// CreateTenant makes a tenant by a call. One that exists keeps its settings; if a write made it, it counts as made by a call from
// now on.
func (s *Store) CreateTenant(ctx context.Context, d tenant.Draft) (num tenant.Num, existed bool, err error) {
	if _, err := tenant.Parse(string(d.ID)); err != nil {
		return 0, false, err
	}
	if err := d.Settings.Validate(); err != nil {
		return 0, false, err
	}
	d.Implicit = false
	s.defining.Lock()
	defer s.defining.Unlock()
	var rec []byte
	if t, ok := s.Tenants.Lookup(d.ID); ok {
		return t.Num, true, s.changeTenant(ctx, t.Num, func(now tenant.Settings) tenant.Settings { return now })
	}
	err = s.change(ctx, recTenants, func(wrote int64) ([]byte, error) {
		if num, existed = s.Tenants.Resolve(d.ID); existed {
			// A write makes it at this moment. Its record once more lets this call wait for that.
			rec = s.Tenants.AppendRecord(nil, num)
			return rec, nil
		}
		if err := s.Tenants.Admit(&d, wrote); err != nil {
			return nil, err
		}
		num = s.Tenants.Reserve(&d, wrote)
		s.seq.undo = append(s.seq.undo, undo{what: undoTenant, tenant: num})
		rec = s.Tenants.AppendRecord(nil, num)
		return rec, nil
	}, func() { s.applyTenant(rec) })
	if err != nil {
		return 0, false, err
	}
	if existed {
		err = s.changeTenant(ctx, num, func(now tenant.Settings) tenant.Settings { return now })
	}
	return num, existed, err
}

func (s *Store) applyTenant(rec []byte) {
	if _, _, err := s.Tenants.Apply(rec); err != nil {
		panic("measures: own tenant record: " + err.Error())
	}
}

// UpdateTenant puts settings in the place of those that the tenant has.
func (s *Store) UpdateTenant(ctx context.Context, num tenant.Num, set tenant.Settings) error {
	if err := set.Validate(); err != nil {
		return err
	}
	s.defining.Lock()
	defer s.defining.Unlock()
	return s.changeTenant(ctx, num, func(tenant.Settings) tenant.Settings { return set })
}

// changeTenant changes the settings of a tenant, which counts as made by a call from now on. REQUIRES: s.defining.
func (s *Store) changeTenant(ctx context.Context, num tenant.Num, change func(tenant.Settings) tenant.Settings) error {
	return s.tenantState(ctx, func() ([]byte, error) {
		t, ok := s.Tenants.ByNum(num)
		if !ok || s.Tenants.Gone(num) {
			return nil, &tenant.UnknownError{Num: num}
		}
		return s.Tenants.AppendSettings(nil, num, change(t.Settings)), nil
	})
}

// tenantState commits the record of a tenant that exists, as it is from now on.
func (s *Store) tenantState(ctx context.Context, prepare func() ([]byte, error)) error {
	var rec []byte
	var at int64
	return s.change(ctx, recTenantState, func(wrote int64) (_ []byte, err error) {
		at = wrote
		rec, err = prepare()
		return rec, err
	}, func() {
		if err := s.applyTenantState(rec, at); err != nil {
			panic("measures: own tenant record: " + err.Error())
		}
	})
}

// applyTenantState applies the record of a tenant that exists. The record that ends one takes it out of the API keys first: no crash
// comes between the two, and no key reaches a tenant that is made under the name again.
func (s *Store) applyTenantState(rec []byte, wrote int64) error {
	if id := tenant.Ends(rec); id != "" {
		s.Keys.DropTenant(id, time.Unix(0, wrote).UTC())
	}
	n, _, err := s.Tenants.Update(rec)
	switch {
	case err != nil:
		return &DamagedError{Kind: recTenantState, Reason: err.Error()}
	case n != len(rec):
		return &DamagedError{Kind: recTenantState, Reason: "bytes behind the record"}
	}
	return nil
}

// DeleteTenant ends a tenant with all that it has. It is hidden when it returns: readers find neither it nor its metrics, and a
// write to its name makes another tenant, which begins empty. Its data is removed behind that, step by step and over restarts;
// Tenants.State says how far that is. Deleting it again does nothing.
func (s *Store) DeleteTenant(ctx context.Context, num tenant.Num) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	err := s.tenantState(ctx, func() ([]byte, error) {
		switch s.Tenants.State(num) {
		case tenant.Unknown:
			return nil, &tenant.UnknownError{Num: num}
		case tenant.Deleting, tenant.Deleted:
			return nil, nil
		}
		if !s.Tenants.Leave(num) {
			return nil, nil
		}
		s.seq.undo = append(s.seq.undo, undo{what: undoLeave, tenant: num})
		s.endSeries(num, dead)
		for _, u := range s.seq.undo {
			if u.what == undoReserve && s.Definitions.Owner(u.ref) == num {
				s.table.at(u.ref).state = dead // on its way to be visible
			}
		}
		return s.Tenants.AppendEnd(nil, num, false), nil
	})
	if err == nil {
		s.sweep.Store(true)
	}
	return err
}

// endSeries makes all series of a tenant dead for the sequencer, or lets them live again. REQUIRES: s.seq.mu, or recovery.
func (s *Store) endSeries(num tenant.Num, state lifecycle) {
	for _, ref := range s.Definitions.OfTenant(num) {
		sr := s.table.grow(ref)
		if state == dead || sr.state == dead {
			sr.state = state
		}
	}
}

// tenantStep is how many definitions of a deleted tenant are removed between two looks at whether to go on.
const tenantStep = 5_000

// SweepTenants removes the data of tenants that were deleted, until there is none left or ctx ends.
func (s *Store) SweepTenants(ctx context.Context) error {
	for _, num := range s.Tenants.Deleting() {
		for {
			if err := s.changeable(ctx); err != nil {
				return err
			}
			refs := s.Definitions.OfTenant(num)
			if len(refs) == 0 {
				break
			}
			refs = slices.Clone(refs[:min(len(refs), tenantStep)])
			if err := s.sweepSome(refs); err != nil {
				return err
			}
		}
		if err := s.dropResources(ctx, num); err != nil {
			return err
		}
		if err := s.clearScope(ctx, policy.OfTenant(num)); err != nil {
			return err
		}
		if err := s.endTenant(ctx, num); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepSome(refs []metricdef.Ref) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	return s.changeNow(recRemove, func(int64) ([]byte, error) {
		for _, ref := range refs {
			s.table.grow(ref).state = dead
		}
		return appendRefs(nil, refs), nil
	}, func() {
		s.applyRemove(refs)
		s.removed.Add(int64(len(refs)))
	})
}

// clearScope takes the policies and rules of a scope away, if there are any.
func (s *Store) clearScope(ctx context.Context, scope policy.Scope) error {
	if len(s.Policies.AppendScope(nil, scope)) == 0 {
		return nil
	}
	return s.changeScope(ctx, scope, func(e *policy.Edit) error {
		e.Clear()
		return nil
	})
}

// endTenant says in the journal that nothing is left of a tenant but its number.
func (s *Store) endTenant(ctx context.Context, num tenant.Num) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	err := s.tenantState(ctx, func() ([]byte, error) { return s.Tenants.AppendEnd(nil, num, true), nil })
	if err == nil {
		s.o.Logger.Info("the data of a deleted tenant is removed", "tenant", s.Tenants.ID(num), "number", num)
	}
	return err
}

// hideDeleted makes the series of tenants that were deleted dead. Recovery only.
func (s *Store) hideDeleted() {
	for _, num := range s.Tenants.Deleting() {
		s.endSeries(num, dead)
		s.sweep.Store(true)
	}
}
