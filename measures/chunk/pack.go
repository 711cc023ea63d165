package chunk

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// maxPacked is the widest slot that one unaligned 64-bit load brings in whole whatever its first bit is. Wider numbers
// take slots of 64 bits.
const maxPacked = 56

// packedSize is the number of bytes that count slots of w bits take.
func packedSize(count int, w uint) int { return (count*int(w) + 7) / 8 }

func lowBits(w uint) uint64 {
	if w == 64 {
		return ^uint64(0)
	}
	return 1<<(w&63) - 1
}

// pack appends the low w bits of x[i]-base for every i, least significant bit first, without gaps. w is at most maxPacked,
// or 64.
func pack(dst []byte, x []int64, base int64, w uint) []byte {
	size := packedSize(len(x), w)
	dst = slices.Grow(dst, size)
	p := dst[len(dst) : len(dst)+size]
	dst = dst[:len(dst)+size]
	if w == 64 {
		for i, v := range x {
			binary.LittleEndian.PutUint64(p[8*i:], uint64(v-base))
		}
		return dst
	}
	var (
		mask = lowBits(w)
		acc  uint64 // bits not yet passed by pos; below fill
		fill uint   // 0 to 7 between two slots
		pos  int
		i    int
	)
	// Each round stores eight bytes and moves on by the whole bytes among them, so there is no branch on the fill.
	for ; i < len(x) && pos+8 <= len(p); i++ {
		acc |= (uint64(x[i]-base) & mask) << (fill & 63)
		fill += w
		binary.LittleEndian.PutUint64(p[pos:], acc)
		pos += int(fill >> 3)
		acc >>= fill & 56
		fill &= 7
	}
	for ; i < len(x); i++ {
		acc |= (uint64(x[i]-base) & mask) << (fill & 63)
		for fill += w; fill >= 8; fill -= 8 {
			p[pos] = byte(acc)
			pos++
			acc >>= 8
		}
	}
	if fill > 0 {
		p[pos] = byte(acc)
	}
	return dst
}

// zigzag folds the sign into the lowest bit, so that small numbers of either sign have short varints.
func zigzag(x int64) uint64   { return uint64(x<<1) ^ uint64(x>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// uvarintLen is the number of bytes of u as a varint.
func uvarintLen(u uint64) int { return (bits.Len64(u|1) + 6) / 7 }

func varintLen(x int64) int { return uvarintLen(zigzag(x)) }

func appendVarint(dst []byte, x int64) []byte { return binary.AppendUvarint(dst, zigzag(x)) }

// header reads the fields behind the slots. The first field that is not there makes it bad, and every later one 0.
type header struct {
	src []byte
	at  int
	bad bool
}

func (h *header) fail() uint64 {
	h.bad, h.at = true, len(h.src)
	return 0
}

func (h *header) uvarint() uint64 {
	if h.at < len(h.src) && h.src[h.at] < 0x80 {
		h.at++
		return uint64(h.src[h.at-1])
	}
	return h.longUvarint()
}

// longUvarint reads a varint of any length, one of up to eight bytes without a branch on its length.
func (h *header) longUvarint() uint64 {
	const tops = 0x8080808080808080
	if from := min(h.at, len(h.src)-8); from >= 0 && h.at < len(h.src) {
		x := binary.LittleEndian.Uint64(h.src[from:]) >> (8 * (h.at - from))
		if stop := ^x & tops; stop != 0 { // the top bits of its last byte, and of others behind
			x &= (stop ^ (stop - 1)) &^ tops
			h.at += bits.TrailingZeros64(stop)>>3 + 1
			if h.at > len(h.src) {
				return h.fail()
			}
			// Seven bits a byte, then 14, 28 and 56 bits together.
			x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
			x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
			return x&0x0fffffff | x&0x0fffffff00000000>>4
		}
	}
	u, k := binary.Uvarint(h.src[h.at:])
	if k <= 0 {
		return h.fail()
	}
	h.at += k
	return u
}

func (h *header) varint() int64 { return unzigzag(h.uvarint()) }

func (h *header) byte() byte {
	if h.at == len(h.src) {
		return byte(h.fail())
	}
	h.at++
	return h.src[h.at-1]
}

func (h *header) uint64() uint64 {
	if len(h.src)-h.at < 8 {
		return h.fail()
	}
	h.at += 8
	return binary.LittleEndian.Uint64(h.src[h.at-8:])
}

// count reads a number of at most n.
func (h *header) count(n int) int {
	if u := h.uvarint(); u <= uint64(n) {
		return int(u)
	}
	h.fail()
	return n
}

// end says what is wrong if a field was missing or bytes are left.
func (h *header) end(c Codec) error {
	if h.bad || h.at < len(h.src) {
		return damaged(c, "length", len(h.src))
	}
	return nil
}
