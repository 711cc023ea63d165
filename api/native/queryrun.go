package native

import (
	"net/http"

	"granary/api/edge"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/queue"
)

// printer prints an answer in one of its forms.
type printer interface {
	begin(b []byte) []byte
	frame(b []byte, name string, f *query.Frame, d *metricdef.Definition) []byte
	end(b []byte, q *asked) []byte
}

// spillPoints is how many points are printed until those of a large frame are sent.
const spillPoints = 1 << 11

// The work of printing, in units of turns.
const (
	workOfFrame = 1000
	workOfPoint = 30
)

// runQueries runs queries that are prepared and answers in the form that the client wants. An answer that is small goes out
// as a whole. From a larger one parts are sent while it is made, and an error that comes then is told by the last line where
// there are lines, else by a connection that ends before the answer.
func (a *API) runQueries(w http.ResponseWriter, r *http.Request, q *asked) error {
	contentType := edge.Negotiate(r, queryTypes...)
	var p printer
	switch contentType {
	case typeNDJSON:
		p = &linesPrinter{jsonPrinter{q: q}}
	case typeCSV:
		p = &csvPrinter{q: q}
		contentType += "; charset=utf-8; header=present"
	default:
		p = &jsonPrinter{q: q}
	}
	s := a.o.Compress.Stream(w, r, contentType)
	defer s.Free()
	s.Ticket = queue.From(r.Context())
	turn := s.Ticket.Turn()
	defer turn.End()
	// Nobody has a turn while a client takes its answer.
	flush := func() error {
		if len(s.B) < edge.StreamFrom {
			return s.Flush()
		}
		turn.End()
		return s.Flush()
	}
	q.spill = func(b []byte) []byte {
		s.B = b
		turn.Spent(spillPoints * workOfPoint)
		_ = flush() // the stream keeps the error for the next call
		_ = turn.Begin(r.Context())
		return s.B
	}
	s.B = p.begin(s.B)
	err := a.runAll(r, q, func(name string, f *query.Frame, d *metricdef.Definition) error {
		if err := turn.Begin(r.Context()); err != nil {
			return err
		}
		s.B = p.frame(s.B, name, f, d)
		turn.Spent(workOfFrame + workOfPoint*int64(f.Len()%spillPoints))
		turn.End()
		return s.Flush()
	})
	lines, ok := p.(*linesPrinter)
	switch {
	case err == nil:
		s.B = p.end(s.B, q)
	case ok && s.Started() && r.Context().Err() == nil:
		s.B = lines.failed(s.B, err)
		if s.End() == nil {
			return nil
		}
	}
	return s.Finish(err, a.o.Logger, Name)
}

// runAll yields the frames of all queries, in the order of their names. A series whose definition has ended meanwhile is left
// out.
func (a *API) runAll(r *http.Request, q *asked, yield func(name string, f *query.Frame, d *metricdef.Definition) error) error {
	for i := range q.queries {
		n := &q.queries[i]
		err := n.query.Run(r.Context(), func(f *query.Frame) error {
			if f.Ref == 0 {
				return yield(n.name, f, nil)
			}
			d, ok := a.o.Definitions.Get(f.Ref)
			if !ok {
				return nil
			}
			return yield(n.name, f, &d)
		})
		if err != nil {
			return edge.At(n.path, err)
		}
	}
	return nil
}
