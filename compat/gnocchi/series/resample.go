package series

import (
	"time"

	"granary/measures/aggregate"
	"granary/policy"
)

// Grouping is how longer buckets are laid: at multiples of a width since 1970-01-01T00:00Z, or by the calendar, in UTC.
type Grouping struct {
	Step int64 // nanoseconds, above 0; 0: by the calendar
	// Letter is the unit of the calendar as Gnocchi writes it: Y, H (half a year), Q, M or W (from Sunday on).
	Letter string
}

// Calendar is the grouping of a letter, false if there is none.
func Calendar(letter string) (Grouping, bool) {
	switch letter {
	case "Y", "H", "Q", "M", "W":
		return Grouping{Letter: letter}, true
	}
	return Grouping{}, false
}

// Floor is the start of the bucket that t lies in.
func (g Grouping) Floor(t int64) int64 {
	if g.Step > 0 {
		return floor(t, g.Step)
	}
	return g.first(t).UnixNano()
}

// Next is the start of the bucket behind the one that t lies in.
func (g Grouping) Next(t int64) int64 {
	if g.Step > 0 {
		return floor(t, g.Step) + g.Step
	}
	first := g.first(t)
	if g.Letter == "W" {
		return first.AddDate(0, 0, 7).UnixNano()
	}
	return first.AddDate(0, g.months(), 0).UnixNano()
}

// Ceil is the first start of a bucket at or behind t.
func (g Grouping) Ceil(t int64) int64 {
	if b := g.Floor(t); b >= t {
		return b
	}
	return g.Next(t)
}

// months is how many months a bucket of the calendar has, 0 for weeks.
func (g Grouping) months() int {
	switch g.Letter {
	case "Y":
		return 12
	case "H":
		return 6
	case "Q":
		return 3
	case "M":
		return 1
	}
	return 0
}

// first is the first day of the bucket that t lies in.
func (g Grouping) first(t int64) time.Time {
	day := time.Unix(0, min(max(t, Earliest), Latest)).UTC().Truncate(24 * time.Hour)
	n := g.months()
	if n == 0 {
		return day.AddDate(0, 0, -int(day.Weekday()))
	}
	month := int(day.Month()) - 1
	return time.Date(day.Year(), time.Month(month/n*n+1), 1, 0, 0, 0, 0, time.UTC)
}

// Resample makes longer buckets of those of a column by applying its method to their values: means of means, counts of buckets. A rate
// is one of the differences between consecutive values then, each in the bucket of the later one.
func Resample(c Column, m policy.Method, g Grouping) Column {
	var out Column
	var scratch aggregate.Scratch
	values := c.Values
	i := 0
	if m.IsRate() {
		if len(values) < 2 {
			return out
		}
		values = aggregate.Differences(make([]float64, 1, len(values)), values)
		i = 1
	}
	for i < len(values) {
		start, end := g.Floor(c.Times[i]), g.Next(c.Times[i])
		j := i + 1
		for j < len(values) && c.Times[j] < end {
			j++
		}
		if v, ok := aggregate.Of(m, values[i:j], &scratch); ok {
			out.Times, out.Values = append(out.Times, start), append(out.Values, v)
		}
		i = j
	}
	return out
}

// Within is the part of a column whose buckets begin inside [start, stop). It shares the column's memory.
func (c Column) Within(start, stop int64) Column {
	i := 0
	for i < len(c.Times) && c.Times[i] < start {
		i++
	}
	j := len(c.Times)
	for j > i && c.Times[j-1] >= stop {
		j--
	}
	return Column{c.Times[i:j], c.Values[i:j]}
}

// Resampled is what has to be read for buckets of a grouping that begin inside [start, stop), start taken down to the start of its bucket: of a
// rate all before it too, since the first difference needs a value before it.
func (w Want) Resampled(g Grouping) Want {
	if w.Start > Earliest {
		w.Start = g.Floor(w.Start)
	}
	if w.Stop < Latest {
		w.Stop = g.Ceil(w.Stop)
	}
	if w.Method.IsRate() {
		w.Start = Earliest
	}
	return w
}
