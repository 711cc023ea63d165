package edge

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// How a float64 is printed with a fixed number of decimals. Its value is m * 2^-s with m < 2^53, so m*1000 < 2^63 fits
// a word, and rounding m*1000 / 2^s to the nearest integer, ties to even, is the rounding of strconv.AppendFloat(x, 'f',
// 3, 64) exactly: no floating point takes part. Only numbers of 2^63 and more, whose text is long anyway, go to strconv.

// maxFixed is the longest text of the own printer: a sign, 19 digits, a dot and three decimals. One more is kept for the
// comma of an array.
const maxFixed = 1 + 19 + 1 + 3 + 1

var (
	dotThree  [1000]uint32 // ".000" to ".999", first character in the lowest byte
	dotKept   [1000]uint8  // the length of those without zeros at the end, and without a dot that would be the last
	threeFull [1000]uint32 // "000" to "999" in the three low bytes
	threeHead [1000]uint32 // "0" to "999" without leading zeros, its length in the highest byte
)

func init() {
	for i := range uint32(1000) {
		a, b, c := '0'+i/100, '0'+i/10%10, '0'+i%10
		dotThree[i] = '.' | a<<8 | b<<16 | c<<24
		threeFull[i] = a | b<<8 | c<<16
		switch {
		case i%10 != 0:
			dotKept[i] = 4
		case i%100 != 0:
			dotKept[i] = 3
		case i != 0:
			dotKept[i] = 2
		}
		switch {
		case i < 10:
			threeHead[i] = c | 1<<24
		case i < 100:
			threeHead[i] = b | c<<8 | 2<<24
		default:
			threeHead[i] = a | b<<8 | c<<16 | 3<<24
		}
	}
}

// AppendFixed3 appends x with three decimals: the text of strconv.AppendFloat(dst, x, 'f', 3, 64), bit for bit. NaN and
// infinities come out as strconv writes them, which is not JSON; see AppendFixed3Array.
func AppendFixed3(dst []byte, x float64) []byte {
	dst = reserve(dst, maxFixed)
	n := putFixed3(dst[len(dst):cap(dst)], x)
	if n == 0 {
		return strconv.AppendFloat(dst, x, 'f', 3, 64)
	}
	return dst[:len(dst)+n]
}

// AppendFixed2 appends x with two decimals: the text of strconv.AppendFloat(dst, x, 'f', 2, 64), bit for bit.
func AppendFixed2(dst []byte, x float64) []byte {
	dst = reserve(dst, maxFixed)
	n := putFixed2(dst[len(dst):cap(dst)], x)
	if n == 0 {
		return strconv.AppendFloat(dst, x, 'f', 2, 64)
	}
	return dst[:len(dst)+n]
}

// AppendFixed2OrNull is AppendFixed2, but null for NaN and infinities.
func AppendFixed2OrNull(dst []byte, x float64) []byte {
	if !finite(x) {
		return append(dst, "null"...)
	}
	return AppendFixed2(dst, x)
}

// AppendFixed3Array appends vals as a JSON array, each with three decimals, null for NaN and infinities.
func AppendFixed3Array(dst []byte, vals []float64) []byte {
	dst = append(dst, '[')
	n := len(dst)
	buf := dst[:cap(dst)]
	for i, x := range vals {
		if len(buf)-n < arrayRoom {
			// Eight bytes a number is what typical values need; whoever has longer ones grows again.
			buf = slices.Grow(buf[:n], arrayRoom+8*(len(vals)-i))
			buf = buf[:cap(buf)]
		}
		// This is putFixed3 by hand for the numbers that occur: a call costs as much as the rest.
		w := (*[arrayRoom]byte)(buf[n:])
		bits := math.Float64bits(x)
		s := uint(1075 - bits>>52&0x7ff)
		if s-1 < 63 { // so x is no subnormal, and no NaN
			p := (bits&(1<<52-1) | 1<<52) * 1000
			q := (p + (1<<((s-1)&63) - 1) + p>>(s&63)&1) >> (s & 63)
			whole := q / 1000
			decimals := uint64(dotThree[q-whole*1000]) | ','<<32
			w[0] = '-'
			k := int(bits >> 63)
			if whole < 1000 {
				h := threeHead[whole]
				binary.LittleEndian.PutUint32(w[k:], h)
				k += int(h >> 24)
			} else {
				k = putUint(w[:], k, whole)
			}
			binary.LittleEndian.PutUint64(w[k&(arrayRoom-1):], decimals)
			n += k + 5
			continue
		}
		k := putFixed3(w[:], x)
		if k == 0 {
			if finite(x) {
				buf = strconv.AppendFloat(buf[:n], x, 'f', 3, 64)
			} else {
				buf = append(buf[:n], "null"...)
			}
			n = len(buf)
			buf = append(buf, ',')
			buf = buf[:cap(buf)]
			n++
			continue
		}
		n += k
		buf[n] = ','
		n++
	}
	if len(vals) > 0 {
		n-- // the comma behind the last number becomes the bracket
	}
	return append(buf[:n], ']')
}

// arrayRoom is what one number of an array may write over, more than maxFixed so that it is written in words.
const arrayRoom = 32

// AppendNulls appends n times "null", separated by commas, without brackets.
func AppendNulls(dst []byte, n int) []byte {
	dst = slices.Grow(dst, 5*n)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, "null"...)
	}
	return dst
}

// finite is false for NaN and infinities.
func finite(x float64) bool { return x-x == 0 }

func reserve(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		return slices.Grow(dst, n)
	}
	return dst
}

// putFixed3 writes x into b, which has room for maxFixed bytes, and returns the length; 0 if strconv must do it.
func putFixed3(b []byte, x float64) int {
	bits := math.Float64bits(x)
	e := int(bits >> 52 & 0x7ff)
	m := bits & (1<<52 - 1)
	if e == 0 {
		e = 1
	} else {
		m |= 1 << 52
	}
	n := 0
	if bits>>63 != 0 {
		b[0] = '-'
		n = 1
	}
	s := uint(1075 - e) // x = m * 2^-s
	if s-1 < 63 {
		p := m * 1000
		q := (p + (1<<((s-1)&63) - 1) + p>>(s&63)&1) >> (s & 63)
		whole := q / 1000
		n = putUint(b, n, whole)
		binary.LittleEndian.PutUint32(b[n:], dotThree[q-whole*1000])
		return n + 4
	}
	return putFixedRare(b, n, m, int(s), 3)
}

func putFixed2(b []byte, x float64) int {
	bits := math.Float64bits(x)
	e := int(bits >> 52 & 0x7ff)
	m := bits & (1<<52 - 1)
	if e == 0 {
		e = 1
	} else {
		m |= 1 << 52
	}
	n := 0
	if bits>>63 != 0 {
		b[0] = '-'
		n = 1
	}
	s := uint(1075 - e)
	if s-1 < 63 {
		p := m * 100
		q := (p + (1<<((s-1)&63) - 1) + p>>(s&63)&1) >> (s & 63)
		whole := q / 100
		n = putUint(b, n, whole)
		// Ten hundredths more make the three digits that the table has; the last of them is then not written.
		binary.LittleEndian.PutUint32(b[n:], dotThree[(q-whole*100)*10])
		return n + 3
	}
	return putFixedRare(b, n, m, int(s), 2)
}

// putFixedRare writes what is nearer to 0 than 2^-11 (all its decimals are 0) and integers from 2^52 up.
func putFixedRare(b []byte, n int, m uint64, s, decimals int) int {
	switch {
	case s > 0: // m*1000 < 2^63, so below half a unit of the last decimal
		b[n] = '0'
		n++
	case s > -11:
		n = putUint(b, n, m<<uint(-s))
	default:
		return 0
	}
	binary.LittleEndian.PutUint32(b[n:], dotThree[0])
	return n + 1 + decimals
}

// putUint writes v < 2^63 at b[n:], using up to three bytes behind it, and returns the index behind its last digit.
func putUint(b []byte, n int, v uint64) int {
	if v < 1000 {
		h := threeHead[v]
		binary.LittleEndian.PutUint32(b[n:], h)
		return n + int(h>>24)
	}
	if v < 1000_000 {
		hi := v / 1000
		h := threeHead[hi]
		binary.LittleEndian.PutUint32(b[n:], h)
		n += int(h >> 24)
		binary.LittleEndian.PutUint32(b[n:], threeFull[v-hi*1000])
		return n + 3
	}
	hi := v / 1000_000
	n = putUint(b, n, hi)
	lo := v - hi*1000_000
	mid := lo / 1000
	binary.LittleEndian.PutUint32(b[n:], threeFull[mid])
	binary.LittleEndian.PutUint32(b[n+3:], threeFull[lo-mid*1000])
	return n + 6
}
