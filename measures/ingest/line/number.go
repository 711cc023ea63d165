package line

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unsafe"
)

// digitsIn returns how many of the eight bytes of w, from the lowest on, are decimal digits in front of the first that
// is none, and the number that they spell.
func digitsIn(w uint64) (n int, v uint64) {
	w ^= 0x3030303030303030 // a digit becomes its value
	// A byte above 9 carries into its highest bit or has it set. Carries run upward only, so the lowest mark is right.
	stop := (w + 0x7676767676767676 | w) & 0x8080808080808080
	n = bits.TrailingZeros64(stop) >> 3
	w <<= uint(64 - 8*n) // digits to the high end, zeros in front; a shift by 64 is zero
	// Pairs, then fours, then all eight: each step joins neighbours.
	w = w*10 + w>>8
	w = ((w&0x000000FF000000FF)*(100+1000000<<32) + (w>>16&0x000000FF000000FF)*(1+10000<<32)) >> 32
	return n, w
}

// whole holds 10 to the power of up to 8.
var whole = [9]uint64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// digits reads decimal digits of b from i on, behind the number m. The sum is right if all in all there are at most 19.
func digits(b []byte, i int, m uint64) (end int, sum uint64) {
	if i+8 <= len(b) {
		n, v := digitsIn(binary.LittleEndian.Uint64(b[i:]))
		if n < 8 {
			return i + n, m*whole[n] + v
		}
		return moreDigits(b, i+8, m*1e8+v)
	}
	return moreDigits(b, i, m)
}

func moreDigits(b []byte, i int, m uint64) (end int, sum uint64) {
	for i+8 <= len(b) {
		n, v := digitsIn(binary.LittleEndian.Uint64(b[i:]))
		m = m*whole[n] + v
		i += n
		if n < 8 {
			return i, m
		}
	}
	for i < len(b) && b[i]-'0' <= 9 {
		m = m*10 + uint64(b[i]-'0')
		i++
	}
	return i, m
}

// maxDigits is the number of decimal digits that always fit in 64 bits.
const maxDigits = 19

// parseFloat reads a decimal number at b[i:]: a sign, digits with or without a point among them, an exponent. It is not
// ok for anything that line protocol or float64 does not know; the library tells why then.
//
// Up to 19 digits are read as one integer m and a power of ten, and m*10^k is rounded once: by a float division or
// multiplication of two exact numbers (Clinger, "How to read floating point numbers accurately", 1990), or by an
// integer division with a sticky bit. Everything else is strconv's.
func parseFloat(b []byte, i int) (v float64, end int, ok bool) {
	start := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	i, m := digits(b, i, 0)
	count, exp := i-first, 0
	if i < len(b) && b[i] == '.' {
		point := i + 1
		i, m = digits(b, point, m)
		exp = point - i
		count += i - point
	}
	if count == 0 {
		return 0, i, false
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		var e int
		if i, e, ok = parseExponent(b, i+1); !ok {
			return 0, i, false
		}
		exp += e
	}
	switch {
	case count > maxDigits:
		return parseSlow(b[start:i], i)
	case exp == 0:
		v = float64(m)
	case m < 1<<53 && exp < 0 && exp >= -22:
		v = float64(m) / tens[-exp]
	case exp < 0 && exp >= -maxQuotient && m != 0:
		v = quotient(m, -exp)
	case m < 1<<53 && exp > 0 && exp <= 22:
		v = float64(m) * tens[exp]
	default:
		return parseSlow(b[start:i], i)
	}
	if b[start] == '-' {
		v = -v
	}
	return v, i, true
}

// ParseFloat is parseFloat for what reads numbers in other texts than lines. It takes more than JSON does: digits may be
// missing on one side of the point, and zeros may stand in front.
func ParseFloat(b []byte, i int) (v float64, end int, ok bool) { return parseFloat(b, i) }

// Digits reads the decimal digits of b from i on. The number is right if there are at most 19.
func Digits(b []byte, i int) (end int, v uint64) { return digits(b, i, 0) }

// parseExponent reads a sign and up to four digits.
func parseExponent(b []byte, i int) (end, e int, ok bool) {
	negative := false
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		negative = b[i] == '-'
		i++
	}
	first := i
	for i < len(b) && i-first < 5 && b[i]-'0' <= 9 {
		e = e*10 + int(b[i]-'0')
		i++
	}
	if negative {
		e = -e
	}
	return i, e, i > first && i-first < 5
}

func parseSlow(text []byte, end int) (float64, int, bool) {
	v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 64)
	return v, end, err == nil
}

// tens holds the powers of ten that are exact in a float64.
var tens = [23]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// maxQuotient is the largest power of five that fits in 64 bits.
const maxQuotient = 27

// fives holds the powers of five, shifted up so that the highest bit is set, and by how much they were.
var fives = func() (t [maxQuotient + 1]struct {
	top   uint64
	shift int
}) {
	p := uint64(1)
	for i := range t {
		t[i].shift = bits.LeadingZeros64(p)
		t[i].top = p << t[i].shift
		p *= 5
	}
	return t
}()

// quotient is the float64 nearest to m / 10^k, ties to even. REQUIRES: 0 < m, 0 <= k <= maxQuotient.
//
// m / 10^k = m / 5^k / 2^k. With both shifted to the top, the quotient of 128 by 64 bits has at least 62 bits; a
// remainder sets its lowest bit, far below the 53 that are kept, so that the one rounding, in the conversion to float64,
// is that of the exact value. The last multiplication, by a power of two, is exact: no result is subnormal.
func quotient(m uint64, k int) float64 {
	lead := bits.LeadingZeros64(m)
	m <<= uint(lead)
	d := &fives[k]
	q, r := bits.Div64(m>>1, m<<63, d.top)
	if r != 0 {
		q |= 1
	}
	exp := d.shift - 63 - lead - k + 1
	return float64(int64(q>>1|q&1)) * math.Float64frombits(uint64(1023+exp)<<52)
}

// parseInt reads an integer of up to 18 digits at b[i:] and the "i" behind it. It is not ok for anything else.
func parseInt(b []byte, i int) (v int64, end int, ok bool) {
	negative := i < len(b) && b[i] == '-'
	if negative {
		i++
	}
	end, m := digits(b, i, 0)
	if n := end - i; n == 0 || n >= maxDigits || end >= len(b) || b[end] != 'i' {
		return 0, end, false
	}
	if v = int64(m); negative {
		v = -v
	}
	return v, end + 1, true
}
