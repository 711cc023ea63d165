package query

import (
	"context"
	"math"
	"slices"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant/queue"
)

// sliceSamples is about how many samples of a series are read at once: what they need stays in the processor's caches, and
// a query is cancelled within the time that they take.
const sliceSamples = 1 << 15

// worker is the memory that one goroutine of a query works in.
type worker struct {
	source     Source
	dictionary *dictionary
	reader     measures.Reader
	before     measures.Reader // for the sample before a range
	texts      measures.TextReader
	tagged     measures.TextReader
	numbers    []float64 // of texts
	buckets    bucketer
	parts      bucketer // of aggregates that make up wider buckets
	whole      one
	counts     points
	columns    []points // of a tier
	origins    []Origin // of the points of one series
	rate       rater
	single     one
	several    many
	points     points   // of one series
	table      table    // of one series, if there are several methods
	arenas     []points // by column, of all rows that the worker makes for one group
	starts     []int
	read       int64 // samples
	ends       bool  // samples are wanted as they are, also those that say that a series ends
	turn       queue.Turn
}

// one is the sink for one method. There is one of it at a time.
func (w *worker) one(m policy.Method, dst *points) sink {
	w.single.method, w.single.dst = m, dst
	return &w.single
}

// clearArenas makes room for rows of so many columns.
func (w *worker) clearArenas(columns int) {
	w.arenas = slices.Grow(w.arenas[:0], columns)[:columns]
	for i := range w.arenas {
		w.arenas[i].reset()
	}
}

// lengths says how much there is in the arenas.
func (w *worker) lengths(columns int) []int {
	w.starts = w.starts[:0]
	for i := range columns {
		w.starts = append(w.starts, len(w.arenas[i].at))
	}
	return w.starts
}

// The work of reading, in units of turns.
const (
	workOfSlice  = 1000
	workOfSample = 4
	workOfMethod = 2  // of several, for a sample
	workOfExtra  = 10 // an estimate for a sample takes that long
)

// workOfSamples is the work of reading samples and of making what the query wants of them.
func (q *Query) workOfSamples(n int) int64 {
	each := workOfSample + workOfMethod*len(q.request.Overs) + workOfExtra*len(q.request.Extra)
	return int64(each) * int64(n)
}

// worked says how many samples have been read.
func (w *worker) worked(samples int) { w.turn.Spent(workOfSlice + workOfSample*int64(samples)) }

// walk reads [from, to) of a series in slices, oldest first, and hands each over as plain numbers, made into rates if the
// rater says so. The columns are fn's until it returns.
func (w *worker) walk(ctx context.Context, ref metricdef.Ref, kind metricdef.Kind, from, to int64, fn func(times []int64, values []float64)) error {
	w.rate.fresh = true
	for from < to {
		end := w.source.Border(ref, from, to, sliceSamples, false)
		times, values, err := w.slice(ctx, ref, kind, from, end)
		if err != nil {
			return err
		}
		fn(times, values)
		w.worked(len(times))
		from = end
	}
	return nil
}

// slice reads [from, to) of a series as plain numbers, of texts those of the dictionary, or as rates. The first rate is taken from the last sample
// of the slices before, or if the rater is fresh from that before the slice.
func (w *worker) slice(ctx context.Context, ref metricdef.Ref, kind metricdef.Kind, from, to int64) ([]int64, []float64, error) {
	if kind == metricdef.KindText {
		if err := w.source.ReadText(ctx, &w.texts, ref, from, to); err != nil {
			return nil, nil, err
		}
		w.read += int64(len(w.texts.Times))
		w.numbers = w.dictionary.appendNumbers(w.numbers[:0], w.texts.Texts)
		return w.texts.Times, w.numbers, nil
	}
	r := &w.reader
	if err := w.source.Read(ctx, r, ref, from, to); err != nil {
		return nil, nil, err
	}
	w.read += int64(len(r.Times))
	if !w.ends || w.rate.on {
		r.LeaveEndsOut()
	}
	times, values := r.Times, r.Values
	if w.rate.on && len(times) > 0 {
		if w.rate.fresh {
			if err := w.lookBack(ctx, ref, from); err != nil {
				return nil, nil, err
			}
		}
		times, values = w.rate.apply(kind, times, values)
		return times, values, nil
	}
	if kind == metricdef.KindInt {
		for i, v := range values {
			values[i] = float64(measures.WordInt(v))
		}
	}
	return times, values, nil
}

// lookBack gives the rater the sample before a time.
func (w *worker) lookBack(ctx context.Context, ref metricdef.Ref, t int64) error {
	w.rate.fresh, w.rate.has = false, false
	if t <= w.rate.floor {
		return nil
	}
	at, v, ok, err := w.source.Before(ctx, &w.before, ref, t)
	for ok && err == nil && w.before.Kind <= metricdef.KindFloat && math.Float64bits(v) == measures.Ended && at > w.rate.floor {
		at, v, ok, err = w.source.Before(ctx, &w.before, ref, at)
	}
	if ok && at >= w.rate.floor {
		w.rate.has, w.rate.time, w.rate.value = true, at, v
	}
	return err
}
