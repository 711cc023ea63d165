package hawkular

import (
	"context"

	"granary/api/edge"
	"granary/tenant/queue"
)

// output is where an answer goes while it is printed. Printing goes in turns with the work of others, and nobody has a turn while a client
// takes a part of its answer.
type output struct {
	ctx    context.Context //nolint:containedctx // it lives as long as the request
	stream *edge.Stream    // nil: what is printed is kept
	strict bool
	turn   queue.Turn
	told   int   // bytes of what is printed that the turn knows of
	err    error // of the connection, or of the wait for a turn: what is printed after it reaches nobody
}

// spell is how many bytes are printed before the turn is told. A byte takes about a nanosecond, which is the unit of turns.
const spell = 8 << 10

// output begins an answer.
func (c *call) output() *output {
	o := &output{ctx: c.ctx, stream: c.stream(typeJSON), strict: c.strict()}
	o.turn = o.stream.Ticket.Turn()
	return o
}

// print lets fn print, in a turn.
func (o *output) print(fn func(dst []byte) []byte) error {
	o.told = len(o.stream.B)
	if o.err == nil {
		o.err = o.turn.Begin(o.ctx)
	}
	if o.err == nil {
		o.stream.B = fn(o.stream.B)
		o.turn.Spent(int64(len(o.stream.B) - o.told))
		o.turn.End()
	}
	return o.err
}

// between appends what stands before an element of a list, and sends what has been printed if that is much.
func (o *output) between(dst []byte, behind bool) []byte {
	if o.stream != nil && (len(dst)-o.told >= spell || len(dst) >= edge.StreamFrom) {
		dst = o.rest(dst)
	}
	if behind {
		dst = append(dst, ',')
	}
	return dst
}

// rest lets others have their turn.
func (o *output) rest(dst []byte) []byte {
	o.turn.Spent(int64(len(dst) - o.told))
	if o.told = len(dst); len(dst) < edge.StreamFrom {
		return dst
	}
	o.turn.End()
	o.stream.B = dst
	if o.err = o.stream.Flush(); o.err == nil {
		o.err = o.turn.Begin(o.ctx)
	}
	o.told = 0
	return o.stream.B
}
