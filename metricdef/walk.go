package metricdef

import (
	"bytes"
	"iter"
	"slices"

	"github.com/google/uuid"
)

// walkBatch is about how many definitions a walk looks at under one hold of the lock.
const walkBatch = 512

// place of a definition in the order of ids.
type idPlace struct {
	id  uuid.UUID
	ref Ref
}

// AfterID yields the refs of all visible definitions of all tenants whose id is greater, in ascending order of their ids. It costs no more than what is
// taken of it, for the table of ids lies in that order nearly. Definitions that come or go meanwhile may be missed. No lock is held while
// the caller's code runs.
func (r *Registry) AfterID(after uuid.UUID) iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		var batch []idPlace
		for more := true; more; {
			batch, more = r.afterID(batch[:0], after)
			for _, p := range batch {
				if !yield(p.ref) {
					return
				}
				after = p.id
			}
		}
	}
}

// afterID appends the next definitions behind an id, in order, and says whether there may be more behind them.
func (r *Registry) afterID(dst []idPlace, after uuid.UUID) (_ []idPlace, more bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t := &r.ids
	if t.n == 0 {
		return dst, false
	}
	add := func(s slot) {
		if id := r.id(r.defs.get(Ref(s.id))); bytes.Compare(id[:], after[:]) > 0 {
			dst = append(dst, idPlace{id, Ref(s.id)})
		}
	}
	// Slots without a free one between them are a run. All of a hash are in one run, and those of a run come before those of the next.
	// The run at the end may go on at the front.
	p := t.home(idHash(after))
	for p > 0 && t.slots[p-1].id != 0 {
		p--
	}
	for ; p < len(t.slots); p++ {
		switch s := t.slots[p]; {
		case s.id == 0 && len(dst) >= walkBatch:
			return sortPlaces(dst), true
		case s.id != 0 && t.home(s.hash) <= p:
			add(s)
		}
	}
	for p = 0; t.slots[p].id != 0; p++ {
		if s := t.slots[p]; t.home(s.hash) > p {
			add(s)
		}
	}
	return sortPlaces(dst), false
}

func sortPlaces(list []idPlace) []idPlace {
	slices.SortFunc(list, func(a, b idPlace) int {
		if c := bytes.Compare(a.id[:], b.id[:]); c != 0 {
			return c
		}
		return int(b.ref) - int(a.ref) // of a deleted tenant's series, the newer one is found by the id
	})
	return slices.CompactFunc(list, func(a, b idPlace) bool { return a.id == b.id })
}
