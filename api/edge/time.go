package edge

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// TimeError says why a text is no time or no duration.
type TimeError struct {
	Text   string
	Reason string
}

func (e *TimeError) Error() string { return fmt.Sprintf("%q %s", shorten(e.Text), e.Reason) }

// Kind implements the kinds of errors.
func (*TimeError) Kind() string { return string(Invalid) }

// Code implements the codes of errors.
func (*TimeError) Code() string { return "time-invalid" }

// Shorten is the front of a text that may be very long, so that what was sent does not make an error long.
func Shorten(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func shorten(s string) string { return Shorten(s, 100) }

const (
	notTime     = "is not a time: RFC 3339, a date, a number since 1970, now, or relative to now as in now-90m or -1h"
	outOfRange  = "is out of range: times are nanoseconds since 1970 in 64 bits, the years 1678 to 2262"
	notDuration = "is not a duration such as 90s, 5m, 1h30m, 7d, 1w, or a number of seconds"
	tooLong     = "is longer than a duration can be, about 292 years"
	tooFine     = "is finer than a nanosecond"
)

// ParseTime reads a time, in nanoseconds since 1970 UTC:
//
//   - RFC 3339: 2026-01-31T12:00:00Z, with a fraction and an offset if need be;
//   - a date: 2026-01-31, midnight UTC;
//   - a number, whose size tells its unit: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else
//     nanoseconds; it may have a fraction;
//   - now, or a time relative to it: now-90m, now+1h, -1h, +5m.
//
// What does not fit into the 64 bits is an error.
func ParseTime(text string, now time.Time) (int64, error) { return ParseTimeIn(text, now, 0) }

// ParseTimeIn is ParseTime where a number has the unit given, because the request names it; 0: its size tells.
func ParseTimeIn(text string, now time.Time, unit time.Duration) (int64, error) {
	fail := func(reason string) (int64, error) { return 0, &TimeError{text, reason} }
	if text == "" {
		return fail(notTime)
	}
	rest, relative := strings.CutPrefix(text, "now")
	if relative && rest == "" {
		return now.UnixNano(), nil
	}
	if d, isNumber := parseDecimal(text); isNumber {
		return d.since1970(text, unit)
	}
	if relative || text[0] == '-' || text[0] == '+' {
		if rest[0] != '-' && rest[0] != '+' {
			return fail(notTime)
		}
		d, err := ParseDuration(rest[1:])
		if bad, ok := errors.AsType[*TimeError](err); ok {
			return fail("has behind its sign what " + bad.Reason)
		}
		n := now.UnixNano()
		if rest[0] == '-' {
			if n < math.MinInt64+int64(d) {
				return fail(outOfRange)
			}
			return n - int64(d), nil
		}
		if n > math.MaxInt64-int64(d) {
			return fail(outOfRange)
		}
		return n + int64(d), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && len(text) == len(time.DateOnly) {
		t, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		if looksLikeNumber(text) {
			return fail(outOfRange)
		}
		return fail(notTime)
	}
	if t.Before(earliest) || t.After(latest) {
		return fail(outOfRange)
	}
	return t.UnixNano(), nil
}

var earliest, latest = time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)

// looksLikeNumber tells a number of too many digits or too large an exponent from what is none.
func looksLikeNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return (err == nil || strings.Contains(err.Error(), "range")) && !strings.ContainsAny(s, "xXpPnNiI_")
}

func (d decimal) since1970(text string, unit time.Duration) (int64, error) {
	if unit == 0 {
		unit = time.Nanosecond
		if v, _, ok := d.times(1); ok {
			switch {
			case v < 1e11:
				unit = time.Second
			case v < 1e14:
				unit = time.Millisecond
			case v < 1e17:
				unit = time.Microsecond
			}
		}
	}
	v, _, ok := d.times(uint64(unit)) // what is finer than a nanosecond is cut off
	switch {
	case !ok || v > math.MaxInt64:
		return 0, &TimeError{text, outOfRange}
	case d.negative:
		return -int64(v), nil
	}
	return int64(v), nil
}

var durationUnits = []struct {
	name string
	len  time.Duration
}{
	{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second},
	{"ms", time.Millisecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"μs", time.Microsecond}, {"ns", 1},
}

// ParseDuration reads a duration that is not negative: numbers with the units w, d, h, m, s, ms, us, ns, the largest first
// and each at most once (1w2d, 1h30m, 1.5s), or a number of seconds. What a duration cannot hold exactly is an error.
func ParseDuration(text string) (time.Duration, error) {
	fail := func(reason string) (time.Duration, error) { return 0, &TimeError{text, reason} }
	if d, ok := parseDecimal(text); ok {
		return d.duration(text, time.Second)
	}
	var sum time.Duration
	next := 0 // the first unit that may come
	for rest := text; rest != "" || text == ""; {
		n := strings.IndexFunc(rest, func(c rune) bool { return (c < '0' || c > '9') && c != '.' })
		if n <= 0 {
			return fail(notDuration)
		}
		number := rest[:n]
		rest = rest[n:]
		n = strings.IndexAny(rest, "0123456789.")
		if n < 0 {
			n = len(rest)
		}
		at := next
		for at < len(durationUnits) && durationUnits[at].name != rest[:n] {
			at++
		}
		if at == len(durationUnits) {
			return fail(notDuration)
		}
		d, ok := parseDecimal(number)
		if !ok {
			return fail(notDuration)
		}
		part, err := d.duration(text, durationUnits[at].len)
		if err != nil {
			return 0, err
		}
		if part > math.MaxInt64-sum {
			return fail(tooLong)
		}
		sum += part
		rest, next = rest[n:], at+1
	}
	return sum, nil
}

func (d decimal) duration(text string, unit time.Duration) (time.Duration, error) {
	v, exact, ok := d.times(uint64(unit))
	switch {
	case d.negative && d.m != 0:
		return 0, &TimeError{text, "is below zero, which this duration cannot be"}
	case !ok || v > math.MaxInt64:
		return 0, &TimeError{text, tooLong}
	case !exact:
		return 0, &TimeError{text, tooFine}
	}
	return time.Duration(v), nil
}

// TimeFormat is the form of times in an answer.
type TimeFormat uint8

// The forms of times. The zero value is the default.
const (
	Milliseconds TimeFormat = iota
	Seconds
	Microseconds
	Nanoseconds
	RFC3339
)

var timeFormats = [...]string{"ms", "s", "us", "ns", "rfc3339"}

// ParseTimeFormat reads ms, s, us, ns or rfc3339; "" is ms.
func ParseTimeFormat(text string) (TimeFormat, error) {
	if text == "" {
		return Milliseconds, nil
	}
	for f, name := range timeFormats {
		if name == text {
			return TimeFormat(f), nil
		}
	}
	return 0, &TimeError{text, "is not a form of times: ns, us, ms, s or rfc3339"}
}

// String is the form's name.
func (f TimeFormat) String() string { return timeFormats[f] }

// Append appends a time as JSON: an integer, cut towards the past, or a text in quotes.
func (f TimeFormat) Append(dst []byte, ns int64) []byte {
	unit := int64(1)
	switch f {
	case RFC3339:
		dst = append(dst, '"')
		dst = time.Unix(0, ns).UTC().AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"')
	case Milliseconds:
		unit = 1e6
	case Seconds:
		unit = 1e9
	case Microseconds:
		unit = 1e3
	}
	q := ns / unit
	if ns%unit < 0 {
		q--
	}
	return strconv.AppendInt(dst, q, 10)
}
