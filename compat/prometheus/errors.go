package prometheus

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"granary/api/edge"
)

// ErrorHeader is the header field that carries the stable code of an error, which has a page in docs/errors.
const ErrorHeader = "X-Granary-Error"

// fail answers an error as text, which senders write into their log. What is internal is logged here and not shown.
func (d *Dialect) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := statusOf(err), edge.DetailOf(err)
	h := w.Header()
	switch {
	case r.Context().Err() != nil && errors.Is(err, r.Context().Err()):
		status = http.StatusServiceUnavailable // the client has gone; nobody reads this answer
	case status == http.StatusUnauthorized:
		edge.Challenge(h, err)
	case status == http.StatusInternalServerError:
		d.o.Logger.Error("request failed", "dialect", Name, "method", r.Method, "path", r.URL.Path, "error", err)
		text = "the request failed: the reason is in the log of the service"
	case status == http.StatusServiceUnavailable:
		edge.SetRetryAfter(h, err)
	}
	if code := edge.CodeOf(err); code != "" {
		h[ErrorHeader] = []string{code}
	}
	edge.CompressOff.Answer(w, r, status, "text/plain; charset=utf-8", []byte(strings.ToValidUTF8(text, "\uFFFD")+"\n"))
}

// statusOf is the status of an error: that of most dialects, but what passes with time is always 503. Prometheus drops what got a 429 unless it is
// told otherwise. A limit that time does not lift is a matter of the request.
func statusOf(err error) int {
	var limit interface{ Lasting() bool }
	if errors.As(err, &limit) && limit.Lasting() {
		return http.StatusBadRequest
	}
	status := edge.Status(err)
	if status == http.StatusTooManyRequests {
		return http.StatusServiceUnavailable
	}
	return status
}

var errPanic = errors.New("panic")

// refusedError says what is not stored of a request.
type refusedError struct {
	faults          []string // the first ones
	stored, refused int      // samples
	reasons         string
}

func (e *refusedError) Error() string {
	text := strings.Join(e.faults, "; ")
	if e.reasons != "" {
		text += fmt.Sprintf("; %d not stored: %s", e.refused, e.reasons)
	}
	return fmt.Sprintf("%s; %d samples stored", text, e.stored)
}
func (*refusedError) Kind() string { return string(edge.Invalid) }
func (*refusedError) Code() string { return "sample-refused" }

// partError says that the store failed when a part of a request was stored already. Sent again, all of it is.
type partError struct {
	err         error
	stored, all int
}

func (e *partError) Error() string {
	return fmt.Sprintf("%v; %d of %d samples were stored", e.err, e.stored, e.all)
}
func (e *partError) Unwrap() error { return e.err }

// samplesError refuses a request with more samples than one may have.
type samplesError struct{ limit int }

func (e *samplesError) Error() string {
	return fmt.Sprintf("a request has more than %d samples, which is the limit (setting %s)", e.limit, settingSamples)
}
func (*samplesError) Kind() string { return string(edge.OverLimit) }
func (*samplesError) Code() string { return "size-limit" }
func (*samplesError) Status() int  { return http.StatusRequestEntityTooLarge }

// cutError says that a body did not arrive as a whole. One that was too slow may come again.
type cutError struct {
	err  error
	slow bool
}

func (e *cutError) Error() string { return "the body does not arrive as a whole: " + e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }
func (e *cutError) Kind() string {
	if e.slow {
		return string(edge.Unavailable)
	}
	return string(edge.Invalid)
}
func (*cutError) Code() string { return "damaged-body" }

// mediaError refuses a message that is not known here.
type mediaError struct{ got string }

func (e *mediaError) Error() string {
	return fmt.Sprintf("Content-Type %q is not understood here, only %s, with ;proto=%s or ;proto=%s", edge.Shorten(e.got, 200), mediaType, messageV1, messageV2)
}
func (*mediaError) Kind() string { return string(edge.Invalid) }
func (*mediaError) Code() string { return "media-type" }
func (*mediaError) Status() int  { return http.StatusUnsupportedMediaType }

// encodingError refuses a body that is not packed by snappy.
type encodingError struct{ got string }

func (e *encodingError) Error() string {
	return fmt.Sprintf("Content-Encoding %q is not understood here, only snappy", edge.Shorten(e.got, 200))
}
func (*encodingError) Kind() string { return string(edge.Invalid) }
func (*encodingError) Code() string { return "content-encoding" }
func (*encodingError) Status() int  { return http.StatusUnsupportedMediaType }

// routeError says that there is no such path.
type routeError struct{ path string }

func (e *routeError) Error() string {
	return fmt.Sprintf("there is nothing at %q; remote write is taken at %s", edge.Shorten(e.path, 200), strings.Join(Paths, ", "))
}
func (*routeError) Kind() string { return string(edge.NotFound) }
func (*routeError) Code() string { return "route-unknown" }
