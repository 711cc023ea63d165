package tenant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// A tenant's record is
//
//	version  byte, 2
//	length   uvarint, of the body
//	body     num (uvarint), created (varint, ns since 1970), flags (byte; bit 0: implicit, bit 1: it is being deleted,
//	         bit 2: it is deleted), id (text), fields to the end: number (uvarint), text; numbers ascend
//
// where a text is its length (uvarint) and its bytes. The length is outside of the body so that records can stand behind one
// another. A field that this program does not know is kept and written again. Version 1 had, behind the flags, the limit on
// series (uvarint) and the id without its length, and no fields.
const (
	recordVersion = 2
	flagImplicit  = 1 << 0
	flagEnding    = 1 << 1
	flagEnded     = 1 << 2
)

// The fields of a record. Numbers are never reused.
const (
	fieldSeries      = 1 // uvarint
	fieldName        = 2
	fieldDescription = 3
	fieldRetention   = 4 // uvarint of nanoseconds for each of gauges, counters, availability, texts
	fieldLimits      = 5 // limits to the end: number (uvarint), value (varint); numbers ascend
)

// record is a tenant as its record tells it.
type record struct {
	Tenant
	state  state
	more   string // fields that are not known
	limits string // limits that are not known, as they stand in fieldLimits
}

func appendRecord(dst []byte, r *record) []byte {
	t := &r.Tenant
	b := binary.AppendUvarint(make([]byte, 0, 64+len(t.ID)+len(t.Name)+len(t.Description)), uint64(t.Num))
	b = binary.AppendVarint(b, t.Created.UnixNano())
	var flags byte
	if t.Implicit {
		flags |= flagImplicit
	}
	switch r.state {
	case ending:
		flags |= flagEnding
	case ended:
		flags |= flagEnded
	}
	b = append(b, flags)
	b = appendText(b, string(t.ID))
	if n := t.Limits.Series; n > 0 {
		b = appendField(b, fieldSeries, string(binary.AppendUvarint(nil, uint64(n))))
	}
	b = appendField(b, fieldName, t.Name)
	b = appendField(b, fieldDescription, t.Description)
	if t.Retention != (Retention{}) {
		var list []byte
		for _, d := range t.Retention.all() {
			list = binary.AppendUvarint(list, uint64(*d))
		}
		b = appendField(b, fieldRetention, string(list))
	}
	b = appendField(b, fieldLimits, r.limitList())
	b = append(b, r.more...)
	dst = append(dst, recordVersion)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// limitList is the body of fieldLimits. A limit on series above zero has a field of its own, as it had before there were others.
func (r *record) limitList() string {
	var list []byte
	for i := range LimitFields {
		f := &LimitFields[i]
		if v := *f.of(&r.Limits); v != 0 && (f.Number != LimitSeries || v < 0) {
			list = binary.AppendVarint(binary.AppendUvarint(list, f.Number), v)
		}
	}
	return string(list) + r.limits
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendField appends a field, nothing if it says nothing.
func appendField(b []byte, number uint64, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(binary.AppendUvarint(b, number), text)
}

var errCut = errors.New("tenant record: cut short")

// parser reads a record's body and remembers that it failed.
type parser struct {
	b   []byte
	err error
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.b = nil
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.fail(errCut)
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.b)
	if n <= 0 {
		p.fail(errCut)
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *parser) bytes(n uint64) []byte {
	if n > uint64(len(p.b)) {
		p.fail(errCut)
		return nil
	}
	b := p.b[:n]
	p.b = p.b[n:]
	return b
}

func (p *parser) text() []byte { return p.bytes(p.uvarint()) }

// parseRecord reads the record at the front of rec and returns its length.
func parseRecord(rec []byte) (int, record, error) {
	if len(rec) == 0 {
		return 0, record{}, errCut
	}
	version := rec[0]
	if version == 0 || version > recordVersion {
		return 0, record{}, fmt.Errorf("tenant record: version %d, this program knows up to %d", version, recordVersion)
	}
	size, n := binary.Uvarint(rec[1:])
	if n <= 0 || size > uint64(len(rec)-1-n) {
		return 0, record{}, errCut
	}
	end := 1 + n + int(size)
	p := parser{b: rec[1+n : end]}
	r := record{state: visible}
	num := p.uvarint()
	if p.err == nil && (num == 0 || num > math.MaxUint32) {
		p.fail(fmt.Errorf("tenant record: number %d", num))
	}
	r.Num = Num(num)
	r.Created = time.Unix(0, p.varint()).UTC()
	var flags byte
	if b := p.bytes(1); b != nil {
		flags = b[0]
	}
	r.Implicit = flags&flagImplicit != 0
	known := byte(flagImplicit)
	var id []byte
	if version == 1 {
		r.Limits.Series = p.count()
		id = p.bytes(uint64(len(p.b)))
	} else {
		known |= flagEnding | flagEnded
		id = p.text()
		p.fields(&r)
	}
	switch {
	case flags&^known != 0 || flags&flagEnding != 0 && flags&flagEnded != 0:
		p.fail(fmt.Errorf("tenant record: flags %#x", flags))
	case flags&flagEnding != 0:
		r.state = ending
	case flags&flagEnded != 0:
		r.state = ended
	}
	if p.err != nil {
		return 0, record{}, p.err
	}
	var err error
	if r.ID, err = parse(string(id)); err == nil {
		err = r.Settings.sound()
	}
	if err != nil {
		return 0, record{}, fmt.Errorf("tenant record: number %d: %w", num, err)
	}
	return end, r, nil
}

// count reads a number that is not negative.
func (p *parser) count() int64 {
	v := p.uvarint()
	if v > math.MaxInt64 {
		p.fail(errors.New("tenant record: number out of range"))
		return 0
	}
	return int64(v)
}

func (p *parser) fields(r *record) {
	var last uint64
	var more []byte
	for len(p.b) > 0 && p.err == nil {
		start := p.b
		what := p.uvarint()
		body := p.text()
		if p.err == nil && what <= last {
			p.fail(errors.New("tenant record: fields out of order"))
		}
		if p.err != nil {
			return
		}
		last = what
		in := parser{b: body}
		switch what {
		case fieldSeries:
			r.Limits.Series = in.count()
		case fieldName:
			r.Name, in.b = string(body), nil
		case fieldDescription:
			r.Description, in.b = string(body), nil
		case fieldRetention:
			for _, d := range r.Retention.all() {
				*d = time.Duration(in.count())
			}
		case fieldLimits:
			in.limits(r)
		default:
			more, in.b = append(more, start[:len(start)-len(p.b)]...), nil
		}
		if in.err != nil || len(in.b) > 0 {
			p.fail(fmt.Errorf("tenant record: field %d of %d bytes", what, len(body)))
		}
	}
	r.more = string(more)
}

// limits reads the body of fieldLimits. Those that this program does not know are kept.
func (p *parser) limits(r *record) {
	var last uint64
	for len(p.b) > 0 && p.err == nil {
		start := p.b
		number, v := p.uvarint(), p.varint()
		switch {
		case p.err != nil:
		case number <= last:
			p.fail(errors.New("tenant record: limits out of order"))
		case number < numLimits:
			if to := LimitNumbered(int(number)).of(&r.Limits); *to == 0 {
				*to = v
			}
		default:
			r.limits += string(start[:len(start)-len(p.b)])
		}
		last = number
	}
}
