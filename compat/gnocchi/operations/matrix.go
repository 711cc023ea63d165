package operations

import (
	"fmt"
	"math"
	"slices"

	"granary/compat/gnocchi/series"
)

// Column is one series: times in nanoseconds, ascending, and their values.
type Column = series.Column

// Rules say what is done about values that series lack.
type Rules struct {
	Fill Fill
	// Needed is how many percent of the rows no series may be lacking in, if nothing is filled.
	Needed float64
	// Started and Stopped say that the range has a start and a stop that somebody asked for. Where it has not, rows before the first
	// one that all series have, or behind the last one, are cut off if nothing is filled.
	Started, Stopped bool
	// Limit bounds how many values there may be at once; nil: it does not. Its error is given as it is.
	Limit func(values int64) error
	// Spent hears of the work that has been done, in units of queue.Turn; nil: nobody does.
	Spent func(work int64)
}

// matrix are series with common times.
type matrix struct {
	granularity int64 // nanoseconds
	times       []int64
	columns     [][]float64
	// own says that nobody else has the columns, so that they may be overwritten.
	own bool
	// aggregated says that the columns do not stand for the series that were given.
	aggregated bool
}

// align makes one matrix of series. Its columns may be those of the series.
func align(of []Column, granularity int64, rules *Rules) (matrix, error) {
	m := matrix{granularity: granularity, times: union(of)}
	rows := len(m.times)
	if rules.Limit != nil {
		if err := rules.Limit(int64(rows) * int64(len(of))); err != nil {
			return m, err
		}
	}
	lacking := 0
	for _, s := range of {
		if len(s.Times) != rows {
			lacking++
		}
	}
	m.columns = make([][]float64, len(of))
	block := make([]float64, lacking*rows)
	filler := math.NaN()
	if rules.Fill.How == Value {
		filler = rules.Fill.Value
	}
	carries := rules.Fill.How >= Forward
	for i, s := range of {
		switch {
		case len(s.Times) != rows:
			m.columns[i], block = block[:rows:rows], block[rows:]
			spread(m.columns[i], m.times, s, filler)
		case carries && slices.ContainsFunc(s.Values, func(x float64) bool { return x != x }):
			m.columns[i] = slices.Clone(s.Values)
		default:
			m.columns[i] = s.Values
			continue
		}
		rules.Fill.rows(m.columns[i])
	}
	return m, nil
}

// union are all times that one of the series has.
func union(of []Column) []int64 {
	switch len(of) {
	case 0:
		return nil
	case 1:
		return of[0].Times
	}
	half := len(of) / 2
	return merge(union(of[:half]), union(of[half:]))
}

// merge are the times that one of two ascending lists has; one of these if it has all.
func merge(a, b []int64) []int64 {
	switch {
	case len(a) == 0 || slices.Equal(a, b):
		return b
	case len(b) == 0:
		return a
	}
	out := make([]int64, 0, max(len(a), len(b))+min(len(a), len(b))/4)
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out = append(out, a[0])
			a = a[1:]
		case a[0] > b[0]:
			out = append(out, b[0])
			b = b[1:]
		default:
			out = append(out, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// spread puts the values of a series into the rows of its times, and a filler into the others.
func spread(column []float64, times []int64, s Column, filler float64) {
	k := 0
	for i, t := range times {
		if k < len(s.Times) && s.Times[k] == t {
			column[i] = s.Values[k]
			k++
		} else {
			column[i] = filler
		}
	}
}

// UnaggregableError says why series cannot be put together.
type UnaggregableError struct {
	Reason string
	Series []Ref // as they were asked for
}

// Error implements error.
func (e *UnaggregableError) Error() string { return "Metrics cannot be aggregated: " + e.Reason }

// Kind is "invalid".
func (*UnaggregableError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*UnaggregableError) Code() string { return "query-invalid" }

// overlap holds a matrix against the rules for series of which nothing is filled, and cuts off what they say. The reason is "" if they
// hold.
func (m *matrix) overlap(rules *Rules) (reason string) {
	first, last, all := -1, -1, 0
	for i := range m.times {
		if m.complete(i) {
			if all++; first < 0 {
				first = i
			}
			last = i
		}
	}
	if all == 0 {
		if rules.Needed > 0 {
			return "No overlap"
		}
		return ""
	}
	from, to := 0, len(m.times)
	if !rules.Started {
		from = first
	}
	if !rules.Stopped {
		to = last + 1
	}
	m.times = m.times[from:to]
	for i, c := range m.columns {
		m.columns[i] = c[from:to]
	}
	if percent := 100 * float64(all) / float64(to-from); percent < rules.Needed {
		return fmt.Sprintf("Less than %f%% of datapoints overlap in this timespan (%.2f%%)", rules.Needed, percent)
	}
	return ""
}

// complete says whether no series lacks a row.
func (m *matrix) complete(row int) bool {
	for _, c := range m.columns {
		if c[row] != c[row] {
			return false
		}
	}
	return true
}
