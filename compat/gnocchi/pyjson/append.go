package pyjson

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"granary/api/edge"
)

// AppendName appends the name of the next member of an object, with a comma before it unless the object has just begun.
func AppendName(dst []byte, name string) []byte {
	return append(AppendString(AppendItem(dst), name), ": "...)
}

// AppendItem appends the comma before the next item of a list, unless the list, or object, has just begun.
func AppendItem(dst []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] != '[' && dst[n-1] != '{' {
		dst = append(dst, ", "...)
	}
	return dst
}

const hex = "0123456789abcdef"

// AppendString appends a string in quotes. All beyond ASCII is escaped.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			i += size
			if r > 0xffff {
				high, low := utf16.EncodeRune(r)
				dst = appendUnit(appendUnit(dst, high), low)
			} else {
				dst = appendUnit(dst, r)
			}
			continue
		}
		i++
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		default:
			if c < ' ' || c == 0x7f {
				dst = appendUnit(dst, rune(c))
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}

func appendUnit(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// AppendText appends a string, or null for none.
func AppendText(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	return AppendString(dst, *s)
}

// AppendFilled appends a string, or null if it is empty.
func AppendFilled(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return AppendString(dst, s)
}

// AppendFloat appends a float as Python's repr writes it: the shortest digits that read as x again, with a point or an exponent, and
// the tokens NaN, Infinity and -Infinity.
func AppendFloat(dst []byte, x float64) []byte {
	abs := math.Abs(x)
	switch {
	case x != x:
		return append(dst, "NaN"...)
	case x > math.MaxFloat64:
		return append(dst, "Infinity"...)
	case x < -math.MaxFloat64:
		return append(dst, "-Infinity"...)
	case abs != 0 && (abs < 1e-4 || abs >= 1e16):
		return strconv.AppendFloat(dst, x, 'e', -1, 64) // both write two digits of the exponent at least
	}
	n := len(dst)
	dst = edge.AppendFloat(dst, x) // the same digits, of numbers of this size without an exponent
	if bytes.IndexByte(dst[n:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// UUID is a string that Python has as a UUID: JSON does not tell the two apart, what Python shows does.
type UUID string

// Append appends a value: nil, bool, string, UUID, Number, int, int64, float64, []string, []any, *Object. It panics on others.
func Append(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return AppendString(dst, v)
	case UUID:
		return AppendString(dst, string(v))
	case Number:
		return append(dst, v...)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return AppendFloat(dst, v)
	case []string:
		dst = append(dst, '[')
		for _, s := range v {
			dst = AppendString(AppendItem(dst), s)
		}
		return append(dst, ']')
	case []any:
		dst = append(dst, '[')
		for _, e := range v {
			dst = Append(AppendItem(dst), e)
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		for i, name := range v.Names {
			dst = Append(AppendName(dst, name), v.Values[i])
		}
		return append(dst, '}')
	}
	panic("pyjson: no JSON value")
}
