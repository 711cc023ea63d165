package hawkular

import (
	"errors"
	"slices"
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

// pointsAtOnce is how many points of a question may be in memory as columns. Of more, a slice of a metric is read and printed after the
// other.
const pointsAtOnce = 1 << 19

// printer prints points. An answer that is small goes out as a whole; of a larger one parts are sent while it is made, and nobody has a
// turn while a client takes them.
type printer struct {
	c        *call
	request  query.Request
	distinct bool  // of points with the same value, one after the other, the first
	limit    int64 // points of a metric, of those that distinct leaves; 0: all
	several  bool  // metrics, with their ids
	atOnce   int64 // pointsAtOnce

	s       *edge.Stream
	turn    queue.Turn
	stamp   stamp
	metrics int           // that have been printed
	ref     metricdef.Ref // the metric that is being printed, 0 if none is
	skip    bool          // its definition has ended meanwhile, and it is left out
	points  int64         // of it that have been printed
	text    string        // of the point before
	state   float64       // of the point before
}

// run answers the points that the query is about.
func (p *printer) run(q *query.Query) error {
	c := p.c
	var read int64
	defer func() { edge.Query(c.w, c.tenant, read) }()
	p.s = c.stream(typeJSON)
	p.turn = p.s.Ticket.Turn()
	defer p.turn.End()
	p.s.B = append(p.s.B, '[')
	var err error
	if q.Cost().Points <= p.atOnce {
		err = q.Run(c.ctx, p.frame)
		read = q.Read()
	} else {
		read, err = p.inParts()
	}
	if err == nil && p.metrics == 0 {
		p.s.Free()
		return c.empty()
	}
	p.close()
	p.s.B = append(p.s.B, ']')
	return c.endStream(p.s, err)
}

// inParts answers a question about so many points that they should not be in memory together: one metric after the other, and each
// slice by slice. No slice is read twice, since a series whose points came in any order may have only one.
func (p *printer) inParts() (read int64, err error) {
	refs := slices.Clone(p.request.Refs)
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) {
		r := p.request
		r.Refs, r.Pieces = []metricdef.Ref{ref}, true
		q, err := p.c.prepared(r)
		if err != nil {
			return read, err
		}
		err = q.Run(p.c.ctx, func(f *query.Frame) error {
			if err := p.frame(f); err != nil || !p.full() {
				return err
			}
			return errFull
		})
		read += q.Read()
		if err != nil && !errors.Is(err, errFull) {
			return read, err
		}
	}
	return read, nil
}

// errFull ends the reading of a metric of which no more points are wanted.
var errFull = errors.New("no more points are wanted")

// full says that a metric has all the points that are asked for.
func (p *printer) full() bool { return p.limit > 0 && p.points >= p.limit }

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

// open begins a metric.
func (p *printer) open(ref metricdef.Ref) {
	p.close()
	p.ref, p.points = ref, 0
	if p.several {
		d, ok := p.c.d.o.Definitions.Get(ref)
		if p.skip = !ok; p.skip {
			return
		}
		if p.metrics > 0 {
			p.s.B = append(p.s.B, ',')
		}
		p.s.B = append(edge.AppendString(append(p.s.B, `{"id":`...), idOf(&d)), `,"data":[`...)
	}
	p.metrics++
	p.turn.Spent(workOfMetric)
}

// close ends the metric that was begun.
func (p *printer) close() {
	if p.ref != 0 && p.several && !p.skip {
		p.s.B = append(p.s.B, ']', '}')
	}
	p.ref = 0
}

// frame prints points of a metric.
func (p *printer) frame(f *query.Frame) error {
	n := f.Len()
	if n == 0 {
		return nil
	}
	if err := p.turn.Begin(p.c.ctx); err != nil {
		return err
	}
	defer p.turn.End()
	if f.Ref != p.ref {
		p.open(f.Ref)
	}
	runs := p.distinct && (f.Kind == metricdef.KindState || f.Kind == metricdef.KindText)
	for at := 0; at < n && !p.skip; at += spillPoints {
		end := min(at+spillPoints, n)
		if runs {
			p.runs(f, at, end)
		} else {
			p.list(f, at, end)
		}
		p.turn.Spent(workOfPoint * int64(end-at))
		if err := p.flush(); err != nil {
			return err
		}
	}
	return nil
}

// list prints the points from at until end.
func (p *printer) list(f *query.Frame, at, end int) {
	b := p.s.B
	for i := at; i < end; i++ {
		if p.points++; p.points > 1 {
			b = append(b, ',')
		}
		b = p.stamp.point(b, f, i, p.c.strict())
	}
	p.s.B = b
}

// runs prints those of the points that begin a run of points with the same value.
func (p *printer) runs(f *query.Frame, at, end int) {
	for i := at; i < end && !p.full(); i++ {
		switch {
		case f.Kind == metricdef.KindText:
			if p.points > 0 && f.Texts[i] == p.text {
				continue
			}
			p.text = f.Texts[i]
		default:
			if p.points > 0 && f.Values[i] == p.state {
				continue
			}
			p.state = f.Values[i]
		}
		p.list(f, i, i+1)
	}
}

// point appends point i of a frame. What JSON has no number for is a text.
func (s *stamp) point(b []byte, f *query.Frame, i int, strict bool) []byte {
	b = s.append(b, millis(f.Time(i)))
	switch f.Kind {
	case metricdef.KindInt:
		b = strconv.AppendInt(b, f.Ints[i], 10)
	case metricdef.KindState:
		b = append(append(append(b, '"'), stateName(f.Values[i])...), '"')
	case metricdef.KindText:
		b = edge.AppendString(b, f.Texts[i])
	default:
		b = appendDouble(b, f.Values[i], strict)
	}
	if len(f.Tags) > 0 && f.Tags[i] != "" && f.Tags[i] != "{}" {
		b = append(append(b, `,"tags":`...), f.Tags[i]...)
	}
	return append(b, '}')
}

// stateOf is a stored state.
func stateOf(v float64) metricdef.State {
	if s, ok := metricdef.StateOf(v); ok {
		return s
	}
	return metricdef.Unknown
}

func stateName(v float64) string { return stateOf(v).String() }

// stamp prints the beginning of points, up to their values. All but the last six digits of their times are mostly the same, so those are
// kept as text.
type stamp struct {
	high int64 // milliseconds by a million
	text []byte
}

// threeDigits are 000 to 999.
var threeDigits = func() (d [3000]byte) {
	for i := range 1000 {
		d[3*i], d[3*i+1], d[3*i+2] = byte('0'+i/100), byte('0'+i/10%10), byte('0'+i%10)
	}
	return d
}()

func (s *stamp) append(b []byte, ms int64) []byte {
	const before, behind = `{"timestamp":`, `,"value":`
	high, low := ms/1_000_000, ms%1_000_000
	if ms < 1_000_000 {
		return append(strconv.AppendInt(append(b, before...), ms, 10), behind...)
	}
	if high != s.high {
		s.high, s.text = high, strconv.AppendInt(append(s.text[:0], before...), high, 10)
	}
	b = append(b, s.text...)
	x, y := low/1000*3, low%1000*3
	b = append(b, threeDigits[x], threeDigits[x+1], threeDigits[x+2], threeDigits[y], threeDigits[y+1], threeDigits[y+2])
	return append(b, behind...)
}
