package line

import (
	"bytes"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
)

// Part holds the samples of a body that belong to one tenant.
type Part struct {
	Tenant tenant.Num
	Batch  measures.Batch

	// Admitted is that of the batches of this body behind the first one that was stored. It is the writer's to set.
	Admitted bool
	// Refused is why nothing of this body is stored for the tenant, nil if that is not so. It is the writer's too.
	Refused error
	// TooLong is how many samples of this body stood on lines that are longer than the tenant may send.
	TooLong int

	// exact is Batch.Exact of all of its batches.
	exact bool
	// maxLine is how long the tenant's lines may be.
	maxLine int
	// at holds, for each row of the batch, where its line starts in the body.
	at []uint32
	// body is where they are, and spread are those that go on behind the end of their first line: a string takes it in.
	body   []byte
	spread []spread
	// resolved are the keys that were not known to the cache.
	resolved []known
}

// spread is a line of several, since a string in it has line ends.
type spread struct {
	at   int
	size int64
}

// begin prepares the part for lines of a body.
func (p *Part) begin(body []byte, exact bool) {
	p.body, p.exact = body, exact
	p.Batch.Pieces, p.Batch.Exact = p, exact
}

// Piece implements measures.Pieces: the line of a row, with its end.
func (p *Part) Piece(row int) (at int, size int64) {
	at = int(p.at[row])
	for _, s := range p.spread {
		if s.at == at {
			return at, s.size
		}
	}
	text := p.body[at:]
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		text = text[:end+1]
	}
	return at, int64(len(text))
}

func (p *Part) reset() {
	p.Batch.Reset()
	p.Batch.Tenant, p.Batch.Pieces, p.Batch.Exact = p.Tenant, p, p.exact
	p.spread = p.spread[:0]
	p.at = p.at[:0]
	clear(p.resolved)
	p.resolved = p.resolved[:0]
}

// add appends one sample of a known series.
func (p *Part) add(ref metricdef.Ref, t int64, v float64, at int) {
	p.Batch.Add(ref, t, v)
	p.at = append(p.at, uint32(at))
}

// addInt is add for a whole number.
func (p *Part) addInt(ref metricdef.Ref, t, v int64, at int) {
	p.Batch.AddInt(ref, t, v)
	p.at = append(p.at, uint32(at))
}

// addValue appends one sample of a series, of whatever kind; d is nil if its ref is known.
func (p *Part) addValue(ref metricdef.Ref, d *measures.Draft, t int64, v *value, at int) {
	p.at = append(p.at, uint32(at))
	switch {
	case v.kind == metricdef.KindInt && d == nil:
		p.Batch.AddInt(ref, t, v.whole)
	case v.kind == metricdef.KindInt:
		p.Batch.AddIntDraft(*d, t, v.whole)
	case v.kind == metricdef.KindText && d == nil:
		p.Batch.AddText(ref, t, v.text)
	case v.kind == metricdef.KindText:
		p.Batch.AddTextDraft(*d, t, v.text)
	case d == nil:
		p.Batch.Add(ref, t, v.v)
	default:
		p.Batch.AddDraft(*d, t, v.v)
	}
}
