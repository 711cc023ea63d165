package when

import (
	"math"
	"strings"
)

const (
	second  = 1_000_000_000
	daySecs = 86_400
)

// moment is a time as an ISO text spells it, in seconds and nanoseconds, which may be out of the range of 64 bits.
type moment struct {
	secs, nanos int64
	none        bool // it is no time
}

func (m moment) nanoseconds(text string) (int64, error) {
	const last = math.MaxInt64 / second
	switch {
	case m.none:
		return 0, &TimeError{text, NotATime}
	case m.secs < 0:
		return 0, &TimeError{text, BeforeEpoch}
	case m.secs > last || m.secs == last && m.nanos > math.MaxInt64%second:
		return 0, &TimeError{text, Beyond}
	}
	return m.secs*second + m.nanos, nil
}

// iso reads YYYY-MM, YYYY-MM-DD, and behind a T or a blank HH, HH:MM, HH:MM:SS, with a fraction of up to nine digits, and behind
// these Z or an offset; also now (in whole seconds), today, nothing and NaT. A year alone is a number for all but lists of this format.
func iso(text string, now int64) (m moment, ok bool) {
	s := strings.TrimSpace(text)
	switch {
	case s == "", strings.EqualFold(s, "nat"):
		return moment{none: true}, true
	case strings.EqualFold(s, "now"):
		return moment{secs: now / second}, true
	case strings.EqualFold(s, "today"):
		return moment{secs: now / second / daySecs * daySecs}, true
	}
	s, negative := strings.CutPrefix(s, "-")
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	if n < 4 || n > 11 { // the seconds of more would not fit
		return m, false
	}
	year := int64(0)
	for i := range n {
		year = year*10 + int64(s[i]-'0')
	}
	if negative {
		year = -year
	}
	c := cursor{s: s[n:]}
	month, day := int64(1), int64(1)
	if c.more() {
		month = c.two('-', 1, 12)
	}
	dated := c.more()
	if dated {
		day = c.two('-', 1, monthDays(year, month))
	}
	m.secs = daysOf(year, month, day) * daySecs
	if dated && c.more() {
		c.clock(&m)
	}
	return m, !c.bad && c.s == ""
}

// cursor is what is left of a text.
type cursor struct {
	s   string
	bad bool
}

func (c *cursor) more() bool { return !c.bad && c.s != "" }

// two reads a byte, if it is not 0, and two digits of a number in a range.
func (c *cursor) two(before byte, low, high int64) int64 {
	if before != 0 {
		if c.bad || c.s == "" || c.s[0] != before {
			c.bad = true
			return low
		}
		c.s = c.s[1:]
	}
	if len(c.s) < 2 || !digit(c.s[0]) || !digit(c.s[1]) {
		c.bad = true
		return low
	}
	v := int64(c.s[0]-'0')*10 + int64(c.s[1]-'0')
	c.s = c.s[2:]
	c.bad = c.bad || v < low || v > high
	return v
}

// at says whether a byte comes next.
func (c *cursor) at(b byte) bool { return c.more() && c.s[0] == b }

// clock reads the time of a day and its offset.
func (c *cursor) clock(m *moment) {
	before := byte('T')
	if c.at(' ') {
		before = ' '
	}
	m.secs += 3600 * c.two(before, 0, 23)
	if c.at(':') {
		m.secs += 60 * c.two(':', 0, 59)
		if c.at(':') {
			m.secs += c.two(':', 0, 59)
			if c.at('.') {
				c.fraction(m)
			}
		}
	}
	c.s = strings.TrimLeft(c.s, " \t\r\n\v\f")
	switch {
	case c.at('Z'):
		c.s = c.s[1:]
	case c.at('+'), c.at('-'):
		sign := int64(1)
		if c.s[0] == '+' {
			sign = -1
		}
		offset := 3600 * c.two(c.s[0], 0, 23)
		if c.at(':') {
			offset += 60 * c.two(':', 0, 59)
		} else if c.more() {
			offset += 60 * c.two(0, 0, 59)
		}
		m.secs += sign * offset
	}
}

func (c *cursor) fraction(m *moment) {
	c.s = c.s[1:]
	unit := int64(second)
	for c.more() && digit(c.s[0]) {
		if unit /= 10; unit == 0 {
			c.bad = true
			return
		}
		m.nanos += unit * int64(c.s[0]-'0')
		c.s = c.s[1:]
	}
}

func leap(year int64) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

var lengths = [13]int64{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func monthDays(year, month int64) int64 {
	if month == 2 && leap(year) {
		return 29
	}
	return lengths[month]
}

// daysOf is the number of days from 1970 to a date of the Gregorian calendar. The year begins in March, so that the leap day is its last.
func daysOf(year, month, day int64) int64 {
	if month -= 3; month < 0 {
		month += 12
		year--
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	in := year - era*400
	return era*146_097 + in*365 + in/4 - in/100 + (153*month+2)/5 + day - 719_469
}

// Usual reads the form that clients send most, YYYY-MM-DDTHH:MM:SS with a fraction or without and with Z, +00:00 or nothing behind it,
// from b[i:] up to a quote, which it does not check for. It is not ok for anything else, which Timestamp then reads.
func Usual(b []byte, i int) (ns int64, end int, ok bool) {
	if len(b)-i < 20 {
		return 0, i, false
	}
	s := b[i : i+20]
	if s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return 0, i, false
	}
	wrong := byte(0)
	two := func(i int) int64 {
		hi, lo := s[i]-'0', s[i+1]-'0'
		if hi > 9 || lo > 9 {
			wrong = 1
		}
		return int64(hi)*10 + int64(lo)
	}
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, secs := two(11), two(14), two(17)
	if wrong != 0 || year < 1970 || year >= 2262 || month == 0 || month > 12 || day == 0 || hour > 23 || minute > 59 || secs > 59 || day > monthDays(year, month) {
		return 0, i, false
	}
	ns = ((daysOf(year, month, day)*24+hour)*60+minute)*60 + secs
	ns *= second
	i += 19
	if b[i] == '.' {
		unit := int64(second)
		for i++; i < len(b) && digit(b[i]); i++ {
			if unit /= 10; unit == 0 {
				return 0, i, false
			}
			ns += unit * int64(b[i]-'0')
		}
	}
	switch {
	case i < len(b) && b[i] == 'Z':
		i++
	case len(b)-i >= 6 && string(b[i:i+6]) == "+00:00":
		i += 6
	}
	return ns, i, true
}
