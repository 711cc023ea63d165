package measures

import (
	"granary/metricdef"
)

// Batch is the decoded form of what one writer sends: columns of equal length, owned and reused by the writer. All its
// samples belong to the tenants of their refs.
type Batch struct {
	Refs   []metricdef.Ref // 0: the series is not known yet, a Draft names it
	Times  []int64         // nanoseconds since 1970 UTC
	Values []float64
	// Drafts name the series of the samples whose ref is 0, in ascending order of At. Commit resolves each to a ref,
	// making the definition if nobody else has.
	Drafts []Draft

	// Set by Commit.

	// Stale holds the rows (indices into the columns) whose ref named a definition that no longer exists. They were not
	// stored; the writer forgets the ref and decodes them again.
	Stale []int
	// Refused counts the samples that were not stored, by reason.
	Refused [NumReasons]int

	pending pending
}

// Draft is the definition that row At of a batch asks for.
type Draft struct {
	At  int
	Def metricdef.Draft
	Ref metricdef.Ref // set by Commit; 0 if it was refused
	// Raw is for the writer's own use (the wire key that named the series).
	Raw []byte
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Refs, b.Times, b.Values = b.Refs[:0], b.Times[:0], b.Values[:0]
	clear(b.Drafts)
	b.Drafts, b.Stale = recycle(b.Drafts), recycle(b.Stale)
	b.Refused = [NumReasons]int{}
}

// keepScratch is how many elements of scratch memory are kept for reuse. New series come in bursts: what a burst needed is
// not held for ever.
const keepScratch = 1024

// recycle empties a scratch slice, and gives it up if it has grown large.
func recycle[E any](s []E) []E {
	if cap(s) > keepScratch {
		return nil
	}
	return s[:0]
}

// Add appends one sample of a known series.
func (b *Batch) Add(ref metricdef.Ref, t int64, v float64) {
	b.Refs = append(b.Refs, ref)
	b.Times = append(b.Times, t)
	b.Values = append(b.Values, v)
}

// AddDraft appends one sample of a series that is not known.
func (b *Batch) AddDraft(d Draft, t int64, v float64) {
	d.At = len(b.Refs)
	b.Drafts = append(b.Drafts, d)
	b.Add(0, t, v)
}

// Reason says why a well-formed sample was not stored, or what was lost in storing it. The names stand in the header
// X-Granary-Ignored, in /metrics and in the log.
type Reason uint8

const (
	UnknownMetric Reason = iota // no policy wants the metric
	UnmappedField               // a field that the dialect's mapping does not name
	TooOld                      // older than the bound of the dialect
	TooNew                      // further in the future than the bound of the dialect
	Freed                       // older than what was freed by the operator
	SeriesLimit                 // the tenant's limit on series is reached
	BadName                     // a tag value that the dialect cannot address ("..", "/", "\" in cluster or host)
	Dropped                     // shed by a full queue
	NumReasons
)

var reasonNames = [NumReasons]string{"unknown-metric", "unmapped-field", "too-old", "too-new", "freed", "series-limit", "bad-name", "dropped"}

// String is the reason's stable name.
func (r Reason) String() string { return reasonNames[r] }
