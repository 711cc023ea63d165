package query

import (
	"cmp"
	"slices"

	"granary/measures/aggregate"
	"granary/policy"
	"granary/tenant/queue"
)

// combiner makes one value of those that several series have in a bucket.
type combiner struct {
	scratch aggregate.Scratch
	starts  []int
	slots   []uint32 // as starts, of samples
	times   []int64
	values  []float64
	cells   []cell
	table   table
	turn    queue.Turn
}

type cell struct {
	at    int64
	value float64
}

func (a cell) compare(b cell) int { return cmp.Compare(a.at, b.at) }

// combine appends the combined buckets to dst. Within a bucket the values stand in the order of the rows.
func (c *combiner) combine(dst *points, m policy.Method, rows []points) {
	lo, hi, n := int64(0), int64(-1), 0
	for i := range rows {
		at := rows[i].at
		if len(at) == 0 {
			continue
		}
		if n == 0 {
			lo, hi = at[0], at[len(at)-1]
		}
		lo, hi = min(lo, at[0]), max(hi, at[len(at)-1])
		n += len(at)
	}
	if n == 0 {
		return
	}
	if uint64(hi-lo) > uint64(8*n+1024) {
		c.sorted(dst, m, rows, n)
		return
	}
	// Most buckets have values: deal them out. starts[k+1] is first where bucket k ends, then how far it is filled.
	width := int(hi-lo) + 1
	if cap(c.starts) < width+1 {
		c.starts = make([]int, width+1)
	}
	starts := c.starts[:width+1]
	clear(starts)
	for i := range rows {
		for _, k := range rows[i].at {
			starts[k-lo+1]++
		}
	}
	for k := range width {
		starts[k+1] += starts[k]
	}
	c.values = resize(c.values, n)
	for i := range rows {
		values := rows[i].values
		for j, k := range rows[i].at {
			c.values[starts[k-lo]] = values[j]
			starts[k-lo]++
		}
		c.turn.Spent(workOfSample * int64(len(values)))
	}
	from := 0
	for k, end := range starts[:width] {
		if v, ok := aggregate.Of(m, c.values[from:end], &c.scratch); ok {
			dst.add(lo+int64(k), v)
		}
		c.turn.Spent(workOfSample * int64(end-from))
		from = end
	}
}

// sorted is combine where buckets with values are far between.
func (c *combiner) sorted(dst *points, m policy.Method, rows []points, n int) {
	c.cells = slices.Grow(c.cells[:0], n)
	for i := range rows {
		for j, k := range rows[i].at {
			c.cells = append(c.cells, cell{k, rows[i].values[j]})
		}
	}
	slices.SortStableFunc(c.cells, cell.compare)
	for i := 0; i < n; {
		k := c.cells[i].at
		c.values = c.values[:0]
		for ; i < n && c.cells[i].at == k; i++ {
			c.values = append(c.values, c.cells[i].value)
		}
		if v, ok := aggregate.Of(m, c.values, &c.scratch); ok {
			dst.add(k, v)
		}
	}
}
