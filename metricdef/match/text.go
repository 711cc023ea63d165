package match

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// NameTag is the pseudo-tag of the name of a metric; a bare name in a selector stands for a condition on it.
const NameTag = "__name__"

// MaxSelector is the greatest length of a selector's text, in bytes.
const MaxSelector = 1 << 20

// SyntaxError says at which byte of a selector, counted from 0, something is wrong, and what.
type SyntaxError struct {
	At  int
	Err error
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("selector: at byte %d: %v", e.At, e.Err) }

func (e *SyntaxError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (e *SyntaxError) Kind() string { return "invalid" }

// Code is the stable code of the error: that of the regular expression, if one is to blame.
func (e *SyntaxError) Code() string {
	var pattern *PatternError
	if errors.As(e.Err, &pattern) {
		return pattern.Code()
	}
	return "selector-invalid"
}

// Parse reads a selector:
//
//	cpu_load{host=~"n0.*", rack!="r1", dc in ("a","b"), gpu exists}
//	host="n001" and not (dc="a" or __name__ begins with "net_")
//
// Conditions on tags are =, !=, =~, !~, in, exists and begins with. "not" binds stronger than "and", "and" stronger than
// "or"; a comma inside braces is an "and" of what stands between the commas. Outside of braces a bare name stands for the
// metric of that name. Values stand in double quotes with the escapes of JSON; so do names that have other characters
// than letters, digits and _:.-/@% or that are one of and, or, not. {} holds for everything. The error is a *SyntaxError.
func Parse(text string) (Expr, error) {
	if len(text) > MaxSelector {
		return nil, &SyntaxError{MaxSelector, fmt.Errorf("the selector has %d bytes, at most %d are possible", len(text), MaxSelector)}
	}
	p := parser{in: text}
	p.space()
	e, _, err := p.or()
	if err == nil && p.at < len(p.in) {
		err = p.want("and, or, or the end of the selector")
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// parser reads a selector from left to right. Every method begins at a token and leaves at the next one; those that read
// conditions also answer how many levels of conditions lie below.
type parser struct {
	in     string
	at     int
	inside int // parentheses, braces and nots that are open
	braces bool
	bounds Bounds
}

func (p *parser) fail(at int, err error) error { return &SyntaxError{at, err} }

// want says what should stand here and what does.
func (p *parser) want(what string) error {
	found := "the end"
	if p.at < len(p.in) {
		r, size := utf8.DecodeRuneInString(p.in[p.at:])
		if w := p.peekWord(); w != "" {
			found = shorten(w)
		} else if r == utf8.RuneError {
			found = fmt.Sprintf("byte 0x%02x", p.in[p.at])
		} else {
			found = fmt.Sprintf("%q", p.in[p.at:p.at+size])
		}
	}
	return p.fail(p.at, fmt.Errorf("expected %s, found %s", what, found))
}

func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

func (p *parser) space() {
	for p.at < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.at]) >= 0 {
		p.at++
	}
}

// take takes the token if it stands here.
func (p *parser) take(token string) bool {
	if strings.HasPrefix(p.in[p.at:], token) {
		p.at += len(token)
		p.space()
		return true
	}
	return false
}

// takeWord takes the word if it stands here as a whole.
func (p *parser) takeWord(word string) bool { return p.peekWord() == word && p.take(word) }

func (p *parser) peekWord() string { return p.in[p.at : p.at+bare(p.in[p.at:])] }

// bare is how many bytes at the front of a text may stand in a name without quotes.
func bare(s string) int {
	for i, r := range s {
		ascii := r < utf8.RuneSelf
		switch {
		case ascii && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_:.-/@%", r)):
		case !ascii && r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		default:
			return i
		}
	}
	return len(s)
}

func (p *parser) or() (Expr, int, error) {
	return p.list("or", p.and, func(parts []Expr) Expr { return Or(parts) })
}

func (p *parser) and() (Expr, int, error) {
	return p.list("and", p.unary, func(parts []Expr) Expr { return And(parts) })
}

// list reads one part or several with a word between them.
func (p *parser) list(word string, part func() (Expr, int, error), join func([]Expr) Expr) (Expr, int, error) {
	first, levels, err := part()
	if err != nil {
		return nil, 0, err
	}
	parts := []Expr{first}
	for p.takeWord(word) {
		next, below, err := part()
		if err != nil {
			return nil, 0, err
		}
		parts, levels = append(parts, next), max(levels, below)
	}
	if len(parts) == 1 {
		return first, levels, nil
	}
	return p.over(join(parts), levels)
}

// over answers an expression whose parts have that many levels below them.
func (p *parser) over(e Expr, levels int) (Expr, int, error) {
	if levels >= MaxDepth {
		return nil, 0, p.fail(p.at, errDepth)
	}
	return e, levels + 1, nil
}

func (p *parser) enter() error {
	if p.inside++; p.inside > MaxDepth {
		return p.fail(p.at, errDepth)
	}
	return nil
}

func (p *parser) unary() (Expr, int, error) {
	start := p.at
	switch {
	case p.takeWord("not"):
		if err := p.enter(); err != nil {
			return nil, 0, err
		}
		e, levels, err := p.unary()
		if err != nil {
			return nil, 0, err
		}
		p.inside--
		return p.over(Not{e}, levels)
	case p.take("("):
		if err := p.enter(); err != nil {
			return nil, 0, err
		}
		e, levels, err := p.or()
		if err == nil && !p.take(")") {
			err = p.want(`and, or, or ")"`)
		}
		p.inside--
		return e, levels, err
	case !p.braces && p.take("{"):
		return p.selector(nil)
	}
	name, found, err := p.name()
	switch {
	case err != nil:
		return nil, 0, err
	case !found:
		what := `a name, "{", "(" or not`
		if p.braces {
			what = `the name of a tag, "(" or not`
		}
		return nil, 0, p.want(what)
	}
	m, found, err := p.condition(name)
	switch {
	case err == nil && found:
	case err == nil && p.braces:
		err = p.want("=, !=, =~, !~, in, exists or begins with")
	case err == nil:
		m = Equal(NameTag, name)
	}
	if err == nil {
		if err = p.bounds.Add(m); err != nil {
			err = p.fail(start, err)
		}
	}
	if err != nil {
		return nil, 0, err
	}
	if !found && p.take("{") {
		return p.selector(m)
	}
	return m, 0, nil
}

// selector reads what stands in braces behind the metric's name, nil if none is given.
func (p *parser) selector(name *Matcher) (Expr, int, error) {
	if err := p.enter(); err != nil {
		return nil, 0, err
	}
	p.braces = true
	var parts And
	levels := 0
	if name != nil {
		parts = append(parts, name)
	}
	for !p.take("}") {
		e, below, err := p.or()
		if err != nil {
			return nil, 0, err
		}
		parts, levels = append(parts, e), max(levels, below)
		if !p.take(",") && !strings.HasPrefix(p.in[p.at:], "}") {
			return nil, 0, p.want(`and, or, "," or "}"`)
		}
	}
	p.braces = false
	p.inside--
	switch len(parts) {
	case 0:
		return And{}, 0, nil
	case 1:
		return parts[0], levels, nil
	}
	return p.over(parts, levels)
}

// name reads the name of a tag or metric.
func (p *parser) name() (name string, found bool, err error) {
	if p.at < len(p.in) && p.in[p.at] == '"' {
		start := p.at
		name, err = p.text()
		if err == nil && name == "" {
			err = p.fail(start, errors.New("a name must not be empty"))
		}
		return name, true, err
	}
	switch name = p.peekWord(); name {
	case "", "and", "or":
		return "", false, nil
	}
	p.take(name)
	return name, true, nil
}

// condition reads what is asked of a tag, if that stands here.
func (p *parser) condition(name string) (m *Matcher, found bool, err error) {
	switch {
	case p.takeWord("exists"):
		return Exists(name), true, nil
	case p.takeWord("in"):
		m, err = p.oneOf(name)
		return m, true, err
	case p.takeWord("begins"):
		if !p.takeWord("with") {
			return nil, true, p.want("with")
		}
		text, err := p.value()
		return Prefix(name, text), true, err
	}
	for _, c := range conditions {
		if !p.take(c.sign) {
			continue
		}
		start := p.at
		text, err := p.value()
		if err != nil {
			return nil, true, err
		}
		m, err := c.make(name, text)
		if err != nil {
			err = p.fail(start, err)
		}
		return m, true, err
	}
	return nil, false, nil
}

// conditions are the signs between a tag and a value, longer ones before those that they begin with.
var conditions = []struct {
	sign string
	make func(name, value string) (*Matcher, error)
}{
	{"=~", Regexp},
	{"!~", NotRegexp},
	{"!=", func(name, value string) (*Matcher, error) { return NotEqual(name, value), nil }},
	{"=", func(name, value string) (*Matcher, error) { return Equal(name, value), nil }},
}

func (p *parser) oneOf(name string) (*Matcher, error) {
	if !p.take("(") {
		return nil, p.want(`"(" and values`)
	}
	var values []string
	for !p.take(")") {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if !p.take(",") && !strings.HasPrefix(p.in[p.at:], ")") {
			return nil, p.want(`"," or ")"`)
		}
	}
	return In(name, values...), nil
}

func (p *parser) value() (string, error) {
	if p.at >= len(p.in) || p.in[p.at] != '"' {
		return "", p.want("a value in double quotes")
	}
	return p.text()
}

// text reads a text in double quotes with the escapes of JSON. Bytes that are not UTF-8 stand for themselves, since tags
// may hold them.
func (p *parser) text() (string, error) {
	start := p.at
	p.at++
	from := p.at
	var b []byte
	for p.at < len(p.in) {
		switch c := p.in[p.at]; {
		case c == '"':
			text := p.in[from:p.at]
			if b != nil {
				text = string(append(b, text...))
			}
			p.at++
			p.space()
			return text, nil
		case c < ' ':
			return "", p.fail(p.at, fmt.Errorf(`expected an escape such as \n, found the control character 0x%02x`, c))
		case c != '\\':
			p.at++
		default:
			b = append(b, p.in[from:p.at]...)
			var err error
			if b, err = p.escape(b); err != nil {
				return "", err
			}
			from = p.at
		}
	}
	return "", p.fail(len(p.in), fmt.Errorf("expected the double quote that ends the text that begins at byte %d, found the end", start))
}

const (
	escapes = `"\/bfnrt`
	escaped = "\"\\/\b\f\n\r\t"
)

func (p *parser) escape(b []byte) ([]byte, error) {
	start := p.at
	if p.at+1 < len(p.in) {
		if i := strings.IndexByte(escapes, p.in[p.at+1]); i >= 0 {
			p.at += 2
			return append(b, escaped[i]), nil
		}
	}
	r, ok := p.unit()
	if ok && utf16.IsSurrogate(r) {
		low, _ := p.unit()
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return nil, p.fail(start, errors.New(`expected a pair of surrogates, found one alone`))
		}
	}
	if !ok {
		return nil, p.fail(start, errors.New(`expected one of the escapes \" \\ \/ \b \f \n \r \t \u0000`))
	}
	return utf8.AppendRune(b, r), nil
}

// unit reads \u and four hexadecimal digits.
func (p *parser) unit() (rune, bool) {
	if len(p.in)-p.at < 6 || p.in[p.at:p.at+2] != `\u` {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.in[p.at+2 : p.at+6]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	p.at += 6
	return r, true
}
