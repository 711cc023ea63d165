package metricdef

import (
	"cmp"
	"slices"
)

// moves are what updates of definitions change in the index of a tenant, put off until all of them are known: a posting list is made
// anew for a ref that goes, and it is made anew once for all of them then. Nobody reads the index in between, for the lock is held.
type moves struct {
	x    *index
	refs map[Ref]struct{} // whose definitions have changed
	list []move
	gone []uint32 // pairs that have one use less
	some []Ref    // scratch
}

// move is a definition that gets a pair, or that has it no longer.
type move struct {
	id   uint32
	ref  Ref
	come bool
}

// mostMoves is how many moves the registry keeps room for.
const mostMoves = 1 << 14

// movesOf are the moves to which those of a definition are to be added.
//
// REQUIRES: r.mu for writing, until settle has been called.
func (r *Registry) movesOf(x *index, ref Ref) *moves {
	m := &r.scratch.moves
	if _, again := m.refs[ref]; again || m.x != x {
		r.settle()
	}
	if m.x = x; m.refs == nil {
		m.refs = make(map[Ref]struct{}, 1)
	}
	m.refs[ref] = struct{}{}
	return m
}

// settle makes the moves.
//
// REQUIRES: r.mu for writing.
func (r *Registry) settle() {
	m := &r.scratch.moves
	if m.x == nil {
		return
	}
	slices.SortFunc(m.list, func(a, b move) int {
		if c := cmp.Compare(a.id, b.id); c != 0 || a.come == b.come {
			return cmp.Or(c, cmp.Compare(a.ref, b.ref))
		}
		if a.come {
			return 1
		}
		return -1
	})
	for i := 0; i < len(m.list); {
		first := m.list[i]
		m.some = m.some[:0]
		for ; i < len(m.list) && m.list[i].id == first.id && m.list[i].come == first.come; i++ {
			m.some = append(m.some, m.list[i].ref)
		}
		if first.come {
			m.x.postAll(first.id, m.some)
		} else {
			m.x.unpost(first.id, m.some)
		}
	}
	r.release(m.x, m.gone)
	if cap(m.list) > mostMoves || cap(m.gone) > mostMoves {
		*m = moves{}
		return
	}
	clear(m.refs)
	*m = moves{refs: m.refs, list: m.list[:0], gone: m.gone[:0], some: m.some[:0]}
}
