package gnocchi

import (
	"errors"
	"html"
	"net/http"
	"strconv"
	"strings"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/measures/query"
	"granary/tenant/queue"
)

// ErrorHeader is the header field that carries the stable code of an error, which has a page in docs/errors.
const ErrorHeader = "X-Granary-Error"

// answer sends a body that is whole.
func (c *call) answer(status int, body []byte) error {
	c.d.o.Compress.Answer(c.w, c.r, status, typeJSON, body)
	return nil
}

// created answers that something was made at a path below Prefix, and shows it.
func (c *call) created(path string, body []byte) error {
	c.w.Header()["Location"] = []string{c.url(path)}
	return c.answer(http.StatusCreated, body)
}

// accepted answers that measures were taken.
func (c *call) accepted() error { return c.answer(http.StatusAccepted, nil) }

// nothing answers 204.
func (c *call) nothing() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// stream begins an answer that goes out while it is made. End it with endStream.
func (c *call) stream() *edge.Stream {
	s := c.d.o.Compress.Stream(c.w, c.r, typeJSON)
	s.Ticket = &c.ticket
	return s
}

// endStream ends an answer, or breaks it off if an error came behind its beginning.
func (c *call) endStream(s *edge.Stream, err error) error {
	defer s.Free()
	return s.Finish(err, c.d.o.Logger, Name)
}

// fail answers an error in the form that Accept asks for. What is internal is logged and not shown.
func (d *Dialect) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	h := w.Header()
	var description any = edge.DetailOf(err)
	var worded interface{ Description() string }
	var own *refusal
	switch {
	case errors.As(err, &own):
		description = own.description
	case errors.As(err, &worded):
		description = worded.Description()
	}
	switch {
	case r.Context().Err() != nil && errors.Is(err, r.Context().Err()):
		status = http.StatusServiceUnavailable // the client has gone; nobody reads this answer
	case status == http.StatusUnauthorized:
		edge.Challenge(h, err)
	case status == http.StatusInternalServerError:
		d.o.Logger.Error("request failed", "dialect", Name, "method", r.Method, "path", r.URL.Path, "error", err)
		description = "it is in the log of the service"
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		edge.SetRetryAfter(h, err)
	}
	if code := edge.CodeOf(err); code != "" {
		h[ErrorHeader] = []string{code}
	}
	buf := edge.NewBuffer()
	defer buf.Free()
	contentType := typeJSON
	switch f := formOf(r); {
	case f == formJSON:
		buf.B = appendJSONError(buf.B, status, description)
	case f == formHTML:
		contentType = "text/html; charset=UTF-8"
		buf.B = appendHTMLError(buf.B, status, err, r, description)
	default:
		contentType = "text/plain; charset=UTF-8"
		buf.B = appendTextError(buf.B, status, err, r, description)
	}
	edge.CompressOff.Answer(w, r, status, contentType, buf.B)
}

// statusOf is the status of an error: that of most dialects, but a full queue is a matter of the service here, and a limit that time
// does not lift one of the request.
func statusOf(err error) int {
	var full *queue.FullError
	var limit interface{ Lasting() bool }
	var cost *query.CostError
	switch {
	case errors.As(err, &cost):
		return http.StatusBadRequest // nothing gets better by waiting
	case errors.As(err, &full):
		return http.StatusServiceUnavailable
	case errors.As(err, &limit) && limit.Lasting():
		return http.StatusBadRequest
	}
	return edge.Status(err)
}

// form is the form of an error.
type form uint8

const (
	formText form = iota
	formJSON
	formHTML
)

// formOf is the form that Accept wants an error in. A range of media with parameters names neither.
func formOf(r *http.Request) form {
	page, data := 0.0, 0.0
	for _, field := range r.Header["Accept"] {
		for one := range strings.SplitSeq(field, ",") {
			name, params, _ := strings.Cut(one, ";")
			name, params = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(params)
			q := 1.0
			if params != "" {
				key, text, _ := strings.Cut(params, "=")
				var err error
				if q, err = strconv.ParseFloat(text, 64); !strings.EqualFold(strings.TrimSpace(key), "q") || err != nil {
					continue
				}
			}
			switch name {
			case "*/*":
				page, data = max(page, q), max(data, q)
			case typeHTML, "text/*":
				page = max(page, q)
			case typeJSON, "application/*":
				data = max(data, q)
			}
		}
	}
	switch {
	case page > 0 && page >= data:
		return formHTML
	case data > 0:
		return formJSON
	}
	return formText
}

func appendJSONError(b []byte, status int, description any) []byte {
	b = append(b, `{"code": `...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `, "title": `...)
	b = pyjson.AppendString(b, http.StatusText(status))
	b = append(b, `, "description": `...)
	return append(pyjson.Append(b, description), '}')
}

// explanations are what pages say of a status.
var explanations = map[int]string{
	http.StatusBadRequest:           "The server could not comply with the request since it is either malformed or otherwise incorrect.",
	http.StatusUnauthorized:         "This server could not verify that you are authorized to access the document you requested.",
	http.StatusForbidden:            "Access was denied to this resource.",
	http.StatusNotFound:             "The resource could not be found.",
	http.StatusMethodNotAllowed:     "The method is not allowed for this resource.",
	http.StatusConflict:             "There was a conflict when trying to complete your request.",
	http.StatusPreconditionFailed:   "Request precondition failed.",
	http.StatusUnsupportedMediaType: "The request media type is not supported by this server.",
	http.StatusNotImplemented:       "The request method is not implemented for this server.",
	http.StatusServiceUnavailable:   "The server is currently unavailable. Please try again at a later time.",
}

func statusLine(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }

func shown(description any) string {
	switch d := description.(type) {
	case nil:
		return ""
	case string:
		return d
	}
	return string(pyjson.AppendRepr(nil, description))
}

// notAcceptable is what is said where nothing is that Accept takes.
const notAcceptable = "The resource could not be generated that was acceptable to your browser"

func appendTextError(b []byte, status int, err error, r *http.Request, description any) []byte {
	b = append(append(b, statusLine(status)...), "\n\n"...)
	var refused *acceptError
	if errors.As(err, &refused) {
		return append(b, notAcceptable+" (content of type "+shorten(r.Header.Get("Accept"))+". \n\n "...)
	}
	b = append(append(b, explanations[status]...), "\n\n "...)
	return append(append(b, shown(description)...), "  "...)
}

func appendHTMLError(b []byte, status int, err error, r *http.Request, description any) []byte {
	line := statusLine(status)
	b = append(b, "<html>\n <head>\n  <title>"+line+"</title>\n </head>\n <body>\n  <h1>"+line+"</h1>\n  "...)
	var refused *acceptError
	if errors.As(err, &refused) {
		b = append(b, notAcceptable+"\n(content of type "+html.EscapeString(shorten(r.Header.Get("Accept")))+". <br /><br />\n\n"...)
	} else {
		b = append(b, explanations[status]+"<br /><br />\n"...)
		b = append(append(b, escape.Replace(shown(description))...), "\n\n\n"...)
	}
	return append(b, " </body>\n</html>"...)
}

// escape writes what pages show.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;")
