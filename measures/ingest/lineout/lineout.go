package lineout

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"granary/metricdef"
)

// ErrUnprintable is wrapped by every error of this package: line protocol has no form for the name, value or time.
var ErrUnprintable = errors.New("line protocol cannot express it")

// AppendSeries appends the part of a line before its first space: the metric's name and its tags in the order given.
// Readers expect tags sorted by name. The error names the text that cannot be printed: an empty one, one with a control
// character or invalid UTF-8, one that ends in a backslash, and a name that starts with "#".
func AppendSeries(dst []byte, name string, tags []metricdef.Tag) ([]byte, error) {
	if err := printable(name); err != nil {
		return dst, fmt.Errorf("metric name %q: %w", name, err)
	}
	if name[0] == '#' {
		return dst, fmt.Errorf("metric name %q starts a comment: %w", name, ErrUnprintable)
	}
	start := len(dst)
	dst = appendEscaped(dst, name, false)
	for _, t := range tags {
		if err := printable(t.Name); err != nil {
			return dst[:start], fmt.Errorf("tag name %q: %w", t.Name, err)
		}
		if err := printable(t.Value); err != nil {
			return dst[:start], fmt.Errorf("value %q of tag %q: %w", t.Value, t.Name, err)
		}
		dst = append(dst, ',')
		dst = appendEscaped(dst, t.Name, true)
		dst = append(dst, '=')
		dst = appendEscaped(dst, t.Value, true)
	}
	return dst, nil
}

// AppendSample appends the rest of a line, with its newline: the field "value" and the time t in nanoseconds since 1970
// UTC. The value has the fewest digits that give its bits back, and no exponent. Whole seconds are printed in seconds,
// other times in nanoseconds; as a reader tells the unit of a bare timestamp by its size, a fraction of a second within
// 1e17 ns (3 years and 2 months) of 1970 has no form. NaN and infinities have none either.
func AppendSample(dst []byte, v float64, t int64) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dst, fmt.Errorf("value %v: %w", v, ErrUnprintable)
	}
	return appendSample(dst, t, func(dst []byte) []byte { return strconv.AppendFloat(dst, v, 'f', -1, 64) })
}

// AppendInt is AppendSample for a whole number: an integer field, which says "i" behind its digits.
func AppendInt(dst []byte, v, t int64) ([]byte, error) {
	return appendSample(dst, t, func(dst []byte) []byte { return append(strconv.AppendInt(dst, v, 10), 'i') })
}

// AppendText is AppendSample for a text: a string field. One that is not UTF-8, or has control characters other than tabs
// and the ends of lines, has no form.
func AppendText(dst []byte, v string, t int64) ([]byte, error) {
	if !utf8.ValidString(v) {
		return dst, fmt.Errorf("text %q is not UTF-8: %w", v, ErrUnprintable)
	}
	for i := range len(v) {
		if c := v[i]; (c < ' ' || c == 0x7f) && c != '\n' && c != '\r' && c != '\t' {
			return dst, fmt.Errorf("text %q with control character 0x%02x: %w", v, c, ErrUnprintable)
		}
	}
	return appendSample(dst, t, func(dst []byte) []byte {
		dst = append(dst, '"')
		for i := range len(v) {
			switch c := v[i]; c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, c)
			}
		}
		return append(dst, '"')
	})
}

func appendSample(dst []byte, t int64, value func([]byte) []byte) ([]byte, error) {
	const second, nanosecondsFrom = 1e9, 1e17
	if t%second == 0 {
		t /= second
	} else if t < nanosecondsFrom && t > -nanosecondsFrom {
		return dst, fmt.Errorf("time %d ns: %w", t, ErrUnprintable)
	}
	dst = value(append(dst, " value="...))
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, t, 10)
	return append(dst, '\n'), nil
}

// Value is the value of a sample: Float, or what its kind says. A state is a Float, its code.
type Value struct {
	Kind  metricdef.Kind
	Float float64
	Int   int64  // KindInt
	Text  string // KindText
}

// Append appends the rest of a line, with its newline, as AppendSample does: whole numbers as integer fields, texts and the names of states as
// string fields.
func (v *Value) Append(dst []byte, t int64) ([]byte, error) {
	switch v.Kind {
	case metricdef.KindInt:
		return AppendInt(dst, v.Int, t)
	case metricdef.KindText:
		return AppendText(dst, v.Text, t)
	case metricdef.KindState:
		state, ok := metricdef.StateOf(v.Float)
		if !ok {
			return dst, fmt.Errorf("value %v is no state: %w", v.Float, ErrUnprintable)
		}
		return AppendText(dst, state.String(), t)
	}
	return AppendSample(dst, v.Float, t)
}

func printable(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("empty: %w", ErrUnprintable)
	case s[len(s)-1] == '\\':
		return fmt.Errorf("ends in a backslash: %w", ErrUnprintable)
	case !utf8.ValidString(s):
		return fmt.Errorf("not UTF-8: %w", ErrUnprintable)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return fmt.Errorf("control character 0x%02x: %w", s[i], ErrUnprintable)
		}
	}
	return nil
}

// appendEscaped puts a backslash before each character that would end the text: comma and space, in tags the equals
// sign too. A backslash itself is not escaped: before any other character it stands for itself.
func appendEscaped(dst []byte, s string, tag bool) []byte {
	for i := range len(s) {
		if c := s[i]; c == ',' || c == ' ' || tag && c == '=' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return dst
}
