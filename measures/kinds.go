package measures

import (
	"math"

	"granary/measures/chunk"
	"granary/metricdef"
)

// IntWord carries a whole number in the float64 columns of batches, heads and readers: as its bits. Everything on the way
// copies them; the float has no meaning and may be a NaN, so nobody calculates with it or compares it.
func IntWord(i int64) float64 { return chunk.IntWord(i) }

// WordInt takes the whole number out again.
func WordInt(v float64) int64 { return chunk.WordInt(v) }

// KindOf is the kind of the values of a series, 0 if there is none.
func (s *Store) KindOf(ref metricdef.Ref) metricdef.Kind { return s.Definitions.Kind(ref) }

// Floats turns the values that were read into floats to calculate with: whole numbers into the floats next to them. Other
// values are floats already. Values holds them afterwards too, and what was exact is no more.
func (r *Reader) Floats() []float64 {
	if r.Kind == metricdef.KindInt {
		for i, w := range r.Values {
			r.Values[i] = float64(WordInt(w))
		}
		r.Kind = metricdef.KindFloat
	}
	return r.Values
}

// fit makes the value of a row one that a series of kind k takes, and says whether that can be. It may be asked again for
// the same row.
func (b *Batch) fit(row int, k metricdef.Kind) bool {
	have := metricdef.KindFloat
	if row < len(b.kinds) && b.kinds[row] != 0 {
		have = b.kinds[row]
	}
	v := b.Values[row]
	switch {
	case k == metricdef.KindState && have == metricdef.KindFloat:
		state, ok := metricdef.StateOf(v)
		b.Values[row] = float64(state)
		return ok
	case have == k:
	case b.Exact:
		return false
	case k == metricdef.KindFloat && have == metricdef.KindInt:
		b.Values[row] = float64(WordInt(v))
		b.kinds[row] = 0
	case k == metricdef.KindInt && have == metricdef.KindFloat:
		if v != math.Trunc(v) || v < -1<<63 || v >= 1<<63 {
			return false
		}
		b.Values[row] = IntWord(int64(v))
		for len(b.kinds) <= row {
			b.kinds = append(b.kinds, 0)
		}
		b.kinds[row] = metricdef.KindInt
	default:
		return false
	}
	return true
}

// kindsOf is the part of b.kinds that belongs to the rows from, …, to-1, as far as it goes.
func (b *Batch) kindsOf(from, to int) []metricdef.Kind {
	return b.kinds[min(from, len(b.kinds)):min(to, len(b.kinds))]
}

// kind is the kind of a series' values as the applier knows it; 0 is a float. REQUIRES: sh.mu, at least for reading.
func (sr *series) kind() metricdef.Kind { return metricdef.Kind(sr.flags >> kindShift) }
