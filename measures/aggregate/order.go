package aggregate

import (
	"math"
	"math/bits"
	"slices"
)

// Values are put in order as whole numbers of the same order, which takes no branches that depend on them: of the few values of a
// usual bucket, wrong guesses of the processor would take most of the time. 0 stands behind -0, and there must be no NaN.

func keyOf(v float64) uint64 {
	b := math.Float64bits(v)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

func valueOf(key uint64) float64 {
	return math.Float64frombits(key ^ (uint64(int64(^key)>>63) | 1<<63))
}

// fewKeys are so few that they are all sorted by insertion.
const fewKeys = 16

// order are the values of one bucket, in order as far as has been asked for.
type order struct {
	keys []uint64
	done bool // all of them are in order
}

// load takes values, one at least, and adds them up by the way. If one of them is NaN, the sum is that, and it says so.
func (o *order) load(values []float64) (total float64, nan bool) {
	n := len(values)
	if cap(o.keys) < n {
		o.keys = make([]uint64, max(n, fewKeys))
	}
	keys := o.keys[:n]
	for i, v := range values {
		if v != v {
			return v, true
		}
		keys[i] = keyOf(v)
		total += v
	}
	o.keys, o.done = keys, n <= fewKeys
	if o.done {
		sortFew(keys)
	}
	return total, false
}

// sort puts all of them in order.
func (o *order) sort() {
	if !o.done {
		slices.Sort(o.keys)
		o.done = true
	}
}

// quantile is the value at the position q*(n-1), and between two values what Of says.
func (o *order) quantile(q float64) float64 {
	at := float64(len(o.keys)-1) * q
	lo, hi := math.Floor(at), math.Ceil(at)
	k := int(lo)
	if lo == hi {
		if !o.done {
			o.find(k)
		}
		return valueOf(o.keys[k])
	}
	if !o.done {
		o.find(k)
		o.pull(k + 1)
	}
	a, b := valueOf(o.keys[k]), valueOf(o.keys[k+1])
	if q == 0.5 {
		return (a + b) / 2
	}
	return a*(hi-at) + b*(at-lo)
}

// sortFew sorts by insertion.
func sortFew(keys []uint64) {
	for i, x := range keys {
		for j, k := range keys[:i] {
			keys[j] = min(k, x)
			x = max(k, x)
		}
		keys[i] = x
	}
}

// find brings the key that belongs at k there, those below to its left and those above to its right.
func (o *order) find(k int) {
	lo, hi := 0, len(o.keys)
	for rounds := 2 * bits.Len(uint(hi)); hi-lo > fewKeys; rounds-- {
		if rounds == 0 { // the pivots are bad
			slices.Sort(o.keys[lo:hi])
			return
		}
		part := o.keys[lo:hi]
		pivot := middle(part)
		below := split(part, pivot, 0)
		if k < lo+below {
			hi = lo + below
			continue
		}
		lo += below
		part = part[below:]
		equal := split(part, pivot, 1)
		if k < lo+equal {
			return
		}
		lo += equal
	}
	sortFew(o.keys[lo:hi])
}

// split brings the keys below a pivot to the front, those equal to it too if or is 1, and says how many they are.
func split(keys []uint64, pivot, or uint64) int {
	n := uint64(0)
	for i, k := range keys {
		if n >= uint64(len(keys)) {
			break // never: it spares a check of the bounds
		}
		keys[i] = keys[n]
		keys[n] = k
		_, below := bits.Sub64(k, pivot, or)
		n += below
	}
	return int(n)
}

// middle is about the middle one of the keys.
func middle(keys []uint64) uint64 {
	n := len(keys)
	third := func(i int) uint64 {
		a, b, c := keys[i], keys[i+n/16], keys[i+n/8]
		return max(min(a, b), min(max(a, b), c))
	}
	a, b, c := third(0), third(n/2-n/16), third(n-1-n/8)
	return max(min(a, b), min(max(a, b), c))
}

// pull brings the smallest of the keys from k on to k.
func (o *order) pull(k int) {
	least := k
	for i := k + 1; i < len(o.keys); i++ {
		if o.keys[i] < o.keys[least] {
			least = i
		}
	}
	o.keys[k], o.keys[least] = o.keys[least], o.keys[k]
}
