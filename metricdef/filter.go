package metricdef

import (
	"context"
	"slices"
)

// Filter says which of the definitions that a search found are wanted, by what no expression asks for.
type Filter struct {
	Types   []Type // empty: all
	Dialect string // that made them; "": any
}

func (f *Filter) all() bool { return len(f.Types) == 0 && f.Dialect == "" }

// Filter returns those of the refs whose definitions are visible and wanted, in a slice of its own unless they are all. It lets
// writers in now and then. The error is the context's.
func (r *Registry) Filter(ctx context.Context, refs []Ref, f Filter) ([]Ref, error) {
	if f.all() {
		return refs, nil
	}
	out := make([]Ref, 0, len(refs))
	for step := range slices.Chunk(refs, searchStep) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.mu.RLock()
		dialect := r.symbols.find(f.Dialect)
		for _, ref := range step {
			d := r.seen(ref)
			if d == nil || len(f.Types) > 0 && !slices.Contains(f.Types, d.typ) {
				continue
			}
			if f.Dialect == "" || dialect != 0 && r.words.at(d.tags, d.run())[1] == dialect {
				out = append(out, ref)
			}
		}
		r.mu.RUnlock()
	}
	return out, nil
}
