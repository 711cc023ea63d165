package metricdef

import (
	"context"

	"granary/metricdef/match"
	"granary/tenant"
)

// steady runs a walk over a tenant's index under the read lock. The walk calls pause now and then, which lets writers in
// and fails if the context ends or the numbers of pairs mean something else by now; then the walk begins again, the fourth
// time without letting anybody in. x is nil for a tenant without definitions.
func (r *Registry) steady(ctx context.Context, t tenant.Num, walk func(x *index, pause func() error) error) error {
	for tries := 0; ; tries++ {
		if err := r.walk(ctx, t, tries == maxTries, walk); err != errStale {
			return err
		}
	}
}

func (r *Registry) walk(ctx context.Context, t tenant.Num, hold bool, walk func(*index, func() error) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	x := r.tenants[t]
	if x == nil {
		return walk(nil, ctx.Err)
	}
	dropped := x.dropped
	return walk(x, func() error {
		if err := ctx.Err(); err != nil || hold {
			return err
		}
		r.mu.RUnlock()
		r.mu.RLock()
		if r.tenants[t] != x || x.dropped != dropped {
			return errStale
		}
		return nil
	})
}

// tally is how many of the definitions that were found have each pair.
type tally struct {
	all    bool              // every definition was found: the index has counted them
	dense  []uint32          // by pair
	sparse map[uint32]uint32 // instead, if few definitions were found
}

// Definitions that a count looks at, and pairs, before it lets writers in.
const (
	countStep = 1024
	pairStep  = 8192
)

// count counts the pairs of the definitions, only those of one tag name if that is not 0.
//
// REQUIRES: r.mu.
func (r *Registry) count(x *index, refs []Ref, name uint32, pause func() error) (tally, error) {
	t := tally{}
	const tags = 16 // more than most definitions have
	if len(refs)*tags < len(x.pairs) {
		t.sparse = make(map[uint32]uint32)
	} else {
		t.dense = make([]uint32, len(x.pairs))
	}
	for i, ref := range refs {
		if i%countStep == countStep-1 {
			if err := pause(); err != nil {
				return t, err
			}
		}
		d := r.seen(ref)
		switch {
		case d == nil: // removed meanwhile
		case name != 0:
			if id := r.pairOf(x, d, name); id != 0 {
				t.add(id)
			}
		default:
			var few [16]uint32
			for _, id := range r.appendPosted(few[:0], x, d) {
				t.add(id)
			}
		}
	}
	return t, nil
}

func (t *tally) add(id uint32) {
	if t.sparse != nil {
		t.sparse[id]++
		return
	}
	if int(id) >= len(t.dense) { // it came during a pause
		t.dense = append(t.dense, make([]uint32, int(id)+1-len(t.dense))...)
	}
	t.dense[id]++
}

// each calls fn with the pairs that were counted at least once, only those of one tag name if that is not 0.
//
// REQUIRES: the registry's lock.
func (t *tally) each(x *index, name uint32, pause func() error, fn func(id uint32, n int)) error {
	if t.sparse != nil {
		seen := 0
		for id, n := range t.sparse {
			if seen++; seen%pairStep == 0 {
				if err := pause(); err != nil {
					return err
				}
			}
			if name == 0 || x.pairs[id].name == name {
				fn(id, int(n))
			}
		}
		return nil
	}
	visit := func(id uint32) {
		n := 0
		if t.all {
			n = int(x.pairs[id].n)
		} else if int(id) < len(t.dense) {
			n = int(t.dense[id])
		}
		if n > 0 {
			fn(id, n)
		}
	}
	if name == 0 {
		for id := 1; id < len(x.pairs); id++ {
			if id%pairStep == 0 {
				if err := pause(); err != nil {
					return err
				}
			}
			visit(uint32(id))
		}
		return nil
	}
	values := x.names.of(name)
	if values == nil {
		return nil
	}
	for i, id := range values.pairs[:len(values.pairs):len(values.pairs)] {
		if i%slowStep == slowStep-1 {
			if err := pause(); err != nil {
				return err
			}
		}
		visit(id)
	}
	return nil
}

// eachPair finds the definitions for which the expression holds and which are wanted, and calls fn with the pairs that they have, and how many
// of them have each, under the read lock; again begins before, and whenever the walk begins again.
func (r *Registry) eachPair(ctx context.Context, t tenant.Num, e match.Expr, f Filter, name string, again func(found int), fn func(p *pair, n int)) error {
	refs, err := r.Select(ctx, t, e)
	if err == nil {
		refs, err = r.Filter(ctx, refs, f)
	}
	if err != nil {
		return err
	}
	return r.steady(ctx, t, func(x *index, pause func() error) error {
		symbol := r.symbols.find(name)
		if x == nil || symbol == 0 && name != "" {
			again(0)
			return nil
		}
		counts := tally{all: e == nil && f.all() || len(refs) == len(x.all)}
		if !counts.all {
			var err error
			if counts, err = r.count(x, refs, symbol, pause); err != nil {
				return err
			}
		}
		again(len(refs))
		return counts.each(x, symbol, pause, func(id uint32, n int) { fn(&x.pairs[id], n) })
	})
}
