package series

import (
	"granary/compat/gnocchi/when"
	"granary/measures/aggregate"
	"granary/policy"
)

// Grouping is how longer buckets are laid: at multiples of a width since 1970-01-01T00:00Z, or by the calendar, in UTC.
type Grouping struct {
	Step int64         // nanoseconds, above 0; 0: by the calendar
	Unit when.Calendar // where Step is 0
}

// Floor is the start of the bucket that t lies in.
func (g Grouping) Floor(t int64) int64 {
	if g.Step > 0 {
		return floor(t, g.Step)
	}
	return g.Unit.Start(min(max(t, Earliest), Latest))
}

// Next is the start of the bucket behind the one that t lies in.
func (g Grouping) Next(t int64) int64 {
	if g.Step > 0 {
		return floor(t, g.Step) + g.Step
	}
	return g.Unit.End(min(max(t, Earliest), Latest))
}

// Ceil is the first start of a bucket at or behind t.
func (g Grouping) Ceil(t int64) int64 {
	if b := g.Floor(t); b >= t {
		return b
	}
	return g.Next(t)
}

// Resample makes longer buckets of those of a column by applying its method to their values: means of means, counts of buckets. A rate
// is one of the differences between consecutive values then, each in the bucket of the later one.
func Resample(c Column, m policy.Method, g Grouping) Column {
	r := NewResampler(m, g)
	out := r.Add(c)
	last := r.End()
	return Column{append(out.Times, last.Times...), append(out.Values, last.Values...)}
}

// Resampler is Resample for a column that comes in parts. It serves one goroutine.
type Resampler struct {
	method     policy.Method
	group      Grouping
	start, end int64     // of the bucket that is open
	values     []float64 // in it
	before     float64   // the value before
	has        bool      // there is one
	scratch    aggregate.Scratch
}

// NewResampler makes a Resampler of a method of the column.
func NewResampler(m policy.Method, g Grouping) *Resampler { return &Resampler{method: m, group: g} }

// Add takes the next part and returns the buckets that are finished by it, in memory of their own.
func (r *Resampler) Add(part Column) (out Column) {
	rate := r.method.IsRate()
	for i, t := range part.Times {
		v := part.Values[i]
		if rate {
			difference := v - r.before
			first := !r.has
			r.before, r.has = v, true
			if first {
				continue
			}
			v = difference
		}
		if len(r.values) > 0 && t >= r.end {
			out = r.finish(out)
		}
		if len(r.values) == 0 {
			r.start, r.end = r.group.Floor(t), r.group.Next(t)
		}
		r.values = append(r.values, v)
	}
	return out
}

// End returns the bucket that is open, if it has a value.
func (r *Resampler) End() Column {
	if len(r.values) == 0 {
		return Column{}
	}
	return r.finish(Column{})
}

func (r *Resampler) finish(out Column) Column {
	if v, ok := aggregate.Of(r.method, r.values, &r.scratch); ok {
		out.Times, out.Values = append(out.Times, r.start), append(out.Values, v)
	}
	r.values = r.values[:0]
	return out
}

// Within is the part of a column whose buckets begin inside [start, stop). It shares the column's memory.
func (c Column) Within(start, stop int64) Column {
	i := 0
	for i < len(c.Times) && c.Times[i] < start {
		i++
	}
	j := len(c.Times)
	for j > i && c.Times[j-1] >= stop {
		j--
	}
	return Column{c.Times[i:j], c.Values[i:j]}
}

// Resampled is what has to be read for buckets of a grouping that begin inside [start, stop), start taken down to the start of its bucket: of a
// rate all before it too, since the first difference needs a value before it.
func (w Want) Resampled(g Grouping) Want {
	if w.Start > Earliest {
		w.Start = g.Floor(w.Start)
	}
	if w.Stop < Latest {
		w.Stop = g.Ceil(w.Stop)
	}
	if w.Method.IsRate() {
		w.Start = Earliest
	}
	return w
}
