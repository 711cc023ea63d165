package remote

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"granary/tenant/queue"
)

// Limits of a request, by default.
const (
	DefaultMaxSamples = 2 << 20
	DefaultMaxLabels  = 255 // of a series
)

// Stale is the value that says that a series ends here, as bits: it is one of the NaNs.
const Stale = 0x7ff0000000000002

// IsStale says whether a value is Stale.
func IsStale(v float64) bool { return math.Float64bits(v) == Stale }

// Options bound a Decoder. Zero values take the defaults.
type Options struct {
	MaxSamples int // of a request
	MaxLabels  int // of a series
}

// Label is a label of a series: two texts of the message.
type Label struct{ Name, Value []byte }

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

// Decoder decodes messages, one after the other. It keeps its memory.
type Decoder struct {
	Request
	o Options
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
	r := &d.Request
	if cap(r.Times) > keepRows || cap(r.labels) > keepRows || cap(r.series) > keepRows {
		*r = Request{}
	}
	clear(r.labels)
	*r = Request{Times: r.Times[:0], Values: r.Values[:0], series: r.series[:0], labels: r.labels[:0]}
}

// workOfByte is the work of a byte of a message, in units of turns.
const workOfByte = 4

// Decode reads a message. turn, if not nil, is told of the work. The error is an *Error; nothing of the message counts then.
func (d *Decoder) Decode(message []byte, turn *queue.Turn) error {
	d.Reset()
	if len(message) > math.MaxInt32 {
		return &Error{Text: "the message is larger than what can be read at once", over: true}
	}
	paced := 0
	f := field{b: message}
	for f.next() {
		if f.wire != length {
			continue
		}
		switch f.number {
		case 1:
			if err := d.timeSeries(f.at, f.bytes); err != nil {
				d.Reset()
				return err
			}
			if f.at-paced > 16<<10 {
				turn.Spent(int64(f.at-paced) * workOfByte)
				paced = f.at
			}
		case 3:
			d.Metadata++
		}
	}
	if f.err != nil {
		d.Reset()
		return f.err
	}
	return nil
}

// timeSeries reads one series, which begins at a byte of the message.
func (d *Decoder) timeSeries(start int, b []byte) error {
	first := len(d.labels)
	d.series = append(d.series, series{int32(first), int32(len(d.Times))})
	f := field{b: b, start: start}
	for f.next() {
		if f.wire != length {
			continue
		}
		var err error
		switch f.number {
		case 1:
			err = d.label(first, f.at, f.bytes)
		case 2:
			err = d.sample(f.at, f.bytes)
		case 3:
			d.Exemplars++
		case 4:
			d.Histograms++
		}
		if err != nil {
			return err
		}
	}
	if f.err != nil {
		return f.err
	}
	labels := d.labels[first:]
	if len(labels) == 0 {
		return &Error{At: start, Text: "a series has no labels"}
	}
	sorted := true
	for i := 1; i < len(labels); i++ {
		sorted = sorted && bytes.Compare(labels[i-1].Name, labels[i].Name) < 0
	}
	if sorted { // as it has to be
		return nil
	}
	slices.SortFunc(labels, func(a, b Label) int { return bytes.Compare(a.Name, b.Name) })
	for i := 1; i < len(labels); i++ {
		if bytes.Equal(labels[i].Name, labels[i-1].Name) {
			return &Error{At: start, Text: fmt.Sprintf("the label %q is given twice", shorten(labels[i].Name))}
		}
	}
	return nil
}

// label reads a label. One without a value is as good as absent.
func (d *Decoder) label(first, start int, b []byte) error {
	var l Label
	f := field{b: b, start: start}
	for f.next() {
		switch {
		case f.wire != length || f.number > 2:
			continue
		case !utf8.Valid(f.bytes):
			return &Error{At: f.at, Text: "a label is not UTF-8"}
		case f.number == 1:
			l.Name = f.bytes
		default:
			l.Value = f.bytes
		}
	}
	switch {
	case f.err != nil:
		return f.err
	case len(l.Name) == 0:
		return &Error{At: start, Text: "the name of a label is empty"}
	case len(l.Value) == 0:
		return nil
	case len(d.labels)-first == d.o.MaxLabels:
		return &Error{At: start, Text: fmt.Sprintf("a series has more than %d labels", d.o.MaxLabels), over: true}
	}
	d.labels = append(d.labels, l)
	return nil
}

func (d *Decoder) sample(start int, b []byte) error {
	var value float64
	var time int64
	f := field{b: b, start: start}
	for f.next() {
		switch {
		case f.number == 1 && f.wire == eight:
			value = math.Float64frombits(f.value)
		case f.number == 2 && f.wire == varint:
			time = int64(f.value)
		}
	}
	if f.err != nil {
		return f.err
	}
	if len(d.Times) == d.o.MaxSamples {
		return &Error{At: start, Text: fmt.Sprintf("a request has more than %d samples", d.o.MaxSamples), over: true}
	}
	d.Times, d.Values = append(d.Times, time), append(d.Values, value)
	return nil
}

// wire is how a field is written.
type wire uint8

const (
	varint wire = 0
	eight  wire = 1 // bytes
	length wire = 2 // and so many bytes
	four   wire = 5 // bytes
)

// field is the field of a message that next has come to.
type field struct {
	b     []byte // what is left of the message
	start int    // where it begins in the whole

	number uint32
	wire   wire
	value  uint64 // of a number
	bytes  []byte // what else there is
	at     int    // where it begins in the whole: bytes, and for numbers the field
	err    error  // *Error
}

// uvarint reads a number at the front of what is left.
func (f *field) uvarint() (v uint64, ok bool) {
	if len(f.b) > 0 && f.b[0] < 0x80 { // as it mostly is
		v = uint64(f.b[0])
		f.skip(1)
		return v, true
	}
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		return 0, false
	}
	f.skip(n)
	return v, true
}

func (f *field) skip(n int) { f.b, f.start = f.b[n:], f.start+n }

func (f *field) fail(text string) bool {
	f.err = &Error{At: f.start, Text: text}
	return false
}

// next reads a field. It is false at the end of the message, and where err is set.
func (f *field) next() bool {
	if len(f.b) == 0 {
		return false
	}
	f.at = f.start
	tag, ok := f.uvarint()
	if !ok || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return f.fail("there is no field")
	}
	f.number, f.wire = uint32(tag>>3), wire(tag&7)
	switch f.wire {
	case varint:
		if f.value, ok = f.uvarint(); !ok {
			return f.fail("a number does not end")
		}
	case eight:
		if len(f.b) < 8 {
			return f.fail("a number of 8 bytes does not end")
		}
		f.value = binary.LittleEndian.Uint64(f.b)
		f.skip(8)
	case four:
		if len(f.b) < 4 {
			return f.fail("a number of 4 bytes does not end")
		}
		f.value = uint64(binary.LittleEndian.Uint32(f.b))
		f.skip(4)
	case length:
		size, ok := f.uvarint()
		if !ok || size > uint64(len(f.b)) {
			return f.fail("a field is longer than what follows")
		}
		f.at, f.bytes = f.start, f.b[:size]
		f.skip(int(size))
	default:
		return f.fail("a field is of a form that there is not")
	}
	return true
}

func shorten(b []byte) string { return string(b[:min(len(b), 100)]) }
