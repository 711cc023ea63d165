package series

import (
	"slices"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/when"
)

// Printer prints points as answers have them: [timestamp, granularity, value], with ", " between two of them. It serves one goroutine.
type Printer struct {
	day  int64  // of date
	date []byte // what a row of that day begins with
	mid  []byte // between the seconds and the value
}

// NewPrinter prints points of a granularity, which is JSON: a number of seconds, or the letter of a unit of the calendar.
func NewPrinter(granularity string) *Printer {
	return &Printer{mid: []byte(`+00:00", ` + granularity + ", ")}
}

const (
	second = int64(1e9)
	day    = 86400 * second
)

// sixtieths are 00 to 59.
var sixtieths = func() (d [120]byte) {
	for i := range 60 {
		d[2*i], d[2*i+1] = byte('0'+i/10), byte('0'+i%10)
	}
	return d
}()

// Append appends the points of a column.
func (p *Printer) Append(dst []byte, c Column) []byte {
	for i, t := range c.Times {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(pyjson.AppendFloat(p.begin(dst, t), c.Values[i]), ']')
	}
	return dst
}

// begin appends what stands before the value.
func (p *Printer) begin(dst []byte, t int64) []byte {
	in := t - p.day
	if in < 0 || in >= day || p.date == nil {
		p.day = floor(t, day)
		in = t - p.day
		p.date = when.AppendTime(append(p.date[:0], `["`...), p.day)
		p.date = p.date[:slices.Index(p.date, 'T')+1]
	}
	dst = append(dst, p.date...)
	at := int(in / second)
	h, m, s := at/3600*2, at/60%60*2, at%60*2
	dst = append(dst, sixtieths[h], sixtieths[h+1], ':', sixtieths[m], sixtieths[m+1], ':', sixtieths[s], sixtieths[s+1])
	return append(dst, p.mid...)
}

// Part is the points from i to j of a column. It shares the column's memory.
func (c Column) Part(i, j int) Column { return Column{c.Times[i:j], c.Values[i:j]} }
