package chunk

import (
	"encoding/binary"
	"math/bits"
)

// The orders in which a packed column predicts its numbers. With r[0] = 0 and number i being first + factor*r[i], slot
// i-1 holds r[i] less the prediction, which is
const (
	flat   = 0 // 0
	delta  = 1 // r[i-1]
	delta2 = 2 // r[i-1] + (r[i-1] - r[i-2]), where r[-1] is -slope
	line   = 3 // slope*i
)

const (
	wideSlots = maxPacked + 1 // stands for slots of 64 bits in the second byte
	widthMask = 0x3f
)

// block is a column of integers laid out for packing.
type block struct {
	first  int64
	factor int64 // taken as unsigned; 1 if there is none
	slope  int64
	order  uint8
	win    window
	slots  []int64 // what the slots hold, before the window; shares memory with the columns given to plan
}

// plan lays x out in x's own memory and that of y, which is as long. It tries the orders flat and delta, and those with a
// slope too if slopes is set, in which case z has the same length too.
func (b *block) plan(x, y, z []int64, slopes bool) {
	first := x[0]
	*b = block{first: first, factor: 1}
	n := len(x) - 1
	if n == 0 {
		b.slots = x[:0]
		return
	}
	y = y[:n]
	var (
		or     uint64
		prev   = first
		lo, hi int64 // of x[i]-first
		dl, dh int64 // of the deltas
	)
	next := x[1:][:n]
	lo = next[0] - first
	hi, dl, dh = lo, lo, lo
	for i, v := range next {
		r, d := v-first, v-prev
		prev = v
		x[i], y[i] = r, d // x[i] has been read
		or |= uint64(r)
		lo, hi = min(lo, r), max(hi, r)
		dl, dh = min(dl, d), max(dh, d)
	}
	x = x[:n]
	if dl == dh {
		// A regular column needs no factor.
	} else if g := commonFactor(x, or); g > 1 && (bits.Len64(g)-1)*n > 8*uvarintLen(g) {
		b.factor = int64(g)
		lo, hi, dl, dh = divide(x, y, g)
	}

	// An order is left out if its range is so much wider that only many outliers could make up for it.
	fw, dw := bits.Len64(uint64(hi-lo)), bits.Len64(uint64(dh-dl))
	if fw <= dw {
		b.take(flat, 0, x, search(x, lo, hi, flatToll))
		if dw <= int(b.win.w)+bucketBits {
			b.take(delta, 0, y, search(y, dl, dh, sumToll))
		}
	} else {
		b.take(delta, 0, y, search(y, dl, dh, sumToll))
		if fw <= int(b.win.w)+bucketBits {
			b.take(flat, 0, x, search(x, lo, hi, flatToll))
		}
	}
	if slopes && b.win.w > 0 && n > 2 {
		b.planSlopes(x, y, z)
	}
	if b.factor != 1 && b.win.w == 0 && b.win.out == 0 {
		// Nothing is left to multiply but what the header holds.
		b.win.base *= b.factor
		b.slope *= b.factor
		b.factor = 1
	}
}

// take makes the order the block's if it costs less than what the block has.
func (b *block) take(order uint8, slope int64, slots []int64, w window) {
	if b.slots != nil && w.cost+varintLen(slope) >= b.win.cost+varintLen(b.slope) {
		return
	}
	b.order, b.slope, b.slots, b.win = order, slope, slots, w
}

// planSlopes tries the orders line and delta2 on the columns r and their deltas d.
func (b *block) planSlopes(r, d, z []int64) {
	n := len(r)
	// The residues of a line by least squares. A wrong slope makes the result longer, never wrong.
	var s float64
	for i, v := range r {
		s += float64(float64(2*(i+1)-n) * float64(v))
	}
	k := float64(n + 1)
	slope := roundToInt64(6 * s / (k * (float64(k*k) - 1)))
	z = z[:n]
	lo, hi := r[0]-slope, r[0]-slope
	for i, v := range r {
		v -= slope * int64(i+1)
		z[i] = v
		lo, hi = min(lo, v), max(hi, v)
	}
	b.take(line, slope, z, search(z, lo, hi, flatToll))

	// The changes of the deltas, in the memory that the best order so far does not need.
	spare := z
	switch b.order {
	case line:
		spare = r
	}
	slope = d[0]
	prev := slope
	lo, hi = 0, 0
	for i, v := range d {
		c := v - prev
		prev = v
		spare[i] = c
		lo, hi = min(lo, c), max(hi, c)
	}
	b.take(delta2, slope, spare, search(spare, lo, hi, sumToll))
}

// roundToInt64 is x to the nearest, and 0 if that is no int64.
func roundToInt64(x float64) int64 {
	if !(x > -1<<62 && x < 1<<62) {
		return 0
	}
	if x < 0 {
		return int64(x - 0.5)
	}
	return int64(x + 0.5)
}

// commonFactor is the greatest common divisor of x, whose elements' bits are or. It is 1 if all are 0.
func commonFactor(x []int64, or uint64) uint64 {
	if or == 0 {
		return 1
	}
	twos := bits.TrailingZeros64(or)
	var g uint64
	for _, v := range x {
		u := uint64(v)
		if v < 0 {
			u = -u
		}
		if u >>= twos; u == 0 {
			continue
		}
		for g != 0 {
			u, g = g, u%g
		}
		if g = u; g == 1 {
			break
		}
	}
	return g << twos
}

// divide divides x by g, which divides every element, and makes y the differences of the results. It returns the ranges of
// both.
func divide(x, y []int64, g uint64) (lo, hi, dl, dh int64) {
	y = y[:len(x)]
	prev := int64(0)
	twos := bits.TrailingZeros64(g)
	odd := int64(g >> twos)
	for i, v := range x {
		v >>= twos
		if odd != 1 {
			v /= odd
		}
		d := v - prev
		prev = v
		if i == 0 {
			lo, hi, dl, dh = v, v, d, d
		}
		x[i], y[i] = v, d
		lo, hi = min(lo, v), max(hi, v)
		dl, dh = min(dl, d), max(dh, d)
	}
	return lo, hi, dl, dh
}

// fixed says that a codec stores a column's first number in eight bytes, not as a varint.
func (c Codec) fixed() bool { return c == Bits }

// size is about what appendHeader and appendSlots append, with the toll of outliers.
func (b *block) size(c Codec) int {
	n := 3 + b.win.cost // codec, order and width, base
	if c.fixed() {
		n += 8
	} else {
		n += varintLen(b.first)
	}
	if b.factor != 1 {
		n += uvarintLen(uint64(b.factor))
	}
	if b.order >= delta2 {
		n += varintLen(b.slope)
	}
	return n
}

// flags are those that belong into the payload's first byte.
func (b *block) flags() (f byte) {
	if b.factor != 1 {
		f |= flagFactor
	}
	if b.win.out > 0 {
		f |= flagOutliers
	}
	return f
}

// control is the payload's second byte.
func (b *block) control() byte {
	w := b.win.w
	if w == 64 {
		w = wideSlots
	}
	return b.order<<6 | byte(w)
}

// appendHeader appends what stands between the fields of the codec and the list of raw values.
func (b *block) appendHeader(dst []byte, c Codec) []byte {
	if c.fixed() {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(b.first))
	} else {
		dst = appendVarint(dst, b.first)
	}
	if b.factor != 1 {
		dst = binary.AppendUvarint(dst, uint64(b.factor))
	}
	if b.order >= delta2 {
		dst = appendVarint(dst, b.slope)
	}
	w, base := b.win.w, b.win.base
	dst = appendVarint(dst, base>>granule(w))
	if b.win.out > 0 {
		dst = binary.AppendUvarint(dst, uint64(b.win.out))
		next := 0
		for i, v := range b.slots {
			if v -= base; uint64(v)>>w != 0 {
				dst = binary.AppendUvarint(dst, uint64(i-next))
				dst = appendVarint(dst, v>>w)
				next = i + 1
			}
		}
	}
	return dst
}

func (b *block) appendSlots(dst []byte) []byte {
	return pack(dst, b.slots, b.win.base, b.win.w)
}

// slotsAt finds the slots of n numbers at the front of src, of which the payload is the part up to end, and gives the
// header behind them.
func (u *unpacker) slotsAt(src []byte, end, n int, c Codec, control byte) (header, error) {
	w := uint(control & widthMask)
	if w > maxPacked {
		if w != wideSlots {
			return header{}, damaged(c, "width", int(w))
		}
		w = 64
	}
	size := packedSize(n, w)
	if end < size {
		return header{}, damaged(c, "length", end)
	}
	u.setSlots(src, w)
	return header{src: src[:end], at: size}, nil
}

// decodeBlock reads a packed column of len(dst) numbers, at least one, and makes u's target of each. h has
// passed the slots and the codec's own fields; it passes the block's fields. scale multiplies every number.
func decodeBlock(dst []int64, c Codec, flags, control byte, h *header, u *unpacker, scale int64) error {
	w, n := u.w, len(dst)-1
	var first, slope int64
	factor := int64(1)
	if c.fixed() {
		first = int64(h.uint64())
	} else {
		first = h.varint()
	}
	if flags&flagFactor != 0 {
		factor = int64(h.uvarint())
	}
	order := control >> 6
	if order >= delta2 {
		slope = h.varint()
	}
	base := h.varint() << granule(w)
	if scale != 1 {
		first *= scale
		factor *= scale
	}
	base *= factor
	slope *= factor
	u.factor = factor

	dst[0] = u.element(first)
	dst = dst[1:]
	out := 0
	if flags&flagOutliers != 0 {
		out = h.count(n)
	}
	switch order {
	case flat, line:
		u.inc = slope
		u.flat(dst, first+base+slope)
		at := -1
		for range out {
			at += 1 + h.count(n)
			if at >= n {
				return damaged(c, "outlier at", at)
			}
			x := int64(u.slot(uint(at))) + h.varint()<<w
			dst[at] = u.element(first + base + slope*int64(at+1) + factor*x)
		}
	case delta, delta2:
		acc, to := first, u.to
		if order == delta2 {
			acc, u.to = slope, toInt64 // at first the differences
		}
		u.inc = base
		at := 0
		for range out {
			// Up to the outlier as usual; what it sticks out by enters the sum before it.
			next := at + h.count(n)
			if next >= n {
				return damaged(c, "outlier at", next)
			}
			acc = u.sums(dst[at:next], acc)
			acc += base + factor*(int64(u.slot(u.next))+h.varint()<<w)
			dst[next] = u.element(acc)
			u.next++
			at = next + 1
		}
		u.sums(dst[at:], acc)
		if order == delta2 {
			u.to = to
			acc = first
			for i, d := range dst {
				acc += d
				dst[i] = u.element(acc)
			}
		}
	}
	return nil
}
