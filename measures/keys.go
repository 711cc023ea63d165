package measures

import (
	"context"

	"granary/tenant"
	"granary/tenant/identity"
)

// PutKey keeps an API key that is new. maker is the id of the key that asks for it, "" if it is not a key that does: one that was
// revoked meanwhile, with its tenant perhaps, makes none.
func (s *Store) PutKey(ctx context.Context, r identity.KeyRecord, maker string) error {
	if err := r.Validate(); err != nil {
		return err
	}
	s.defining.Lock()
	defer s.defining.Unlock()
	if maker != "" && !s.Keys.InForce(maker, s.o.Now()) {
		return identity.Ended()
	}
	if err := s.Keys.Admit(&r); err != nil {
		return err
	}
	return s.commitKey(ctx, &r)
}

// ChangeKey changes a key and returns it as it is from now on. One that has been revoked stays as it is.
func (s *Store) ChangeKey(ctx context.Context, id string, change func(*identity.KeyRecord) error) (identity.KeyRecord, error) {
	s.defining.Lock()
	defer s.defining.Unlock()
	r, ok := s.Keys.Get(id)
	if !ok {
		return r, identity.UnknownKey()
	}
	ended := !r.Revoked.IsZero()
	err := change(&r)
	switch {
	case err != nil:
	case ended:
		err = identity.Ended()
	default:
		err = r.Validate()
	}
	if err == nil {
		err = s.commitKey(ctx, &r)
	}
	return r, err
}

// RevokeKey takes a key back: it opens nothing from then on. One that is revoked already is forgotten. part may refuse, or name
// tenants: those alone are taken out of the key then, which stays for the others. A nil part is all of the key.
func (s *Store) RevokeKey(ctx context.Context, id string, part func(*identity.KeyRecord) ([]tenant.ID, error)) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	r, ok := s.Keys.Get(id)
	if !ok {
		return identity.UnknownKey()
	}
	if part != nil {
		tenants, err := part(&r)
		if err != nil {
			return err
		}
		if len(tenants) > 0 {
			for _, id := range tenants {
				r.Drop(id, s.o.Now().UTC())
			}
			return s.commitKey(ctx, &r)
		}
	}
	if !r.Revoked.IsZero() {
		return s.commitKey(ctx, r.Remove())
	}
	r.Revoked = s.o.Now().UTC()
	return s.commitKey(ctx, &r)
}

// commitKey commits the record of a key, as it is from now on. It is on the disk when this returns, whatever the setting for samples
// says: a power cut must not bring back a key that was revoked. REQUIRES: s.defining.
func (s *Store) commitKey(ctx context.Context, r *identity.KeyRecord) error {
	rec := identity.AppendKey(nil, r)
	err := s.change(ctx, recKeys, func(int64) ([]byte, error) { return rec, nil }, func() {
		if err := s.applyKeys(rec); err != nil {
			panic("measures: own key record: " + err.Error())
		}
	})
	if err != nil {
		return err
	}
	return s.syncTo(s.applied.Load())
}

func (s *Store) applyKeys(rec []byte) error {
	for len(rec) > 0 {
		n, err := s.Keys.Apply(rec)
		if err != nil {
			return &DamagedError{Kind: recKeys, Reason: err.Error()}
		}
		rec = rec[n:]
	}
	return nil
}

// saveKeyUse puts the days on which keys were last used into the catalogue. They are not journalled: a crash loses what came since
// the last snapshot.
func (s *Store) saveKeyUse() {
	s.com.mu.Lock()
	defer s.com.mu.Unlock()
	if s.applied.Load() > s.catalog.Position() { // else the catalogue takes no change
		s.applying = s.applied.Load()
		s.Keys.SaveUse()
	}
}
