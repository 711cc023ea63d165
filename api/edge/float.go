package edge

import (
	"encoding/binary"
	"math"
	"strconv"
)

// AppendFloat appends the shortest text that reads as x again, in the form of JSON: without an exponent from 1e-6 to 1e21.
// What JSON has no number for comes as a text: "NaN", "Infinity", "-Infinity".
func AppendFloat(dst []byte, x float64) []byte {
	if x-x != 0 {
		switch {
		case x > 0:
			return append(dst, `"Infinity"`...)
		case x < 0:
			return append(dst, `"-Infinity"`...)
		}
		return append(dst, `"NaN"`...)
	}
	// Most numbers have few decimals. If a whole number of thousandths divided by a thousand is x, then the text of that
	// decimal reads as x; and it is the shortest one, since no two decimals of up to 15 digits read as the same float.
	if y := x * 1000; math.Abs(y) < 1e15 {
		if k := int64(y + math.Copysign(0.5, y)); float64(k)/1000 == x && (k != 0 || !math.Signbit(x)) {
			return appendThousandths(dst, k)
		}
	}
	dst = reserve(dst, maxShortest)
	if n := putShortest(dst[len(dst):cap(dst)], x); n > 0 {
		return dst[:len(dst)+n]
	}
	abs := math.Abs(x)
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		n := len(dst)
		dst = strconv.AppendFloat(dst, x, 'e', -1, 64)
		// Exponents of one digit are written as such.
		if e := len(dst) - 4; e > n && dst[e] == 'e' && dst[e+2] == '0' {
			dst[e+2] = dst[e+3]
			dst = dst[:e+3]
		}
		return dst
	}
	return strconv.AppendFloat(dst, x, 'f', -1, 64)
}

func appendThousandths(dst []byte, k int64) []byte {
	dst = reserve(dst, arrayRoom)
	b := dst[len(dst):cap(dst)]
	n := 0
	if k < 0 {
		b[0] = '-'
		n, k = 1, -k
	}
	whole := uint64(k) / 1000
	n = putUint(b, n, whole)
	k -= int64(whole) * 1000
	binary.LittleEndian.PutUint32(b[n:], dotThree[k])
	return dst[:len(dst)+n+int(dotKept[k])]
}
