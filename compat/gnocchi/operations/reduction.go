package operations

import (
	"math"
	"strings"

	"granary/measures/aggregate"
	"granary/policy"
)

// reduction makes one value of several. NaN is left out.
type reduction struct {
	name     string // as it was written
	method   policy.Method
	variance bool // which is no method of policies: method does not count
	// rate says that not the values count, but how they differ from those before them.
	rate bool
}

// Deviations are those of a population here.
var reductions = map[string]reduction{
	"mean": {method: policy.Mean}, "median": {method: policy.Median}, "sum": {method: policy.Sum}, "min": {method: policy.Min}, "max": {method: policy.Max},
	"std": {method: policy.StdPop}, "var": {variance: true}, "count": {method: policy.Count},
}

const (
	ratePrefix     = "rate:"
	reductionNames = "mean, median, sum, min, max, std, var, count, and these with rate: in front"
)

func reductionOf(name string) (reduction, bool) {
	base, rate := strings.CutPrefix(name, ratePrefix)
	r, ok := reductions[base]
	r.name, r.rate = name, rate
	return r, ok
}

// of is the value of numbers, none of which is NaN. Of no number the sum and the count are 0, and all else is NaN.
func (r *reduction) of(numbers []float64, s *aggregate.Scratch) float64 {
	if r.variance {
		if v, ok := aggregate.Variance(numbers); ok {
			return v
		}
		return math.NaN()
	}
	if v, ok := aggregate.Of(r.method, numbers, s); ok {
		return v
	}
	if r.method == policy.Sum || r.method == policy.Count {
		return 0
	}
	return math.NaN()
}
