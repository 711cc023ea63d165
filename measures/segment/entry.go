package segment

import "encoding/binary"

// Entry describes one payload of a segment file: a chunk of a series.
type Entry struct {
	Ref   uint32 // the series
	Start int64  // time of the first slot or sample, nanoseconds since 1970 UTC
	Step  int64  // distance of the slots in nanoseconds; 0: irregular, the times are in the payload
	Span  uint32 // slots of a regular chunk, samples of an irregular one
	Seq   uint64 // number of the journal record that sealed it; of overlapping chunks the higher one wins
	Wrote int64  // write time of its newest sample, nanoseconds since 1970 UTC
	Flags uint64 // the owner's
	Off   uint64 // where the payload stands: a multiple of 8, below MaxOffset
	Len   uint32 // length of the payload in bytes
}

const (
	// blockEntries is how many entries a block of the index holds; the last one may hold fewer.
	blockEntries = 1024
	columns      = 8
	blockHead    = 8 // length and checksum of the body
	maxBlock     = columns*(columnHead+8*blockEntries) + columnSpare
	minBlock     = columns*columnHead + columnSpare
)

// block is the columns of a part of the index. Offsets are not kept: payloads follow each other in the order of the
// entries, so the lengths give them.
type block struct {
	n   int
	col [columns][blockEntries]uint64
}

func (b *block) add(e *Entry) {
	i := b.n
	b.col[0][i] = uint64(e.Ref)
	b.col[1][i] = uint64(e.Start)
	b.col[2][i] = uint64(e.Step)
	b.col[3][i] = uint64(e.Span)
	b.col[4][i] = e.Seq
	b.col[5][i] = uint64(e.Wrote)
	b.col[6][i] = e.Flags
	b.col[7][i] = uint64(e.Len)
	b.n++
}

// entry is entry i without its offset.
func (b *block) entry(i int) Entry {
	return Entry{
		Ref: uint32(b.col[0][i]), Start: int64(b.col[1][i]), Step: int64(b.col[2][i]), Span: uint32(b.col[3][i]),
		Seq: b.col[4][i], Wrote: int64(b.col[5][i]), Flags: b.col[6][i], Len: uint32(b.col[7][i]),
	}
}

// append encodes the block with its head, and empties it.
func (b *block) append(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, blockHead)...)
	for c := range b.col {
		dst = appendColumn(dst, b.col[c][:b.n])
	}
	dst = append(dst, make([]byte, columnSpare)...)
	body := dst[from+blockHead:]
	binary.LittleEndian.PutUint32(dst[from:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[from+4:], sum(body))
	b.n = 0
	return dst
}

// decode reads n entries from the body of a block, and returns false if it is not one.
func (b *block) decode(n int, body []byte) bool {
	b.n = n
	for c := range b.col {
		var ok bool
		if body, ok = decodeColumn(b.col[c][:n], body); !ok {
			return false
		}
	}
	return len(body) == columnSpare
}
