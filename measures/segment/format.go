package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// The formats, version 2. DESIGN.md has the tables. All numbers are little-endian; every checksum is CRC-32C
// (Castagnoli, RFC 3720 appendix B.4).
const (
	// Version is the newest format of segment and state files that this program reads, and the one that it writes.
	Version = 2

	segmentMagic = "GRANSEGM"
	indexMagic   = "GRANINDX"
	stateMagic   = "GRANSTAT"
	stateEnd     = "GRANSTAE"

	headSize    = 32
	trailerSize = 40

	// payloadHead stands before each payload: length and checksum.
	payloadHead = 8
	// align is what the offsets of payloads are multiples of.
	align = 8
	// MaxOffset is what an offset has to stay below, so that offset/8 fits into 32 bits.
	MaxOffset = uint64(1) << 35
	// MaxPayload is the largest payload, in bytes.
	MaxPayload = 16 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func appendHead(dst []byte, magic string, id uint32) []byte {
	from := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, Version)
	dst = binary.LittleEndian.AppendUint32(dst, id)
	dst = append(dst, make([]byte, headSize-20)...)
	return binary.LittleEndian.AppendUint32(dst, sum(dst[from:]))
}

// parseHead reads the head of a file and returns its id.
func parseHead(path string, b []byte, magic string) (id uint32, err error) {
	if len(b) < headSize || string(b[:8]) != magic {
		return 0, &DamagedError{Path: path, Reason: "the file does not begin with " + magic}
	}
	if sum(b[:headSize-4]) != binary.LittleEndian.Uint32(b[headSize-4:]) {
		return 0, &DamagedError{Path: path, Reason: "the checksum of the head does not hold"}
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > Version {
		return 0, &NewerFormatError{Path: path, Version: v, Known: Version}
	} else if v == 0 {
		return 0, &DamagedError{Path: path, Reason: "the head names format 0"}
	}
	return binary.LittleEndian.Uint32(b[12:]), nil
}

// trailer is the end of a file.
type trailer struct {
	end    uint64 // where the payloads or sections end and, in a segment file, the index begins
	length uint64 // of the index in bytes; 0 in a state file
	count  uint64 // of entries or sections
	id     uint32
}

func (t trailer) append(dst []byte, magic string) []byte {
	from := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint64(dst, t.end)
	dst = binary.LittleEndian.AppendUint64(dst, t.length)
	dst = binary.LittleEndian.AppendUint64(dst, t.count)
	dst = binary.LittleEndian.AppendUint32(dst, t.id)
	return binary.LittleEndian.AppendUint32(dst, sum(dst[from:]))
}

// parseTrailer reads the last bytes of a file of the given size.
func parseTrailer(path string, b []byte, magic string, size int64) (t trailer, err error) {
	damaged := func(reason string) (trailer, error) {
		return trailer{}, &DamagedError{Path: path, Offset: size - trailerSize, Reason: reason}
	}
	if string(b[:8]) != magic {
		return damaged("the file was cut off: it does not end with a trailer")
	}
	if sum(b[:trailerSize-4]) != binary.LittleEndian.Uint32(b[trailerSize-4:]) {
		return damaged("the checksum of the trailer does not hold")
	}
	t = trailer{
		end:    binary.LittleEndian.Uint64(b[8:]),
		length: binary.LittleEndian.Uint64(b[16:]),
		count:  binary.LittleEndian.Uint64(b[24:]),
		id:     binary.LittleEndian.Uint32(b[32:]),
	}
	body := uint64(size) - trailerSize
	if t.end < headSize || t.end > body || t.length != body-t.end {
		return damaged("the trailer does not fit the size of the file")
	}
	return t, nil
}

// payloadSum is the checksum of a payload or section at off in the file with an id. It begins with a value made of both
// instead of 0, so that bytes that the medium returns from another place do not pass.
func payloadSum(id uint32, off uint64, payload []byte) uint32 {
	return crc32.Update(uint32(off)^uint32(off>>32)*0x9E37_79B1^id*0x85EB_CA6B, castagnoli, payload)
}

// afterPayload is the offset of what follows a payload of n bytes at off.
func afterPayload(off uint64, n uint32) uint64 {
	return (off + payloadHead + uint64(n) + align - 1) &^ (align - 1)
}

const (
	segmentSuffix = ".seg"
	statePrefix   = "state-"
	temporary     = ".tmp"
)

// SegmentName is the name of the segment file with an id: the id in decimal, at least eight digits.
func SegmentName(id uint32) string { return fmt.Sprintf("%08d", id) + segmentSuffix }

// StateName is the name of the state file with an id.
func StateName(id uint32) string { return statePrefix + fmt.Sprintf("%08d", id) }

// fileID is the id in the name of a segment or state file, false if it is no such name.
func fileID(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		digits, ok = strings.CutPrefix(name, statePrefix)
	}
	id, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || name != SegmentName(uint32(id)) && name != StateName(uint32(id)) {
		return 0, false
	}
	return uint32(id), true
}
