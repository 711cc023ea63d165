package native

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/measures"
	"granary/metricdef"
)

// again makes the batch one of the stale rows, as drafts: their metrics, or the whole tenant, have ended. The error is one of the store.
func (in *intake) again() error {
	t, _ := in.a.o.Tenants.Lookup(in.id)
	moved := t.Num != in.num
	if moved {
		in.num, in.last = t.Num, nil // 0: it comes into being with the first draft
	}
	old, from, at := in.batch, in.from, in.at
	in.batch, in.from, in.at = measures.Batch{Pieces: in}, nil, nil
	texts, tags := old.Texts, old.Tags
	var last *origin
	for _, row := range old.Stale {
		o := (&intake{from: from}).originOf(row)
		if o != last {
			last = o
			fresh := *o
			fresh.row = len(in.batch.Refs)
			if anyStored(&old, from, o) {
				fresh.size = 0
			}
			if err := in.redraft(&fresh, moved); err != nil {
				if kind := edge.KindOf(err); kind != edge.Invalid && kind != edge.NotFound {
					return err
				}
				in.report.line = o.line
				in.report.add(o.index, o.path.String(), err)
				last = nil
				continue
			}
			in.from = append(in.from, fresh)
			in.batch.Bytes += fresh.size
		}
		n := &in.from[len(in.from)-1]
		in.cols.reset(n.kind)
		in.cols.times, in.cols.values, in.cols.at = append(in.cols.times, old.Times[row]), append(in.cols.values, old.Values[row]), []int32{at[row]}
		for len(texts) > 0 && texts[0].Row < row {
			texts = texts[1:]
		}
		if n.kind == metricdef.KindText && len(texts) > 0 {
			in.cols.texts = append(in.cols.texts, texts[0].Text)
		}
		in.row(n, 0, 0)
		for len(tags) > 0 && tags[0].Row < row {
			tags = tags[1:]
		}
		if len(tags) > 0 && tags[0].Row == row {
			in.batch.AddTags(tags[0].Text)
		}
	}
	return nil
}

// anyStored says whether a sample of an item is stored, so that its bytes are counted.
func anyStored(b *measures.Batch, from []origin, o *origin) bool {
	end := len(b.Refs)
	for i := range from {
		if from[i].row > o.row {
			end = from[i].row
			break
		}
	}
	return slices.ContainsFunc(b.Refs[o.row:end], func(ref metricdef.Ref) bool { return ref != 0 })
}

// redraft gives an item whose metric has ended the draft of one like it. Its samples stay of the kind that they were read as. If the tenant
// has ended, in.num is that of the one that has its name now.
func (in *intake) redraft(o *origin, moved bool) error {
	it, kind := o.item, o.kind
	if it == nil {
		if moved && o.known != nil { // what is known is known of the other tenant
			o.header, o.known = []byte(o.known.Text), nil
		}
		text := o.header
		if o.known != nil {
			text = []byte(o.known.Text)
		}
		var err error
		if it, err = readItem(append(bytes.Clone(text), "]}"...)); err != nil {
			return err
		}
	}
	o.draft = nil
	ref, err := in.resolve(it, o)
	if err != nil {
		return err
	}
	if o.draft == nil {
		// Somebody else has made it already: the draft finds it.
		d, ok := in.a.o.Definitions.Get(ref)
		switch {
		case ok:
			o.draft = &d.Draft
		case it.ID != nil:
			return edge.At("/id", &metricError{uuid.MustParse(*it.ID)})
		default: // or is about to, or it has ended again
			if o.draft, err = it.draft(); err != nil {
				return err
			}
		}
	}
	if in.num == 0 {
		if in.num, err = in.a.o.Store.EnsureTenant(in.ctx, in.id); err != nil {
			return err
		}
	}
	o.draft.Tenant, o.kind = in.num, kind
	return nil
}
