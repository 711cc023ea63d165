package when

import (
	"strconv"
	"time"
)

// AppendTime appends a timestamp of a measure: YYYY-MM-DDTHH:MM:SS+00:00, with what is below a second cut off.
func AppendTime(dst []byte, ns int64) []byte {
	return append(appendSeconds(dst, floor(ns, second)), "+00:00"...)
}

// AppendDatetime appends a time of a resource, as AppendTime but with its microseconds if it has any.
func AppendDatetime(dst []byte, ns int64) []byte {
	secs := floor(ns, second)
	dst = appendSeconds(dst, secs)
	if micros := (ns - secs*second) / 1000; micros != 0 {
		dst = appendPadded(append(dst, '.'), micros, 6)
	}
	return append(dst, "+00:00"...)
}

// Datetime is the text that AppendDatetime appends.
func Datetime(ns int64) string { return string(AppendDatetime(nil, ns)) }

// appendSeconds appends a date and a time of a day.
func appendSeconds(dst []byte, secs int64) []byte {
	day := floor(secs, daySecs)
	year, month, date := dateOf(day)
	in := secs - day*daySecs
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), month, 2)
	dst = appendPadded(append(dst, '-'), date, 2)
	dst = appendPadded(append(dst, 'T'), in/3600, 2)
	dst = appendPadded(append(dst, ':'), in/60%60, 2)
	return appendPadded(append(dst, ':'), in%60, 2)
}

// appendPadded appends a number that is not negative with at least as many digits, at most ten.
func appendPadded(dst []byte, v int64, width int) []byte {
	var b [20]byte
	i := len(b)
	for v > 0 || width > 0 {
		i--
		b[i] = byte('0' + v%10)
		v /= 10
		width--
	}
	return append(dst, b[i:]...)
}

// AppendSpan appends a timespan as Python prints one: 0:05:00, 1 day, 0:00:00, 0:00:00.500000. One that is not of whole microseconds, which
// Python does not know, has nine decimals.
func AppendSpan(dst []byte, ns int64) []byte {
	const day = daySecs * second
	days := floor(ns, day)
	in := ns - days*day
	switch days {
	case 0:
	case 1, -1:
		dst = append(strconv.AppendInt(dst, days, 10), " day, "...)
	default:
		dst = append(strconv.AppendInt(dst, days, 10), " days, "...)
	}
	dst = strconv.AppendInt(dst, in/(3600*second), 10)
	dst = appendPadded(append(dst, ':'), in/(60*second)%60, 2)
	dst = appendPadded(append(dst, ':'), in/second%60, 2)
	switch part := in % second; {
	case part == 0:
	case part%1000 == 0:
		dst = appendPadded(append(dst, '.'), part/1000, 6)
	default:
		dst = appendPadded(append(dst, '.'), part, 9)
	}
	return dst
}

// SpanText is the text that AppendSpan appends.
func SpanText(ns int64) string { return string(AppendSpan(nil, ns)) }

// Seconds is a timespan in seconds, the float next to it.
func Seconds(ns int64) float64 {
	if ns%second == 0 {
		return float64(ns / second)
	}
	return time.Duration(ns).Seconds()
}

// floor is a divided by b, towards the past.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// dateOf is the date of a day since 1970.
func dateOf(day int64) (year, month, date int64) {
	day += 719_468 // to the first of March of the year 0
	era := floor(day, 146_097)
	in := day - era*146_097
	year = (in - in/1460 + in/36_524 - in/146_096) / 365
	in -= 365*year + year/4 - year/100
	m := (5*in + 2) / 153
	date = in - (153*m+2)/5 + 1
	year += era * 400
	if month = m + 3; month > 12 {
		month -= 12
		year++
	}
	return year, month, date
}
