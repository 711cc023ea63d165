package measures

import (
	"fmt"

	"granary/policy"
)

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

// tierError says that a policy has no tier of a number.
type tierError struct {
	policy string
	tier   int
}

func (e *tierError) Error() string { return fmt.Sprintf("policy %q has no tier %d", e.policy, e.tier) }

// Kind is "not found".
func (*tierError) Kind() string { return "not found" }

// Code is the stable code of the error.
func (*tierError) Code() string { return "tier-unknown" }

// methodError says that a policy does not keep a method.
type methodError struct {
	policy string
	method policy.Method
}

func (e *methodError) Error() string {
	return fmt.Sprintf("policy %q does not keep %v", e.policy, e.method)
}

// Kind is "not found".
func (*methodError) Kind() string { return "not found" }

// Code is the stable code of the error.
func (*methodError) Code() string { return "method-not-kept" }
