package match

import (
	"fmt"
	"strings"
)

// String prints the condition as Parse reads it.
func (a And) String() string { return string(appendExpr(nil, a, false)) }

// String prints the condition as Parse reads it.
func (o Or) String() string { return string(appendExpr(nil, o, false)) }

// String prints the condition as Parse reads it.
func (n Not) String() string { return string(appendExpr(nil, n, false)) }

// Text prints a condition, nil too, as Parse reads it.
func Text(e Expr) string { return string(appendExpr(nil, e, false)) }

// appendExpr prints a condition; one of several parts that stands inside another is put into parentheses, but for an And
// in an Or, which binds stronger.
func appendExpr(dst []byte, e Expr, inner bool) []byte {
	switch e := e.(type) {
	case nil:
		return append(dst, "{}"...)
	case *Matcher:
		return append(dst, e.text...)
	case Not:
		return appendExpr(append(dst, "not "...), e.Expr, true)
	case And:
		if len(e) == 0 {
			return append(dst, "{}"...)
		}
		return appendParts(dst, e, " and ", inner)
	case Or:
		if len(e) == 0 {
			return append(dst, "not {}"...)
		}
		return appendParts(dst, e, " or ", inner)
	}
	return fmt.Appendf(dst, "%v", e)
}

func appendParts(dst []byte, parts []Expr, word string, inner bool) []byte {
	if len(parts) == 1 {
		return appendExpr(dst, parts[0], inner)
	}
	if inner {
		dst = append(dst, '(')
	}
	for i, part := range parts {
		if i > 0 {
			dst = append(dst, word...)
		}
		and, isAnd := part.(And)
		dst = appendExpr(dst, part, word == " and " || !isAnd || len(and) < 2)
	}
	if inner {
		dst = append(dst, ')')
	}
	return dst
}

// appendName prints a name as it stands in a selector.
func appendName(dst []byte, name string) []byte {
	if name == "and" || name == "or" || name == "not" || name == "" || bare(name) < len(name) {
		return appendQuoted(dst, name)
	}
	return append(dst, name...)
}

// appendQuoted prints a text in double quotes with the escapes of JSON.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		c := s[i]
		switch at := strings.IndexByte(escaped, c); {
		case at >= 0 && c != '/':
			dst = append(dst, '\\', escapes[at])
		case c < ' ':
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// conditionText prints the condition of a matcher: the tag, the sign or word, and the value.
func conditionText(name, sign, value string) string {
	return string(appendQuoted(append(appendName(nil, name), sign...), value))
}
