package hawkular

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"granary/api/edge"
)

// Times of the dialect are milliseconds since 1970 UTC; inside they are nanoseconds. A range that reaches beyond what 64 bits of
// nanoseconds hold is cut there: nothing can be stored beyond.
const (
	millisecond = int64(time.Millisecond)
	lastMilli   = math.MaxInt64 / millisecond
)

// units are the units of durations and relative times.
var units = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "mn": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

// timeError refuses a text that is no time or no duration.
type timeError struct{ what, text, wanted string }

func (e *timeError) Error() string {
	return fmt.Sprintf("%s: %q is not %s", e.what, shorten(e.text), e.wanted)
}
func (*timeError) Kind() string { return string(edge.Invalid) }
func (*timeError) Code() string { return "time-invalid" }

const (
	wantTime     = "a number of milliseconds since 1970, or a time relative to now such as -5mn or +1h (units ms, s, mn, h, d)"
	wantDuration = "a duration such as 30s or 5mn: a whole number above zero and one of the units ms, s, mn, h, d, up to 106751d"
)

// parseTime reads a time, in milliseconds since 1970: a number without a sign, or a sign and a duration, which is relative to now.
// what names the parameter.
func parseTime(what, text string, now time.Time) (int64, error) {
	bad := &timeError{what, text, wantTime}
	if text == "" {
		return 0, bad
	}
	if text[0] != '-' && text[0] != '+' {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, bad
		}
		return ms, nil
	}
	d, ok := duration(text[1:])
	if !ok {
		return 0, bad
	}
	if text[0] == '-' {
		d = -d
	}
	return now.UnixMilli() + d, nil
}

// parseDuration reads a duration above zero, in milliseconds.
func parseDuration(what, text string) (int64, error) {
	d, ok := duration(text)
	if !ok || d == 0 {
		return 0, &timeError{what, text, wantDuration}
	}
	return d, nil
}

// duration reads digits and a unit, in milliseconds. What is longer than all times together is not taken.
func duration(text string) (int64, bool) {
	digits := 0
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
		digits++
	}
	n, err := strconv.ParseInt(text[:digits], 10, 64)
	unit, ok := units[text[digits:]]
	if err != nil || !ok || n > lastMilli/unit.Milliseconds() {
		return 0, false
	}
	return n * unit.Milliseconds(), true
}

func isDuration(text string) bool {
	_, ok := duration(text)
	return ok
}

// nanos is a time in milliseconds as nanoseconds, cut to what these hold.
func nanos(ms int64) int64 {
	switch {
	case ms > lastMilli:
		return math.MaxInt64
	case ms < -lastMilli:
		return -lastMilli * millisecond
	}
	return ms * millisecond
}

// millis is a time in nanoseconds as milliseconds, those that have passed.
func millis(ns int64) int64 {
	ms := ns / millisecond
	if ns%millisecond < 0 {
		ms--
	}
	return ms
}
