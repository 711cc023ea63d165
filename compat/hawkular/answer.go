package hawkular

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"granary/api/edge"
)

// ErrorHeader is the header field that carries the stable code of an error, which has a page in docs/errors. The body has no
// place for it that clients would not stumble over.
const ErrorHeader = "X-Granary-Error"

// json answers 200 with a body that is whole.
func (c *call) json(body []byte) error {
	c.d.o.Compress.Answer(c.w, c.r, http.StatusOK, typeJSON, body)
	return nil
}

// stream begins an answer that goes out while it is made. End it with endStream.
func (c *call) stream(contentType string) *edge.Stream {
	s := c.d.o.Compress.Stream(c.w, c.r, contentType)
	s.Ticket = &c.ticket
	return s
}

// endStream ends an answer, or breaks it off if an error came behind its beginning.
func (c *call) endStream(s *edge.Stream, err error) error {
	defer s.Free()
	return s.Finish(err, c.d.o.Logger, Name)
}

// nothing answers 204.
func (c *call) nothing() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// empty answers a list that is empty: Hawkular has no content then.
func (c *call) empty() error {
	if c.strict() {
		return c.nothing()
	}
	return c.json([]byte("[]"))
}

// emptyMap is empty for an object.
func (c *call) emptyMap() error {
	if c.strict() {
		return c.nothing()
	}
	return c.json([]byte("{}"))
}

// done answers a change: Mohawk says in words what was done, Hawkular nothing.
func (c *call) done(format string, args ...any) error {
	if c.strict() {
		c.w.Header()["Content-Type"] = []string{typeJSON}
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	b := append([]byte(nil), `{"message":`...)
	b = edge.AppendString(b, fmt.Sprintf(format, args...))
	return c.json(append(b, '}'))
}

// created answers that something was made, and where it is.
func (c *call) created(location, format string, args ...any) error {
	c.w.Header()["Location"] = []string{location}
	if c.strict() {
		c.w.WriteHeader(http.StatusCreated)
		return nil
	}
	b := append([]byte(nil), `{"message":`...)
	b = edge.AppendString(b, fmt.Sprintf(format, args...))
	c.d.o.Compress.Answer(c.w, c.r, http.StatusCreated, typeJSON, append(b, '}'))
	return nil
}

// fail answers an error. What is internal is logged and not shown.
func (d *Dialect) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := edge.Status(err), edge.DetailOf(err)
	h := w.Header()
	switch {
	case r.Context().Err() != nil && errors.Is(err, r.Context().Err()):
		status = http.StatusServiceUnavailable // the client has gone; nobody reads this answer
	case status == http.StatusUnauthorized:
		edge.Challenge(h, err)
	case status == http.StatusInternalServerError:
		d.o.Logger.Error("request failed", "dialect", Name, "method", r.Method, "path", r.URL.Path, "error", err)
		text = "Failed to perform operation due to an error: it is in the log of the service"
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		edge.SetRetryAfter(h, err)
	}
	if text == "" {
		text = "No details"
	}
	if code := edge.CodeOf(err); code != "" {
		h[ErrorHeader] = []string{code}
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	b := append(buf.B, `{"errorMsg":`...)
	b = edge.AppendString(b, text)
	if !d.o.Strict {
		b = append(b, `,"code":`...)
		b = strconv.AppendInt(b, int64(status), 10)
		b = append(b, `,"message":`...)
		b = edge.AppendString(b, text)
	}
	buf.B = append(b, '}')
	edge.CompressOff.Answer(w, r, status, typeJSON, buf.B)
}

var errPanic = errors.New("panic")

// requestError refuses a request for what it says.
type requestError struct{ text string }

func (e *requestError) Error() string { return e.text }
func (*requestError) Kind() string    { return string(edge.Invalid) }
func (*requestError) Code() string    { return "parameter-invalid" }

// badRequest is a refusal with 400.
func badRequest(format string, args ...any) error { return &requestError{fmt.Sprintf(format, args...)} }

// errNoTenant is the refusal of the strict mode.
var errNoTenant = &noTenantError{}

type noTenantError struct{}

func (*noTenantError) Error() string {
	return "Tenant is not specified. Use 'Hawkular-Tenant' header."
}
func (*noTenantError) Kind() string { return string(edge.Invalid) }
func (*noTenantError) Code() string { return "tenant-missing" }

// mediaError refuses a body of another form than JSON.
type mediaError struct{ got string }

func (e *mediaError) Error() string {
	return fmt.Sprintf("Content-Type %q is not understood here, only %s", shorten(e.got), typeJSON)
}
func (*mediaError) Kind() string { return string(edge.Invalid) }
func (*mediaError) Code() string { return "media-type" }
func (*mediaError) Status() int  { return http.StatusUnsupportedMediaType }

// acceptError says that no form of the answer is wanted.
type acceptError struct{ offers []string }

func (e *acceptError) Error() string {
	return "none of the media types of Accept can be given, only " + strings.Join(e.offers, " and ")
}
func (*acceptError) Kind() string { return string(edge.Invalid) }
func (*acceptError) Code() string { return "not-acceptable" }
func (*acceptError) Status() int  { return http.StatusNotAcceptable }

// startingError says that the service does not take requests yet.
type startingError struct{ progress string }

func (e *startingError) Error() string {
	return "Service unavailable while initializing: " + e.progress
}
func (*startingError) Kind() string { return string(edge.Unavailable) }
func (*startingError) Code() string { return "starting" }

// shorten is the front of a text that may be very long.
func shorten(s string) string { return edge.Shorten(s, 200) }
