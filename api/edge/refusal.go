package edge

import (
	"fmt"
	"net/http"
)

// quotedPart is how much of a path or method an error quotes, in bytes.
const quotedPart = 200

// RouteError says that there is nothing under a path.
type RouteError struct{ Path string }

func (e *RouteError) Error() string {
	return fmt.Sprintf("there is nothing at %q", Shorten(e.Path, quotedPart))
}

// Kind is the kind of the error for the edges.
func (*RouteError) Kind() string { return string(NotFound) }

// Code is the stable code of the error.
func (*RouteError) Code() string { return "route-unknown" }

// MethodError says that a path has no such method, and which it has.
type MethodError struct{ Method, Allow string }

func (e *MethodError) Error() string {
	return fmt.Sprintf("%s is not possible here, only %s", Shorten(e.Method, quotedPart), e.Allow)
}

// Kind is the kind of the error for the edges.
func (*MethodError) Kind() string { return string(Invalid) }

// Code is the stable code of the error.
func (*MethodError) Code() string { return "method-not-allowed" }

// Status is the HTTP status of the error.
func (*MethodError) Status() int { return http.StatusMethodNotAllowed }

// StartingError says that the service does not take requests yet, and how far it is.
type StartingError struct{ Progress string }

func (e *StartingError) Error() string { return "not ready: " + e.Progress }

// Kind is the kind of the error for the edges.
func (*StartingError) Kind() string { return string(Unavailable) }

// Code is the stable code of the error.
func (*StartingError) Code() string { return "starting" }
