package native

import (
	"net/http"

	"granary/tenant/queue"
)

// turn waits until it is the request's turn to look at much: queries and searches pass one gate, in which each tenant has its
// queue. The body, if there is one, has been read before, so that a slow sender keeps nobody waiting. The caller leaves with
// the ticket when it is done, and before it sends an answer that is made: a slow reader keeps nobody waiting either.
func (a *API) turn(r *http.Request) (*queue.Ticket, error) {
	ticket := new(queue.Ticket)
	_, err := a.o.Reads.Pass(r.Context(), tenantOf(r), ticket)
	return ticket, err
}
