package resource

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"granary/tenant"
)

// A record holds one revision of a resource and needs nothing else to be understood but the marks of its type. Several may stand one
// behind the other in one journal payload. Format 1:
//
//	u8      version = 1
//	u24     length of the body, little endian
//	body:
//	  uvarint tenant number  1 … 2^32-1
//	  16      id
//	  text    type
//	  uvarint mark of the type when this was written, see typestate.go
//	  uvarint revision       1 … 2^31-1
//	  i64     revision start, and when the first one began, nanoseconds since 1970 UTC, little endian
//	  u8      flags: 1 user, 2 project, 4 ended
//	  text    original id ("": the text of the id), creator, and where the flags say so: user, project
//	  i64     started, and where the flags say so: ended
//	  uvarint number of values, then of each: text name, u8 kind, value
//
// where text is a uvarint length and that many bytes, and a value is a text (string), 16 bytes (uuid), a float64 (number), a byte
// (bool) or an i64 (datetime). Values stand in ascending order of their names.
const (
	recordVersion = 1
	recordHeader  = 4
	maxBody       = MaxResource + MaxAttributes*(4*MaxAttributeName+16) + 4096

	flagUser    = 1
	flagProject = 2
	flagEnded   = 4
)

var (
	errShort  = errors.New("ends too early")
	errNumber = errors.New("number out of range")
)

// appendRecord appends the record of a resource; mark is that of its type.
func appendRecord(dst []byte, r *Resource, mark uint64) []byte {
	start := len(dst)
	dst = append(dst, recordVersion, 0, 0, 0)
	dst = binary.AppendUvarint(dst, uint64(r.Tenant))
	dst = append(dst, r.ID[:]...)
	dst = appendText(dst, r.Type)
	dst = binary.AppendUvarint(dst, mark)
	dst = binary.AppendUvarint(dst, uint64(r.Revision))
	dst = appendInt64(appendInt64(dst, r.RevisionStart), r.Created)
	flags := byte(0)
	if r.User != nil {
		flags |= flagUser
	}
	if r.Project != nil {
		flags |= flagProject
	}
	if r.Ended != 0 {
		flags |= flagEnded
	}
	dst = append(dst, flags)
	original := r.Original
	if original == r.ID.String() {
		original = ""
	}
	dst = appendText(dst, original)
	dst = appendText(dst, r.Creator)
	for _, p := range [...]*string{r.User, r.Project} {
		if p != nil {
			dst = appendText(dst, *p)
		}
	}
	dst = appendInt64(dst, r.Started)
	if r.Ended != 0 {
		dst = appendInt64(dst, r.Ended)
	}
	names := make([]string, 0, len(r.Attributes))
	for name := range r.Attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = appendText(dst, name)
		dst = appendValue(dst, r.Attributes[name])
	}
	return endRecord(dst, start)
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendInt64(dst []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(v)) }

// appendValue appends the kind and the value.
func appendValue(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case String:
		return appendText(dst, v.Text)
	case UUID:
		id, err := uuid.Parse(v.Text)
		if err != nil {
			panic("resource: value of an attribute that was not checked: " + err.Error())
		}
		return append(dst, id[:]...)
	case Number:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Number))
	case Bool:
		if v.Bool {
			return append(dst, 1)
		}
		return append(dst, 0)
	}
	return appendInt64(dst, v.Time)
}

// endRecord fills in the length of the record that begins at byte start of dst.
func endRecord(dst []byte, start int) []byte {
	n := len(dst) - start - recordHeader
	dst[start+1], dst[start+2], dst[start+3] = byte(n), byte(n>>8), byte(n>>16)
	return dst
}

// reader takes a record apart and remembers the first thing that is wrong with it.
type reader struct {
	b   []byte
	at  int
	err error
}

// openRecord begins to read the record at the front of b, which has a version up to the one given.
func openRecord(b []byte, version byte, limit int) reader {
	p := reader{b: b}
	switch {
	case len(b) < recordHeader:
		p.at = len(b)
		p.fail(errShort)
	case b[0] == 0 || b[0] > version:
		p.fail(fmt.Errorf("format %d, this program knows formats up to %d", b[0], version))
	default:
		size := int(b[1]) | int(b[2])<<8 | int(b[3])<<16
		switch {
		case size > limit:
			p.fail(fmt.Errorf("length %d, at most %d is possible", size, limit))
		case recordHeader+size > len(b):
			p.at = len(b)
			p.fail(errShort)
		default:
			p.b, p.at = b[:recordHeader+size], recordHeader
		}
	}
	return p
}

func (p *reader) fail(err error) {
	if p.err == nil {
		p.err = &RecordError{At: p.at, Err: err}
	}
}

// take is the next n bytes, nil behind a failure.
func (p *reader) take(n int) []byte {
	if p.err != nil || n < 0 || len(p.b)-p.at < n {
		p.fail(errShort)
		return nil
	}
	p.at += n
	return p.b[p.at-n : p.at]
}

func (p *reader) uvarint(limit uint64) uint64 {
	if p.err != nil {
		return 0
	}
	v, k := binary.Uvarint(p.b[p.at:])
	switch {
	case k == 0:
		p.fail(errShort)
	case k < 0 || v > limit || k > 1 && p.b[p.at+k-1] == 0:
		p.fail(errNumber)
	default:
		p.at += k
		return v
	}
	return 0
}

func (p *reader) byte() byte {
	if b := p.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (p *reader) int64() int64 {
	if b := p.take(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (p *reader) text(limit int) string { return string(p.take(int(p.uvarint(uint64(limit))))) }

// value reads a kind and its value.
func (p *reader) value() (v Value) {
	v.Kind = Kind(p.byte())
	switch v.Kind {
	case String:
		v.Text = p.text(4 * MaxLength)
	case UUID:
		var id uuid.UUID
		copy(id[:], p.take(16))
		v.Text = id.String()
	case Number:
		if v.Number = math.Float64frombits(uint64(p.int64())); !finite(v.Number) {
			p.fail(errNumber)
		}
	case Bool:
		b := p.byte()
		if v.Bool = b == 1; b > 1 {
			p.fail(errNumber)
		}
	case Datetime:
		if v.Time = p.int64(); v.Time == noTime {
			p.fail(errNumber)
		}
	default:
		p.fail(fmt.Errorf("value of kind %d", v.Kind))
	}
	return v
}

// end says how long the record was.
func (p *reader) end() (int, error) {
	if p.err == nil && p.at != len(p.b) {
		p.fail(errors.New("bytes behind the last field"))
	}
	if p.err != nil {
		return 0, p.err
	}
	return len(p.b), nil
}

// parseRecord reads the record at the front of b and returns its length.
func parseRecord(b []byte) (r Resource, mark uint64, n int, err error) {
	p := openRecord(b, recordVersion, maxBody)
	r.Tenant = tenant.Num(p.uvarint(math.MaxUint32))
	copy(r.ID[:], p.take(16))
	r.Type = p.text(MaxName)
	mark = p.uvarint(math.MaxInt64)
	r.Revision = int(p.uvarint(math.MaxInt32))
	r.RevisionStart, r.Created = p.int64(), p.int64()
	flags := p.byte()
	r.Original = p.text(4 * MaxOriginal)
	r.Creator = p.text(MaxCreator)
	for i, to := range [...]**string{&r.User, &r.Project} {
		if flags&(flagUser<<i) != 0 {
			s := p.text(MaxName)
			*to = &s
		}
	}
	r.Started = p.int64()
	if flags&flagEnded != 0 {
		if r.Ended = p.int64(); r.Ended == 0 {
			p.fail(errNumber)
		}
	}
	count := p.uvarint(MaxAttributes)
	last := ""
	for i := uint64(0); i < count && p.err == nil; i++ {
		name := p.text(4 * MaxAttributeName)
		if name <= last {
			p.fail(errors.New("names of attributes out of order"))
		}
		if r.Attributes == nil {
			r.Attributes = make(map[string]Value)
		}
		r.Attributes[name] = p.value()
		last = name
	}
	switch id := r.ID.String(); {
	case p.err != nil:
	case r.Tenant == 0 || r.Revision == 0 || flags > flagUser|flagProject|flagEnded || r.Original == id:
		p.fail(errNumber)
	case r.Type == "" || r.Started == noTime || r.Ended == noTime || r.RevisionStart == noTime || r.RevisionStart == 0:
		p.fail(errNumber)
	case r.Original == "":
		r.Original = id
	}
	n, err = p.end()
	return r, mark, n, err
}
