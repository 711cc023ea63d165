package aggregate

import (
	"math"

	"granary/policy"
)

// Several is Of for several methods at once, which share what they have in common: out[i], ok[i] is what Of makes of the values by
// methods[i], in equal bits.
func Several(methods []policy.Method, values []float64, out []float64, ok []bool, s *Scratch) {
	n := len(values)
	if n == 0 {
		clear(ok[:len(methods)])
		return
	}
	total, low, high := values[0], values[0], values[0]
	total += 0 // as a sum that begins with 0
	for _, v := range values[1:] {
		total += v
		if v < low || low != low {
			low = v
		}
		if v > high || v != v {
			high = v
		}
	}
	for i, m := range methods {
		ok[i] = true
		switch m.Plain() {
		case policy.Sum:
			out[i] = total
		case policy.Mean:
			out[i] = total / float64(n)
		case policy.Min:
			out[i] = low
		case policy.Max:
			out[i] = high
		case policy.Count:
			out[i] = float64(n)
		case policy.First:
			out[i] = values[0]
		case policy.Last:
			out[i] = values[n-1]
		case policy.Std:
			if ok[i] = n > 1; ok[i] {
				out[i] = math.Sqrt(squares(values, total) / float64(n-1))
			}
		case policy.StdPop:
			out[i] = math.Sqrt(squares(values, total) / float64(n))
		default:
			out[i], ok[i] = Of(m, values, s)
		}
	}
}
