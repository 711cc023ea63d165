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

// slots is a reader of packed slots. A slot that starts at bit last or before is read by a 64-bit load at the byte that
// it starts in; those behind lie in tail, which holds the last eight bytes (or fewer, if there are no more).
type slots struct {
	src  []byte
	bit  uint // where the next slot starts
	w    uint
	mask uint64
	tail uint64
	tbit uint // where tail starts
	wide bool // at least one slot can be read at its place
}

func newSlots(src []byte, w uint) slots {
	s := slots{src: src, w: w, mask: lowBits(w)}
	if len(src) >= 8 {
		s.wide = true
		s.tbit = uint(len(src)-8) * 8
		s.tail = binary.LittleEndian.Uint64(src[len(src)-8:])
	} else {
		for i, b := range src {
			s.tail |= uint64(b) << (8 * i)
		}
	}
	return s
}

// loads says how many of the next n slots can be read at their place.
func (s *slots) loads(n int) int {
	if !s.wide || s.bit > s.tbit+7 {
		return 0
	}
	// Slots of no bits have no bytes, so that w is not 0 here; max lets the compiler know.
	return min(n, int((s.tbit+7-s.bit)/max(s.w, 1))+1)
}

// flat writes c + g*slot, then raises c by step, for every element of dst.
func (s *slots) flat(dst []int64, c, step, g int64) {
	w, mask, src, bit := s.w, s.mask, s.src, s.bit
	if w == 64 {
		for i := range dst {
			dst[i] = c + g*int64(binary.LittleEndian.Uint64(src[8*i:]))
			c += step
		}
		return
	}
	k := s.loads(len(dst))
	head, rest := dst[:k], dst[k:]
	for i := range head {
		x := binary.LittleEndian.Uint64(src[bit>>3:]) >> (bit & 7) & mask
		bit += w
		head[i] = c + g*int64(x)
		c += step
	}
	bit -= s.tbit
	for i := range rest {
		x := s.tail >> (bit & 63) & mask
		bit += w
		rest[i] = c + g*int64(x)
		c += step
	}
}

// sums adds inc + g*slot to acc and writes the sum, for every element of dst. It returns the last sum.
func (s *slots) sums(dst []int64, acc, inc, g int64) int64 {
	w, mask, src, bit := s.w, s.mask, s.src, s.bit
	if w == 64 {
		for i := range dst {
			acc += inc + g*int64(binary.LittleEndian.Uint64(src[bit>>3:]))
			bit += 64
			dst[i] = acc
		}
		s.bit = bit
		return acc
	}
	k := s.loads(len(dst))
	head, rest := dst[:k], dst[k:]
	for i := range head {
		x := binary.LittleEndian.Uint64(src[bit>>3:]) >> (bit & 7) & mask
		bit += w
		acc += inc + g*int64(x)
		head[i] = acc
	}
	bit -= s.tbit
	for i := range rest {
		x := s.tail >> (bit & 63) & mask
		bit += w
		acc += inc + g*int64(x)
		rest[i] = acc
	}
	s.bit = bit + s.tbit
	return acc
}

// one reads the next slot.
func (s *slots) one() uint64 {
	var x uint64
	switch {
	case s.w == 64:
		x = binary.LittleEndian.Uint64(s.src[s.bit>>3:])
	case s.loads(1) == 1:
		x = binary.LittleEndian.Uint64(s.src[s.bit>>3:]) >> (s.bit & 7) & s.mask
	default:
		x = s.tail >> ((s.bit - s.tbit) & 63) & s.mask
	}
	s.bit += s.w
	return x
}

// zigzag folds the sign into the lowest bit, so that small numbers of either sign have short varints.
func zigzag(x int64) uint64   { return uint64(x<<1) ^ uint64(x>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// uvarintLen is the number of bytes of u as a varint.
func uvarintLen(u uint64) int { return (bits.Len64(u|1) + 6) / 7 }

func varintLen(x int64) int { return uvarintLen(zigzag(x)) }

func appendVarint(dst []byte, x int64) []byte { return binary.AppendUvarint(dst, zigzag(x)) }

// header reads the fields in front of the slots. The first field that is not there makes it bad, and every later one 0.
type header struct {
	src []byte
	bad bool
}

func (h *header) uvarint() uint64 {
	if len(h.src) > 0 && h.src[0] < 0x80 {
		u := uint64(h.src[0])
		h.src = h.src[1:]
		return u
	}
	return h.longUvarint()
}

func (h *header) longUvarint() uint64 {
	u, k := binary.Uvarint(h.src)
	if k <= 0 {
		h.bad, h.src = true, nil
		return 0
	}
	h.src = h.src[k:]
	return u
}

func (h *header) varint() int64 { return unzigzag(h.uvarint()) }

func (h *header) byte() byte {
	if len(h.src) == 0 {
		h.bad = true
		return 0
	}
	b := h.src[0]
	h.src = h.src[1:]
	return b
}

func (h *header) uint64() uint64 {
	if len(h.src) < 8 {
		h.bad, h.src = true, nil
		return 0
	}
	u := binary.LittleEndian.Uint64(h.src)
	h.src = h.src[8:]
	return u
}

// count reads a number of at most n.
func (h *header) count(n int) int {
	u := h.uvarint()
	if u > uint64(n) {
		h.bad, h.src = true, nil
		return n
	}
	return int(u)
}
