package measures

import (
	"granary/metricdef"
	"granary/tenant"
)

// Batch is the decoded form of what one writer sends: columns of equal length, owned and reused by the writer. All its
// samples belong to the tenants of their refs.
type Batch struct {
	Refs   []metricdef.Ref // 0: the series is not known yet, a Draft names it
	Times  []int64         // nanoseconds since 1970 UTC
	Values []float64       // floats; IntWord of whole numbers; 0 where a text stands in Texts
	// Drafts name the series of the samples whose ref is 0, in ascending order of At. Commit resolves each to a ref,
	// making the definition if nobody else has.
	Drafts []Draft
	// Texts are the values of the rows that AddText made, Tags those that AddTags gave to rows, in ascending order of Row.
	Texts, Tags []Text

	// Tenant is whose samples they are: all rows of a batch belong to one tenant. 0: that of the first row.
	Tenant tenant.Num
	// Bytes is how many bytes of the sender's these samples came in, Subject who sent them, for the account of what a tenant
	// uses.
	Bytes   int64
	Subject string
	// Pieces tells which of the bytes were those of a row that was not stored. Without it all rows have an equal share.
	Pieces Pieces
	// Admitted says that the tenant's rate was asked for an earlier batch of the same body. It is not asked again, so that a body
	// is stored as a whole or not at all as far as the rate goes.
	Admitted bool

	// Exact says that a series takes values of its own kind alone: no float becomes a whole number that it is equal to, and no whole
	// number the float next to it.
	Exact bool

	// kinds is the kind of the value of each row up to the last one that is not a float; 0 is a float. Commit turns a
	// number into what its series takes.
	kinds []metricdef.Kind

	// Set by Commit.

	// Left is what of Bytes is not accounted for and may still be: that of the rows in Stale.
	Left int64
	// Stale holds the rows (indices into the columns) whose ref named a definition that no longer exists. They were not
	// stored; the writer forgets the ref and decodes them again.
	Stale []int
	// Refused counts the samples that were not stored, by reason.
	Refused [NumReasons]int

	// Refusals names the first of them.
	Refusals []Refusal

	// numbers is Refs without the rows of texts, where there are any.
	numbers []metricdef.Ref
	pending pending
}

// Pieces are the lines, or items, that the rows of a batch came in.
type Pieces interface {
	// Piece is that of a row: a number that its other rows have too, which stand beside it, and how many bytes it has.
	Piece(row int) (number int, size int64)
}

// Text is the text, or the tags, of the sample in row Row. Tags are one JSON object in its canonical form: members sorted
// by name, no space between them.
type Text struct {
	Row  int
	Text string
}

// Refusal is one row that was not stored, and why.
type Refusal struct {
	Row int
	Why Reason
}

// maxRefusals bounds how many rows a batch names: a writer tells its sender about some, not about a million.
const maxRefusals = 100

// Draft is the definition that row At of a batch asks for, and as many rows behind it as More says.
type Draft struct {
	At   int
	More int
	Def  metricdef.Draft // what data makes belongs to no resource and has no id of its own
	Ref  metricdef.Ref   // set by Commit; 0 if it was refused
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Refs, b.Times, b.Values = b.Refs[:0], b.Times[:0], b.Values[:0]
	b.Tenant, b.Bytes, b.Subject, b.Pieces, b.Left, b.Admitted, b.Exact = 0, 0, "", nil, 0, false, false
	clear(b.Drafts)
	b.Drafts, b.Stale = recycle(b.Drafts), recycle(b.Stale)
	clear(b.Texts)
	clear(b.Tags)
	b.Texts, b.Tags = recycle(b.Texts), recycle(b.Tags)
	b.kinds, b.numbers = b.kinds[:0], b.numbers[:0]
	b.Refused, b.Refusals = [NumReasons]int{}, b.Refusals[:0]
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

// Add appends one sample of a known series: a float, or a state as the float of its code. A series of whole numbers takes
// it if it is one.
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

// Same says that the row that was added last, with the ref 0, belongs to the series that the last draft names, as the row before it does:
// one draft does for many samples of a series that is not known.
func (b *Batch) Same() { b.Drafts[len(b.Drafts)-1].More++ }

// AddInt appends one sample that is a whole number. A series of floats takes the float next to it.
func (b *Batch) AddInt(ref metricdef.Ref, t, v int64) {
	b.Add(ref, t, IntWord(v))
	b.kind(metricdef.KindInt)
}

// AddIntDraft is AddInt for a series that is not known.
func (b *Batch) AddIntDraft(d Draft, t, v int64) {
	b.AddDraft(d, t, IntWord(v))
	b.kind(metricdef.KindInt)
}

// AddText appends one text.
func (b *Batch) AddText(ref metricdef.Ref, t int64, text string) {
	b.Texts = append(b.Texts, Text{len(b.Refs), text})
	b.Add(ref, t, 0)
	b.kind(metricdef.KindText)
}

// AddTextDraft is AddText for a series that is not known.
func (b *Batch) AddTextDraft(d Draft, t int64, text string) {
	b.Texts = append(b.Texts, Text{len(b.Refs), text})
	b.AddDraft(d, t, 0)
	b.kind(metricdef.KindText)
}

// AddTags gives tags to the sample that was added last. Without them a sample has none, also one that had some when it was
// written before.
func (b *Batch) AddTags(tags string) {
	if tags != "" {
		b.Tags = append(b.Tags, Text{len(b.Refs) - 1, tags})
	}
}

// kind says what the row that was added last is.
func (b *Batch) kind(k metricdef.Kind) {
	for len(b.kinds) < len(b.Refs) {
		b.kinds = append(b.kinds, 0)
	}
	b.kinds[len(b.Refs)-1] = k
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
	WrongKind                   // a value that the series cannot take: a text for a number, 1.5 for a whole number, no state
	TextTooLong                 // a text, or tags of a sample, longer than the setting
	OutsideWindow               // older than the window of its policy, and not shown as a raw sample either
	Duplicate                   // another value for a time that has one, under a policy that refuses it
	MemoryLimit                 // the metric does not exist, and the tenant's limit on memory is reached
	TagsLimit                   // a new series has more tags than the tenant may have
	TagNameLimit                // the name of a tag of a new series is longer than the tenant may have
	TagValueLimit               // the value of such a tag is
	PastLimit                   // older than the tenant may write
	FutureLimit                 // further in the future than the tenant may write
	LineLimit                   // on a line that is longer than the tenant may send
	RateLimit                   // the tenant has sent more than its rate allows
	Histogram                   // a native histogram of Prometheus, which is not stored
	Exemplar                    // an exemplar of Prometheus, which is not stored

	NumReasons
)

var reasonNames = [NumReasons]string{"unknown-metric", "unmapped-field", "too-old", "too-new", "freed", "series-limit", "bad-name", "dropped", "wrong-kind", "text-too-long", "window", "duplicate", "memory-limit",
	"tags-limit", "tag-name-limit", "tag-value-limit", "past-limit", "future-limit", "line-limit", "rate-limit", "histogram", "exemplar"}

// String is the reason's stable name.
func (r Reason) String() string { return reasonNames[r] }
