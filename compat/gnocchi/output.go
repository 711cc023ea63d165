package gnocchi

import (
	"granary/api/edge"
	"granary/compat/gnocchi/series"
	"granary/tenant/queue"
)

// output is an answer that goes out while it is printed. Printing goes in turns with the work of others, and nobody has a turn while a
// client takes a part of its answer.
type output struct {
	c *call
	*edge.Stream
	turn queue.Turn
}

// output begins an answer. End it with end.
func (c *call) output() *output {
	s := c.stream()
	return &output{c, s, s.Ticket.Turn()}
}

// end ends the answer, which is an error if err is one and nothing has been sent yet.
func (o *output) end(err error) error { return o.c.endStream(o.Stream, err) }

// run is points of one granularity, which is JSON.
type run struct {
	granularity string
	series.Column
}

// runs prints runs as one list of points.
func (o *output) runs(list []run) error {
	o.B = append(o.B, '[')
	some := false
	for _, r := range list {
		if err := o.points(series.NewPrinter(r.granularity), some, r.Column); err != nil {
			return err
		}
		some = some || len(r.Times) > 0
	}
	o.B = append(o.B, ']')
	return nil
}

// partPoints is how many points are printed in one go.
const partPoints = 512

// points prints the points of a column, behind others if some says so.
func (o *output) points(p *series.Printer, some bool, c series.Column) error {
	for i := 0; i < len(c.Times); i += partPoints {
		if err := o.turn.Begin(o.c.ctx); err != nil {
			return err
		}
		n := len(o.B)
		if some {
			o.B = append(o.B, ", "...)
		}
		some = true
		o.B = p.Append(o.B, c.Part(i, min(i+partPoints, len(c.Times))))
		o.turn.Spent(int64(len(o.B) - n)) // a byte takes about a unit
		o.turn.End()
		if err := o.Flush(); err != nil {
			return err
		}
	}
	return nil
}
