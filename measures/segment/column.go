package segment

import (
	"encoding/binary"
	"math/bits"
)

// A column holds up to blockEntries numbers of 64 bits as multiples of a divisor above a minimum, packed with as many
// bits as the largest needs: value = minimum + divisor * packed, in arithmetic modulo 2^64, so that signed and unsigned
// numbers are all the same. Times of a grid share a divisor of seconds, refs of a shard that of the number of shards.
const columnHead = 17 // width in bits, minimum, divisor

// appendColumn packs v, which is not empty. It overwrites v. Bits fill bytes from the low end.
func appendColumn(dst []byte, v []uint64) []byte {
	least := int64(v[0])
	for _, x := range v[1:] {
		least = min(least, int64(x))
	}
	var divisor, largest uint64
	for i, x := range v {
		x -= uint64(least)
		v[i] = x
		largest = max(largest, x)
		if divisor != 1 && x != 0 {
			divisor = gcd(x, divisor)
		}
	}
	if divisor > 1 {
		largest /= divisor
		for i := range v {
			v[i] /= divisor
		}
	}
	width := bits.Len64(largest)
	if width > 56 {
		width = 64 // so that no packed number touches nine bytes
	}
	dst = append(dst, byte(width))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(least))
	dst = binary.LittleEndian.AppendUint64(dst, max(divisor, 1))
	if width == 64 {
		for _, x := range v {
			dst = binary.LittleEndian.AppendUint64(dst, x)
		}
		return dst
	}
	var word uint64
	filled := 0
	for _, x := range v {
		word |= x << filled
		if filled += width; filled >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, word)
			filled -= 64
			word = x >> (width - filled)
		}
	}
	for ; filled > 0; filled -= 8 {
		dst = append(dst, byte(word))
		word >>= 8
	}
	return dst
}

// gcd is the greatest common divisor of a, which is not 0, and b.
func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// columnSpare is how many bytes must follow the last column, because numbers are read eight bytes at a time.
const columnSpare = 8

// decodeColumn unpacks len(v) numbers from the front of src and returns the rest, or false if src is not a column of
// that many numbers with columnSpare bytes behind it.
func decodeColumn(v []uint64, src []byte) (rest []byte, ok bool) {
	if len(src) < columnHead+columnSpare {
		return nil, false
	}
	width := uint(src[0])
	least := binary.LittleEndian.Uint64(src[1:])
	divisor := binary.LittleEndian.Uint64(src[9:])
	src = src[columnHead:]
	size := (len(v)*int(width) + 7) / 8
	if width > 56 && width != 64 || len(src) < size+columnSpare {
		return nil, false
	}
	switch width {
	case 0:
		for i := range v {
			v[i] = least
		}
	case 64:
		for i := range v {
			v[i] = least + divisor*binary.LittleEndian.Uint64(src[8*i:])
		}
	default:
		mask := uint64(1)<<width - 1
		at := uint(0)
		for i := range v {
			x := binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7) & mask
			v[i] = least + divisor*x
			at += width
		}
	}
	return src[size:], true
}
