package metricdef

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"

	"granary/tenant"
)

// A record holds one definition and needs nothing else to be understood. Several may stand one behind the other in one
// journal payload. Format 2:
//
//	u8      version = 2
//	u24     length of the body, little endian
//	body:
//	  uvarint ref            1 … 2^32-2
//	  uvarint tenant number  1 … 2^32-1
//	  u8      type
//	  u8      flags          bit 0: made by a create call; the others are 0
//	  i64     created, nanoseconds since 1970 UTC, little endian
//	  text    dialect, unit, name
//	  u8      number of identity tags, then name and value of each, as text
//	  u8      number of plain tags, then name and value of each, as text
//	  fields  to the end of the body: uvarint number, uvarint length, that many bytes; numbers ascend
//
// where text is a uvarint length and that many bytes. Tags stand in ascending order of their names. A field is there only
// if it says something; one that this program does not know is kept and written again.
//
// Format 1 has no fields, and is from when all numbers were floats.
const (
	recordVersion = 2
	recordHeader  = 4
	maxRef        = Ref(math.MaxUint32 - 1)
	maxBody       = MaxDefinition + 2*3*(MaxTags+6) + 96 + MaxText // texts, their lengths, the rest, fields that are not known

	flagExplicit = 1 << 0
)

// The fields of a record. Numbers are never reused.
const (
	fieldPolicy    = 1 // the policy's name
	fieldKind      = 2 // a byte; absent: the default of the type
	fieldRetention = 3 // of its raw samples: a uvarint of nanoseconds, 1 … 2^63-1
	fieldByID      = 4 // nothing; its name is the text of its id
	fieldLabel     = 5 // the label, a text
	fieldCreator   = 6 // who made it, a text
	fieldResource  = 7 // the 16 bytes of the id of the resource that it belongs to; there is a label then
	lastField      = fieldResource
)

// RecordError says what is wrong with a definition record, and at which byte.
type RecordError struct {
	At  int
	Err error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("definition record damaged at byte %d: %v", e.At, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (e *RecordError) Kind() string { return "internal" }

// Code is the stable code of the error.
func (e *RecordError) Code() string { return "definition-record-damaged" }

// VersionError says that a record was written by a newer program.
type VersionError struct{ Got, Known uint8 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("definition record of format %d, this program knows formats up to %d", e.Got, e.Known)
}

// Kind is the kind of the error for the edges.
func (e *VersionError) Kind() string { return "internal" }

// Code is the stable code of the error.
func (e *VersionError) Code() string { return "definition-record-newer" }

// record is a decoded record, or a draft on its way to one. The texts of a decoded record lie in the bytes it was
// decoded from, and are valid as long as those are not changed.
type record struct {
	ref           Ref
	tenant        tenant.Num
	typ           Type
	kind          Kind
	explicit      bool
	created       int64
	dialect, unit string
	name          string
	tags          []Tag // identity tags, then plain tags
	identity      int   // how many of them are identity tags
	fields
}

// fields are what stands behind the tags of a record, beside the kind.
type fields struct {
	policy    string
	retention int64 // of its own, in nanoseconds; 0: none
	linking
	more string // fields that this program does not know, as they stood
}

// room is flags that say which of the words a definition needs that most have no use for.
func (f *fields) room() (flags uint8) {
	if f.policy != "" || f.retention != 0 || f.more != "" {
		flags |= hasMore
	}
	if f.linking != (linking{}) {
		flags |= hasLink
	}
	return flags
}

var (
	errShort   = errors.New("ends too early")
	errNumber  = errors.New("number out of range")
	errTagName = errors.New("tag without name or value, or name reserved")
)

// recordSize reads the header at the front of b: the length of the whole record and its ref.
func recordSize(b []byte) (n int, ref Ref, err error) {
	if len(b) < recordHeader {
		return 0, 0, &RecordError{At: len(b), Err: errShort}
	}
	if b[0] > recordVersion {
		return 0, 0, &VersionError{Got: b[0], Known: recordVersion}
	}
	if b[0] == 0 {
		return 0, 0, &RecordError{At: 0, Err: errors.New("unknown version 0")}
	}
	size := int(b[1]) | int(b[2])<<8 | int(b[3])<<16
	if size > maxBody {
		return 0, 0, &RecordError{At: 1, Err: fmt.Errorf("length %d, at most %d is possible", size, maxBody)}
	}
	n = recordHeader + size
	if n > len(b) {
		return 0, 0, &RecordError{At: len(b), Err: errShort}
	}
	v, k := binary.Uvarint(b[recordHeader:n])
	if k <= 0 || v == 0 || v > uint64(maxRef) {
		return 0, 0, &RecordError{At: recordHeader, Err: errNumber}
	}
	return n, Ref(v), nil
}

// decode reads the record at the front of b and returns its length. It reuses the memory of rec.
func (rec *record) decode(b []byte) (n int, err error) {
	n, ref, err := recordSize(b)
	if err != nil {
		return 0, err
	}
	p := recordReader{b: b[:n], at: recordHeader}
	p.uvarint(uint64(maxRef))
	rec.ref = ref
	rec.tenant = tenant.Num(p.uvarint(math.MaxUint32))
	rec.typ = Type(p.byte())
	rec.kind = rec.typ.Kind()
	if b[0] == 1 {
		rec.kind = rec.typ.recordKind()
	}
	flags := p.byte()
	rec.explicit = flags&flagExplicit != 0
	rec.created = int64(p.uint64())
	rec.dialect, rec.unit, rec.name = p.text(), p.text(), p.text()
	rec.tags = rec.tags[:0]
	for part := range 2 {
		count := int(p.byte())
		if len(rec.tags)+count > MaxTags {
			p.fail(errNumber)
		}
		for i := 0; i < count && p.err == nil; i++ {
			t := Tag{p.text(), p.text()}
			if t.Name == "" || t.Value == "" || t.Name == NameTag {
				p.fail(errTagName)
			}
			if i > 0 && rec.tags[len(rec.tags)-1].Name >= t.Name {
				p.fail(errOrder)
			}
			rec.tags = append(rec.tags, t)
		}
		if part == 0 {
			rec.identity = len(rec.tags)
		}
	}
	rec.fields = fields{}
	if b[0] > 1 {
		p.fields(rec)
	}
	switch {
	case p.err != nil:
	case p.at != n:
		p.fail(errors.New("bytes behind the last tag"))
	case rec.tenant == 0:
		p.fail(errors.New("tenant 0"))
	case !rec.typ.valid():
		p.fail(fmt.Errorf("type %d", uint8(rec.typ)))
	case flags&^flagExplicit != 0:
		p.fail(fmt.Errorf("flags %#x", flags))
	case rec.name == "":
		p.fail(errors.New("empty name"))
	case !rec.linking.fits(rec.name, rec.identity):
		p.fail(errLink)
	case !rec.typ.Takes(rec.kind):
		p.fail(fmt.Errorf("values of kind %v in a series of type %v", rec.kind, rec.typ))
	}
	if p.err != nil {
		return 0, p.err
	}
	return n, nil
}

// fields reads what stands behind the tags, and gathers those that are not known.
func (p *recordReader) fields(rec *record) {
	var last uint64
	var more []byte
	for p.err == nil && p.at < len(p.b) {
		start := p.at
		what := p.uvarint(math.MaxUint32)
		body := p.text()
		switch {
		case p.err != nil:
			return
		case what <= last:
			p.fail(errors.New("fields out of order"))
		case what == fieldPolicy && body != "":
			rec.policy = body
		case what == fieldKind && len(body) == 1:
			rec.kind = Kind(body[0])
		case what == fieldRetention && parseRetention(body) != 0:
			rec.retention = parseRetention(body)
		case what == fieldByID && body == "":
			rec.byID = true
		case what == fieldLabel && body != "":
			rec.label = body
		case what == fieldCreator && body != "":
			rec.creator = body
		case what == fieldResource && len(body) == len(rec.resource) && body != view(rec.resource[:]):
			copy(rec.resource[:], body)
		case what <= lastField:
			p.fail(fmt.Errorf("field %d of %d bytes", what, len(body)))
		default:
			more = append(more, p.b[start:p.at]...)
		}
		last = what
	}
	if len(more) > MaxText-maxRetention {
		p.fail(errTooLong)
		return
	}
	rec.more = view(more)
}

// RecordReader reads definition records without a registry, for who has to know what a definition was when its record was written.
// It keeps its memory from one record to the next.
type RecordReader struct{ rec record }

// Read reads the record at the front of b and returns its length.
func (r *RecordReader) Read(b []byte) (int, error) { return r.rec.decode(b) }

// Ref is the ref of the record that was read last, and Tenant whose definition it is.
func (r *RecordReader) Ref() Ref           { return r.rec.ref }
func (r *RecordReader) Tenant() tenant.Num { return r.rec.tenant }

// Tag is the value of a tag, "" if there is none. The text lies in the bytes of the record.
func (r *RecordReader) Tag(name string) string {
	for _, t := range r.rec.tags {
		if t.Name == name {
			return t.Value
		}
	}
	return ""
}

type recordReader struct {
	b   []byte
	at  int
	err error
}

func (p *recordReader) fail(err error) {
	if p.err == nil {
		p.err = &RecordError{At: p.at, Err: err}
	}
}

func (p *recordReader) uvarint(limit uint64) uint64 {
	v, k := binary.Uvarint(p.b[p.at:])
	switch {
	case k == 0:
		p.fail(errShort)
	case k < 0 || v > limit:
		p.fail(errNumber)
	default:
		if p.err == nil {
			p.at += k
			return v
		}
	}
	return 0
}

func (p *recordReader) byte() byte {
	if p.err != nil || p.at >= len(p.b) {
		p.fail(errShort)
		return 0
	}
	p.at++
	return p.b[p.at-1]
}

func (p *recordReader) uint64() uint64 {
	if p.err != nil || len(p.b)-p.at < 8 {
		p.fail(errShort)
		return 0
	}
	p.at += 8
	return binary.LittleEndian.Uint64(p.b[p.at-8:])
}

func (p *recordReader) text() string {
	n := int(p.uvarint(MaxText))
	if p.err != nil || len(p.b)-p.at < n {
		p.fail(errShort)
		return ""
	}
	p.at += n
	return view(p.b[p.at-n : p.at])
}

// beginRecord appends the header and the numbers of a record; endRecord fills in the length.
func beginRecord(dst []byte, ref Ref, t tenant.Num, typ Type, explicit bool, created int64) []byte {
	dst = append(dst, recordVersion, 0, 0, 0)
	dst = binary.AppendUvarint(dst, uint64(ref))
	dst = binary.AppendUvarint(dst, uint64(t))
	var flags byte
	if explicit {
		flags |= flagExplicit
	}
	dst = append(dst, byte(typ), flags)
	return binary.LittleEndian.AppendUint64(dst, uint64(created))
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendFields appends what stands behind the tags. The numbers of fields that are not known are above those that are.
func appendFields(dst []byte, kind Kind, typ Type, f *fields) []byte {
	if f.policy != "" {
		dst = appendText(append(dst, fieldPolicy), f.policy)
	}
	if kind != typ.Kind() {
		dst = append(dst, fieldKind, 1, byte(kind))
	}
	if f.retention != 0 {
		dst = appendRetention(dst, f.retention)
	}
	if f.byID {
		dst = append(dst, fieldByID, 0)
	}
	if f.label != "" {
		dst = appendText(append(dst, fieldLabel), f.label)
	}
	if f.creator != "" {
		dst = appendText(append(dst, fieldCreator), f.creator)
	}
	if f.resource != (uuid.UUID{}) {
		dst = append(append(dst, fieldResource, byte(len(f.resource))), f.resource[:]...)
	}
	return append(dst, f.more...)
}

// maxRetention is how long the field of the retention may be: number, length, and the nanoseconds.
const maxRetention = 2 + binary.MaxVarintLen64

// appendRetention appends the field of a retention above zero.
func appendRetention(dst []byte, retention int64) []byte {
	var few [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(few[:], uint64(retention))
	return append(append(dst, fieldRetention, byte(n)), few[:n]...)
}

// parseRetention is the retention that the body of its field says, 0 if it says none.
func parseRetention(body string) int64 {
	var few [binary.MaxVarintLen64]byte
	v, n := binary.Uvarint(few[:copy(few[:], body)])
	if n <= 0 || n != len(body) || v > math.MaxInt64 || n > 1 && body[n-1] == 0 {
		return 0
	}
	return int64(v)
}

// cutRetention takes the field of the retention from the front of fields, if it is there. The fields were checked.
func cutRetention(fields string) (retention int64, rest string) {
	if len(fields) < 2 || fields[0] != fieldRetention {
		return 0, fields
	}
	end := 2 + int(fields[1])
	return parseRetention(fields[2:end]), fields[end:]
}

// endRecord fills in the length of the record that begins at byte start of dst.
func endRecord(dst []byte, start int) []byte {
	n := len(dst) - start - recordHeader
	dst[start+1], dst[start+2], dst[start+3] = byte(n), byte(n>>8), byte(n>>16)
	return dst
}
