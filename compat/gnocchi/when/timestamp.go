package when

import (
	"fmt"
	"math"
	"strings"
	"time"

	"granary/api/edge"
)

// Why says why a text is no time.
type Why uint8

// The reasons.
const (
	Unreadable  Why = iota // of no form that times have
	BeforeEpoch            // before 1970
	Beyond                 // later than 64 bits of nanoseconds hold
	NotATime               // "", NaT, nan or inf, which are the forms of no time at all
)

// TimeError refuses a timestamp.
type TimeError struct {
	Text string
	Why  Why
}

func (e *TimeError) Error() string {
	switch e.Why {
	case BeforeEpoch:
		return "Timestamp must be after Epoch"
	case Beyond:
		return fmt.Sprintf("Timestamp %q is beyond %s, the last one that nanoseconds in 64 bits hold", shorten(e.Text), AppendTime(nil, math.MaxInt64))
	case NotATime:
		return fmt.Sprintf("Timestamp %q is not a time", shorten(e.Text))
	}
	return "Unable to convert timestamps"
}

// Kind implements the kinds of errors.
func (*TimeError) Kind() string { return string(edge.Invalid) }

// Code implements the codes of errors.
func (*TimeError) Code() string { return "time-invalid" }

func shorten(s string) string { return edge.Shorten(s, 100) }

// Format is the form of a timestamp. In a list of measures that of the first one holds for all.
type Format uint8

// The formats.
const (
	Number   Format = iota // seconds since 1970, as a number or as the text of one
	ISO                    // a date, with a time or without, and what else ISO lists take: now, today, nothing
	Relative               // a timespan added to now
)

// FormatOf is the format that a text has as the first of a list.
func FormatOf(text string) Format {
	if isNumber(text) {
		return Number
	}
	if _, ok := iso(text, 0); ok {
		return ISO
	}
	return Relative
}

// Timestamp reads a timestamp of any format, in nanoseconds since 1970 UTC. It is never before 1970. The error is a *TimeError.
func Timestamp(text string, now time.Time) (int64, error) { return FormatOf(text).Timestamp(text, now) }

// Timestamp reads a timestamp of the format. The error is a *TimeError.
func (f Format) Timestamp(text string, now time.Time) (int64, error) {
	switch f {
	case Number:
		return seconds(text)
	case ISO:
		t, ok := iso(text, now.UnixNano())
		if !ok {
			return 0, &TimeError{text, Unreadable}
		}
		return t.nanoseconds(text)
	}
	d, err := SignedSpan(text)
	if err != nil {
		if e, ok := err.(*SpanError); ok && e.Why == TooLong { //nolint:errorlint // it is ours, as it was made
			if strings.HasPrefix(strings.TrimSpace(text), "-") {
				return 0, &TimeError{text, BeforeEpoch}
			}
			return 0, &TimeError{text, Beyond}
		}
		return 0, &TimeError{text, Unreadable}
	}
	n := now.UnixNano()
	switch {
	case d > 0 && n > math.MaxInt64-d:
		return 0, &TimeError{text, Beyond}
	case n+d < 0: // now is after 1970, so that this does not wrap
		return 0, &TimeError{text, BeforeEpoch}
	}
	return n + d, nil
}

// seconds reads a number of seconds since 1970.
func seconds(text string) (int64, error) {
	n, size := scaled(text, 1e9)
	switch {
	case size == undefined:
		return 0, &TimeError{text, NotATime}
	case size == none:
		return 0, &TimeError{text, Unreadable}
	case n < 0 || size == low:
		return 0, &TimeError{text, BeforeEpoch}
	case size == high:
		return 0, &TimeError{text, Beyond}
	}
	return n, nil
}
