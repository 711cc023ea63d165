package influx

import (
	"errors"
	"fmt"
	"net/http"

	"granary/api/edge"
	"granary/tenant"
)

// ErrorHeader is the header field that carries the stable code of an error, which has a page in docs/errors. The bodies have no place
// for it.
const ErrorHeader = "X-Granary-Error"

// json answers with a body that is whole.
func (c *call) json(status int, body []byte) error {
	c.d.o.Compress.Answer(c.w, c.r, status, typeJSON, body)
	return nil
}

// statusOf is the status of an error. Clients of the first version throw away what got any 4xx, and come again with what got a 503; those of
// the second one come again with what got a 429 too, so that there a rate is told from a service that has too much to do.
func statusOf(r *http.Request, err error) int {
	status := edge.Status(err)
	var rate *tenant.RateError
	if status == http.StatusTooManyRequests && !(second(r) && errors.As(err, &rate)) {
		return http.StatusServiceUnavailable
	}
	return status
}

// fail answers an error. What is internal is logged and not shown.
func (d *Dialect) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := statusOf(r, err), edge.DetailOf(err)
	h := w.Header()
	switch {
	case r.Context().Err() != nil && errors.Is(err, r.Context().Err()):
		status = http.StatusServiceUnavailable // the client has gone; nobody reads this answer
	case status == http.StatusUnauthorized:
		edge.Challenge(h, err)
	case status == http.StatusInternalServerError:
		d.o.Logger.Error("request failed", "dialect", Name, "method", r.Method, "path", r.URL.Path, "error", err)
		text = "the request failed; the log of the service says why"
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		edge.SetRetryAfter(h, err)
	}
	if text == "" {
		text = http.StatusText(status)
	}
	if code := edge.CodeOf(err); code != "" {
		h[ErrorHeader] = []string{code}
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	if second(r) {
		code := platformCode(status)
		h["X-Platform-Error-Code"] = []string{code}
		buf.B = append(buf.B, `{"code":`...)
		buf.B = edge.AppendString(buf.B, code)
		buf.B = append(buf.B, `,"message":`...)
	} else {
		h["X-Influxdb-Error"] = []string{oneLine(text)}
		buf.B = append(buf.B, `{"error":`...)
	}
	buf.B = append(edge.AppendString(buf.B, text), '}')
	edge.CompressOff.Answer(w, r, status, typeJSON, buf.B)
}

// platformCode is the name that InfluxDB 2 has for the errors of a status.
func platformCode(status int) string {
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return "invalid"
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not found"
	case http.StatusMethodNotAllowed:
		return "method not allowed"
	case http.StatusRequestEntityTooLarge:
		return "request too large"
	case http.StatusUnprocessableEntity:
		return "unprocessable entity"
	case http.StatusTooManyRequests:
		return "too many requests"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	return "internal error"
}

// oneLine is a text as a field of the header may hold it.
func oneLine(text string) string {
	b := []byte(edge.Shorten(text, 1000))
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}

var errPanic = errors.New("panic")

// databaseError refuses a database or bucket that leads to a tenant which who asks may not enter. It does not say to which: the request has named the
// database, and nobody has told it who has it.
type databaseError struct{ name string }

func (e *databaseError) Error() string {
	return fmt.Sprintf("database %q belongs to a tenant that is not yours", shorten(e.name))
}
func (*databaseError) Kind() string { return string(edge.Forbidden) }
func (*databaseError) Code() string { return "tenant-forbidden" }

// routeError says that there is no such path.
type routeError struct{ path string }

func (e *routeError) Error() string { return fmt.Sprintf("path not found: %q", shorten(e.path)) }
func (*routeError) Kind() string    { return string(edge.NotFound) }
func (*routeError) Code() string    { return "route-unknown" }

// shorten is the front of a text that may be very long.
func shorten(s string) string { return edge.Shorten(s, 200) }
