package native

import (
	"bytes"
	"slices"

	"granary/measures"
	"granary/measures/ingest"
	"granary/metricdef"
)

// again makes the batch one of the stale rows, as drafts.
func (in *intake) again() error {
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
			if err := in.redraft(&fresh); err != nil {
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

// redraft gives an item whose metric has ended the draft of one like it.
func (in *intake) redraft(o *origin) error {
	text := o.header
	if o.known != nil {
		text = []byte(o.known.Text)
	}
	if text == nil {
		if o.draft != nil {
			return nil
		}
		return &ingest.UnstableError{Rows: 1}
	}
	it, err := readItem(append(bytes.Clone(text), "]}"...))
	if err != nil {
		return err
	}
	o.draft = nil
	ref, err := in.resolve(it, o)
	if err != nil {
		return err
	}
	if o.draft == nil {
		// Somebody else has made it already: the draft finds it.
		d, ok := in.a.o.Definitions.Get(ref)
		if !ok {
			return &ingest.UnstableError{Rows: 1}
		}
		o.draft = &d.Draft
	}
	o.draft.Tenant = in.num
	return nil
}
