package remote

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Version is the form of a message.
type Version uint8

// The versions of remote write.
const (
	V1 Version = 1 + iota // prometheus.WriteRequest
	V2                    // io.prometheus.write.v2.Request
)

// Reader goes through the series of a message, one after the other, and looks at no more of each than it is asked for: a sender says
// the labels of the same series again and again, and whoever remembers them compares bytes. It keeps its memory. The zero value is ready.
//
//	err := r.Begin(V1, message)
//	for r.Next() {
//		known := r.Is(text)
//		key, err := r.Key()
//		for r.Sample() {
//			use(r.Time, r.Value)
//		}
//	}
//	err = r.Err()
type Reader struct {
	// The sample that Sample has come to.
	Time  int64 // milliseconds since 1970 UTC
	Value float64

	// What the message has beside samples, up to here. It is counted and not decoded. Metadata are messages of V1, and in V2 what series
	// say of their type, help and unit; Starts are times at which counters began.
	Histograms, Exemplars, Metadata, Starts int

	version Version
	message []byte
	top     field
	symbols []span // of a V2 message, each with its length in front
	err     error

	// Of the present series.
	at     int
	series []byte // nil: there is none, or it has been gone through
	labels []byte // the fields of labels, or of references to them, at its front; nil: not looked for
	key    []byte // what Key has made
	rest   field  // what follows
	inside bool   // rest has been begun
}

// span is a part of the message.
type span struct{ from, to int32 }

// Begin begins a message. Nothing of the one before may be used any more. The error is an *Error.
func (r *Reader) Begin(v Version, message []byte) error {
	r.Reset()
	if len(message) > math.MaxInt32 {
		return &Error{Text: "the message is larger than what can be read at once", over: true}
	}
	r.version, r.message, r.top = v, message, field{b: message}
	if v == V2 {
		r.err = r.readSymbols()
	}
	return r.err
}

// Reset lets go of the message.
func (r *Reader) Reset() {
	if cap(r.symbols) > keepRows {
		r.symbols = nil
	}
	if cap(r.key) > keepRows {
		r.key = nil
	}
	*r = Reader{symbols: r.symbols[:0], key: r.key[:0]}
}

// readSymbols finds the texts of a message, which may stand anywhere in it. They are kept with their lengths in front, so that texts one
// behind the other are never those of other texts.
func (r *Reader) readSymbols() error {
	f := field{b: r.message}
	for f.next() {
		if f.number != 4 || f.wire != length {
			continue
		}
		from, to := f.at-sizeOf(len(f.bytes)), f.at+len(f.bytes)
		if !minimal(r.message[from:f.at], len(f.bytes)) {
			return &Error{At: f.at, Text: "a length has more bytes than it needs"}
		}
		r.symbols = append(r.symbols, span{int32(from), int32(to)})
	}
	if f.err != nil {
		return f.err
	}
	if len(r.symbols) > 0 && r.symbols[0].to-r.symbols[0].from != 1 {
		return &Error{At: int(r.symbols[0].from), Text: "the first symbol is not the empty text"}
	}
	return nil
}

// sizeOf is how many bytes a number needs.
func sizeOf(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// minimal says whether bytes are those of a number.
func minimal(b []byte, n int) bool {
	v, size := binary.Uvarint(b)
	return size == len(b) && v == uint64(n)
}

// Next goes to the next series. It is false at the end of the message, and where Err is set.
func (r *Reader) Next() bool {
	for r.series != nil && r.Sample() { //nolint:revive // samples that nobody has asked for
	}
	if r.err != nil {
		return false
	}
	want := uint32(1)
	if r.version == V2 {
		want = 5
	}
	for r.top.next() {
		switch {
		case r.top.wire != length:
		case r.top.number == want:
			r.open(r.top.at, r.top.bytes)
			return true
		case r.version == V1 && r.top.number == 3:
			r.Metadata++
		}
	}
	r.err = r.top.failed()
	return false
}

// open goes to a series.
func (r *Reader) open(at int, b []byte) {
	r.at, r.series, r.labels, r.key, r.inside = at, b, nil, r.key[:0], false
}

// Err is what is wrong with the message, an *Error.
func (r *Reader) Err() error { return r.err }

// At is where the present series, which has not been gone through, lies in the message.
func (r *Reader) At() (from, to int) { return r.at, r.at + len(r.series) }

// Again goes back to a series, which lies where At has said. All counts stay as they are.
func (r *Reader) Again(from, to int) {
	r.open(from, r.message[from:to])
}

// front finds the labels of the present series. That they stand in front of all else is what every sender does; one that does not is
// refused when what follows is read.
func (r *Reader) front() []byte {
	if r.labels != nil {
		return r.labels
	}
	f := field{b: r.series, start: r.at}
	for len(f.b) > 0 && f.b[0]>>3 == 1 && f.next() {
		r.labels = r.series[:len(r.series)-len(f.b)]
	}
	if r.err = f.failed(); r.labels == nil {
		r.labels = r.series[:0]
	}
	return r.labels
}

// Is says whether the labels of the present series are those of a key, which Key has given for some series.
func (r *Reader) Is(key string) bool {
	if r.version == V1 {
		n := len(key)
		if n == 0 || len(r.series) < n || string(r.series[:n]) != key || n < len(r.series) && r.series[n]>>3 == 1 {
			return false
		}
		r.labels = r.series[:n]
		return true
	}
	for f := (field{b: r.front()}); f.next(); {
		switch refs := f.bytes; f.wire {
		case length:
			for len(refs) > 0 {
				n, size := ref(refs)
				if size <= 0 || !r.symbolIs(n, &key) {
					return false
				}
				refs = refs[size:]
			}
		case varint:
			if !r.symbolIs(f.value, &key) {
				return false
			}
		default:
			return false
		}
	}
	return key == "" && len(r.labels) > 0
}

// symbolIs says whether a key begins with a symbol, and cuts it off.
func (r *Reader) symbolIs(n uint64, key *string) bool {
	if n >= uint64(len(r.symbols)) {
		return false
	}
	s := r.symbols[n]
	text := r.message[s.from:s.to]
	if len(*key) < len(text) || (*key)[:len(text)] != string(text) {
		return false
	}
	*key = (*key)[len(text):]
	return true
}

// ref reads a reference at the front of some.
func ref(b []byte) (n uint64, size int) {
	if b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}

// Key are the labels of the present series as a text: different labels have different ones, and a sender that says the same in the same
// order has the same. It is valid until Next. The error is a *LabelError, of a series that cannot be understood where others can.
func (r *Reader) Key() ([]byte, error) {
	front := r.front()
	if r.version == V1 || len(r.key) > 0 {
		if r.version == V1 {
			return front, nil
		}
		return r.key, nil
	}
	for f := (field{b: front, start: r.at}); f.next(); {
		switch refs := f.bytes; f.wire {
		case length:
			for len(refs) > 0 {
				n, size := ref(refs)
				if size <= 0 || n >= uint64(len(r.symbols)) {
					r.key = r.key[:0]
					return nil, &LabelError{At: f.at, Text: "a reference to a symbol that there is not"}
				}
				s := r.symbols[n]
				r.key, refs = append(r.key, r.message[s.from:s.to]...), refs[size:]
			}
		case varint:
			if f.value >= uint64(len(r.symbols)) {
				r.key = r.key[:0]
				return nil, &LabelError{At: f.at, Text: "a reference to a symbol that there is not"}
			}
			s := r.symbols[f.value]
			r.key = append(r.key, r.message[s.from:s.to]...)
		}
	}
	return r.key, nil
}

// Sample goes to the next sample of the present series. It is false behind the last one, and where Err is set.
func (r *Reader) Sample() bool {
	if !r.inside {
		n := len(r.front())
		r.rest, r.inside = field{b: r.series[n:], start: r.at + n}, true
	}
	histograms, exemplars := uint32(4), uint32(3)
	if r.version == V2 {
		histograms, exemplars = 3, 4
	}
	for r.err == nil && r.rest.next() {
		switch number := r.rest.number; {
		case number == 1:
			r.err = &Error{At: r.rest.at, Text: "labels stand behind other fields of a series"}
		case r.rest.wire != length:
		case number == 2:
			return r.sample()
		case number == histograms:
			r.Histograms++
		case number == exemplars:
			r.Exemplars++
		case number == 5 && r.version == V2:
			r.Metadata++
		}
	}
	if r.err == nil {
		r.err = r.rest.failed()
	}
	r.series = nil
	return false
}

// sample reads the sample that rest has come to.
func (r *Reader) sample() bool {
	b := r.rest.bytes
	if len(b) > 10 && b[0] == 1<<3|byte(eight) && b[9] == 2<<3|byte(varint) { // as it mostly is
		if t, n := binary.Uvarint(b[10:]); n == len(b)-10 {
			r.Value, r.Time = math.Float64frombits(binary.LittleEndian.Uint64(b[1:])), int64(t)
			return true
		}
	}
	r.Value, r.Time = 0, 0
	f := field{b: b, start: r.rest.at}
	for f.next() {
		switch {
		case f.number == 1 && f.wire == eight:
			r.Value = math.Float64frombits(f.value)
		case f.number == 2 && f.wire == varint:
			r.Time = int64(f.value)
		case f.number == 3 && f.wire == varint && f.value != 0:
			r.Starts++
		}
	}
	r.err = f.failed()
	return r.err == nil
}

// Unit is the unit that the present series says it has, "" if it says none that can be read.
func (r *Reader) Unit() string {
	if r.version == V1 {
		return ""
	}
	for f := (field{b: r.series}); f.next(); {
		if f.number != 5 || f.wire != length {
			continue
		}
		for m := (field{b: f.bytes}); m.next(); {
			if m.number == 4 && m.wire == varint && m.value < uint64(len(r.symbols)) {
				s := r.symbols[m.value]
				_, n := binary.Uvarint(r.message[s.from:s.to])
				return string(bytes.ToValidUTF8(r.message[int(s.from)+n:s.to], nil))
			}
		}
	}
	return ""
}
