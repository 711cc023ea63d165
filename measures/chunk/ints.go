package chunk

import (
	"math/bits"
	"slices"
	"sync"
)

// intScratch is the memory of one AppendInts.
type intScratch struct {
	x, y, z []int64
	block   block
}

// AppendInts appends the payload of v to dst: one codec, which stores differences (or differences of differences, or the
// distance from a line) in packed slots, whichever is smallest. The number of values is not in the payload.
func AppendInts(dst []byte, v []int64) []byte {
	n := len(v)
	if n == 0 {
		return append(dst, byte(Int64))
	}
	s := intScratches.Get().(*intScratch)
	s.x, s.y, s.z = grow(s.x, n), grow(s.y, n), grow(s.z, n)
	b := &s.block
	exp := commonPower(v)
	if exp == 0 {
		copy(s.x, v)
	} else {
		p := int64(integerPowers[exp])
		for i, t := range v {
			s.x[i] = t / p
		}
	}
	b.plan(s.x, s.y, s.z, true)
	first := byte(Int64) | b.flags()
	if exp > 0 {
		first |= flagScale
	}
	dst = slices.Grow(dst, 1+b.size(Int64))
	dst = append(dst, first, b.control())
	dst = b.appendSlots(dst)
	if exp > 0 {
		dst = append(dst, exp)
	}
	dst = b.appendHeader(dst, Int64)
	if n <= keepScratch {
		intScratches.Put(s)
	}
	return dst
}

// DecodeInts reads a payload that AppendInts made of len(dst) values. Errors, time and memory are those of
// DecodeFloats.
func DecodeInts(dst []int64, src []byte) error {
	if len(src) == 0 {
		return damaged(Int64, "length", 0)
	}
	if Codec(src[0]&codecMask) != Int64 {
		return unknown(src[0])
	}
	flags := src[0] &^ codecMask
	if len(dst) == 0 {
		if len(src) != 1 {
			return damaged(Int64, "length for no values", len(src))
		}
		return nil
	}
	if len(src) < 2 {
		return damaged(Int64, "length", len(src))
	}
	var u unpacker
	control := src[1]
	h, err := u.slotsAt(src[2:], len(src)-2, len(dst)-1, Int64, control)
	if err != nil {
		return err
	}
	scale := int64(1)
	if flags&flagScale != 0 {
		exp := h.byte()
		if exp >= byte(len(integerPowers)) {
			return damaged(Int64, "scale", int(exp))
		}
		scale = int64(integerPowers[exp])
	}
	if err := decodeBlock(dst, Int64, flags, control, &h, &u, scale); err != nil {
		return err
	}
	return h.end(Int64)
}

// AppendTimes appends the payload of timestamps in nanoseconds to dst. Regular ones take about ten bytes, in any order and
// of any step. Timestamps in whole seconds or milliseconds are stored as such. The format is that of AppendInts.
func AppendTimes(dst []byte, t []int64) []byte { return AppendInts(dst, t) }

// DecodeTimes reads a payload that AppendTimes made of len(dst) timestamps.
func DecodeTimes(dst []int64, src []byte) error { return DecodeInts(dst, src) }

var integerPowers = [19]uint64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}

// commonPower is the greatest e such that 10^e divides every element of v, 0 if all are 0.
func commonPower(v []int64) byte {
	e := 18
	zero := true
	for _, x := range v {
		if x == 0 {
			continue
		}
		zero = false
		// A power of ten has as many factors 2 as 5, and the factors 2 are quick to count.
		e = min(e, bits.TrailingZeros64(uint64(x)))
		for e > 0 && x%int64(integerPowers[e]) != 0 {
			e--
		}
		if e == 0 {
			return 0
		}
	}
	if zero {
		return 0
	}
	return byte(e)
}

var intScratches = sync.Pool{New: func() any { return new(intScratch) }}
