package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"strconv"
	"strings"
)

// The format of segment files, version 1. DESIGN.md has the tables. All numbers are little-endian; every checksum is
// CRC-32C (Castagnoli, RFC 3720 appendix B.4), for which processors have an instruction.
const (
	// Version is the newest format that this program reads, and the one that it writes.
	Version = 1

	segmentMagic      = "GRANJRNL"
	segmentHeaderSize = 40

	recordMagic      = 0x4352_4E47 // "GNRC" in the file
	recordHeaderSize = 36
	// bytes 8 to 28 of a record header are under its checksum: number, time, kind and length
	recordSumFrom, recordSumTo = 8, 28

	maxFrame = recordHeaderSize + MaxRecord
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segmentHeader is the head of a segment file.
type segmentHeader struct {
	version   uint32
	partition uint32
	first     uint64 // number of the first record that this segment may hold
	prev      uint64 // number of the last record before it that counts; what older segments hold above it is void
	marker    uint32 // random; each record of the segment repeats it
}

func (h segmentHeader) append(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, h.version)
	dst = binary.LittleEndian.AppendUint32(dst, h.partition)
	dst = binary.LittleEndian.AppendUint64(dst, h.first)
	dst = binary.LittleEndian.AppendUint64(dst, h.prev)
	dst = binary.LittleEndian.AppendUint32(dst, h.marker)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

// parseSegmentHeader reads the head of a segment. ok is false if it is damaged. A version above ours is no damage, and
// the caller looks at it first; it can be told from damage because every version keeps these 40 bytes.
func parseSegmentHeader(b []byte) (h segmentHeader, ok bool) {
	if len(b) < segmentHeaderSize || string(b[:8]) != segmentMagic {
		return h, false
	}
	if crc32.Checksum(b[:36], castagnoli) != binary.LittleEndian.Uint32(b[36:]) {
		return h, false
	}
	h = segmentHeader{
		version:   binary.LittleEndian.Uint32(b[8:]),
		partition: binary.LittleEndian.Uint32(b[12:]),
		first:     binary.LittleEndian.Uint64(b[16:]),
		prev:      binary.LittleEndian.Uint64(b[24:]),
		marker:    binary.LittleEndian.Uint32(b[32:]),
	}
	return h, h.version > Version || h.version > 0 && h.first > h.prev
}

// recordHeader is the head of a record.
type recordHeader struct {
	marker uint32
	seq    uint64
	time   int64
	kind   Kind
	length int    // of the payload
	sum    uint32 // of the header; the start value of the record's checksum
	record uint32 // checksum of header and payload
}

// parseRecordHeader reads the head of a record from at least recordHeaderSize bytes. reason is empty if it is whole.
func parseRecordHeader(b []byte) (h recordHeader, reason string) {
	b = b[:recordHeaderSize]
	if binary.LittleEndian.Uint32(b) != recordMagic {
		return h, "no record begins here"
	}
	h.sum = crc32.Checksum(b[recordSumFrom:recordSumTo], castagnoli)
	if h.sum != binary.LittleEndian.Uint32(b[28:]) {
		return h, "the checksum of the record header does not hold"
	}
	h.marker = binary.LittleEndian.Uint32(b[4:])
	h.seq = binary.LittleEndian.Uint64(b[8:])
	h.time = int64(binary.LittleEndian.Uint64(b[16:]))
	word := binary.LittleEndian.Uint32(b[24:])
	h.kind, h.length = Kind(word>>24), int(word&0xFF_FFFF)
	h.record = binary.LittleEndian.Uint32(b[32:])
	if h.length > MaxRecord {
		return h, "the record header names an impossible length"
	}
	if h.seq == 0 || h.seq == math.MaxUint64 { // the second would have no successor
		return h, "the record header names an impossible number"
	}
	return h, ""
}

// holds reports whether payload is what the header was written for.
func (h *recordHeader) holds(payload []byte) bool {
	return crc32.Update(h.sum, castagnoli, payload) == h.record
}

// sealRecord fills number, length and checksums into frame, whose kind and time are in place.
func sealRecord(frame []byte, seq uint64) {
	binary.LittleEndian.PutUint64(frame[8:], seq)
	kind := binary.LittleEndian.Uint32(frame[24:]) &^ 0xFF_FFFF
	binary.LittleEndian.PutUint32(frame[24:], kind|uint32(len(frame)-recordHeaderSize))
	sum := crc32.Checksum(frame[recordSumFrom:recordSumTo], castagnoli)
	binary.LittleEndian.PutUint32(frame[28:], sum)
	binary.LittleEndian.PutUint32(frame[32:], crc32.Update(sum, castagnoli, frame[recordHeaderSize:]))
}

// frameLength is the length of the record at the front of b, which this process has written.
func frameLength(b []byte) int {
	return recordHeaderSize + int(binary.LittleEndian.Uint32(b[24:])&0xFF_FFFF)
}

// recordPattern is what every record of a segment begins with.
func recordPattern(marker uint32) []byte {
	p := binary.LittleEndian.AppendUint32(nil, recordMagic)
	return binary.LittleEndian.AppendUint32(p, marker)
}

func allZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

const (
	segmentSuffix = ".wal"
	carrySuffix   = ".wal.tmp"
)

// segmentPath names a segment: its id in decimal, padded with zeros to eight digits, so that names sort up to
// 99,999,999 segments; ids are compared as numbers, never as text.
func segmentPath(dir string, id uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%08d", id)+segmentSuffix)
}

// segmentID is the id that a file name says, false if it is not the name of a segment.
func segmentID(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) < 8 || len(digits) > 8 && digits[0] == '0' {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	id, err := strconv.ParseUint(digits, 10, 63)
	return id, err == nil && id > 0
}
