package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"testing"
)

// forgedHeader is a record header whose own checksum holds, whatever it says and whatever follows it.
func forgedHeader(marker uint32, seq uint64, length int) []byte {
	b := make([]byte, recordHeaderSize)
	binary.LittleEndian.PutUint32(b, recordMagic)
	binary.LittleEndian.PutUint32(b[4:], marker)
	binary.LittleEndian.PutUint64(b[8:], seq)
	binary.LittleEndian.PutUint32(b[24:], uint32(length))
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[recordSumFrom:recordSumTo], castagnoli))
	copy(b[32:], b[28:32]) // with an empty payload it is a whole record
	return b
}

// TestScanForgedHeaders puts headers with good checksums where they mislead: a reader that believed their lengths would
// step over whole records, read beyond its window, or never end.
func TestScanForgedHeaders(t *testing.T) {
	const marker = 0x5eed_1234
	record := func(seq uint64) []byte {
		g := groupOf(t, seq, "payload of a whole record")
		g.stamp(marker, 0)
		return g.Buf
	}
	junk := []byte("junk")
	for _, c := range []struct {
		name        string
		headDamaged bool
		parts       [][]byte
		from, below uint64
		want        []uint64
	}{
		{"length above the largest record", false, [][]byte{record(1), forgedHeader(marker, 2, MaxRecord+1), record(2), make([]byte, 3*maxFrame)}, 0, 0, []uint64{1, 2}},
		{"largest length that fits the field", false, [][]byte{record(1), forgedHeader(marker, 2, 0xFF_FFFF), record(2), make([]byte, 1<<24)}, 0, 0, []uint64{1, 2}},
		{"length beyond the end", false, [][]byte{record(1), forgedHeader(marker, 2, 400_000), record(2), record(3)}, 0, 0, []uint64{1, 2, 3}},
		{"length beyond the end, after junk", false, [][]byte{record(1), junk, forgedHeader(marker, 2, 400_000), record(2)}, 0, 0, []uint64{1, 2}},
		{"old number after junk, over a record", false, [][]byte{record(5), junk, forgedHeader(marker, 3, 61), record(6), record(7)}, 0, 0, []uint64{5, 6, 7}},
		{"other marker, over a record", false, [][]byte{record(1), forgedHeader(marker+1, 2, 61), record(2)}, 0, 0, []uint64{1, 2}},
		{"head damaged: other marker, over a record", true, [][]byte{junk, forgedHeader(marker+1, 1, 61), record(1), record(2)}, 0, 0, []uint64{1, 2}},
		{"below what is wanted: over a record that is", false, [][]byte{record(1), record(2), forgedHeader(marker, 1, 61), record(3)}, 3, 0, []uint64{3}},
		{"number 0 behind a damaged head", true, [][]byte{junk, forgedHeader(marker, 0, 0), record(1), record(2)}, 0, 0, []uint64{1, 2}},
		{"highest number", false, [][]byte{record(1), forgedHeader(marker, math.MaxUint64, 0), record(2)}, 0, 0, []uint64{1, 2}},
		{"void after damage", false, [][]byte{record(1), junk, record(3), record(4)}, 0, 3, []uint64{1}},
		{"void from the first", false, [][]byte{record(1), record(2)}, 0, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := uint64(1)
			if c.name == "old number after junk, over a record" {
				first = 5
			}
			head := segmentHeader{version: Version, first: first, marker: marker}
			b := slices.Concat(append([][]byte{head.append(nil)}, c.parts...)...)
			s := newScanner(bytes.NewReader(b), int64(len(b)), head, !c.headDamaged, nil)
			s.from, s.below = c.from, uint64(math.MaxUint64)
			if c.below > 0 {
				s.below = c.below
			}
			var got []uint64
			for len(got) < 10 {
				h, payload, ok := s.scan()
				if !ok {
					break
				}
				if string(payload) != "payload of a whole record" {
					t.Errorf("record %d holds %q", h.seq, payload)
				}
				got = append(got, h.seq)
			}
			if s.err != nil || !slices.Equal(got, c.want) {
				t.Errorf("read %v, %v, want %v", got, s.err, c.want)
			}
		})
	}
}

// TestScanAcrossWindows has records of all sizes, so that they lie across the ends of reads in many ways.
func TestScanAcrossWindows(t *testing.T) {
	var g Group
	var sizes []int
	for seq := uint64(1); g.Len() < 12*readSize; seq++ {
		n := []int{0, 1, 100, 4096, 65_000, MaxRecord - 1, MaxRecord}[seq%7] - int(seq%2)
		n = max(n, 0)
		g.Begin(1, 1)
		g.Buf = append(g.Buf, bytes.Repeat([]byte{byte(seq)}, n)...)
		if err := g.End(seq); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, n)
	}
	head := segmentHeader{version: Version, first: 1}
	b := append(head.append(nil), g.Buf...)
	for _, from := range []uint64{0, 5, 20} {
		s := newScanner(bytes.NewReader(b), int64(len(b)), head, true, nil)
		s.from = from
		s.report = func(d damage) { t.Errorf("damage %+v", d) }
		next := max(from, 1)
		for {
			h, payload, ok := s.scan()
			if !ok {
				break
			}
			if h.seq != next || len(payload) != sizes[next-1] || len(bytes.Trim(payload, string([]byte{byte(next)}))) > 0 {
				t.Fatalf("record %d of %d bytes, want %d of %d", h.seq, len(payload), next, sizes[next-1])
			}
			next++
		}
		if s.err != nil || next != uint64(len(sizes))+1 {
			t.Errorf("from %d: ended before record %d of %d, %v", from, next, len(sizes), s.err)
		}
	}
}
