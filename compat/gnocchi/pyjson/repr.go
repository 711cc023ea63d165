package pyjson

import (
	"strconv"
	"strings"
	"unicode"
)

// AppendRepr appends a value as Python shows it, which is how errors that are no JSON carry it. The values are those of Append.
func AppendRepr(dst []byte, v any) []byte {
	item := func(dst []byte) []byte {
		if c := dst[len(dst)-1]; c != '[' && c != '{' {
			dst = append(dst, ", "...)
		}
		return dst
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "None"...)
	case bool:
		if v {
			return append(dst, "True"...)
		}
		return append(dst, "False"...)
	case string:
		return appendReprString(dst, v)
	case UUID:
		return append(appendReprString(append(dst, "UUID("...), string(v)), ')')
	case []string:
		dst = append(dst, '[')
		for _, s := range v {
			dst = appendReprString(item(dst), s)
		}
		return append(dst, ']')
	case []any:
		dst = append(dst, '[')
		for _, e := range v {
			dst = AppendRepr(item(dst), e)
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		for i, name := range v.Names {
			dst = append(appendReprString(item(dst), name), ": "...)
			dst = AppendRepr(dst, v.Values[i])
		}
		return append(dst, '}')
	}
	return Append(dst, v)
}

// appendReprString appends a string in single quotes, or in double ones if it holds single quotes only.
func appendReprString(dst []byte, s string) []byte {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	dst = append(dst, byte(quote))
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case unicode.IsPrint(r):
			dst = append(dst, string(r)...)
		case r < 0x100:
			dst = append(dst, '\\', 'x', hex[r>>4], hex[r&15])
		default:
			q := strconv.QuoteRuneToASCII(r)
			dst = append(dst, q[1:len(q)-1]...)
		}
	}
	return append(dst, byte(quote))
}
