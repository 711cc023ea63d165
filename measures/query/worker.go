package query

import (
	"context"

	"granary/measures"
	"granary/metricdef"
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
	counts     points
	origins    []Origin // of the points of one series
	rate       rater
	points     points // of one series
	arena      points // of all rows that the worker makes for one group
	read       int64  // samples
	turn       queue.Turn
}

// The work of reading, in units of turns.
const (
	workOfSlice  = 1000
	workOfSample = 4
)

// worked says how many samples have been read.
func (w *worker) worked(samples int) { w.turn.Spent(workOfSlice + workOfSample*int64(samples)) }

// walk reads [from, to) of a series in slices, oldest first, and hands each over as plain numbers, made into rates if the
// rater says so. The columns are fn's until it returns.
func (w *worker) walk(ctx context.Context, ref metricdef.Ref, kind metricdef.Kind, from, to int64, fn func(times []int64, values []float64)) error {
	started := false
	for from < to {
		end := w.source.Border(ref, from, to, sliceSamples, false)
		times, values, err := w.slice(ctx, ref, kind, from, end, !started)
		if err != nil {
			return err
		}
		started = true
		fn(times, values)
		w.worked(len(times))
		from = end
	}
	return nil
}

// slice reads [from, to) of a series as plain numbers, of texts those of the dictionary, or as rates. The first rate is taken from the last sample of the slice
// before, or if fresh from that before the range.
func (w *worker) slice(ctx context.Context, ref metricdef.Ref, kind metricdef.Kind, from, to int64, fresh bool) ([]int64, []float64, error) {
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
	times, values := r.Times, r.Values
	w.read += int64(len(times))
	if w.rate.how != noRate && len(times) > 0 {
		if fresh {
			at, v, ok, err := w.source.Before(ctx, &w.before, ref, from)
			if err != nil {
				return nil, nil, err
			}
			w.rate.has, w.rate.time, w.rate.value = ok, at, v
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

// Ways to make rates.
type rating uint8

const (
	noRate     rating = iota
	difference        // to the sample before
	perSecond         // the same by the time between them; a counter may begin again at zero
)

// rater makes rates of samples.
type rater struct {
	how   rating
	has   bool // there is a sample before
	time  int64
	value float64
}

// apply makes rates in the columns' own memory. The very first sample of a series has none.
func (r *rater) apply(kind metricdef.Kind, times []int64, values []float64) ([]int64, []float64) {
	if !r.has {
		r.has, r.time, r.value = true, times[0], values[0]
		times, values = times[1:], values[1:]
	}
	last, v := r.time, r.value
	apart, seconds := int64(0), 0.0 // of the samples before; usually they stay the same
	for i, t := range times {
		next := values[i]
		var d float64
		if kind == metricdef.KindInt {
			d = intStep(measures.WordInt(v), measures.WordInt(next), r.how == perSecond)
		} else {
			d = next - v
			if r.how == perSecond && next < v {
				d = next
			}
		}
		if r.how == perSecond {
			if t-last != apart {
				apart = t - last
				seconds = float64(apart) / 1e9
			}
			d /= seconds
		}
		values[i] = d
		last, v = t, next
	}
	r.time, r.value = last, v
	return times, values
}

// intStep is the difference of two integers, exact where it fits; of a counter that began again, its new value.
func intStep(from, to int64, counter bool) float64 {
	if counter && to < from {
		return float64(to)
	}
	if d := to - from; (d >= 0) == (to >= from) {
		return float64(d)
	}
	return float64(to) - float64(from)
}
