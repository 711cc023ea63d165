package chunk

import "math/bits"

// A window is the range of numbers that fit a slot: [base, base+2^w). Numbers outside it are outliers: their slot keeps the
// low bits, and a list in front of the slots has the rest. Base is a multiple of 2^granule(w), so that it takes one
// byte in the payload if the numbers lie around 0.
type window struct {
	base int64
	w    uint
	out  int // outliers
	cost int // bytes of slots and outliers, and what reading the outliers costs, in bytes
}

// granule is the number of low bits of a window's base that are zero and not stored.
func granule(w uint) uint {
	if w > 5 {
		return w - 5
	}
	return 0
}

const (
	// buckets is the number of buckets (2^bucketBits) of the histogram that the search of a window makes.
	bucketBits = 5
	buckets    = 1 << bucketBits
	// What an outlier costs in the choice of a window on top of its bytes, in bytes, for the time that reading it takes: one of
	// numbers that do not depend on each other, and one in a running sum, which it interrupts.
	flatToll = 1
	sumToll  = 3
)

// windowCost is the cost of slots of w bits for count numbers of which out do not fit and stick out of the window by as many
// as over bits.
func windowCost(count int, w uint, out int, over uint, toll int) int {
	c := packedSize(count, w)
	if out > 0 { // a bound may be below 0
		c += 1 + out*(2+int(over)/7+toll)
	}
	return c
}

// search finds a cheap window for x, whose least and greatest elements are lo and hi. It makes a histogram of 32 buckets
// over the range, tries the windows of each narrower width at every bucket, and goes on inside the fullest bucket as long
// as that can gain.
func search(x []int64, lo, hi int64, toll int) window {
	n := len(x)
	full := uint(bits.Len64(uint64(hi - lo)))
	best := window{w: 64, cost: 8 * n}
	low, r := aligned(lo, hi)
	best.offer(n, low, r, 0, full, toll)
	for r > 0 && n >= 8 {
		shift := granule(r)
		sums, most, at := histogram(x, low, shift)
		// Widths above that of a bucket. A window holds no more than its share of buckets times the fullest one.
		for w := r; w > shift; w-- {
			span := 1 << (w - shift)
			if windowCost(n, w, n-int(most)*span, full-w, toll) >= best.cost {
				continue
			}
			c, i := densest(sums[:1<<(r-shift)+1], span)
			best.offer(n, low+int64(i)<<shift, w, n-int(c), full, toll)
		}
		out := n - int(most)
		low += int64(at) << shift
		best.offer(n, low, shift, out, full, toll)
		// The cost of a width below, with no more outliers than now, lies between that of this width and that of 0.
		if shift == 0 || windowCost(n, 0, out, full, toll) >= best.cost {
			break
		}
		low, r = aligned(rangeInside(x, low, shift))
		best.offer(n, low, r, n-countInside(x, low, r), full, toll)
	}
	return best
}

// densest finds the span buckets that hold most. sums are the running sums of the buckets.
func densest(sums []uint32, span int) (most uint32, at int) {
	above := sums[span:]
	for i, below := range sums[:len(above)] {
		if c := above[i] - below; c > most {
			most, at = c, i
		}
	}
	return most, at
}

// offer takes the window if it is cheaper than *b.
func (b *window) offer(n int, base int64, w uint, out int, full uint, toll int) {
	if w > maxPacked {
		return
	}
	if c := windowCost(n, w, out, full-min(w, full), toll); c < b.cost {
		*b = window{base: base, w: w, out: out, cost: c}
	}
}

// aligned widens the range [lo, hi] to one of 2^r numbers that begins on the granule of r.
func aligned(lo, hi int64) (low int64, r uint) {
	r = uint(bits.Len64(uint64(hi - lo)))
	for {
		g := granule(r)
		low = lo >> g << g
		if uint(bits.Len64(uint64(hi-low))) <= r {
			return low, r
		}
		r++ // happens once: a granule is a small part of the range
	}
}

// histogram counts the elements of x in each of the buckets of 2^shift numbers from low on, and sums up: element i of the
// sums is the count of the buckets below bucket i. Bucket at is the fullest, with most elements.
func histogram(x []int64, low int64, shift uint) (sums [buckets + 1]uint32, most uint32, at int) {
	var h [64]uint32 // one more than buckets for the elements outside; 64 spares the bounds check
	for _, v := range x {
		h[min(uint64(v-low)>>(shift&63), buckets)&63]++
	}
	sum := uint32(0)
	for i := range buckets {
		sums[i] = sum
		sum += h[i]
		if h[i] > most {
			most, at = h[i], i
		}
	}
	sums[buckets] = sum
	return sums, most, at
}

// countInside counts the elements of x in [low, low+2^w).
func countInside(x []int64, low int64, w uint) (n int) {
	for _, v := range x {
		if uint64(v-low)>>w == 0 {
			n++
		}
	}
	return n
}

// rangeInside finds the least and the greatest element of x in [low, low+2^w). There is one.
func rangeInside(x []int64, low int64, w uint) (lo, hi int64) {
	least, most := ^uint64(0), uint64(0)
	for _, v := range x {
		if u := uint64(v - low); u>>w == 0 {
			least, most = min(least, u), max(most, u)
		}
	}
	return low + int64(least), low + int64(most)
}
