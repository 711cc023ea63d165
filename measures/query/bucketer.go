package query

import (
	"slices"

	"granary/measures/aggregate"
	"granary/policy"
)

// points are the buckets of a series or group that have a value: their numbers, ascending, and the values.
type points struct {
	at     []int64
	values []float64
}

func (p *points) reset() { p.at, p.values = p.at[:0], p.values[:0] }

func (p *points) add(at int64, v float64) {
	p.at, p.values = append(p.at, at), append(p.values, v)
}

// grow makes room for n more.
func (p *points) grow(n int) { p.at, p.values = slices.Grow(p.at, n), slices.Grow(p.values, n) }

// addColumn appends buckets that begin at these times.
func (p *points) addColumn(begin, step int64, times []int64, values []float64) {
	n := len(p.at)
	p.at = slices.Grow(p.at, len(times))[:n+len(times)]
	p.values = append(p.values, values...)
	at := p.at[n:]
	last, k := begin, int64(0)
	for i, t := range times {
		if d := t - last; d == step { // usually: divisions are slow
			k++
		} else {
			k = (t - begin) / step
		}
		at[i], last = k, t
	}
}

// sink takes the buckets of a series, one after the other.
type sink interface {
	// take gets the values of bucket k, one at least, in the order of their times. They stay the caller's.
	take(k int64, values []float64)
}

// one makes one value of those of a bucket.
type one struct {
	method  policy.Method
	scratch aggregate.Scratch
	dst     *points
}

func (o *one) take(k int64, values []float64) {
	if v, ok := aggregate.Of(o.method, values, &o.scratch); ok {
		o.dst.add(k, v)
	}
}

// bucketer divides samples into buckets. Bucket k begins at base + k*step.
type bucketer struct {
	base, step int64
	dst        sink

	// The bucket of the newest samples may get more from the next call of add: its samples wait here.
	carry []float64
	open  int64
	guess int // samples of the bucket before, which is how many the next one usually has
}

func (b *bucketer) begin(dst sink, base, step int64) {
	b.dst, b.base, b.step = dst, base, step
	b.carry = b.carry[:0]
	b.guess = 1
}

// add takes samples at or behind base, newer than those before them. Finished buckets go to the sink.
func (b *bucketer) add(times []int64, values []float64) {
	step := uint64(b.step)
	n := len(times)
	for i := 0; i < n; {
		// Differences of times are taken without a sign: they may be as large as that.
		off := uint64(times[i]) - uint64(b.base)
		k := off / step
		j := i + b.reach(times[i:], step-off+k*step)
		if len(b.carry) > 0 && int64(k) != b.open {
			b.end()
		}
		if len(b.carry) > 0 || j == n {
			b.open = int64(k)
			b.carry = append(b.carry, values[i:j]...)
		} else {
			b.dst.take(int64(k), values[i:j])
		}
		i = j
	}
}

// end finishes the bucket that waits.
func (b *bucketer) end() {
	if len(b.carry) > 0 {
		b.dst.take(b.open, b.carry)
		b.carry = b.carry[:0]
	}
}

// reach is how many of the times lie less than rest behind the first one. There is one at least.
func (b *bucketer) reach(times []int64, rest uint64) int {
	first := uint64(times[0])
	n := len(times)
	if g := b.guess; g <= n && uint64(times[g-1])-first < rest && (g == n || uint64(times[g])-first >= rest) {
		return g
	}
	// Look ever farther ahead, then close in.
	lo, hi := 0, 1
	for hi < n && uint64(times[hi])-first < rest {
		lo, hi = hi, 2*hi
	}
	hi = min(hi, n)
	for hi-lo > 1 {
		mid := int(uint(lo+hi) >> 1)
		if uint64(times[mid])-first < rest {
			lo = mid
		} else {
			hi = mid
		}
	}
	b.guess = hi
	return hi
}
