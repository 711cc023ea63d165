package query

import (
	"slices"

	"granary/measures/aggregate"
	"granary/policy"
)

// table are the buckets of a series or group that have a value in one of their columns at least: their numbers, ascending, and the columns.
type table struct {
	at      []int64
	columns [][]float64
	has     []Bitmap // which rows have a value, by column; empty: all of them
}

// begin empties the table and gives it so many columns.
func (t *table) begin(columns int) {
	t.at = t.at[:0]
	t.columns = slices.Grow(t.columns[:0], columns)[:columns]
	t.has = slices.Grow(t.has[:0], columns)[:columns]
	for c := range t.columns {
		t.columns[c], t.has[c] = t.columns[c][:0], t.has[c][:0]
	}
}

// add appends a row, unless it has no value at all.
func (t *table) add(at int64, values []float64, ok []bool) {
	if !slices.Contains(ok, true) {
		return
	}
	t.at = append(t.at, at)
	for c := range t.columns {
		t.put(c, values[c], ok[c])
	}
}

// put appends what the newest row has in a column.
func (t *table) put(c int, v float64, ok bool) {
	n := len(t.columns[c])
	if !ok {
		v = 0
	}
	t.columns[c] = append(t.columns[c], v)
	if ok && len(t.has[c]) == 0 {
		return
	}
	b := t.has[c]
	if len(b) == 0 { // the first that has none
		for ; len(b) < n>>6; b = append(b, ^uint64(0)) {
		}
		if r := n & 63; r > 0 {
			b = append(b, 1<<r-1)
		}
	}
	if len(b) <= n>>6 {
		b = append(b, 0)
	}
	if ok {
		b.set(n)
	}
	t.has[c] = b
}

// join appends the rows that columns have which were made one by one.
func (t *table) join(columns []points) {
	next := make([]int, len(columns))
	for {
		at, some := int64(0), false
		for c := range columns {
			if i := next[c]; i < len(columns[c].at) && (!some || columns[c].at[i] < at) {
				at, some = columns[c].at[i], true
			}
		}
		if !some {
			return
		}
		t.at = append(t.at, at)
		for c := range columns {
			if i := next[c]; i < len(columns[c].at) && columns[c].at[i] == at {
				t.put(c, columns[c].values[i], true)
				next[c]++
			} else {
				t.put(c, 0, false)
			}
		}
	}
}

// many makes a row of the values of a bucket: of a table, or else of points that each column has for itself.
type many struct {
	methods []policy.Method
	extra   []func(values []float64) (float64, bool)
	scratch aggregate.Scratch
	values  []float64
	ok      []bool
	dst     *table
	apart   []points
}

func (m *many) take(k int64, values []float64) {
	aggregate.Several(m.methods, values, m.values, m.ok, &m.scratch)
	for i, fn := range m.extra {
		c := len(m.methods) + i
		m.values[c], m.ok[c] = fn(values)
	}
	if m.dst != nil {
		m.dst.add(k, m.values, m.ok)
		return
	}
	for c, ok := range m.ok {
		if ok {
			m.apart[c].add(k, m.values[c])
		}
	}
}

// many is the sink for several methods, into a table or the arenas. There is one of it at a time.
func (w *worker) many(q *Query, dst *table) sink {
	m, n := &w.several, q.columns()
	m.methods, m.extra, m.dst, m.apart = q.request.Overs, q.request.Extra, dst, w.arenas
	m.values, m.ok = resize(m.values, n), slices.Grow(m.ok[:0], n)[:n]
	return m
}

// columns is how many columns the frames of the request have, 0 if their values are one column that is none of them.
func (r *Request) columns() int { return len(r.Overs) + len(r.Extra) }

// columns is how many columns the frames have.
func (q *Query) columns() int { return q.request.columns() }

// lay lays a table out as the points of a frame. The frame takes the memory of the columns and gives its own.
func (q *Query) lay(f *Frame, t *table) {
	f.Columns, t.columns = t.columns, f.Columns
	f.ColumnPresent = slices.Grow(f.ColumnPresent[:0], len(t.has))[:len(t.has)]
	for c, has := range t.has {
		f.ColumnPresent[c] = nil
		if len(has) > 0 {
			f.ColumnPresent[c] = slices.Clone(has)
		}
	}
	if q.request.Fill.How == LeaveOut {
		f.Times = slices.Grow(f.Times, len(t.at))[:len(t.at)]
		for i, k := range t.at {
			f.Times[i] = q.base + k*q.step
		}
		q.order(f)
		return
	}
	n := int(q.buckets)
	f.Start, f.Step = q.base, q.step
	if len(t.at) < n {
		for c := range f.Columns {
			f.Columns[c], f.ColumnPresent[c] = spread(f.Columns[c], f.ColumnPresent[c], t.at, n)
		}
	}
	q.order(f)
}

// spread gives the rows of a column, whose buckets are at, the places of all n buckets.
func spread(column []float64, has Bitmap, at []int64, n int) ([]float64, Bitmap) {
	rows := len(at)
	column = slices.Grow(column, n-rows)[:n]
	present := make(Bitmap, (n+63)/64)
	end := n
	for i := rows - 1; i >= 0; i-- { // from the last on, so that no row is lost
		k := int(at[i])
		clear(column[k+1 : end])
		column[k], end = column[i], k
		if has == nil || has.Has(i) {
			present.set(k)
		}
	}
	clear(column[:end])
	return column, present
}
