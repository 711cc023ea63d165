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

	fallen []int // places in a column
}

// begin gets ready for the samples from a time on. Without a rate, differences are made if they are wanted.
func (r *rater) begin(rate Rate, differences bool, from int64) {
	*r = rater{fallen: r.fallen, on: rate.on() || differences, timed: rate.on(), falls: rate.Falls, floor: -farthest, fresh: true}
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
	if len(times) == 0 {
		return times, values
	}
	v := r.value
	r.value = values[len(values)-1]
	r.fallen = r.fallen[:0]
	if kind == metricdef.KindInt {
		r.intSteps(measures.WordInt(v), values)
	} else {
		r.steps(v, values)
	}
	if r.timed {
		r.divide(times, values)
	}
	r.time = times[len(times)-1]
	return r.drop(times, values)
}

// steps makes differences to the value before, which is v for the first one. Of whole numbers they are taken before they become floats.
func (r *rater) steps(v float64, values []float64) {
	reset, drop := r.falls == FallsReset, r.falls == FallsDrop
	for i, next := range values {
		d := next - v
		if reset && next < v {
			d = next
		} else if drop && next < v {
			r.fallen = append(r.fallen, i)
		}
		values[i], v = d, next
	}
}

func (r *rater) intSteps(v int64, values []float64) {
	for i, word := range values {
		next := measures.WordInt(word)
		d := intDifference(v, next)
		if next < v {
			switch r.falls {
			case FallsReset:
				d = float64(next)
			case FallsDrop:
				r.fallen = append(r.fallen, i)
			}
		}
		values[i], v = d, next
	}
}

// divide divides differences by the times between samples.
func (r *rater) divide(times []int64, values []float64) {
	last, scale, unit := r.time, r.scale, r.unit
	apart, between := int64(0), 0.0 // of the samples before; usually they stay the same
	for i, t := range times {
		if t-last != apart {
			apart = t - last
			between = float64(apart) / unit
		}
		last = t
		values[i] = scale * values[i] / between
	}
}

// drop leaves out the samples that have fallen.
func (r *rater) drop(times []int64, values []float64) ([]int64, []float64) {
	if len(r.fallen) == 0 {
		return times, values
	}
	n := r.fallen[0]
	for k, i := range r.fallen {
		end := len(times)
		if k+1 < len(r.fallen) {
			end = r.fallen[k+1]
		}
		copy(times[n:], times[i+1:end])
		n += copy(values[n:], values[i+1:end])
	}
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
