package measures

import "fmt"

// Error is an error that an edge can answer: Kind says what sort it is, Code is stable and has a page in docs/errors.
type Error struct {
	kind, code, text string
	cause            error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.text + ": " + e.cause.Error()
	}
	return e.text
}

// Unwrap is the cause, nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// Kind is one of the kinds that the edges know: "unavailable", "invalid", "over limit", "internal".
func (e *Error) Kind() string { return e.kind }

// Code names the error for machines and for the runbook.
func (e *Error) Code() string { return e.code }

func unavailable(code string, cause error, format string, args ...any) *Error {
	return &Error{kind: "unavailable", code: code, text: fmt.Sprintf(format, args...), cause: cause}
}

var errClosed = unavailable("stopping", nil, "the store is closed")

// policyError says that a metric names a policy that there is not.
type policyError struct{ name string }

func (e *policyError) Error() string { return fmt.Sprintf("there is no policy %q", e.name) }

// Kind is "invalid".
func (*policyError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*policyError) Code() string { return "policy-unknown" }
