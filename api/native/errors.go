package native

import (
	"fmt"
	"net/http"
	"strings"

	"granary/api/edge"
	"granary/tenant"
)

// acceptError says that the answer cannot have the form that is asked for.
type acceptError struct{ offers []string }

func (e *acceptError) Error() string {
	return "none of the media types of Accept can be given, only " + strings.Join(e.offers, ", ")
}
func (*acceptError) Kind() string { return string(edge.Invalid) }
func (*acceptError) Code() string { return "not-acceptable" }
func (*acceptError) Status() int  { return http.StatusNotAcceptable }

// mediaError refuses a body of a form that is not known.
type mediaError struct {
	found  string
	wanted []string
}

func (e *mediaError) Error() string {
	return fmt.Sprintf("Content-Type %q is not understood here, only %s", shorten(e.found), strings.Join(e.wanted, ", "))
}
func (*mediaError) Kind() string { return string(edge.Invalid) }
func (*mediaError) Code() string { return "media-type" }
func (*mediaError) Status() int  { return http.StatusUnsupportedMediaType }

// syntaxError refuses a body that is not the JSON that was asked for.
type syntaxError struct {
	text string
	path string // the JSON pointer of the member at fault; "" for the whole
	has  bool   // path is known
}

func (e *syntaxError) Error() string {
	if e.path == "" {
		return e.text
	}
	return edge.ShortPath(e.path) + ": " + e.text
}
func (*syntaxError) Kind() string { return string(edge.Invalid) }
func (*syntaxError) Code() string { return "request-syntax" }

// Problem names the member.
func (e *syntaxError) Problem() map[string]any {
	if !e.has {
		return nil
	}
	return map[string]any{"path": e.path}
}

// parameterError refuses a parameter of a query.
type parameterError struct{ name, text string }

func (e *parameterError) Error() string {
	return fmt.Sprintf("parameter %q: %s", shorten(e.name), e.text)
}
func (*parameterError) Kind() string { return string(edge.Invalid) }
func (*parameterError) Code() string { return "parameter-invalid" }

// Problem names the parameter.
func (e *parameterError) Problem() map[string]any {
	return map[string]any{"parameter": shorten(e.name)}
}

// tenantError says in which tenant an error is met.
type tenantError struct {
	id  tenant.ID
	err error
}

// withTenant says in which tenant err, if it is one, is met.
func withTenant(err error, id tenant.ID) error {
	if err == nil {
		return nil
	}
	return &tenantError{id, err}
}

func (e *tenantError) Error() string           { return e.err.Error() }
func (e *tenantError) Unwrap() error           { return e.err }
func (e *tenantError) Problem() map[string]any { return map[string]any{"tenant": string(e.id)} }

// shorten keeps what was sent from making an error long.
func shorten(s string) string { return edge.Shorten(s, 100) }
