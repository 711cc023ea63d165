package native

import (
	"errors"
	"net/http"

	"granary/api/edge"
	"granary/tenant/queue"
)

// turn waits until it is the request's turn to look at much: queries and searches pass one gate. The body, if there is one,
// has been read before, so that a slow sender keeps nobody waiting. The caller calls leave when it is done.
func (a *API) turn(r *http.Request) (leave func(), err error) {
	if a.o.Gate == nil {
		return func() {}, nil
	}
	ticket := new(queue.Ticket)
	switch err := a.o.Gate.Enter(r.Context(), ticket, 1); {
	case errors.Is(err, queue.ErrFull):
		return nil, &edge.BusyError{What: edge.BusyQueries, Limit: a.o.Gate.Max(), Setting: settingGate}
	case err != nil:
		return nil, err
	}
	return func() { a.o.Gate.Leave(ticket) }, nil
}
