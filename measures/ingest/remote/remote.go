package remote

import (
	"errors"
	"fmt"
	"math"

	"granary/measures"
	"granary/tenant/queue"
)

// Limits of a request, by default.
const (
	DefaultMaxSamples = 2 << 20
	DefaultMaxLabels  = 255 // of a series
)

// Stale is the value that says that a series ends here, as bits: it is one of the NaNs.
const Stale = measures.Ended

// IsStale says whether a value is Stale.
func IsStale(v float64) bool { return math.Float64bits(v) == Stale }

// Options bound a Decoder. Zero values take the defaults.
type Options struct {
	MaxSamples int // of a request
	MaxLabels  int // of a series
}

// Request is a decoded request. It is valid as long as its message, and until the decoder reads another one.
type Request struct {
	Times  []int64   // milliseconds since 1970 UTC, of all series one after the other
	Values []float64 // NaN is one; see Stale

	// What the request has beside samples, which is not decoded.
	Histograms, Exemplars, Metadata int

	series []series
	labels []Label
}

type series struct{ label, sample int32 } // its first ones

// Series is how many series the request has. All have labels, and may have no samples.
func (r *Request) Series() int { return len(r.series) }

// Labels are the labels of a series, by name, each name once.
func (r *Request) Labels(n int) []Label {
	to := len(r.labels)
	if n+1 < len(r.series) {
		to = int(r.series[n+1].label)
	}
	return r.labels[r.series[n].label:to]
}

// Label is the value of a label of a series; nil if it has none of that name.
func (r *Request) Label(n int, name string) []byte {
	for _, l := range r.Labels(n) {
		if string(l.Name) == name {
			return l.Value
		}
	}
	return nil
}

// Rows are the rows of a series: from its first one to the one behind its last.
func (r *Request) Rows(n int) (from, to int) {
	to = len(r.Times)
	if n+1 < len(r.series) {
		to = int(r.series[n+1].sample)
	}
	return int(r.series[n].sample), to
}

// Error says what is wrong with a message.
type Error struct {
	At   int // the byte
	Text string
	over bool
}

func (e *Error) Error() string {
	return fmt.Sprintf("no valid remote write at byte %d: %s", e.At, e.Text)
}

// Kind is "invalid", or "over limit" for a message that is larger than what is decoded at once.
func (e *Error) Kind() string {
	if e.over {
		return "over limit"
	}
	return "invalid"
}

// Code is the stable code of the error.
func (e *Error) Code() string {
	if e.over {
		return "size-limit"
	}
	return "request-syntax"
}

// Decoder decodes messages of V1 as a whole, one after the other. It keeps its memory.
type Decoder struct {
	Request
	o Options
	r Reader
}

// NewDecoder makes a decoder.
func NewDecoder(o Options) *Decoder {
	if o.MaxSamples <= 0 {
		o.MaxSamples = DefaultMaxSamples
	}
	if o.MaxLabels <= 0 {
		o.MaxLabels = DefaultMaxLabels
	}
	return &Decoder{o: o}
}

// keepRows is how many rows of memory are kept from one message to the next.
const keepRows = 1 << 17

// Reset lets go of the message.
func (d *Decoder) Reset() {
	d.r.Reset()
	r := &d.Request
	if cap(r.Times) > keepRows || cap(r.labels) > keepRows || cap(r.series) > keepRows {
		*r = Request{}
	}
	clear(r.labels)
	*r = Request{Times: r.Times[:0], Values: r.Values[:0], series: r.series[:0], labels: r.labels[:0]}
}

// WorkOfByte is the work of a byte of a message, in units of turns.
const WorkOfByte = 4

// Decode reads a message. turn, if not nil, is told of the work. The error is an *Error; nothing of the message counts then.
func (d *Decoder) Decode(message []byte, turn *queue.Turn) error {
	d.Reset()
	err := d.decode(message, turn)
	if err != nil {
		d.Reset()
	}
	return err
}

func (d *Decoder) decode(message []byte, turn *queue.Turn) error {
	r := &d.r
	if err := r.Begin(V1, message); err != nil {
		return err
	}
	paced := 0
	for r.Next() {
		at, _ := r.At()
		d.series = append(d.series, series{int32(len(d.labels)), int32(len(d.Times))})
		var err error
		if d.labels, err = r.Labels(d.labels, d.o.MaxLabels); err != nil {
			return whole(err)
		}
		for r.Sample() {
			if len(d.Times) == d.o.MaxSamples {
				return &Error{At: at, Text: fmt.Sprintf("a request has more than %d samples", d.o.MaxSamples), over: true}
			}
			d.Times, d.Values = append(d.Times, r.Time), append(d.Values, r.Value)
		}
		if at-paced > 16<<10 {
			turn.Spent(int64(at-paced) * WorkOfByte)
			paced = at
		}
	}
	d.Histograms, d.Exemplars, d.Metadata = r.Histograms, r.Exemplars, r.Metadata
	return r.Err()
}

// whole is what is wrong with labels, where that is wrong with all of the message.
func whole(err error) error {
	var l *LabelError
	if errors.As(err, &l) {
		return &Error{At: l.At, Text: l.Text, over: l.Many}
	}
	return err
}
