package remote

import "encoding/binary"

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
	err    *Error
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

// failed is what is wrong with the message, nil if nothing is.
func (f *field) failed() error {
	if f.err == nil {
		return nil
	}
	return f.err
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
