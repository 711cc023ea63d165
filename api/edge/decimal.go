package edge

import (
	"math"
	"math/bits"
)

// decimal is a number as it was written: the digits of m, shifted by e places, exactly.
type decimal struct {
	negative bool
	m        uint64
	e        int
}

// maxShift bounds exponents: what lies beyond is no time, and a loop over it must end.
const maxShift = 40

// parseDecimal reads a JSON number of at most 19 significant digits.
func parseDecimal(s string) (d decimal, ok bool) {
	i := 0
	if i < len(s) && s[i] == '-' {
		d.negative = true
		i++
	}
	digits := func(fraction bool) (n int, ok bool) {
		for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
			n++
			if d.m > (math.MaxUint64-9)/10 {
				if s[i] != '0' {
					return n, false
				}
				// A zero at the end shifts, or says nothing.
				if !fraction {
					d.e++
				}
				continue
			}
			d.m = d.m*10 + uint64(s[i]-'0')
			if fraction {
				d.e--
			}
		}
		return n, n > 0
	}
	start := i
	if n, ok := digits(false); !ok || n > 1 && s[start] == '0' {
		return d, false
	}
	if i < len(s) && s[i] == '.' {
		i++
		// Digits behind zeros that only shifted would lie in another place.
		if d.e > 0 {
			return d, false
		}
		if _, ok := digits(true); !ok {
			return d, false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		negative := false
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			negative = s[i] == '-'
			i++
		}
		x, n := 0, 0
		for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
			x = min(x*10+int(s[i]-'0'), 1000)
			n++
		}
		if n == 0 {
			return d, false
		}
		if negative {
			x = -x
		}
		d.e += x
	}
	for d.m != 0 && d.m%10 == 0 {
		d.m /= 10
		d.e++
	}
	if d.m == 0 {
		d.e = 0
	}
	return d, i == len(s) && d.e <= maxShift && d.e >= -maxShift
}

// times multiplies the size of the number by unit and cuts what is behind the point. exact is false if that was something.
func (d decimal) times(unit uint64) (v uint64, exact, ok bool) {
	hi, lo := bits.Mul64(d.m, unit)
	for e := d.e; e > 0; e-- {
		if hi != 0 {
			return 0, false, false
		}
		hi, lo = bits.Mul64(lo, 10)
	}
	exact = true
	for e := d.e; e < 0; e++ {
		var rem uint64
		hi, rem = hi/10, hi%10
		lo, rem = bits.Div64(rem, lo, 10)
		exact = exact && rem == 0
	}
	return lo, exact, hi == 0
}

// Whole reads a JSON number that is a whole one of 64 bits, however it is written: 100, 100.0 and 1e2 are.
func Whole(s string) (v int64, ok bool) {
	d, ok := parseDecimal(s)
	if !ok {
		return 0, false
	}
	m, exact, ok := d.times(1)
	switch {
	case !ok || !exact:
		return 0, false
	case d.negative:
		return -int64(m), m <= 1<<63
	}
	return int64(m), m < 1<<63
}

// Scaled reads a JSON number of at most 19 significant digits and multiplies it by unit, exactly; what is behind the point of the product
// is cut off. It is not ok for what does not fit into 64 bits either.
func Scaled(s string, unit uint64) (v int64, ok bool) {
	d, ok := parseDecimal(s)
	if !ok {
		return 0, false
	}
	m, _, ok := d.times(unit)
	if !ok || m > math.MaxInt64 {
		return 0, false
	}
	if d.negative {
		return -int64(m), true
	}
	return int64(m), true
}
