package journal

import (
	"encoding/binary"
	"errors"
)

// Group is a commit buffer: the records of one write, encoded where they will be written from. The zero value is ready
// for use; Reset makes it empty and keeps its memory. A group belongs to one goroutine at a time.
//
//	g.Begin(kind, now)
//	g.Buf = append(g.Buf, payload...)
//	err := g.End(seq)
type Group struct {
	// Buf holds the records. Between Begin and End the caller appends the payload to it, and changes nothing else.
	Buf []byte

	start       int  // where the open record begins in Buf
	open        bool // between Begin and End
	records     int
	first, last uint64
	partition   uint32
	misuse      error
}

var (
	errOpenRecord = errors.New("journal: a record of the group was begun and not ended")
	errNoRecord   = errors.New("journal: End without Begin")
	errShrunk     = errors.New("journal: the buffer of the group was cut below the open record")
)

// Reset empties the group and keeps its memory.
func (g *Group) Reset() { *g = Group{Buf: g.Buf[:0]} }

// Len is the size of the group in bytes, headers included.
func (g *Group) Len() int { return len(g.Buf) }

// Records is the number of records that were ended.
func (g *Group) Records() int { return g.records }

// Last is the number of the group's last record, 0 if it has none.
func (g *Group) Last() uint64 { return g.last }

// Begin opens a record. The caller appends its payload to Buf and closes it with End, or drops it with Cancel. To begin
// a second one while the first is open is a mistake that Append reports. writeTime is in nanoseconds since 1970 UTC.
func (g *Group) Begin(kind Kind, writeTime int64) {
	if g.open {
		g.misuse = errOpenRecord
	}
	g.start, g.open = len(g.Buf), true
	var h [recordHeaderSize]byte
	binary.LittleEndian.PutUint32(h[0:], recordMagic)
	binary.LittleEndian.PutUint64(h[16:], uint64(writeTime))
	binary.LittleEndian.PutUint32(h[24:], uint32(kind)<<24)
	g.Buf = append(g.Buf, h[:]...)
}

// End closes the open record under the number seq, which must follow that of the record before it. A payload above
// MaxRecord is a *SizeError, a number that does not follow a *SequenceError; in both cases the record is removed and
// the others stay.
func (g *Group) End(seq uint64) error {
	if !g.open {
		return errNoRecord
	}
	g.open = false
	size := len(g.Buf) - g.start - recordHeaderSize
	if size < 0 {
		g.misuse = errShrunk
		return errShrunk
	}
	if size > MaxRecord {
		g.Buf = g.Buf[:g.start]
		return &SizeError{Size: size, Max: MaxRecord}
	}
	if seq == 0 || g.records > 0 && seq != g.last+1 {
		g.Buf = g.Buf[:g.start]
		return &SequenceError{Got: seq, Want: g.last + 1}
	}
	sealRecord(g.Buf[g.start:], seq)
	if g.records == 0 {
		g.first = seq
	}
	g.last = seq
	g.records++
	return nil
}

// Cancel drops the open record, if there is one.
func (g *Group) Cancel() {
	if g.open {
		g.open = false
		g.Buf = g.Buf[:min(g.start, len(g.Buf))]
	}
}

// Renumber gives the records consecutive numbers from first, which is at least 1: what a caller does with groups that
// wait behind one whose Append failed. It computes every checksum anew.
func (g *Group) Renumber(first uint64) {
	if g.records == 0 {
		return
	}
	for at, seq := 0, first; seq < first+uint64(g.records); seq++ {
		n := frameLength(g.Buf[at:])
		sealRecord(g.Buf[at:at+n], seq)
		at += n
	}
	g.first, g.last = first, first+uint64(g.records)-1
}

// Each calls fn for each record that was ended, in order, until fn returns an error, which it returns. The partition is
// that of the log that took the group, 0 before. The payloads are parts of Buf.
func (g *Group) Each(fn func(Record) error) error {
	at := 0
	for range g.records {
		b := g.Buf[at:]
		n := frameLength(b)
		err := fn(Record{
			Pos:     Position{Partition: g.partition, Seq: binary.LittleEndian.Uint64(b[8:])},
			Time:    int64(binary.LittleEndian.Uint64(b[16:])),
			Kind:    Kind(b[27]),
			Payload: b[recordHeaderSize:n:n],
		})
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// ready says why the group cannot be appended.
func (g *Group) ready() error {
	if g.misuse != nil {
		return g.misuse
	}
	if g.open {
		return errOpenRecord
	}
	return nil
}

// stamp writes the marker of a segment into each record. The checksums do not cover it.
func (g *Group) stamp(marker, partition uint32) {
	g.partition = partition
	at := 0
	for range g.records {
		binary.LittleEndian.PutUint32(g.Buf[at+4:], marker)
		at += frameLength(g.Buf[at:])
	}
}
