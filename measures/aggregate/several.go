package aggregate

import (
	"math"
	"slices"

	"granary/policy"
)

// together says what several methods have in common. It is made once for many buckets.
type together struct {
	methods   []policy.Method // that it was made of
	steps     []step
	quantiles int
}

// step is what is made for one method: its base, and of quantiles, which are all of base Median here, the share.
type step struct {
	base policy.Method
	q    float64
}

func (t *together) of(methods []policy.Method) {
	t.methods = append(t.methods[:0], methods...)
	t.steps, t.quantiles = t.steps[:0], 0
	for _, m := range methods {
		s := step{base: m.Plain(), q: 0.5}
		if p, ok := m.Percent(); ok {
			s = step{policy.Median, p / 100}
		}
		if s.base == policy.Median {
			t.quantiles++
		}
		t.steps = append(t.steps, s)
	}
}

// manyQuantiles are worth sorting all values.
const manyQuantiles = 4

// Several is Of for several methods at once, which share what they have in common: out[i], ok[i] is what Of makes of the values by
// methods[i], in equal bits. All says that each of them has a value. It is quickest for the same methods again and again.
func Several(methods []policy.Method, values []float64, out []float64, ok []bool, s *Scratch) (all bool) {
	n := len(values)
	out, ok = out[:len(methods)], ok[:len(methods)]
	if n == 0 {
		clear(ok)
		return len(ok) == 0
	}
	t := &s.together
	if !slices.Equal(t.methods, methods) {
		t.of(methods)
	}
	var total float64
	var none bool // of the quantiles has a number, but all are total
	if t.quantiles > 0 {
		total, none = s.order.load(values)
		if t.quantiles >= manyQuantiles && !none {
			s.order.sort()
		}
	}
	nan := total
	low, high := values[0], values[0]
	if t.quantiles > 0 && s.order.done && !none {
		// Of a zero the sign is that of the first one.
		if low = valueOf(s.order.keys[0]); low == 0 {
			low = least(values)
		}
		if high = valueOf(s.order.keys[n-1]); high == 0 {
			high = greatest(values)
		}
	} else {
		total = 0
		for _, v := range values {
			total += v
			if v < low || low != low {
				low = v
			}
			if v > high || v != v {
				high = v
			}
		}
	}
	all = true
	for i := range t.steps {
		ok[i] = true
		switch t.steps[i].base {
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
			if n == 1 {
				ok[i], all = false, false
				continue
			}
			out[i] = math.Sqrt(squares(values, total) / float64(n-1))
		case policy.StdPop:
			out[i] = math.Sqrt(squares(values, total) / float64(n))
		case policy.Median:
			if out[i] = nan; !none {
				out[i] = s.order.quantile(t.steps[i].q)
			}
		default:
			out[i], ok[i] = Of(methods[i], values, s)
			all = all && ok[i]
		}
	}
	return all
}
