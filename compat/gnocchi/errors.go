package gnocchi

import (
	"errors"
	"fmt"
	"net/http"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
)

// refusal is an error in Gnocchi's words. Its description is a string, or a *pyjson.Object of cause, reason and detail; nil is the null
// of a path that there is not.
type refusal struct {
	status      int
	code        string
	description any
}

func (e *refusal) Error() string {
	switch d := e.description.(type) {
	case nil:
		return http.StatusText(e.status)
	case string:
		return d
	default:
		return string(pyjson.AppendRepr(nil, d))
	}
}

func (e *refusal) Status() int { return e.status }
func (e *refusal) Code() string {
	return e.code
}

func (e *refusal) Kind() string {
	switch e.status {
	case http.StatusNotFound:
		return string(edge.NotFound)
	case http.StatusForbidden:
		return string(edge.Forbidden)
	case http.StatusConflict:
		return string(edge.Conflict)
	}
	return string(edge.Invalid)
}

// badRequest is a refusal with 400 and a text.
func badRequest(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, "parameter-invalid", fmt.Sprintf(format, args...)}
}

// noObject is a refusal with 404 and a text.
func noObject(format string, args ...any) error {
	return &refusal{http.StatusNotFound, "object-unknown", fmt.Sprintf(format, args...)}
}

// exists is a refusal with 409 and a text.
func exists(format string, args ...any) error {
	return &refusal{http.StatusConflict, "object-exists", fmt.Sprintf(format, args...)}
}

// because makes the description of an error that has a cause; the members follow it as name and value, one after the other.
func because(cause string, members ...any) *pyjson.Object {
	o := &pyjson.Object{}
	o.Set("cause", cause)
	for i := 0; i < len(members); i += 2 {
		o.Set(members[i].(string), members[i+1])
	}
	return o
}

// caused is a refusal with 400 whose description has a cause and further members.
func caused(cause string, members ...any) error {
	return &refusal{http.StatusBadRequest, "parameter-invalid", because(cause, members...)}
}

// badLimit refuses the length of a page, with the reason alone, which names it.
func badLimit(reason string) error {
	return caused("Argument value error", "reason", reason+" for dictionary value @ data['limit']")
}

// argumentDetail is a refusal with 400 of a parameter of the query.
func argumentDetail(name, reason string) error {
	return caused("Argument value error", "detail", name, "reason", reason)
}

// invalid refuses a body that does not have the form it should have.
func invalid(err error) error {
	var e *schema.Error
	switch {
	case errors.As(err, &e):
	case edge.CodeOf(err) != "": // it has words of its own
		return err
	default:
		return caused("Invalid input", "reason", err.Error(), "detail", []string{})
	}
	return &refusal{http.StatusBadRequest, "body-invalid", because("Invalid input", "reason", e.Error(), "detail", e.Detail())}
}

// undecodable refuses a body that is no JSON.
func undecodable(err error) error {
	return &refusal{http.StatusBadRequest, "body-invalid", because("Unable to decode body", "reason", err.Error(), "detail", []string{})}
}

var (
	errPanic     = errors.New("panic")
	errNoRoute   = &refusal{http.StatusNotFound, "route-unknown", nil}
	errAbsent    = &refusal{http.StatusNotFound, "route-unknown", ""}
	errForbidden = &refusal{http.StatusForbidden, "right-missing", ""}
)

// methodError says that a path has no such method.
type methodError struct{ edge.MethodError }

func (*methodError) Description() string { return "" }

// mediaError refuses a body of another form than the operation takes.
type mediaError struct{ got, want string }

func (e *mediaError) Error() string {
	return fmt.Sprintf("Content-Type %q is not understood here, only %s", shorten(e.got), e.want)
}
func (*mediaError) Kind() string        { return string(edge.Invalid) }
func (*mediaError) Code() string        { return "media-type" }
func (*mediaError) Status() int         { return http.StatusUnsupportedMediaType }
func (*mediaError) Description() string { return "" }

// acceptError says that the form of the answer is not wanted; offered is that form.
type acceptError struct{ offered string }

func (e *acceptError) Error() string {
	return "Accept takes no " + e.offered + ", which is the answer here"
}
func (*acceptError) Kind() string { return string(edge.Invalid) }
func (*acceptError) Code() string { return "not-acceptable" }
func (*acceptError) Status() int  { return http.StatusNotAcceptable }

// acceptable refuses a request that does not take answers of a media type.
func acceptable(r *http.Request, produces string) error {
	if edge.Negotiate(r, produces) == "" {
		return &acceptError{produces}
	}
	return nil
}

// shorten is the front of a text that may be very long.
func shorten(s string) string { return edge.Shorten(s, 200) }
