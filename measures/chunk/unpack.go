package chunk

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// unpacker reads packed slots and makes the column's elements of them in one go: slots to integers to what the codec makes
// of an integer.
type unpacker struct {
	src  []byte // begins with the slots; whatever follows them may be read too
	next uint   // slot to read
	w    uint
	mask uint64

	inc, factor int64
	to          target
	hi, lo      float64 // toScaled
}

// target is what an unpacker makes of an integer.
type target uint8

const (
	toInt64  target = iota // the integer
	toWhole                // the bits of the float of the same value
	toScaled               // the bits of the float splitValue(integer, hi, lo)
	toFloat                // the bits of the float whose ordered form the integer is
)

// setSlots sets the slots to read.
func (u *unpacker) setSlots(src []byte, w uint) { u.src, u.w, u.mask = src, w, lowBits(w) }

// loads says how many of the next n slots can be read by a load of eight bytes at the byte that they start in, without
// going past the end of src.
func (u *unpacker) loads(n int) int {
	end, bit := uint(len(u.src))*8, u.next*u.w
	switch {
	case bit+uint(n)*u.w+57 <= end+u.w: // the usual case
		return n
	case bit+57 > end:
		return 0
	}
	// Slots of no bits have been dealt with, so that w is not 0 here.
	return min(n, int((end-57-bit)/max(u.w, 1))+1)
}

// rest is the slots that loads leaves out, which lie in the last eight bytes, from the lowest bit on. A slot of 64 bits is
// never among them.
func (u *unpacker) rest() uint64 {
	bit := u.next * u.w
	return loadEnd(u.src, bit>>3) >> (bit & 7)
}

// flat makes the elements of the integers c + factor*slot, where c rises by inc from one to the next.
func (u *unpacker) flat(dst []int64, c int64) {
	if u.w == 0 && u.inc == 0 {
		x := u.element(c)
		for i := range dst {
			dst[i] = x
		}
		return
	}
	k := u.loads(len(dst))
	if k > 0 {
		u.flatAt(dst[:k], &u.src[0], u.next, c)
		u.next += uint(k)
		c += int64(k) * u.inc
	}
	if k < len(dst) {
		x := u.rest()
		for i := range dst[k:] {
			dst[k+i] = u.element(c + u.factor*int64(x&u.mask))
			x >>= u.w & 63
			c += u.inc
		}
		u.next += uint(len(dst) - k)
	}
}

func (u *unpacker) flatAt(dst []int64, src *byte, slot uint, c int64) {
	switch u.to {
	case toInt64:
		flatInts(dst, src, slot, u.w, u.mask, c, u.inc, u.factor)
	case toWhole:
		flatWhole(dst, src, slot, u.w, u.mask, c, u.inc, u.factor)
	case toScaled:
		flatScaled(dst, src, slot, u.w, u.mask, c, u.inc, u.factor, u.hi, u.lo)
	case toFloat:
		flatFloats(dst, src, slot, u.w, u.mask, c, u.inc, u.factor)
	}
}

// sums makes the elements of the running sums, from acc on, of inc + factor*slot. It returns the last sum.
func (u *unpacker) sums(dst []int64, acc int64) int64 {
	if u.w == 0 {
		for i := range dst {
			acc += u.inc
			dst[i] = acc
		}
		if u.to != toInt64 {
			for i, x := range dst {
				dst[i] = u.element(x)
			}
		}
		return acc
	}
	k := u.loads(len(dst))
	if k > 0 {
		acc = u.sumsAt(dst[:k], &u.src[0], u.next, acc)
		u.next += uint(k)
	}
	if k < len(dst) {
		x := u.rest()
		for i := range dst[k:] {
			acc += u.inc + u.factor*int64(x&u.mask)
			dst[k+i] = u.element(acc)
			x >>= u.w & 63
		}
		u.next += uint(len(dst) - k)
	}
	return acc
}

func (u *unpacker) sumsAt(dst []int64, src *byte, slot uint, acc int64) int64 {
	switch u.to {
	case toWhole:
		return sumWhole(dst, src, slot, u.w, u.mask, acc, u.inc, u.factor)
	case toScaled:
		return sumScaled(dst, src, slot, u.w, u.mask, acc, u.inc, u.factor, u.hi, u.lo)
	case toFloat:
		return sumFloats(dst, src, slot, u.w, u.mask, acc, u.inc, u.factor)
	}
	return sumInts(dst, src, slot, u.w, u.mask, acc, u.inc, u.factor)
}

// element is what the unpacker makes of the integer x.
func (u *unpacker) element(x int64) int64 {
	switch u.to {
	case toWhole:
		return wholeBits(x)
	case toScaled:
		return scaledBits(x, u.hi, u.lo)
	case toFloat:
		return unordered(x)
	}
	return x
}

// slot is the slot of the given number.
func (u *unpacker) slot(k uint) uint64 {
	if u.w == 0 {
		return 0
	}
	bit := k * u.w
	return load(u.src, bit>>3) >> (bit & 7) & u.mask
}

// word is the eight bytes at src+at. The caller knows that they exist; a check of each load would take as long as the
// load.
func word(src *byte, at uint) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(src), at))[:])
}

func wholeBits(x int64) int64 { return int64(math.Float64bits(float64(x))) }

func scaledBits(x int64, hi, lo float64) int64 {
	return int64(math.Float64bits(splitValue(x, hi, lo)))
}

//go:generate go run genloops.go

// narrow is the width up to which four slots come with one load, whatever bit the first starts at.
const narrow = (64 - 7) / 4

// places says for each width where the slots of a group of eight, which begins at a byte, lie: the byte, and the bit in it.
var places = func() (p [65][8]struct{ at, shift uint8 }) {
	for w := range p {
		for k := range p[w] {
			p[w][k].at, p[w][k].shift = uint8(k*w>>3), uint8(k*w&7)
		}
	}
	return p
}()
