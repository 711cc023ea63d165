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
	// outlierToll is what an outlier costs in the choice of a window on top of its bytes: reading one takes about as
	// long as reading two slots.
	outlierToll = 1
)

// windowCost is the cost of slots of w bits for count numbers of which out do not fit and stick out of the window by as many
// as over bits.
func windowCost(count int, w uint, out int, over uint) int {
	c := packedSize(count, w)
	if out > 0 {
		c += 1 + out*(2+int(over)/7+outlierToll)
	}
	return c
}

// search finds a cheap window for x, whose least and greatest elements are lo and hi. It makes a histogram of 32 buckets
// over the range, tries the windows of each narrower width at every bucket, and goes on inside the best bucket as long
// as that can gain.
func search(x []int64, lo, hi int64) window {
	n := len(x)
	full := uint(bits.Len64(uint64(hi - lo)))
	best := window{w: 64, cost: 8 * n}
	for {
		low, r := aligned(lo, hi)
		if r == 0 || n < 8 {
			if r <= maxPacked {
				best.offer(n, low, r, n-countInside(x, low, r), full)
			}
			return best
		}
		shift := granule(r)
		sums := histogram(x, low, shift)
		parts := 1 << (r - shift)
		at := 0
		for w := r; ; w-- {
			span := 1 << (w - shift)
			var most uint32
			for i, below := range sums[:parts-span+1] {
				if c := sums[i+span] - below; c > most {
					most, at = c, i
				}
			}
			if w <= maxPacked {
				best.offer(n, low+int64(at)<<shift, w, n-int(most), full)
			}
			if w == shift {
				// A window of one bucket. Even narrower ones are worth a look if they could be cheaper with no more outliers.
				if w == 0 || windowCost(n, 0, n-int(most), full-w) >= best.cost {
					return best
				}
				break
			}
		}
		lo, hi = rangeInside(x, low+int64(at)<<shift, shift)
	}
}

// offer takes the window if it is cheaper than *b.
func (b *window) offer(n int, base int64, w uint, out int, full uint) {
	if c := windowCost(n, w, out, full-min(w, full)); c < b.cost {
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
// result is the count of the buckets below bucket i.
func histogram(x []int64, low int64, shift uint) (sums [buckets + 1]uint32) {
	var h [64]uint32 // one more than buckets for the elements outside; 64 spares the bounds check
	for _, v := range x {
		h[min(uint64(v-low)>>(shift&63), buckets)&63]++
	}
	sum := uint32(0)
	for i := range buckets {
		sums[i] = sum
		sum += h[i]
	}
	sums[buckets] = sum
	return sums
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
