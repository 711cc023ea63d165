package ingest

import (
	"context"
	"errors"

	"granary/measures"
	"granary/measures/ingest/line"
	"granary/measures/ingest/mapping"
	"granary/tenant"
)

// decoder is one that hands what others are made of to the intake of the body.
type decoder struct {
	*line.Decoder
	derived *mapping.Intake // nil: nothing is made of anything
}

func newDecoder(defs Resolver, o line.Options) *decoder {
	d := &decoder{}
	o.Derived = func(src line.Source, timeNS int64, v float64) { d.derived.Add(src.(*mapping.Source), timeNS, v) }
	d.Decoder = line.NewDecoder(defs, o)
	return d
}

// commitDerived stores what the mapping makes of what was decoded. A tenant that was refused its own samples gets none of these either.
func (w *Writer) commitDerived(ctx context.Context, d *decoder, from Sender, r *Result) error {
	if d.derived.Len() == 0 {
		return nil
	}
	for _, p := range d.Parts() {
		switch {
		case p.Refused != nil:
			d.derived.Drop(p.Tenant)
		case p.Admitted:
			d.derived.Admit(p.Tenant)
		}
	}
	counts, err := d.derived.Commit(ctx, InTurn{w.store}, from.Subject)
	r.Derived += counts.Stored
	for reason, n := range counts.Ignored {
		r.Ignored[reason] += n
	}
	if errors.As(err, new(*tenant.RateError)) && !from.Whole {
		if wait(err) > wait(r.rate) {
			r.rate = err
		}
		return nil
	}
	return err
}

// InTurn is a store whose commits wait for their turn, as those of Commit do.
type InTurn struct{ Store }

// Commit implements Store.
func (s InTurn) Commit(ctx context.Context, b *measures.Batch) error { return Commit(ctx, s.Store, b) }
