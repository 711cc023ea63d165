package chunk

import "math"

// maxExponent is the greatest power of ten that a float64 holds exactly.
const maxExponent = 22

// maxSplit is the greatest exponent for which the halves of splitPowers are known.
const maxSplit = 10

// The forms of a decimal, in the exponent byte above the exponent's five bits: how the float is made of the integer.
const (
	divided   = 0 // by division
	splitNear = 1 // by the halves in splitPowers[0]
	splitFar  = 2 // by the halves in splitPowers[1]

	exponentBits = 5
)

var powers = [maxExponent + 1]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// The first 26 and the first 13 bits of 10^-1 to 10^-10.
const (
	n1, f1   = 0x1.9999998p-4, 0x1.999p-4
	n2, f2   = 0x1.47ae140p-7, 0x1.47ap-7
	n3, f3   = 0x1.0624dd0p-10, 0x1.062p-10
	n4, f4   = 0x1.a36e2e8p-14, 0x1.a36p-14
	n5, f5   = 0x1.4f8b588p-17, 0x1.4f8p-17
	n6, f6   = 0x1.0c6f7a0p-20, 0x1.0c6p-20
	n7, f7   = 0x1.ad7f298p-24, 0x1.ad7p-24
	n8, f8   = 0x1.5798ee0p-27, 0x1.579p-27
	n9, f9   = 0x1.12e0be8p-30, 0x1.12ep-30
	n10, f10 = 0x1.b7cdfd8p-34, 0x1.b7cp-34
)

// splitPowers holds 10^-e as the sum of its first bits and the rest, rounded, which spares the division: it takes as long
// as five products.
//
// With 26 bits in front the first product is exact for integers of up to 27 bits, so the sum of the two is off by less than
// 2^-78 of it before it is rounded, and no such quotient lies that close to the middle between two floats: the result
// is the float nearest to d/10^e, as division would give. With 13 bits in front the same holds for integers of up to 40
// bits and exponents up to 4; for greater ones the result is nearly always the same, and the encoder sees if it is
// not.
var splitPowers = [2][maxSplit + 1][2]float64{
	{
		{1, 0},
		{n1, 1e-1 - n1}, {n2, 1e-2 - n2}, {n3, 1e-3 - n3}, {n4, 1e-4 - n4}, {n5, 1e-5 - n5},
		{n6, 1e-6 - n6}, {n7, 1e-7 - n7}, {n8, 1e-8 - n8}, {n9, 1e-9 - n9}, {n10, 1e-10 - n10},
	},
	{
		{1, 0},
		{f1, 1e-1 - f1}, {f2, 1e-2 - f2}, {f3, 1e-3 - f3}, {f4, 1e-4 - f4}, {f5, 1e-5 - f5},
		{f6, 1e-6 - f6}, {f7, 1e-7 - f7}, {f8, 1e-8 - f8}, {f9, 1e-9 - f9}, {f10, 1e-10 - f10},
	},
}

// The two expressions by which an integer becomes a float. The encoder accepts a value only if they give its bits. The
// conversions keep the compiler from fusing product and sum, which would give other bits on some machines.

func splitValue(d int64, hi, lo float64) float64 {
	x := float64(d)
	return float64(x*hi) + float64(x*lo)
}

func quotient(d int64, p float64) float64 { return float64(d) / p }

// shift52 brings a float of magnitude below 2^51 to the exponent at which the unit is the last bit, which rounds it and
// leaves it as an integer in the low bits.
const shift52 = 1<<52 + 1<<51

const shift52Bits int64 = 0x4338000000000000

// nearest is the integer nearest to x if |x| < 2^51, and some integer if not.
func nearest(x float64) int64 {
	return int64(math.Float64bits(float64(x)+shift52)) - shift52Bits
}

// exponent is the least e such that v is the float nearest to d/10^e for an integer d below 2^50, or such that v is a
// whole number (0). It is -1 if there is none.
func exponent(v float64) int {
	a := math.Abs(v)
	if !(a < 1<<63) {
		return -1
	}
	if float64(int64(a)) == a {
		return 0
	}
	if a >= 1<<49 {
		return -1
	}
	// The greatest e with a*10^e < 2^50: if v is a decimal of fewer digits, it is one of e digits too. 77/256 is a little
	// less than log10(2).
	e := min((48-(math.Ilogb(a)))*77>>8, maxExponent)
	d := nearest(float64(a * powers[e]))
	if math.Float64bits(quotient(d, powers[e])) != math.Float64bits(a) {
		return -1
	}
	for e > 0 && d%10 == 0 {
		d /= 10
		e--
	}
	return e
}

// guessExponent looks at a few values, of which v[odd] is one that is not a whole number, and says how many decimals most of
// them have, or -1.
func guessExponent(v []float64, odd int) int {
	n := len(v)
	first, second, bad := -1, -1, 0
	for _, i := range [...]int{odd, n / 4, n / 2, n * 3 / 4} {
		switch e := exponent(v[i]); {
		case e < 0:
			if bad++; bad == 2 {
				return -1
			}
		case e > first:
			first, second = e, first
		case e > second:
			second = e
		}
	}
	// One in a dozen noisy floats passes for a decimal of fifteen digits.
	if first > second+maxStep {
		return second
	}
	return first
}

// maxStep is by how many digits a value may exceed those before it and still raise the column's exponent, instead of being
// kept raw.
const maxStep = 3

// decimals fills c.x with the integers d of v and c.raws with the indices of those values that are not a d/10^e. It
// reports whether v is a column of decimals (or whole numbers) with few such exceptions. v[odd] is not a whole number.
func (c *column) decimals(v []float64, odd int) bool {
	e := guessExponent(v, odd)
	if e < 0 {
		return false
	}
	form := splitNear
	limit := len(v) / 8
again:
	c.raws = c.raws[:0]
	if e > maxSplit {
		form = divided
	}
	x := c.x[:len(v)]
	for i := 0; ; i++ {
		i += convert(x[i:], v[i:], e, form)
		if i == len(v) {
			break
		}
		// v[i] is not a decimal of e digits, or not in this form.
		switch f := exponent(v[i]); {
		case f > e && f <= e+maxStep:
			e = f
			goto again
		case f >= 0 && f <= e && e > 0 && v[i] != 0 && form == splitNear:
			form = splitFar
			goto again
		case f >= 0 && f <= e && e > 0 && v[i] != 0 && form == splitFar:
			form = divided
			goto again
		}
		if len(c.raws) >= limit {
			return false
		}
		c.raws = append(c.raws, i)
	}
	// An exception's integer is that of its neighbour, so that it makes no step.
	for k, i := range c.raws {
		if i > k {
			x[i] = x[i-1]
		}
	}
	for k := len(c.raws) - 1; k >= 0; k-- {
		if i := c.raws[k]; i == k {
			x[i] = x[i+1]
		}
	}
	c.codec, c.exp = Decimal, byte(e)|byte(form)<<exponentBits
	if e == 0 {
		c.codec = Integer
	}
	return true
}

// convert fills x with the integers of v and returns the index of the first value that it cannot convert, or len(v).
func convert(x []int64, v []float64, e, form int) int {
	x = x[:len(v)]
	p := powers[e]
	switch {
	case e == 0:
		for i, f := range v {
			d := int64(f)
			if math.Float64bits(float64(d)) != math.Float64bits(f) {
				return i
			}
			x[i] = d
		}
	case form == divided:
		for i, f := range v {
			d := nearest(f * p)
			if math.Float64bits(quotient(d, p)) != math.Float64bits(f) {
				return i
			}
			x[i] = d
		}
	default:
		hi, lo := splitPowers[form-splitNear][e][0], splitPowers[form-splitNear][e][1]
		for i, f := range v {
			d := nearest(f * p)
			if math.Float64bits(splitValue(d, hi, lo)) != math.Float64bits(f) {
				return i
			}
			x[i] = d
		}
	}
	return len(v)
}
