package hawkular

import (
	"strconv"
	"strings"
	"sync"

	"granary/api/edge"
	"granary/measures/aggregate"
	"granary/measures/query"
	"granary/policy"
)

// columns are the statistics of a bucket: what the engine is asked for, and how it is printed.
type columns struct {
	overs   []policy.Method
	extra   []func([]float64) (float64, bool)
	samples int // the column with the number of samples
	members []columnMember
	// percentiles are members of a list.
	percentiles []columnMember
	zeros       string // members of a bucket without a value
	strict      bool
}

// columnMember is one number of a bucket: the text before it, that behind it, and its column.
type columnMember struct {
	before, after string
	word          [memberWord]byte // before, if it is that short
	column        int
}

// memberWord is how long the name of a number may be so that it is copied in one go.
const memberWord = 16

// newMember is a member of an object that has others before it.
func newMember(name string, column int) columnMember {
	m := columnMember{before: `,"` + name + `":`, column: column}
	copy(m.word[:], m.before)
	return m
}

// begin appends the text before the number, which is not longer than a word.
func (m *columnMember) begin(dst []byte) []byte {
	n := len(dst) + len(m.before)
	return append(dst, m.word[:]...)[:n]
}

// mostPercentiles is how many percentiles can be asked for.
const mostPercentiles = 100

// textPercentiles refuses what is no list of percentiles.
const textPercentiles = "percentiles: %q is not a number from 0 to 100"

// newColumns says which statistics are wanted. The strict mode has those of Hawkular, and estimates the median and percentiles as it
// does; reversed says that the estimator is fed newest first, as it is for gauges.
func newColumns(percentiles words, strict, reversed, stacked bool) (*columns, error) {
	if len(percentiles) > mostPercentiles {
		return nil, badRequest("percentiles: more than %d of them", mostPercentiles)
	}
	c := &columns{strict: strict}
	over := func(m policy.Method) int {
		c.overs = append(c.overs, m)
		return len(c.overs) - 1
	}
	extra := func(f func([]float64) (float64, bool)) int {
		c.extra = append(c.extra, f)
		return -len(c.extra)
	}
	quantile := func(p float64) int {
		m := policy.Percentile(p)
		switch {
		case p == 0:
			return over(policy.Min)
		case p == 100:
			return over(policy.Max)
		case strict:
			return extra(estimate(p, reversed))
		case m != policy.NoMethod:
			return over(m)
		}
		return extra(interpolate(p / 100))
	}
	member := func(name string, column int) { c.members = append(c.members, newMember(name, column)) }
	c.samples = over(policy.Count)
	member("min", over(policy.Min))
	member("avg", over(policy.Mean))
	if strict {
		member("median", quantile(50))
	} else {
		member("median", over(policy.Median))
	}
	member("max", over(policy.Max))
	member("sum", over(policy.Sum))
	if !strict && !stacked {
		member("first", over(policy.First))
		member("last", over(policy.Last))
		member("std", over(policy.Std))
	}
	for _, text := range percentiles {
		text = strings.TrimSpace(text)
		p, err := strconv.ParseFloat(text, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return nil, badRequest(textPercentiles, shorten(text))
		}
		before := appendDouble([]byte(`{"quantile":`), p, strict)
		before = edge.AppendString(append(before, `,"originalQuantile":`...), text)
		c.percentiles = append(c.percentiles, columnMember{before: string(append(before, `,"value":`...)), after: "}", column: quantile(p)})
	}
	// Columns of extra functions stand behind all others.
	for _, list := range [][]columnMember{c.members, c.percentiles} {
		for i := range list {
			if k := list[i].column; k < 0 {
				list[i].column = len(c.overs) - k - 1
			}
		}
	}
	if strict && stacked {
		// Nothing stacked is zero in Hawkular, and still empty.
		for _, m := range c.members {
			c.zeros += m.before + "0.0"
		}
	}
	return c, nil
}

// append appends the statistics of point i of a frame. One that has no value is left out, and so is what JSON has no number for.
func (c *columns) append(dst []byte, f *query.Frame, i int) []byte {
	dst = append(dst, `,"samples":`...)
	dst = strconv.AppendInt(dst, int64(f.Columns[c.samples][i]), 10)
	for j := range c.members {
		m := &c.members[j]
		if v := f.Columns[m.column][i]; v-v == 0 && f.HasIn(m.column, i) {
			dst = appendDouble(m.begin(dst), v, c.strict)
		}
	}
	if len(c.percentiles) == 0 {
		return dst
	}
	without := len(dst)
	dst = append(dst, `,"percentiles":[`...)
	more := false
	for j := range c.percentiles {
		m := &c.percentiles[j]
		v := f.Columns[m.column][i]
		if v-v != 0 || !f.HasIn(m.column, i) {
			continue
		}
		if more {
			dst = append(dst, ',')
		}
		more = true
		dst = appendDouble(append(dst, m.before...), v, c.strict)
		dst = append(dst, m.after...)
	}
	if !more {
		return dst[:without]
	}
	return append(dst, ']')
}

// estimate is a quantile as Hawkular has it: the estimate of an algorithm that sees one value after the other.
func estimate(percent float64, reversed bool) func([]float64) (float64, bool) {
	return func(values []float64) (float64, bool) {
		p := aggregate.NewPSquare(percent)
		if reversed {
			for i := len(values) - 1; i >= 0; i-- {
				p.Add(values[i])
			}
		} else {
			for _, v := range values {
				p.Add(v)
			}
		}
		return p.Value()
	}
}

var scratches = sync.Pool{New: func() any { return new(aggregate.Scratch) }}

// interpolate is an exact quantile, with linear interpolation between two values.
func interpolate(q float64) func([]float64) (float64, bool) {
	return func(values []float64) (float64, bool) {
		s := scratches.Get().(*aggregate.Scratch)
		defer scratches.Put(s)
		return aggregate.Quantile(values, q, s)
	}
}
