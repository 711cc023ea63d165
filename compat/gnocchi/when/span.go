package when

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"granary/api/edge"
)

// SpanWhy says why a text is no timespan.
type SpanWhy uint8

// The reasons.
const (
	NoSpan      SpanWhy = iota // null
	SpanSyntax                 // of no form that timespans have
	NotPositive                // zero, below it, or less than a nanosecond
	TooLong                    // more nanoseconds than 64 bits hold
)

// SpanError refuses a timespan.
type SpanError struct {
	Text string
	Why  SpanWhy
}

func (e *SpanError) Error() string {
	switch e.Why {
	case NoSpan:
		return "Invalid timespan"
	case NotPositive:
		return "Timespan must be positive"
	case TooLong:
		return fmt.Sprintf("Timespan %q is longer than a timespan can be, about 292 years", shorten(e.Text))
	}
	return "Unable to parse timespan"
}

// Kind implements the kinds of errors.
func (*SpanError) Kind() string { return string(edge.Invalid) }

// Code implements the codes of errors.
func (*SpanError) Code() string { return "time-invalid" }

// Span reads a timespan, in nanoseconds: one that is longer than nothing. The error is a *SpanError.
func Span(text string) (int64, error) {
	d, err := SignedSpan(text)
	if err == nil && d <= 0 {
		err = &SpanError{text, NotPositive}
	}
	if e, ok := err.(*SpanError); ok && e.Why == TooLong && strings.HasPrefix(strings.TrimSpace(text), "-") { //nolint:errorlint // it is ours, as it was made
		err = &SpanError{text, NotPositive}
	}
	return d, err
}

// SignedSpan reads a timespan of any sign, in nanoseconds: a number of seconds; numbers with units from weeks down to seconds, in that
// order and each at most once, with blanks and a comma or slash between them; or a clock, M:SS, H:MM:SS, D:HH:MM:SS or :SS, the second of which
// may stand behind weeks and days. The error is a *SpanError.
func SignedSpan(text string) (int64, error) {
	switch n, size := scaled(text, second); size {
	case fits:
		return n, nil
	case low, high:
		return 0, &SpanError{text, TooLong}
	case undefined:
		return 0, &SpanError{text, SpanSyntax}
	}
	s := strings.ToLower(strings.TrimSpace(text))
	sign := int64(1)
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = strings.TrimLeft(s[1:], blanks)
	}
	p := spanParser{text: text}
	if err := p.parts(s); err != nil {
		return 0, err
	}
	return sign * p.sum, nil
}

const blanks = " \t\r\n\v\f"

// spanUnits are the units in the order in which they stand.
var spanUnits = [...]struct {
	names []string
	nanos uint64
}{
	{[]string{"w", "wk", "wks", "week", "weeks"}, 7 * daySecs * second},
	{[]string{"d", "dy", "dys", "day", "days"}, daySecs * second},
	{[]string{"h", "hr", "hrs", "hour", "hours"}, 3600 * second},
	{[]string{"m", "min", "mins", "minute", "minutes"}, 60 * second},
	{[]string{"s", "sec", "secs", "second", "seconds"}, second},
}

const (
	hours   = 2 // the index of the unit
	secUnit = len(spanUnits) - 1
)

type spanParser struct {
	text string
	sum  int64
}

func (p *spanParser) bad() error { return &SpanError{p.text, SpanSyntax} }

// parts reads what stands behind the sign, in lower case.
func (p *spanParser) parts(s string) error {
	if s == "" {
		return p.bad()
	}
	for next := 0; s != ""; {
		n := 0
		for n < len(s) && (digit(s[n]) || s[n] == '.') {
			n++
		}
		if n < len(s) && s[n] == ':' {
			return p.clock(s, next)
		}
		number := s[:n]
		s = strings.TrimLeft(s[n:], blanks)
		for n = 0; n < len(s) && s[n] >= 'a' && s[n] <= 'z'; n++ {
		}
		at := next
		for at < len(spanUnits) && !slices.Contains(spanUnits[at].names, s[:n]) {
			at++
		}
		if number == "" || at == len(spanUnits) {
			return p.bad()
		}
		if err := p.add(number, spanUnits[at].nanos); err != nil {
			return err
		}
		s = strings.TrimLeft(s[n:], blanks)
		if s != "" && at != secUnit && (s[0] == ',' || s[0] == '/') {
			s = strings.TrimLeft(s[1:], blanks)
		}
		next = at + 1
	}
	return nil
}

// clock reads numbers with colons. next is the first unit that may still come.
func (p *spanParser) clock(s string, next int) error {
	fields := strings.Split(s, ":")
	last, whole := len(fields)-1, fields[len(fields)-1]
	if i := strings.IndexByte(whole, '.'); i >= 0 {
		if whole = whole[:i]; !digits(fields[last][i+1:]) {
			return p.bad()
		}
	}
	front := fields[0]
	switch {
	case next > 0 && (next > hours || last != 2), len(whole) != 2 || !digits(whole), last > 3:
		return p.bad()
	case last == 1 && len(front) > 2, front != "" && !digits(front), front == "" && last > 1:
		return p.bad()
	}
	for _, f := range fields[1:last] {
		if len(f) != 2 || !digits(f) {
			return p.bad()
		}
	}
	for i, f := range fields {
		if f == "" {
			continue
		}
		if err := p.add(f, spanUnits[secUnit-last+i].nanos); err != nil {
			return err
		}
	}
	return nil
}

func digits(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return s != ""
}

func (p *spanParser) add(number string, unit uint64) error {
	switch n, size := scaled(number, unit); {
	case size == none:
		return p.bad()
	case size != fits || n > math.MaxInt64-p.sum:
		return &SpanError{p.text, TooLong}
	default:
		p.sum += n
	}
	return nil
}
