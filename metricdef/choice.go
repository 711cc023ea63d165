package metricdef

import (
	"context"
	"slices"

	"granary/tenant"
)

// choiceBatch is how many definitions are looked at before others get their turn at the lock.
const choiceBatch = 16 << 10

// Choice is all that the choice of a policy depends on, and how many definitions have it.
type Choice struct {
	Dialect, Name string // what it is called, see Draft.Called
	Policy        string // that they name; "": the rules choose
	Definitions   int
}

// Choices counts the tenant's visible definitions by what their policy is chosen by. Those that come or go meanwhile may be
// missed. The error is the context's.
func (r *Registry) Choices(ctx context.Context, t tenant.Num) ([]Choice, error) {
	type key struct{ dialect, name, policy uint32 }
	at := make(map[key]int)
	var out []Choice
	last, place := key{}, -1 // definitions of a name come in rows
	err := r.each(ctx, t, func(x *index, d *packed) {
		run := r.words.at(d.tags, d.room())
		k := key{dialect: run[1], name: d.name}
		if label, _, _, byID := r.linkOf(d); byID {
			k.name = label
		}
		if d.flags&hasMore != 0 {
			k.policy = run[d.run()]
		}
		if k != last || place < 0 {
			i, ok := at[k]
			if !ok {
				i = len(out)
				at[k] = i
				out = append(out, Choice{Dialect: r.symbols.text(k.dialect), Name: r.symbols.text(x.pairs[k.name].value), Policy: r.symbols.text(k.policy)})
			}
			last, place = k, i
		}
		out[place].Definitions++
	})
	return out, err
}

// Naming is how many of the tenant's visible definitions name a policy. The error is the context's.
func (r *Registry) Naming(ctx context.Context, t tenant.Num, policy string) (n int, err error) {
	r.mu.RLock()
	used := r.symbols.find(policy) != 0
	r.mu.RUnlock()
	if !used {
		return 0, nil
	}
	err = r.each(ctx, t, func(_ *index, d *packed) {
		if d.flags&hasMore != 0 && r.symbols.text(r.words.at(d.tags, d.room())[d.run()]) == policy {
			n++
		}
	})
	return n, err
}

// each calls fn for the tenant's visible definitions, with the lock held for reading.
func (r *Registry) each(ctx context.Context, t tenant.Num, fn func(*index, *packed)) error {
	r.mu.RLock()
	x := r.tenants[t]
	if x == nil {
		r.mu.RUnlock()
		return ctx.Err()
	}
	all := slices.Clone(x.all)
	r.mu.RUnlock()
	for batch := range slices.Chunk(all, choiceBatch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.mu.RLock()
		for _, ref := range batch {
			if d := r.seen(ref); d != nil {
				fn(x, d)
			}
		}
		r.mu.RUnlock()
	}
	return nil
}
