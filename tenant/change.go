package tenant

// State is how far a tenant has come.
type State uint8

// The states of a tenant, as others see it.
const (
	Unknown  State = iota // there never was one, or its record is not applied
	Present               //
	Deleting              // hidden from all, while its data is being removed
	Deleted               // its data is gone
)

// String is the state's stable name.
func (s State) String() string { return [...]string{"unknown", "present", "deleting", "deleted"}[s] }

// State says how far a tenant has come.
func (r *Registry) State(n Num) State {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.entry(n)
	switch {
	case e == nil || e.state < visible:
		return Unknown
	case e.state == visible:
		return Present
	case e.state == ending:
		return Deleting
	}
	return Deleted
}

// Deleting returns the numbers of the tenants whose data is being removed, ascending.
func (r *Registry) Deleting() []Num {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []Num
	for i := range r.entries {
		if r.entries[i].state == ending {
			list = append(list, Num(i+1))
		}
	}
	return list
}

// Known returns the numbers of all tenants that have a record, those that were deleted among them, ascending.
func (r *Registry) Known() []Num {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []Num
	for i := range r.entries {
		if r.entries[i].state >= visible {
			list = append(list, Num(i+1))
		}
	}
	return list
}

// Leave hides a tenant from writers: the record that ends it is on its way. It answers false for one that is not there.
// REQUIRES: the store's sequencer lock.
func (r *Registry) Leave(n Num) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(n)
	if e == nil || e.state != visible || e.leaving {
		return false
	}
	e.leaving = true
	delete(r.byID, e.id)
	r.leaving[e.id] = n
	return true
}

// Return takes Leave back: the record was not committed. Whoever took the name meanwhile has withdrawn before.
// REQUIRES: the store's sequencer lock.
func (r *Registry) Return(n Num) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entry(n); e != nil && e.state == visible && e.leaving {
		e.leaving = false
		r.byID[e.id] = n
		delete(r.leaving, e.id)
	}
}

// Gone says that a tenant is there no more for writers, or never was.
func (r *Registry) Gone(n Num) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.entry(n)
	return e == nil || e.state == absent || e.leaving
}

// AppendSettings appends the record of a tenant with other settings, made by a call from now on; nothing if nothing changes.
// REQUIRES: that nobody else changes the tenant before the record is applied.
func (r *Registry) AppendSettings(dst []byte, n Num, s Settings) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.entry(n)
	if e == nil || e.state == absent || *e.settings() == s && !e.implicit {
		return dst
	}
	rec := *e.record()
	rec.Settings, rec.Implicit, rec.state = s, false, visible
	return appendRecord(dst, &rec)
}

// AppendEnd appends the record of a tenant that is being deleted, or of one whose data is gone.
func (r *Registry) AppendEnd(dst []byte, n Num, done bool) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.entry(n)
	if e == nil || e.state == absent {
		return dst
	}
	rec := *e.record()
	if rec.state = ending; done {
		// The number and the name are what has to stay.
		rec.state, rec.Settings, rec.more, rec.limits = ended, Settings{}, "", ""
	}
	return appendRecord(dst, &rec)
}

// Retains says whether any tenant has a retention of its own, so that the others need not be asked.
func (r *Registry) Retains() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.retains > 0
}

// Retention is how long raw samples of a tenant's metrics live whose policy nobody chose; zero if it does not say.
func (r *Registry) Retention(n Num) Retention {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.entry(n); e != nil {
		return e.settings().Retention
	}
	return Retention{}
}

// Ends says whose end a record of AppendEnd is: of the first of the two, which hides the tenant. "" for every other record.
func Ends(rec []byte) ID {
	if _, t, err := parseRecord(rec); err == nil && t.state == ending {
		return t.ID
	}
	return ""
}
