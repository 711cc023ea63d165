package metricdef

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"granary/metricdef/match"
	"granary/tenant"
)

// TagCount is a tag name with the number of definitions that have the tag, and of values that it has among them.
type TagCount struct {
	Name        string
	Definitions int
	Values      int
}

// ValueCount is a value of a tag with the number of definitions that have it.
type ValueCount struct {
	Value       string
	Definitions int
}

// TagNames returns the names of the tags that the tenant's visible definitions have, sorted.
func (r *Registry) TagNames(t tenant.Num) []TagCount {
	r.mu.RLock()
	defer r.mu.RUnlock()
	x := r.tenants[t]
	if x == nil {
		return nil
	}
	out := make([]TagCount, 0, len(x.names))
	for name, values := range x.names {
		if name != r.nameTag && values.refs > 0 {
			count := TagCount{Name: r.symbols.text(name), Definitions: values.refs}
			for _, id := range values.pairs {
				if x.pairs[id].n > 0 {
					count.Values++
				}
			}
			out = append(out, count)
		}
	}
	slices.SortFunc(out, func(a, b TagCount) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// TagValues returns the values of a tag among the tenant's visible definitions, sorted, as far as the matcher holds for
// them; its own name does not count, and nil holds for all. Values that come or go meanwhile may be in the answer or not.
// The error is the context's.
func (r *Registry) TagValues(ctx context.Context, t tenant.Num, name string, m *match.Matcher) ([]ValueCount, error) {
	r.mu.RLock()
	var ids []uint32
	if x := r.tenants[t]; x != nil {
		if values := x.names[r.symbols.find(name)]; values != nil {
			ids = values.pairs[:len(values.pairs):len(values.pairs)]
		}
	}
	r.mu.RUnlock()
	var out []ValueCount
	for step := range slices.Chunk(ids, slowStep) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out = r.appendValues(out, t, name, step, m)
	}
	slices.SortFunc(out, func(a, b ValueCount) int { return cmp.Compare(a.Value, b.Value) })
	return out, nil
}

// appendValues appends those of the pairs that still belong to the tag and are visible.
func (r *Registry) appendValues(out []ValueCount, t tenant.Num, name string, ids []uint32, m *match.Matcher) []ValueCount {
	r.mu.RLock()
	defer r.mu.RUnlock()
	x, symbol := r.tenants[t], r.symbols.find(name)
	if x == nil || symbol == 0 {
		return out
	}
	for _, id := range ids {
		if int(id) >= len(x.pairs) {
			continue // the tenant's index was made anew
		}
		p := &x.pairs[id]
		if p.name != symbol || p.n == 0 {
			continue
		}
		if v := r.symbols.text(p.value); m == nil || m.Match(v) {
			out = append(out, ValueCount{v, int(p.n)})
		}
	}
	return out
}

// Names returns the names of the tenant's metrics, sorted; see TagValues.
func (r *Registry) Names(ctx context.Context, t tenant.Num, m *match.Matcher) ([]ValueCount, error) {
	return r.TagValues(ctx, t, NameTag, m)
}
