package influx

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// kind is what a token of InfluxQL is.
type kind uint8

const (
	end      kind = iota
	word          // a bare identifier or keyword
	quoted        // an identifier in double quotes
	literal       // a text in single quotes
	pattern       // a regular expression between slashes
	number        // digits, with what makes a duration of them
	operator      // one of = != =~ !~ , ( ) ; . * and others
)

// token is a piece of a query. text is what it stands for, without quotes and escapes.
type token struct {
	kind kind
	text string
	at   int // its first byte, from 0
}

// is says whether the token is a keyword.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

// name says whether the token names something.
func (t token) name() bool { return t.kind == word || t.kind == quoted }

// queryError says what of a query cannot be read.
type queryError struct {
	text string
	at   int // from 0
}

func (e *queryError) Error() string {
	return fmt.Sprintf("error parsing query: %s at line 1, char %d", e.text, e.at+1)
}
func (*queryError) Kind() string { return "invalid" }
func (*queryError) Code() string { return "query-invalid" }

// lex takes a query apart. Behind the last token there is one of kind end.
func lex(q string) ([]token, error) {
	var list []token
	for i := 0; ; {
		for i < len(q) && strings.IndexByte(" \t\r\n", q[i]) >= 0 {
			i++
		}
		if i == len(q) {
			return append(list, token{kind: end, at: i}), nil
		}
		t, next, err := lexOne(q, i, list)
		if err != nil {
			return nil, err
		}
		list, i = append(list, t), next
	}
}

func lexOne(q string, i int, before []token) (t token, next int, err error) {
	c := q[i]
	switch {
	case c == '"':
		return lexQuoted(q, i, quoted)
	case c == '\'':
		return lexQuoted(q, i, literal)
	case c == '/' && len(before) > 0 && (before[len(before)-1].kind == operator && strings.HasSuffix(before[len(before)-1].text, "~") || before[len(before)-1].is("FROM")):
		return lexQuoted(q, i, pattern)
	case c == '_' || c >= utf8.RuneSelf || c|0x20 >= 'a' && c|0x20 <= 'z':
		n := i
		for n < len(q) && (q[n] == '_' || q[n] >= utf8.RuneSelf || q[n]|0x20 >= 'a' && q[n]|0x20 <= 'z' || q[n] >= '0' && q[n] <= '9') {
			n++
		}
		return token{word, q[i:n], i}, n, nil
	case c >= '0' && c <= '9':
		n := i
		for n < len(q) && (q[n] >= '0' && q[n] <= '9' || q[n] >= 'a' && q[n] <= 'z' || q[n] == '.') {
			n++
		}
		return token{number, q[i:n], i}, n, nil
	case i+1 < len(q) && (q[i:i+2] == "!=" || q[i:i+2] == "=~" || q[i:i+2] == "!~" || q[i:i+2] == "<>"):
		return token{operator, q[i : i+2], i}, i + 2, nil
	}
	return token{operator, q[i : i+1], i}, i + 1, nil
}

// lexQuoted reads up to the quote that q[i] opens. A backslash escapes the quote and itself, and nothing else in a pattern.
func lexQuoted(q string, i int, k kind) (t token, next int, err error) {
	var b strings.Builder
	for n := i + 1; n < len(q); n++ {
		switch c := q[n]; {
		case c == q[i]:
			return token{k, b.String(), i}, n + 1, nil
		case c == '\\' && n+1 < len(q) && (q[n+1] == q[i] || q[n+1] == '\\' && k != pattern):
			n++
			b.WriteByte(q[n])
		case c == '\\' && n+1 < len(q) && q[n+1] == 'n' && k != pattern:
			n++
			b.WriteByte('\n')
		default:
			b.WriteByte(c)
		}
	}
	return token{}, 0, &queryError{"the text is not closed", i}
}
