package edge

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// How the shortest text of a float64 is found between 0.001 and 1e12. Its value is m * 2^-s with m < 2^53; with as many decimals k as make 17 digits of it,
// 10^k fits a word, and m * 10^k fits two. The numbers that read as x are those within half a unit of m around it, the ends too if m is
// even. In units of 2^-(s+1), where they are whole, these ends are 2 * m * 10^k - 10^k and 2 * m * 10^k + 10^k. Among the decimals
// between them those with most zeros at the end are the shortest, and the one nearest to x is the text. All of that is exact, needs no table of large
// powers, and takes half of the time of strconv, whose text it is.

// leastShort and mostShort bound the numbers that putShortest takes.
const (
	leastShort = 1e-3
	mostShort  = 1e12
)

var tens [20]uint64 // powers of ten

func init() {
	tens[0] = 1
	for i := range tens[1:] {
		tens[i+1] = 10 * tens[i]
	}
}

// maxShortest is the longest text: a sign, "0.", and 19 decimals, of which three are written at once.
const maxShortest = 24

// putShortest writes the shortest text that reads as x into b, which has room for maxShortest bytes, and returns its length; 0 if x is not
// one of those that it takes. A number that has less than one decimal is not.
func putShortest(b []byte, x float64) int {
	b = b[:maxShortest]
	n := 0
	if x < 0 {
		b[0] = '-'
		n, x = 1, -x
	}
	if !(x >= leastShort && x < mostShort) {
		return 0
	}
	word := math.Float64bits(x)
	m := word&(1<<52-1) | 1<<52
	if m == 1<<52 {
		return 0 // the unit below it is half of that above
	}
	s := uint(1075 - word>>52) // from 13 to 62
	k := 17 - decimalDigits(x)
	ten := tens[k]
	hi, lo := bits.Mul64(m, ten)

	// The whole numbers between the ends, and the one at or below x.
	even := m&1 == 0
	low := ceilShift(hi<<1|lo>>63, lo<<1, ten, s+1, even)
	high := floorShift(hi<<1|lo>>63, lo<<1, ten, s+1, even)
	at := hi<<(64-s) | lo>>s
	rest := lo & (1<<s - 1)

	// Zeros at the end are left out for as long as a number remains.
	j := 0
	for {
		up, down := (low+9)/10, high/10
		if up > down {
			break
		}
		low, high, j = up, down, j+1
	}
	// The nearest of those that remain.
	unit := tens[j]
	q := at / unit
	half, over := unit/2, at-q*unit
	if j == 0 {
		half, over = 1<<(s-1), rest
		rest = 0
	}
	if over > half || over == half && (rest > 0 || q&1 == 1) {
		q++
	}
	if k -= j; k <= 0 {
		return 0
	}
	whole := q / tens[k]
	n = putUint(b, n, whole)
	b[n] = '.'
	putDecimals(b[n+1:], q-whole*tens[k], k)
	return n + 1 + k
}

// decimalDigits is how many digits stand before the dot, less the zeros behind it: 0.5 has none, 0.05 -1.
func decimalDigits(x float64) int {
	if x >= 1 {
		whole, d := uint64(x), 1
		for whole >= tens[d] {
			d++
		}
		return d
	}
	switch {
	case x >= 0.1:
		return 0
	case x >= 0.01:
		return -1
	}
	return -2
}

// ceilShift is the least whole number at or above (hi:lo - d) / 2^t, above it if the end does not count.
func ceilShift(hi, lo, d uint64, t uint, inclusive bool) uint64 {
	lo, borrow := bits.Sub64(lo, d, 0)
	hi -= borrow
	q := hi<<(64-t) | lo>>t
	if lo&(1<<t-1) != 0 || !inclusive {
		q++
	}
	return q
}

// floorShift is the greatest whole number at or below (hi:lo + d) / 2^t, below it if the end does not count.
func floorShift(hi, lo, d uint64, t uint, inclusive bool) uint64 {
	lo, carry := bits.Add64(lo, d, 0)
	hi += carry
	q := hi<<(64-t) | lo>>t
	if lo&(1<<t-1) == 0 && !inclusive {
		q--
	}
	return q
}

// putDecimals writes v with so many digits, with zeros in front, and may write over two bytes behind them.
func putDecimals(b []byte, v uint64, digits int) {
	for ; digits >= 3; digits -= 3 {
		q := v / 1000
		three := threeFull[v-q*1000]
		binary.LittleEndian.PutUint16(b[digits-3:], uint16(three))
		b[digits-1] = byte(three >> 16)
		v = q
	}
	for ; digits > 0; digits-- {
		b[digits-1] = '0' + byte(v%10)
		v /= 10
	}
}
