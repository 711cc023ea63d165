package line

import (
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

	// maxLine is how long the tenant's lines may be.
	maxLine int
	// at holds, for each row of the batch, where its line starts in the body.
	at []uint32
	// resolved are the keys whose refs were known to the resolver and not to the cache.
	resolved []known
}

func (p *Part) reset() {
	p.Batch.Reset()
	p.Batch.Tenant = p.Tenant
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
