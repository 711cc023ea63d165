package aggregate

import (
	"math"
	"slices"

	"granary/policy"
)

// Scratch is memory that Of works in. The zero value is ready; it serves one goroutine.
type Scratch struct {
	sorted   []float64
	order    order
	together together
}

// Trim lets go of memory for more than so many values.
func (s *Scratch) Trim(values int) {
	if cap(s.sorted) > values {
		s.sorted = nil
	}
	if cap(s.order.keys) > values {
		s.order = order{}
	}
}

// Of is the method over the values of one bucket, which are in the order of their times and not changed; false if it has no
// value there. A method that IsRate takes differences as its values: see Differences.
//
// The definitions, for n values:
//
//	sum, mean   plain additions from left to right; the mean divides the sum by n
//	min, max    NaN is left out by min unless there is nothing else; max is NaN if one value is
//	first, last of the values as they stand
//	count       n, NaN included
//	std         of a sample: sqrt(sum((v-mean)^2) / (n-1)), two passes; none for n = 1
//	stdpop      of a population: sqrt(sum((v-mean)^2) / n)
//	median      the middle one of the sorted values, of two the mean; NaN if one value is
//	Npct        at the position p = (n-1)*N/100 of the sorted values: v[floor p]*(ceil p - p) + v[ceil p]*(p - floor p), and
//	            v[p] where p is whole; NaN if one value is
//	nunique     how many distinct values; 0 and -0 are one, and so are all NaN
func Of(m policy.Method, values []float64, s *Scratch) (float64, bool) {
	n := len(values)
	if n == 0 {
		return 0, false
	}
	if p, ok := m.Percent(); ok {
		return s.quantile(values, p/100), true
	}
	switch m.Plain() {
	case policy.Sum:
		return sum(values), true
	case policy.Mean:
		return sum(values) / float64(n), true
	case policy.Min:
		return least(values), true
	case policy.Max:
		return greatest(values), true
	case policy.First:
		return values[0], true
	case policy.Last:
		return values[n-1], true
	case policy.Count:
		return float64(n), true
	case policy.Std:
		if n == 1 {
			return 0, false
		}
		return math.Sqrt(squares(values, sum(values)) / float64(n-1)), true
	case policy.StdPop:
		return math.Sqrt(squares(values, sum(values)) / float64(n)), true
	case policy.Median:
		return s.quantile(values, 0.5), true
	case policy.NUnique:
		return s.distinct(values), true
	}
	return 0, false
}

func sum(values []float64) float64 {
	t := 0.0
	for _, v := range values {
		t += v
	}
	return t
}

func least(values []float64) float64 {
	low := math.NaN()
	for _, v := range values {
		if v < low || low != low {
			low = v
		}
	}
	return low
}

func greatest(values []float64) float64 {
	high := values[0]
	for _, v := range values {
		if v > high || v != v {
			high = v
		}
	}
	return high
}

// squares is the sum of the squared distances from the mean, which total, the sum of the values, gives.
func squares(values []float64, total float64) float64 {
	mean := total / float64(len(values))
	t := 0.0
	for _, v := range values {
		d := v - mean
		t += d * d
	}
	return t
}

// sort returns the values sorted, NaN first.
func (s *Scratch) sort(values []float64) []float64 {
	s.sorted = append(s.sorted[:0], values...)
	slices.Sort(s.sorted)
	return s.sorted
}

func (s *Scratch) quantile(values []float64, q float64) float64 {
	if len(values) == 1 {
		return values[0]
	}
	if nan, is := s.order.load(values); is {
		return nan
	}
	return s.order.quantile(q)
}

func (s *Scratch) distinct(values []float64) float64 {
	v := s.sort(values)
	n := 1
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] && v[i] == v[i] {
			n++
		}
	}
	return float64(n)
}

// Differences appends, for each value but the first, the value minus the one before it.
func Differences(dst, values []float64) []float64 {
	for i := 1; i < len(values); i++ {
		dst = append(dst, values[i]-values[i-1])
	}
	return dst
}
