package query

import (
	"slices"

	"granary/measures/aggregate"
	"granary/policy"
)

// table are the buckets of a series or group that have a value in one of their columns at least: their numbers, ascending, and the columns.
// These lie in one block, column after column, each with room for so many rows.
type table struct {
	at      []int64
	block   []float64
	columns int
	room    int
	gaps    []gap
}

// gap is a place without a value.
type gap struct{ column, row int }

// begin empties the table and gives it so many columns.
func (t *table) begin(columns int) {
	t.at, t.gaps = t.at[:0], t.gaps[:0]
	t.columns, t.room = columns, len(t.block)/columns
}

// add appends a row, unless it has no value at all. All says that it has a value in each column.
func (t *table) add(at int64, values []float64, ok []bool, all bool) {
	row := len(t.at)
	if !all && !t.note(row, ok) {
		return
	}
	t.at = append(t.at, at)
	if row == t.room {
		t.grow()
	}
	block, room := t.block, t.room
	for _, v := range values {
		if row >= len(block) {
			break // never: it spares a check of the bounds
		}
		block[row] = v
		row += room
	}
}

// note takes down the gaps of a row, and says whether there is anything else in it.
func (t *table) note(row int, ok []bool) bool {
	if !slices.Contains(ok, true) {
		return false
	}
	for c, ok := range ok {
		if !ok {
			t.gaps = append(t.gaps, gap{c, row})
		}
	}
	return true
}

// fewRows is how many rows a table has room for at least.
const fewRows = 128

// grow makes room for more rows.
func (t *table) grow() {
	room := max(2*t.room, fewRows)
	block := make([]float64, room*t.columns)
	for c := range t.columns {
		copy(block[c*room:], t.column(c))
	}
	t.block, t.room = block, room
}

// column is what there is of a column.
func (t *table) column(c int) []float64 {
	return t.block[c*t.room:][:min(len(t.at), t.room)]
}

// join appends the rows that columns have which were made one by one.
func (t *table) join(columns []points) {
	next, values, ok := make([]int, len(columns)), make([]float64, len(columns)), make([]bool, len(columns))
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
		for c := range columns {
			i := next[c]
			if ok[c] = i < len(columns[c].at) && columns[c].at[i] == at; ok[c] {
				values[c] = columns[c].values[i]
				next[c]++
			} else {
				values[c] = 0
			}
		}
		t.add(at, values, ok, false)
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
	all := aggregate.Several(m.methods, values, m.values, m.ok, &m.scratch)
	for i, fn := range m.extra {
		c := len(m.methods) + i
		m.values[c], m.ok[c] = fn(values)
		all = all && m.ok[c]
	}
	if m.dst != nil {
		m.dst.add(k, m.values, m.ok, all)
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

// lay lays a table out as the points of a frame. The frame takes the memory of the table and gives its own.
func (q *Query) lay(f *Frame, t *table) {
	rows := len(t.at)
	f.Columns, f.ColumnPresent = f.Columns[:0], f.ColumnPresent[:0]
	for c := range t.columns {
		f.Columns, f.ColumnPresent = append(f.Columns, t.column(c)), append(f.ColumnPresent, nil)
	}
	for _, g := range t.gaps {
		if f.ColumnPresent[g.column] == nil {
			f.ColumnPresent[g.column] = full(rows)
		}
		f.ColumnPresent[g.column].unset(g.row)
	}
	f.block, t.block = t.block, f.block
	if q.request.Fill.How == LeaveOut {
		f.Times = slices.Grow(f.Times, rows)[:rows]
		for i, k := range t.at {
			f.Times[i] = q.base + k*q.step
		}
		q.order(f)
		return
	}
	n := int(q.buckets)
	f.Start, f.Step = q.base, q.step
	if rows < n {
		all := make([]float64, n*t.columns)
		for c, column := range f.Columns {
			f.Columns[c] = all[c*n:][:n]
			f.ColumnPresent[c] = spread(f.Columns[c], column, f.ColumnPresent[c], t.at)
		}
	}
	q.order(f)
}

// spread gives the rows of a column the places of their buckets among all, and says which of these have a value.
func spread(all, column []float64, has Bitmap, at []int64) Bitmap {
	present := make(Bitmap, (len(all)+63)/64)
	for i, k := range at {
		all[k] = column[i]
		if has == nil || has.Has(i) {
			present.set(int(k))
		}
	}
	return present
}
