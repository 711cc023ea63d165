package policy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Method is one aggregation method of the catalogue: a base, or a percentile, and whether it works on differences. What a
// method makes of the values of a bucket is defined in package measures/aggregate.
type Method uint32

// The bases of the catalogue. Their numbers stand in records on disk.
const (
	NoMethod Method = iota
	Sum
	Mean
	Min
	Max
	First   // by time
	Last    // by time
	Count   // of values
	Std     // standard deviation of a sample: ddof 1, none for a single value
	Median  // of two the mean
	NUnique // distinct values
	StdPop  // standard deviation of a population: ddof 0

	numBases
)

// A method is its base in the low byte, the flag of rates, and in the upper half the percentile in hundredths of a percent
// (base 0).
const (
	methodBase    Method = 1<<8 - 1
	methodRate    Method = 1 << 8
	methodPercent        = 16 // where the percentile begins
)

var methodNames = [numBases]string{NoMethod: "none", Sum: "sum", Mean: "mean", Min: "min", Max: "max", First: "first", Last: "last",
	Count: "count", Std: "std", Median: "median", NUnique: "nunique", StdPop: "stdpop"}

const (
	ratePrefix    = "rate:"
	percentSuffix = "pct"
)

// Percentile is the method of the p-th percentile, 0 < p < 100, to two decimals; NoMethod for any other p. The 50th is
// not Median, though it gives the same.
func Percentile(p float64) Method {
	h := math.Round(p * 100)
	if !(h > 0 && h < 100_00) || math.Abs(h-p*100) > 1e-6 {
		return NoMethod
	}
	return Method(h) << methodPercent
}

// Percent is the percentile of the method, false if it is none.
func (m Method) Percent() (float64, bool) {
	h := m >> methodPercent
	return float64(h) / 100, h > 0
}

// Rate is the method over the differences of consecutive points instead of their values: a difference is not divided by
// its time, and belongs to the later of its two points.
func (m Method) Rate() Method { return m | methodRate }

// IsRate says whether the method works on differences.
func (m Method) IsRate() bool { return m&methodRate != 0 }

// Plain is the method without Rate.
func (m Method) Plain() Method { return m &^ methodRate }

// Valid says whether the method is one of the catalogue; NoMethod is not.
func (m Method) Valid() bool {
	h := m >> methodPercent
	base := m & methodBase
	if m&^(methodBase|methodRate)&(1<<methodPercent-1) != 0 {
		return false
	}
	if h > 0 {
		return base == 0 && h < 100_00
	}
	return base > NoMethod && base < numBases
}

// String is the method's stable name: "mean", "95pct", "99.9pct", "rate:last". Configurations and requests carry it.
func (m Method) String() string {
	if m != NoMethod && !m.Valid() {
		return "unknown"
	}
	name := methodNames[m&methodBase]
	if p, ok := m.Percent(); ok {
		name = strconv.FormatFloat(p, 'f', -1, 64) + percentSuffix
	}
	if m.IsRate() {
		return ratePrefix + name
	}
	return name
}

// MethodError says that a text is the name of no method.
type MethodError struct{ Text string }

func (e *MethodError) Error() string {
	text := e.Text
	if len(text) > 100 {
		text = text[:100] + "…"
	}
	return fmt.Sprintf("aggregation method %q: it is none of %s, Npct with 0 < N < 100 and at most two decimals, nor one of these with %q in front",
		text, strings.Join(methodNames[1:], ", "), ratePrefix)
}

// Kind is "invalid".
func (*MethodError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*MethodError) Code() string { return "method-unknown" }

// ParseMethod reads the name of a method, as String writes it. The error is a *MethodError.
func ParseMethod(text string) (Method, error) {
	name, rate := strings.CutPrefix(text, ratePrefix)
	m := NoMethod
	if number, ok := strings.CutSuffix(name, percentSuffix); ok {
		// Digits and a point only: "1e1pct" is no name.
		if p, err := strconv.ParseFloat(number, 64); err == nil && strings.Trim(number, "0123456789.") == "" {
			m = Percentile(p)
		}
	} else if i := slices.Index(methodNames[1:], name); i >= 0 {
		m = Method(i + 1)
	}
	if m == NoMethod {
		return NoMethod, &MethodError{text}
	}
	if rate {
		m = m.Rate()
	}
	return m, nil
}

// Methods are the methods of the catalogue in the order of their names in lists: the bases, the 99 whole percentiles, and
// all of them as rates. Percentiles with decimals are methods too.
func Methods() []Method {
	var list []Method
	for m := NoMethod + 1; m < numBases; m++ {
		list = append(list, m)
	}
	for p := 1; p < 100; p++ {
		list = append(list, Percentile(float64(p)))
	}
	for _, m := range slices.Clone(list) {
		list = append(list, m.Rate())
	}
	return list
}
