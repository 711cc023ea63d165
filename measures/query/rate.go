package query

import (
	"time"

	"granary/measures"
	"granary/metricdef"
)

// Rate says how samples become rates, which are floats. The zero value makes none. The rate between two samples belongs to the
// later one.
type Rate struct {
	// Per is the time that a rate is for: time.Second, time.Minute. Per second, a difference is divided by the seconds between the
	// samples; else it is multiplied by the milliseconds of Per and divided by those between the samples.
	Per   time.Duration
	Falls Falls
	// Inside takes no sample before the range for the first rate: the first sample of the range has none then. Of the buckets that
	// Previous looks at before the range, the same holds for the first sample there.
	Inside bool
}

// Falls is what becomes of a value that is smaller than the one before it.
type Falls uint8

// What a fall means.
const (
	FallsReset Falls = iota // a counter that began again at zero: the rate is that of the value itself
	FallsDrop               // the same, but there is no rate at that sample
	FallsKeep               // nothing special: the rate is below zero
)

func (r Rate) check() error {
	switch {
	case r.Per < 0:
		return wrong("rate", "is per a time below zero")
	case r.Falls > FallsKeep:
		return wrong("rate", "does not say what becomes of values that fall")
	}
	return nil
}

// on says whether samples are to be made into rates.
func (r Rate) on() bool { return r.Per != 0 }

// rater makes rates, or plain differences, of the samples of one series.
type rater struct {
	on, timed   bool
	falls       Falls
	scale, unit float64 // of a timed one: what differences are multiplied by, and the nanoseconds that times are counted in
	floor       int64   // samples before it count for nothing

	fresh bool // whether there is a sample before is to be looked up
	has   bool // there is one
	time  int64
	value float64
}

// begin gets ready for the samples from a time on. Without a rate, differences are made if they are wanted.
func (r *rater) begin(rate Rate, differences bool, from int64) {
	*r = rater{on: rate.on() || differences, timed: rate.on(), falls: rate.Falls, floor: -farthest, fresh: true}
	switch {
	case !rate.on():
		r.falls = FallsKeep
	case rate.Per == time.Second:
		r.scale, r.unit = 1, float64(time.Second)
	default:
		r.scale, r.unit = float64(rate.Per)/float64(time.Millisecond), float64(time.Millisecond)
	}
	if rate.on() && rate.Inside {
		r.floor = from
	}
}

// apply makes rates in the columns' own memory. The very first sample of a series has none.
func (r *rater) apply(kind metricdef.Kind, times []int64, values []float64) ([]int64, []float64) {
	if !r.has && len(times) > 0 {
		r.has, r.time, r.value = true, times[0], values[0]
		times, values = times[1:], values[1:]
	}
	n := 0
	falls := r.falls != FallsKeep
	last, v := r.time, r.value
	apart, between := int64(0), 0.0 // of the samples before; usually they stay the same
	for i, t := range times {
		next := values[i]
		var d float64
		var fell bool
		if kind == metricdef.KindInt {
			from, to := measures.WordInt(v), measures.WordInt(next)
			if fell = falls && to < from; fell && r.falls == FallsReset {
				d = float64(to)
			} else {
				d = intDifference(from, to)
			}
		} else {
			if fell = falls && next < v; fell && r.falls == FallsReset {
				d = next
			} else {
				d = next - v
			}
		}
		if r.timed && t-last != apart {
			apart = t - last
			between = float64(apart) / r.unit
		}
		last, v = t, next
		if fell && r.falls == FallsDrop {
			continue
		}
		if r.timed {
			d = r.scale * d / between
		}
		times[n], values[n] = t, d
		n++
	}
	r.time, r.value = last, v
	return times[:n], values[:n]
}

// intDifference is the difference of two integers, rounded once.
func intDifference(from, to int64) float64 {
	switch d := to - from; {
	case (d >= 0) == (to >= from):
		return float64(d)
	case to > from:
		return float64(uint64(to) - uint64(from))
	}
	return -float64(uint64(from) - uint64(to))
}
