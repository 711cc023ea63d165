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

	// at holds, for each row of the batch, where its line starts in the body.
	at []uint32
	// resolved are the keys whose refs were known to the resolver and not to the cache.
	resolved []known
}

func (p *Part) reset() {
	p.Batch.Reset()
	p.at = p.at[:0]
	clear(p.resolved)
	p.resolved = p.resolved[:0]
}

// add appends one sample of a known series.
func (p *Part) add(ref metricdef.Ref, t int64, v float64, at int) {
	p.Batch.Add(ref, t, v)
	p.at = append(p.at, uint32(at))
}
