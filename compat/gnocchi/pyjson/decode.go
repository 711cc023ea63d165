package pyjson

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep lists and objects may lie in each other.
const MaxDepth = 100

// Object is a JSON object. A member that is given twice has the place of the first and the value of the last.
type Object struct {
	Names  []string
	Values []any

	at map[string]int // of large objects; nil: the names are searched
}

// largeObject is the number of members from which on names are looked up in a map.
const largeObject = 16

// Find is the place of a member, below 0 if there is none.
func (o *Object) Find(name string) int {
	if o.at != nil {
		if i, ok := o.at[name]; ok {
			return i
		}
		return -1
	}
	for i, n := range o.Names {
		if n == name {
			return i
		}
	}
	return -1
}

// Get is the value of a member.
func (o *Object) Get(name string) (any, bool) {
	if i := o.Find(name); i >= 0 {
		return o.Values[i], true
	}
	return nil, false
}

// Set gives a member a value.
func (o *Object) Set(name string, v any) {
	if i := o.Find(name); i >= 0 {
		o.Values[i] = v
		return
	}
	o.Names, o.Values = append(o.Names, name), append(o.Values, v)
	switch {
	case o.at != nil:
		o.at[name] = len(o.Names) - 1
	case len(o.Names) >= largeObject:
		o.at = make(map[string]int, 2*largeObject)
		for i, n := range o.Names {
			o.at[n] = i
		}
	}
}

// Number is a number as it was written.
type Number string

// Int is the number if it is written as a whole one and fits in 64 bits.
func (n Number) Int() (int64, bool) {
	i, err := strconv.ParseInt(string(n), 10, 64)
	return i, err == nil
}

// IsInt says whether the number is written as a whole one, of any size: without a point and an exponent.
func (n Number) IsInt() bool {
	return n != "" && strings.Trim(string(n), "-0123456789") == ""
}

// Float is the number as a float64; one that is too large is infinite.
func (n Number) Float() float64 {
	switch n {
	case "NaN":
		return math.NaN()
	case "Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	f, _ := strconv.ParseFloat(string(n), 64) // the only error that is possible here is that it is out of range
	return f
}

// SyntaxError says why a text is no JSON, and at which byte.
type SyntaxError struct {
	At   int
	Text string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Text, e.At) }

// Kind is "invalid".
func (*SyntaxError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*SyntaxError) Code() string { return "body-invalid" }

// Decode reads one value, with nothing behind it but white space. The error is a *SyntaxError. Strings do not share the memory of b.
func Decode(b []byte) (any, error) {
	d := decoder{b: b}
	d.space()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	if d.space(); d.at < len(b) {
		return nil, d.fail("there is something behind the value")
	}
	return v, nil
}

// Skip is the end of the value that begins at b[i:], which is found valid but not made. depth is how many lists and objects it lies
// in. The error is a *SyntaxError.
func Skip(b []byte, i, depth int) (end int, err error) {
	d := decoder{b: b, at: i, skip: true}
	_, err = d.value(depth)
	return d.at, err
}

// AppendUnquoted appends the string whose first quote is b[i], and gives its end. The error is a *SyntaxError.
func AppendUnquoted(dst, b []byte, i int) (out []byte, end int, err error) {
	d := decoder{b: b, at: i}
	out, err = d.appendText(dst)
	return out, d.at, err
}

type decoder struct {
	b    []byte
	at   int
	skip bool // values are not made
}

func (d *decoder) fail(format string, args ...any) error {
	return &SyntaxError{d.at, fmt.Sprintf(format, args...)}
}

func (d *decoder) space() {
	for d.at < len(d.b) {
		switch d.b[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

func (d *decoder) peek() byte {
	if d.at < len(d.b) {
		return d.b[d.at]
	}
	return 0
}

var words = []struct {
	text  string
	value any
}{
	{"null", nil}, {"true", true}, {"false", false}, {"NaN", Number("NaN")}, {"Infinity", Number("Infinity")}, {"-Infinity", Number("-Infinity")},
}

func (d *decoder) value(depth int) (any, error) {
	if d.at >= len(d.b) {
		return nil, d.fail("a value is expected, and the text ends")
	}
	switch c := d.b[d.at]; {
	case c == '{' || c == '[':
		if depth == MaxDepth {
			return nil, d.fail("lists and objects lie more than %d deep in each other", MaxDepth)
		}
		if c == '{' {
			return d.object(depth + 1)
		}
		return d.list(depth + 1)
	case c == '"':
		return d.text()
	default:
		for _, w := range words {
			if strings.HasPrefix(string(d.b[d.at:min(d.at+len(w.text), len(d.b))]), w.text) {
				d.at += len(w.text)
				return w.value, nil
			}
		}
		return d.number()
	}
}

func (d *decoder) object(depth int) (any, error) {
	o := &Object{}
	d.at++
	d.space()
	for first := true; ; first = false {
		switch c := d.peek(); {
		case c == '}' && first:
			d.at++
			return o, nil
		case c != '"':
			return nil, d.fail("the name of a member is expected, in quotes")
		}
		name, err := d.text()
		if err != nil {
			return nil, err
		}
		if d.space(); d.peek() != ':' {
			return nil, d.fail("a colon is expected")
		}
		d.at++
		d.space()
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		if !d.skip {
			o.Set(name.(string), v)
		}
		d.space()
		switch d.peek() {
		case ',':
			d.at++
			d.space()
		case '}':
			d.at++
			return o, nil
		default:
			return nil, d.fail("a comma or } is expected")
		}
	}
}

func (d *decoder) list(depth int) (any, error) {
	list := []any{}
	d.at++
	d.space()
	for first := true; ; first = false {
		if d.peek() == ']' && first {
			d.at++
			return list, nil
		}
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		if !d.skip {
			list = append(list, v)
		}
		d.space()
		switch d.peek() {
		case ',':
			d.at++
			d.space()
		case ']':
			d.at++
			return list, nil
		default:
			return nil, d.fail("a comma or ] is expected")
		}
	}
}

func (d *decoder) number() (any, error) {
	start := d.at
	digits := func() (n int) {
		for ; d.at < len(d.b) && d.b[d.at] >= '0' && d.b[d.at] <= '9'; n++ {
			d.at++
		}
		return n
	}
	if d.peek() == '-' {
		d.at++
	}
	lead := d.at
	if n := digits(); n == 0 || n > 1 && d.b[lead] == '0' {
		d.at = start
		return nil, d.fail("a value is expected")
	}
	if d.peek() == '.' {
		if d.at++; digits() == 0 {
			return nil, d.fail("a digit is expected")
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.at++
		if c := d.peek(); c == '+' || c == '-' {
			d.at++
		}
		if digits() == 0 {
			return nil, d.fail("a digit is expected")
		}
	}
	if d.skip {
		return nil, nil
	}
	return Number(d.b[start:d.at]), nil
}

func (d *decoder) text() (any, error) {
	var room [64]byte
	out, err := d.appendText(room[:0])
	if err != nil || d.skip {
		return nil, err
	}
	return string(out), nil
}

func (d *decoder) appendText(out []byte) ([]byte, error) {
	d.at++
	for {
		start := d.at
		for d.at < len(d.b) && d.b[d.at] != '"' && d.b[d.at] != '\\' && d.b[d.at] >= ' ' && d.b[d.at] < utf8.RuneSelf {
			d.at++
		}
		if !d.skip {
			out = append(out, d.b[start:d.at]...)
		}
		if d.at >= len(d.b) {
			return nil, d.fail("a string does not end")
		}
		switch c := d.b[d.at]; {
		case c == '"':
			d.at++
			return out, nil
		case c == '\\':
			r, err := d.escape()
			if err != nil {
				return nil, err
			}
			if !d.skip {
				out = utf8.AppendRune(out, r)
			}
		case c < ' ':
			return nil, d.fail("a control character stands in a string")
		default:
			r, size := utf8.DecodeRune(d.b[d.at:])
			if r == utf8.RuneError && size == 1 {
				return nil, d.fail("the text is not UTF-8")
			}
			if !d.skip {
				out = append(out, d.b[d.at:d.at+size]...)
			}
			d.at += size
		}
	}
}

func (d *decoder) escape() (rune, error) {
	if d.at+1 >= len(d.b) {
		return 0, d.fail("a string does not end")
	}
	c := d.b[d.at+1]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		d.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, d.fail(`\%c is no escape`, c)
	}
	r, err := d.unit()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if d.at+1 < len(d.b) && d.b[d.at] == '\\' && d.b[d.at+1] == 'u' {
		at := d.at
		low, err := d.unit()
		if err != nil {
			return 0, err
		}
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, nil
		}
		d.at = at
	}
	return 0, d.fail("half of a surrogate pair stands alone")
}

// unit reads \uXXXX.
func (d *decoder) unit() (rune, error) {
	if d.at+6 > len(d.b) {
		return 0, d.fail("four hexadecimal digits are expected")
	}
	v, err := strconv.ParseUint(string(d.b[d.at+2:d.at+6]), 16, 16)
	if err != nil {
		return 0, d.fail("four hexadecimal digits are expected")
	}
	d.at += 6
	return rune(v), nil
}
