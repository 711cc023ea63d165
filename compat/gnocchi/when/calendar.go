package when

// Calendar is a group of the calendar that measures may be resampled to, by its letter.
type Calendar byte

// The groups.
const (
	Year    Calendar = 'Y'
	Half    Calendar = 'H' // of a year
	Quarter Calendar = 'Q' // of a year
	Month   Calendar = 'M'
	Week    Calendar = 'W' // from Sunday on
)

// ParseCalendar reads the letter of a group.
func ParseCalendar(text string) (c Calendar, ok bool) {
	if len(text) != 1 {
		return 0, false
	}
	switch c = Calendar(text[0]); c {
	case Year, Half, Quarter, Month, Week:
		return c, true
	}
	return 0, false
}

// String is the letter.
func (c Calendar) String() string { return string(rune(c)) }

// Start is the first nanosecond of the group that a time is in. REQUIRES: it is not the first group of what 64 bits hold.
func (c Calendar) Start(ns int64) int64 {
	day := floor(ns, daySecs*second)
	if c == Week {
		// The first day of 1970 was a Thursday.
		return (day - (day + 4 - 7*floor(day+4, 7))) * daySecs * second
	}
	year, month, _ := dateOf(day)
	months := c.months()
	return daysOf(year, (month-1)/months*months+1, 1) * daySecs * second
}

// End is the first nanosecond of the next group. REQUIRES: 64 bits hold it.
func (c Calendar) End(ns int64) int64 {
	first := floor(c.Start(ns), daySecs*second)
	if c == Week {
		return (first + 7) * daySecs * second
	}
	year, month, _ := dateOf(first)
	if month += c.months(); month > 12 {
		year, month = year+1, month-12
	}
	return daysOf(year, month, 1) * daySecs * second
}

// months is how many months a group has that is no week.
func (c Calendar) months() int64 {
	switch c {
	case Half:
		return 6
	case Quarter:
		return 3
	case Month:
		return 1
	}
	return 12
}
