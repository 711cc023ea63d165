package native

import (
	"strconv"
	"time"

	"granary/api/edge"
	"granary/measures/query"
	"granary/metricdef"
)

// jsonPrinter prints frames in columns.
type jsonPrinter struct {
	q      *asked
	frames int
	points int
}

func (p *jsonPrinter) begin(b []byte) []byte { return append(b, `{"frames":[`...) }

func (p *jsonPrinter) frame(b []byte, name string, f *query.Frame, d *metricdef.Definition) []byte {
	if p.frames > 0 {
		b = append(b, ',')
	}
	return p.object(append(b, '\n'), name, f, d)
}

func (p *jsonPrinter) end(b []byte, q *asked) []byte {
	return append(p.rest(append(b, ']'), q), '}', '\n')
}

// rest appends the members about the whole answer, with a comma before each.
func (p *jsonPrinter) rest(b []byte, q *asked) []byte {
	if len(q.notFound) > 0 {
		b = edge.AppendStrings(append(b, `,"not_found":`...), q.notFound)
	}
	if len(q.notes) == 0 {
		return b
	}
	b = append(b, `,"notes":[`...)
	for i, n := range q.notes {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if n.query != "" {
			b = append(edge.AppendString(append(b, `"query":`...), n.query), ',')
		}
		b = edge.AppendString(append(b, `"code":`...), n.code)
		b = append(edge.AppendString(append(b, `,"text":`...), n.text), '}')
	}
	return append(b, ']')
}

func (p *jsonPrinter) object(b []byte, name string, f *query.Frame, d *metricdef.Definition) []byte {
	p.frames++
	p.points += f.Len()
	b = append(b, '{')
	if name != "" {
		b = append(edge.AppendString(append(b, `"query":`...), name), ',')
	}
	if d != nil {
		b = append(append(append(b, `"id":"`...), d.ID.String()...), `","name":`...)
		b = edge.AppendString(b, d.Name)
		b = append(append(append(b, `,"type":"`...), d.Type.String()...), `","unit":`...)
		b = edge.AppendString(b, d.Unit)
		b = appendTags(append(b, `,"tags":`...), d.Tags)
		b = appendTags(append(b, `,"plain_tags":`...), d.Plain)
		b = appendLabel(b, d)
	} else {
		b = appendTags(append(b, `"group":`...), f.Group)
		b = strconv.AppendInt(append(b, `,"series":`...), int64(f.Series), 10)
	}
	b = append(append(append(b, `,"kind":"`...), f.Kind.String()...), '"')
	b = appendOrigins(b, p.q.format, f.Origins)
	b = p.times(b, f)
	b = append(b, `,"values":[`...)
	for i := range f.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if i%spillPoints == spillPoints-1 {
			b = p.q.spill(b)
		}
		if f.Has(i) {
			b = p.value(b, f, i)
		} else {
			b = append(b, "null"...)
		}
	}
	b = append(b, ']')
	if len(f.Tags) > 0 {
		b = append(b, `,"point_tags":[`...)
		for i, text := range f.Tags {
			if i > 0 {
				b = append(b, ',')
			}
			if text == "" {
				text = "{}"
			}
			b = append(b, text...)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// times appends start and step where the points are a step apart that the form of times can say, else every time.
func (p *jsonPrinter) times(b []byte, f *query.Frame) []byte {
	if unit := unitOf(p.q.format); f.Step != 0 && unit > 0 && f.Step%unit == 0 && f.Start%unit == 0 {
		b = p.q.format.Append(append(b, `,"start":`...), f.Start)
		return strconv.AppendInt(append(b, `,"step":`...), f.Step/unit, 10)
	}
	b = append(b, `,"times":[`...)
	for i := range f.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if i%spillPoints == spillPoints-1 {
			b = p.q.spill(b)
		}
		b = p.q.format.Append(b, f.Time(i))
	}
	return append(b, ']')
}

// unitOf is the unit of times in nanoseconds, 0 for texts.
func unitOf(f edge.TimeFormat) int64 {
	switch f {
	case edge.Seconds:
		return int64(time.Second)
	case edge.Milliseconds:
		return int64(time.Millisecond)
	case edge.Microseconds:
		return int64(time.Microsecond)
	case edge.Nanoseconds:
		return 1
	}
	return 0
}

// value appends value i as JSON.
func (p *jsonPrinter) value(b []byte, f *query.Frame, i int) []byte {
	switch f.Kind {
	case metricdef.KindInt:
		v := f.Ints[i]
		const exact = 1 << 53 // as large as the whole numbers that a double holds all of
		if p.q.bigText && (v > exact || v < -exact) {
			return append(strconv.AppendInt(append(b, '"'), v, 10), '"')
		}
		return strconv.AppendInt(b, v, 10)
	case metricdef.KindState:
		return append(append(append(b, '"'), stateName(f.Values[i])...), '"')
	case metricdef.KindText:
		return edge.AppendString(b, f.Texts[i])
	}
	return edge.AppendFloat(b, f.Values[i])
}

func stateName(v float64) string {
	s, ok := metricdef.StateOf(v)
	if !ok {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return s.String()
}

// appendOrigins says where the points come from: a text if all come from one place, else a list with the time from which on
// each holds.
func appendOrigins(b []byte, format edge.TimeFormat, list []query.Origin) []byte {
	place := func(b []byte, o query.Origin) []byte {
		if o.Tier == 0 {
			return append(b, `"raw"`...)
		}
		return edge.AppendString(b, "tier "+durationText(time.Duration(o.Tier)))
	}
	switch len(list) {
	case 0:
		return b
	case 1:
		return place(append(b, `,"source":`...), list[0])
	}
	b = append(b, `,"source":[`...)
	for i, o := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = format.Append(append(b, `{"from":`...), o.From)
		b = append(place(append(b, `,"source":`...), o), '}')
	}
	return append(b, ']')
}

// linesPrinter prints a frame a line. The last line has the member "status": without it the answer is not whole.
type linesPrinter struct{ jsonPrinter }

func (p *linesPrinter) begin(b []byte) []byte { return b }

func (p *linesPrinter) frame(b []byte, name string, f *query.Frame, d *metricdef.Definition) []byte {
	return append(p.object(b, name, f, d), '\n')
}

func (p *linesPrinter) end(b []byte, q *asked) []byte {
	return append(p.rest(p.counts(append(b, `{"status":"ok"`...)), q), '}', '\n')
}

func (p *linesPrinter) counts(b []byte) []byte {
	b = strconv.AppendInt(append(b, `,"frames":`...), int64(p.frames), 10)
	return strconv.AppendInt(append(b, `,"points":`...), int64(p.points), 10)
}

// failed appends the last line of an answer that an error ends.
func (p *linesPrinter) failed(b []byte, err error) []byte {
	problem := edge.ProblemOf(err)
	b = append(p.counts(append(b, `{"status":"error"`...)), `,"problem":`...)
	b = problem.Append(b)
	b[len(b)-1] = '}' // in the place of the line's end
	return append(b, '\n')
}
