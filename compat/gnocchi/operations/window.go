package operations

import (
	"granary/compat/gnocchi/series"
	"granary/measures/aggregate"
	"granary/policy"
)

// tall is how many rows are put together at a time, so that each column is read in its order.
const tall = 16

// aggregate makes one column of all.
func (e *evaluator) aggregate(r *reduction, m matrix) (matrix, error) {
	rows, width := len(m.times), len(m.columns)
	if err := e.work(int64(rows), int64(width)); err != nil {
		return m, err
	}
	out, err := e.space(rows, 1)
	if err != nil {
		return m, err
	}
	to := out[0]
	var numbers [tall]int // how many there are of each row
	block := make([]float64, tall*width)
	for from := 0; from < rows; from += tall {
		n := min(tall, rows-from)
		clear(numbers[:])
		for _, c := range m.columns {
			for i, x := range c[from : from+n] {
				if x == x {
					block[i*width+numbers[i]] = x
					numbers[i]++
				}
			}
		}
		for i := range n {
			to[from+i] = r.of(block[i*width:i*width+numbers[i]], &e.scratch)
		}
		e.spent(n * width)
	}
	m.columns, m.own, m.aggregated = out, true, true
	if r.rate {
		return e.change(false, m)
	}
	return m, nil
}

// rolling makes one row of so many that end with it.
func (e *evaluator) rolling(r *reduction, window int, m matrix) (matrix, error) {
	rows := len(m.times)
	if window > rows {
		return m, e.refuse("Rolling window '%d' is greater than serie length '%d'", window, rows)
	}
	rows -= window - 1
	if err := e.work(int64(rows)*int64(window), int64(len(m.columns))); err != nil {
		return m, err
	}
	out, err := e.space(rows, len(m.columns))
	if err != nil {
		return m, err
	}
	numbers := make([]float64, 0, window)
	for i, c := range m.columns {
		to := out[i]
		holes := 0 // in the window
		for j, x := range c {
			if x != x {
				holes++
			}
			if j >= window && c[j-window] != c[j-window] {
				holes--
			}
			at := j - window + 1
			if at < 0 {
				continue
			}
			in := c[at : j+1]
			if holes > 0 {
				numbers = numbers[:0]
				for _, x := range in {
					if x == x {
						numbers = append(numbers, x)
					}
				}
				in = numbers
			}
			to[at] = r.of(in, &e.scratch)
			e.spent(window)
		}
		if err := e.ctx.Err(); err != nil {
			return m, err
		}
	}
	m.times, m.columns, m.own = m.times[window-1:], out, true
	if r.rate {
		return e.change(false, m)
	}
	return m, nil
}

// group are the rows of one span.
type group struct {
	at       int64 // where the span begins
	from, to int
}

// resample makes one row of all that lie in one span: what the method makes of them in tiers, so that NaN is a value like others. A span
// that it makes no value of has no row.
func (e *evaluator) resample(method policy.Method, span int64, m matrix) (matrix, error) {
	if err := e.work(int64(len(m.times)), int64(len(m.columns))); err != nil {
		return m, err
	}
	grouping := series.Grouping{Step: span}
	var groups []group
	first := 0
	if method.IsRate() {
		first = 1 // has no difference
	}
	for i := first; i < len(m.times); i++ {
		at := grouping.Floor(m.times[i])
		if n := len(groups); n > 0 && groups[n-1].at == at {
			groups[n-1].to = i + 1
		} else {
			groups = append(groups, group{at, i, i + 1})
		}
	}
	if method.Plain() == policy.Std { // of one value there is none
		kept := groups[:0]
		for _, g := range groups {
			if g.to-g.from > 1 {
				kept = append(kept, g)
			}
		}
		groups = kept
	}
	out, err := e.space(len(groups), len(m.columns))
	if err != nil {
		return m, err
	}
	times := make([]int64, len(groups))
	for i, g := range groups {
		times[i] = g.at
	}
	var differences []float64
	for i, c := range m.columns {
		if method.IsRate() {
			differences = aggregate.Differences(differences[:0], c)
			c = differences
		}
		for j, g := range groups {
			out[i][j], _ = aggregate.Of(method, c[g.from-first:g.to-first], &e.scratch)
		}
		e.spent(len(c))
	}
	m.granularity, m.times, m.columns, m.own = span, times, out, true
	return m, nil
}
