package chunk

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The forms of a bitmap, its first byte.
const (
	bitmapNone = 0 // no bit is set
	bitmapAll  = 1 // every bit is set
	bitmapRaw  = 2 // the bits, eight a byte, least significant first
	bitmapGaps = 3 // lengths of runs of equal bits until there are n bits, beginning with a run of zeros
	bitmapOnes = 4 // the same, beginning with a run of ones
)

// AppendBitmap appends the first n bits of words, least significant first, to dst. Unlike the other payloads it ends by
// itself. words must hold n bits; it is a programmer's error, and a panic, if it does not.
func AppendBitmap(dst []byte, words []uint64, n int) []byte {
	whole, rest := n/64, n%64
	var last uint64
	if rest > 0 {
		last = words[whole] & lowBits(uint(rest))
	}
	words = words[:whole]

	// Count the ones and the places where a run begins, taking a zero before the first bit.
	ones, edges, carry := 0, 0, uint64(0)
	for _, w := range words {
		ones += bits.OnesCount64(w)
		edges += bits.OnesCount64(w ^ (w<<1 | carry))
		carry = w >> 63
	}
	ones += bits.OnesCount64(last)
	edges += bits.OnesCount64((last ^ (last<<1 | carry)) & lowBits(uint(rest)))
	switch ones {
	case 0:
		return append(dst, bitmapNone)
	case n:
		return append(dst, bitmapAll)
	}
	size := (n + 7) / 8
	// Lengths take one byte, or two, or seldom more.
	if 2*(edges+1)+n>>13 < size {
		first := last
		if whole > 0 {
			first = words[0]
		}
		bit := first & 1
		dst = append(dst, bitmapGaps+byte(bit))
		at, length := 0, 0
		for k := 0; at < n; k++ {
			w, count := last, rest
			if k < whole {
				w, count = words[k], 64
			}
			at += count
			for count > 0 {
				// The bits equal to the run's, from the lowest on.
				same := min(bits.TrailingZeros64(w^-bit), count)
				length += same
				w >>= same & 63
				if count -= same; count > 0 {
					dst = binary.AppendUvarint(dst, uint64(length))
					length, bit = 0, bit^1
				}
			}
		}
		return binary.AppendUvarint(dst, uint64(length))
	}
	dst = append(dst, bitmapRaw)
	for _, w := range words {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	for ; rest > 0; rest -= 8 {
		dst = append(dst, byte(last))
		last >>= 8
	}
	return dst
}

// DecodeBitmap reads n bits that AppendBitmap made into dst, whose further bits it leaves 0 up to the end of the word, and
// whose further words it leaves alone. It returns what stands behind the bitmap. dst must hold n bits.
func DecodeBitmap(dst []uint64, n int, src []byte) (rest []byte, err error) {
	if n < 0 || n > 64*len(dst) {
		return nil, fmt.Errorf("chunk: bitmap of %d bits for %d words", n, len(dst))
	}
	if len(src) == 0 {
		return nil, damagedBitmap("length", 0)
	}
	form := src[0]
	src = src[1:]
	dst = dst[:(n+63)/64]
	clear(dst)
	switch form {
	case bitmapNone:
		return src, nil
	case bitmapAll:
		setBits(dst, 0, n)
		return src, nil
	case bitmapRaw:
		size := (n + 7) / 8
		if len(src) < size {
			return nil, damagedBitmap("length", len(src))
		}
		for i := range dst {
			dst[i] = load(src[:size], uint(8*i))
		}
		if tail := n % 64; tail > 0 && dst[len(dst)-1]&^lowBits(uint(tail)) != 0 {
			return nil, damagedBitmap("bits behind bit", n)
		}
		return src[size:], nil
	case bitmapGaps, bitmapOnes:
		h := header{src: src}
		for at, one := 0, form == bitmapOnes; at < n; one = !one {
			length := h.count(n - at)
			if h.bad || length == 0 {
				return nil, damagedBitmap("run at", at)
			}
			if one {
				setBits(dst, at, at+length)
			}
			at += length
		}
		return h.src[h.at:], nil
	}
	return nil, damagedBitmap("form", int(form))
}

// setBits sets the bits [from, to).
func setBits(words []uint64, from, to int) {
	for from < to {
		k := from & 63
		count := min(64-k, to-from)
		words[from>>6] |= lowBits(uint(count)) << k
		from += count
	}
}

func damagedBitmap(field string, value int) error {
	return fmt.Errorf("%w: bitmap: %s %d", ErrDamaged, field, value)
}
