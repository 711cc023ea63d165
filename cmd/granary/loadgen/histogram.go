package loadgen

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets whose width is 1/32 of their value or less, so a percentile is at most 3 % too
// high. The zero value is empty.
type histogram struct {
	counts [64 * 32]uint64
	n      uint64
	max    time.Duration
}

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 32 {
		return int(v)
	}
	shift := bits.Len64(v) - 6
	return shift*32 + int(v>>shift)
}

// limit is the highest duration of a bucket.
func limit(b int) time.Duration {
	if b < 64 {
		return time.Duration(b)
	}
	shift := b/32 - 1
	return time.Duration((uint64(b-shift*32)+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

// quantile is the duration that the share q of all does not exceed; 0 if there is none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(q * float64(h.n))
	if float64(rank) < q*float64(h.n) {
		rank++
	}
	var sum uint64
	for i, n := range h.counts {
		if sum += n; sum >= max(rank, 1) {
			return min(limit(i), h.max)
		}
	}
	return h.max
}
