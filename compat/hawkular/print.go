package hawkular

import (
	"strconv"

	"granary/api/edge"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/queue"
)

// The work of printing, in units of turns, and how many points are printed until those of a large list are sent.
const (
	workOfMetric = 1000
	workOfPoint  = 30
	spillPoints  = 1 << 11
)

// printer prints the points that a query yields. An answer that is small goes out as a whole; of a larger one parts are sent while it
// is made, and nobody has a turn while a client takes them.
type printer struct {
	c        *call
	distinct bool  // of points with the same value, one after the other, the first
	limit    int64 // points of a metric, of those that are left; 0: all
	several  bool  // metrics, with their ids

	s       *edge.Stream
	turn    queue.Turn
	metrics int // that have been printed
}

// run runs the query and answers.
func (p *printer) run(q *query.Query) error {
	c := p.c
	p.s = c.stream(typeJSON)
	p.turn = p.s.Ticket.Turn()
	defer p.turn.End()
	p.s.B = append(p.s.B, '[')
	err := q.Run(c.ctx, func(f *query.Frame) error {
		if f.Len() == 0 {
			return nil
		}
		if err := p.turn.Begin(c.ctx); err != nil {
			return err
		}
		defer p.turn.End()
		return p.frame(f)
	})
	if err == nil && p.metrics == 0 {
		p.s.Free()
		return c.empty()
	}
	p.s.B = append(p.s.B, ']')
	return c.endStream(p.s, err)
}

// flush sends what has been printed, if that is much.
func (p *printer) flush() error {
	if len(p.s.B) < edge.StreamFrom {
		return nil
	}
	p.turn.End()
	if err := p.s.Flush(); err != nil {
		return err
	}
	return p.turn.Begin(p.c.ctx)
}

// frame prints the points of a metric. One whose definition has ended meanwhile is left out.
func (p *printer) frame(f *query.Frame) error {
	if p.several {
		d, ok := p.c.d.o.Definitions.Get(f.Ref)
		if !ok {
			return nil
		}
		if p.metrics > 0 {
			p.s.B = append(p.s.B, ',')
		}
		p.s.B = append(edge.AppendString(append(p.s.B, `{"id":`...), idOf(&d)), `,"data":[`...)
	}
	p.metrics++
	if err := p.list(f); err != nil {
		return err
	}
	if p.several {
		p.s.B = append(p.s.B, ']', '}')
	}
	return p.flush()
}

// list prints the points of a frame with commas between them.
func (p *printer) list(f *query.Frame) error {
	n := f.Len()
	if p.distinct && (f.Kind == metricdef.KindState || f.Kind == metricdef.KindText) {
		return p.runs(f)
	}
	for at := 0; at < n; at += spillPoints {
		end := min(at+spillPoints, n)
		b := p.s.B
		for i := at; i < end; i++ {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendPoint(b, f, i)
		}
		p.s.B = b
		p.turn.Spent(workOfPoint * int64(end-at))
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.turn.Spent(workOfMetric)
	return nil
}

// runs prints the first point of each run of points that have the same value.
func (p *printer) runs(f *query.Frame) error {
	left := p.limit
	first := 0 // of the run
	for i := range f.Len() {
		if i%spillPoints == spillPoints-1 {
			p.turn.Spent(workOfPoint * spillPoints)
			if err := p.flush(); err != nil {
				return err
			}
		}
		if i > 0 {
			if f.Kind == metricdef.KindText && f.Texts[i] == f.Texts[first] || f.Kind == metricdef.KindState && f.Values[i] == f.Values[first] {
				continue
			}
			p.s.B = append(p.s.B, ',')
		}
		p.s.B = appendPoint(p.s.B, f, i)
		first = i
		if left--; left == 0 {
			break
		}
	}
	return nil
}

// appendPoint appends point i of a frame.
func appendPoint(b []byte, f *query.Frame, i int) []byte {
	b = append(b, `{"timestamp":`...)
	b = strconv.AppendInt(b, millis(f.Times[i]), 10)
	b = append(b, `,"value":`...)
	switch f.Kind {
	case metricdef.KindInt:
		b = strconv.AppendInt(b, f.Ints[i], 10)
	case metricdef.KindState:
		b = append(append(append(b, '"'), stateName(f.Values[i])...), '"')
	case metricdef.KindText:
		b = edge.AppendString(b, f.Texts[i])
	default:
		b = edge.AppendFloat(b, f.Values[i])
	}
	if len(f.Tags) > 0 && f.Tags[i] != "" && f.Tags[i] != "{}" {
		b = append(append(b, `,"tags":`...), f.Tags[i]...)
	}
	return append(b, '}')
}

// stateName is the name of a stored state.
func stateName(v float64) string {
	s, ok := metricdef.StateOf(v)
	if !ok {
		s = metricdef.Unknown
	}
	return s.String()
}
