package measures

import (
	"slices"
	"sort"

	"granary/measures/aggregate"
	"granary/metricdef"
	"granary/policy"
)

// tierWork makes buckets out of raw samples. It serves one goroutine.
type tierWork struct {
	raw     Reader    // the samples, ascending
	count   Reader    // a second column, for methods that are read from two
	diffs   []float64 // diffs[i] is the difference that belongs to sample i; diffs[0] is none
	runs    []bucketRun
	spans   []span
	scratch aggregate.Scratch
	ofDiffs aggregate.Scratch // for methods of differences: it is quickest for the same methods each time

	// What all made: a row for each method, a value for each of runs.
	table [][]float64
	has   [][]bool
	out   []float64
	ok    []bool
}

// bucketRun is one bucket: its start, and the samples from index i to j that lie in it.
type bucketRun struct {
	start int64
	i, j  int
}

// ready puts the samples that were gathered in order and takes their differences, if they are wanted: of whole numbers before
// they become floats.
func (w *tierWork) ready(rates bool) error {
	if err := w.raw.finish(); err != nil {
		return err
	}
	w.raw.LeaveEndsOut()
	w.diffs = w.diffs[:0]
	if !rates {
		w.raw.Floats()
		return nil
	}
	v := w.raw.Values
	w.diffs = slices.Grow(w.diffs, len(v))[:len(v)]
	if w.raw.Kind == metricdef.KindInt {
		for i := 1; i < len(v); i++ {
			w.diffs[i] = float64(WordInt(v[i]) - WordInt(v[i-1]))
		}
		w.raw.Floats()
		return nil
	}
	for i := 1; i < len(v); i++ {
		w.diffs[i] = v[i] - v[i-1]
	}
	return nil
}

// cut finds the buckets of a granularity inside [lo, hi), borders of buckets, and the samples of each.
func (w *tierWork) cut(step, lo, hi int64) []bucketRun {
	times := w.raw.Times
	w.runs = w.runs[:0]
	i := 0
	if len(times) > 0 && times[0] < lo {
		i = sort.Search(len(times), func(i int) bool { return times[i] >= lo })
	}
	for i < len(times) && times[i] < hi {
		start := bucketOf(times[i], step)
		end := start + step
		j := i + 1
		for j < len(times) && times[j] < end {
			j++
		}
		w.runs = append(w.runs, bucketRun{start, i, j})
		i = j
	}
	return w.runs
}

// column appends what a method makes of the buckets that cut found last.
func (w *tierWork) column(m policy.Method, times []int64, values []float64) ([]int64, []float64) {
	source, rate := w.raw.Values, m.IsRate()
	if rate {
		source = w.diffs
	}
	for _, b := range w.runs {
		if rate && b.i == 0 {
			b.i = 1 // the first sample of all has no difference
		}
		if b.i >= b.j {
			continue
		}
		if v, ok := aggregate.Of(m, source[b.i:b.j], &w.scratch); ok {
			times, values = append(times, b.start), append(values, v)
		}
	}
	return times, values
}

// all computes some methods for the buckets that cut found last; those that are rates stand behind the others.
func (w *tierWork) all(methods []policy.Method) {
	plain := 0
	for plain < len(methods) && !methods[plain].IsRate() {
		plain++
	}
	for len(w.table) < len(methods) {
		w.table, w.has = append(w.table, nil), append(w.has, nil)
	}
	w.out, w.ok = slices.Grow(w.out[:0], len(methods))[:len(methods)], slices.Grow(w.ok[:0], len(methods))[:len(methods)]
	for k := range methods {
		n := len(w.runs)
		w.table[k], w.has[k] = slices.Grow(w.table[k][:0], n)[:n], slices.Grow(w.has[k][:0], n)[:n]
	}
	for i, b := range w.runs {
		if plain > 0 {
			aggregate.Several(methods[:plain], w.raw.Values[b.i:b.j], w.out, w.ok, &w.scratch)
		}
		if plain < len(methods) {
			// The first sample of all has no difference.
			aggregate.Several(methods[plain:], w.diffs[min(max(b.i, 1), b.j):b.j], w.out[plain:], w.ok[plain:], &w.ofDiffs)
		}
		for k := range methods {
			w.table[k][i], w.has[k][i] = w.out[k], w.ok[k]
		}
	}
}

// pick appends what all made by method k.
func (w *tierWork) pick(k int, times []int64, values []float64) ([]int64, []float64) {
	for i, ok := range w.has[k] {
		if ok {
			times, values = append(times, w.runs[i].start), append(values, w.table[k][i])
		}
	}
	return times, values
}
