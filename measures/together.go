package measures

import (
	"encoding/binary"

	"granary/measures/journal"
)

// A record of parts, version 1: byte version; then for each part a byte, its kind of record, a uvarint length, and its payload. A part is
// no record of parts.
const partsVersion = 1

// together gathers records that stand or fall with each other into as few as have room for them.
type together struct {
	s    *Store
	p    *pending
	kind journal.Kind // recTogether or recNaming
	buf  []byte
}

// add appends a part, which is smaller than a record by maxPartHeader at least. REQUIRES: s.seq.mu.
func (t *together) add(kind journal.Kind, payload []byte) {
	if len(payload) == 0 {
		return
	}
	if len(t.buf)+maxPartHeader+len(payload) > journal.MaxRecord {
		t.end()
	}
	if len(t.buf) == 0 {
		t.buf = append(t.buf, partsVersion)
	}
	t.buf = binary.AppendUvarint(append(t.buf, byte(kind)), uint64(len(payload)))
	t.buf = append(t.buf, payload...)
}

// maxPartHeader is how long what stands before a part may be, with the version.
const maxPartHeader = 2 + binary.MaxVarintLen32

// end puts what has been gathered into the group. REQUIRES: s.seq.mu.
func (t *together) end() {
	if len(t.buf) > 0 {
		t.s.record(t.kind, t.p, func(b []byte) []byte { return append(b, t.buf...) })
		t.buf = t.buf[:0]
	}
}

// eachPart calls fn for the parts of a record, as if each were a record of its own. If the record does not make sense it is called for
// none.
func eachPart(r *journal.Record, fn func(part journal.Record) error) error {
	bad := func(reason string) error { return &DamagedError{Kind: r.Kind, Reason: reason} }
	d := decoder{p: r.Payload}
	if d.byte() != partsVersion {
		return bad("unknown version")
	}
	var parts []journal.Record
	for len(d.p) > 0 {
		kind, n := journal.Kind(d.byte()), d.uvarint()
		payload := d.bytes(int(min(n, uint64(len(d.p))+1)))
		if d.failed || kind == recTogether || kind == recNaming {
			return bad("part")
		}
		parts = append(parts, journal.Record{Pos: r.Pos, Kind: kind, Time: r.Time, Payload: payload})
	}
	for _, part := range parts {
		if err := fn(part); err != nil {
			return err
		}
	}
	return nil
}
