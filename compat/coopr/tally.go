package coopr

import (
	"math"
	"math/bits"
	"strconv"
	"time"
)

// maxBuckets bounds the buckets of one answer.
const maxBuckets = 100_000

// tally adds up how long nodes have lived, in buckets. The first bucket begins at the start, the others at multiples of the
// period, and the last one ends at the end. A node that lives through a whole bucket is counted, and its time added when the
// answer is written: a long life costs no more than a short one.
type tally struct {
	start, end int64 // seconds
	period     int64 // seconds; 0 for one bucket
	edge       int64 // where the second bucket begins, seconds
	unit       int64 // nanoseconds

	values []int64 // of lives that fill no whole bucket, in units
	whole  []int64 // by how much the number of those that do changes from the bucket before
}

// newTally is false if there were too many buckets.
func newTally(start, end, period, unit int64) (*tally, bool) {
	t := &tally{start: start, end: end, period: period, unit: unit}
	n := uint64(1)
	if period > 0 && end > start && start <= math.MaxInt64-period {
		t.edge = (floor(start, period) + 1) * period
		if t.edge < end {
			n += (uint64(end)-uint64(t.edge)-1)/uint64(period) + 1 //nolint:gosec // a difference of ordered numbers fits, whatever their signs
		}
	}
	if n > maxBuckets {
		return nil, false
	}
	t.values, t.whole = make([]int64, n), make([]int64, n+1)
	return t, true
}

// floor divides, rounding down.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// from is where a bucket begins, in seconds.
func (t *tally) from(i int) int64 {
	if i == 0 {
		return t.start
	}
	return t.edge + int64(i-1)*t.period
}

// bucket is the one in which a point in time within the range lies, given in nanoseconds.
func (t *tally) bucket(at int64) int {
	if len(t.values) == 1 {
		return 0
	}
	if s := floor(at, int64(time.Second)); s >= t.edge {
		return int((s-t.edge)/t.period) + 1
	}
	return 0
}

// add adds the lives of one node. None is longer than until now. Parts of a unit are lost once for each bucket.
func (t *tally) add(lives []Life, now int64) {
	in, lived := 0, int64(0) // the bucket that is being filled
	flush := func(next int) {
		if next != in {
			t.values[in] = plus(t.values[in], lived/t.unit)
			in, lived = next, 0
		}
	}
	from, to := nanoseconds(t.start), min(nanoseconds(t.end), now)
	for _, l := range lives {
		l.From, l.To = max(l.From, from), min(l.To, to)
		if l.From >= l.To {
			continue
		}
		i, last := t.bucket(l.From), t.bucket(l.To-1)
		flush(i)
		if i == last {
			lived = plus(lived, l.To-l.From)
			continue
		}
		lived = plus(lived, nanoseconds(t.from(i+1))-l.From)
		t.whole[i+1]++
		t.whole[last]--
		flush(last)
		lived = l.To - nanoseconds(t.from(last))
	}
	flush(-1)
}

// nanoseconds is a time in seconds as nanoseconds; beyond what they can say it is the end of their range.
func nanoseconds(s int64) int64 {
	const most = math.MaxInt64 / int64(time.Second)
	switch {
	case s > most:
		return math.MaxInt64
	case s < -most:
		return math.MinInt64
	}
	return s * int64(time.Second)
}

// plus adds two numbers that are not below zero, up to the largest there is.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// times multiplies two numbers that are not below zero, up to the largest there is.
func times(a, b int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b)) //nolint:gosec // neither is below zero
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}

// append appends the answer.
func (t *tally) append(b []byte) []byte {
	b = append(b, `{"start":`...)
	b = strconv.AppendInt(b, t.start, 10)
	b = append(b, `,"end":`...)
	b = strconv.AppendInt(b, t.end, 10)
	b = append(b, `,"data":[`...)
	full := nanoseconds(t.period) / t.unit
	nodes := int64(0)
	for i, v := range t.values {
		if i > 0 {
			b = append(b, ',')
		}
		nodes += t.whole[i]
		b = append(b, `{"time":`...)
		b = strconv.AppendInt(b, t.from(i), 10)
		b = append(b, `,"value":`...)
		b = strconv.AppendInt(b, plus(v, times(nodes, full)), 10)
		b = append(b, '}')
	}
	return append(b, `]}`...)
}
