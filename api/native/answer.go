package native

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"

	"granary/api/edge"
)

// fail answers an error as a problem document. What is internal is logged and not shown.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := edge.ProblemOf(err)
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		edge.SetRetryAfter(w.Header(), err)
	}
	switch {
	case r.Context().Err() != nil && errors.Is(err, r.Context().Err()):
		// The client has gone; nobody reads this answer.
		p.Status, p.Title = http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable)
	case p.Status == http.StatusUnauthorized:
		edge.Challenge(w.Header(), err)
	case p.Status == http.StatusInternalServerError:
		a.o.Logger.Error("request failed", "dialect", Name, "method", r.Method, "path", r.URL.Path, "error", err)
	}
	a.problem(w, r, p)
}

// problem sends a problem document.
func (a *API) problem(w http.ResponseWriter, r *http.Request, p edge.Problem) {
	buf := edge.NewBuffer()
	defer buf.Free()
	buf.B = p.Append(buf.B)
	edge.CompressOff.Answer(w, r, p.Status, edge.ContentTypeProblem, buf.B)
}

// send answers v as JSON. It is for answers of a few hundred objects; what can be larger is appended by hand.
func (a *API) send(w http.ResponseWriter, r *http.Request, status int, v any) error {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	a.sendBytes(w, r, status, typeJSON, append(body, '\n'))
	return nil
}

// sendBytes answers bytes that are whole.
func (a *API) sendBytes(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	a.o.Compress.Answer(w, r, status, contentType, body)
}
