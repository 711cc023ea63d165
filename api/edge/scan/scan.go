package scan

import (
	"bytes"
	"unicode/utf8"

	"granary/measures/ingest/line"
)

// Space skips white space.
func Space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// At says whether a text stands at b[i:].
func At(b []byte, i int, text string) bool {
	return len(b)-i >= len(text) && string(b[i:i+len(text)]) == text
}

// Member is the place of the value behind the name of a member, which ends at b[i:]; the end of b if no colon follows it.
func Member(b []byte, i int) int {
	if i = Space(b, i); i >= len(b) || b[i] != ':' {
		return len(b)
	}
	return Space(b, i+1)
}

// Float reads a number of any form at b[i:].
func Float(b []byte, i int) (v float64, end int, ok bool) {
	j := i
	if j < len(b) && b[j] == '-' {
		j++
	}
	if j >= len(b) || b[j]-'0' > 9 || b[j] == '0' && j+1 < len(b) && b[j+1]-'0' <= 9 {
		return 0, j, false
	}
	if v, end, ok = line.ParseFloat(b, i); !ok {
		return 0, end, false
	}
	if p := bytes.IndexByte(b[j:end], '.'); p >= 0 && (j+p+1 >= end || b[j+p+1]-'0' > 9) {
		return 0, end, false
	}
	return v, end, true
}

// Int reads a whole number of up to 18 digits, with nothing behind them that would make it another one.
func Int(b []byte, i int) (v int64, end int, ok bool) {
	j := i
	if j < len(b) && b[j] == '-' {
		j++
	}
	end, m := line.Digits(b, j)
	n := end - j
	if n == 0 || n > 18 || n > 1 && b[j] == '0' || end < len(b) && (b[end] == '.' || b[end]|0x20 == 'e') {
		return 0, end, false
	}
	if b[i] == '-' {
		return -int64(m), end, true
	}
	return int64(m), end, true
}

// Uint is Int for one that is not negative.
func Uint(b []byte, i int) (v uint64, end int, ok bool) {
	end, v = line.Digits(b, i)
	n := end - i
	if n == 0 || n > 18 || n > 1 && b[i] == '0' || end < len(b) && (b[end] == '.' || b[end]|0x20 == 'e') {
		return 0, end, false
	}
	return v, end, true
}

// Text reads a text without escapes. It is a part of b.
func Text(b []byte, i int) (s []byte, end int, ok bool) {
	if i >= len(b) || b[i] != '"' {
		return nil, i, false
	}
	n := bytes.IndexByte(b[i+1:], '"')
	if n < 0 {
		return nil, len(b), false
	}
	s = b[i+1 : i+1+n]
	plain := true
	for _, c := range s {
		plain = plain && c >= ' ' && c != '\\'
	}
	return s, i + n + 2, plain && utf8.Valid(s)
}

// Number is the end of the number at b[i:], of any size and precision.
func Number(b []byte, i int) (end int, ok bool) {
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	from := i
	if !digits() || i > from+1 && b[from] == '0' {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '-' || b[i] == '+') {
			i++
		}
		if !digits() {
			return i, false
		}
	}
	return i, true
}
