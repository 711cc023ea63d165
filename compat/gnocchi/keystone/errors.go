package keystone

import (
	"errors"
	"time"

	"granary/tenant/identity"
)

// The refusals of tokens. They say the same whether Keystone was asked now or a moment ago.
var (
	errWrong error = &identity.Error{Fault: identity.Wrong, Reason: "Keystone does not know the token"}
	errEnded error = &identity.Error{Fault: identity.Expired, Reason: "the token has expired, or was taken back"}
)

// errPause is why nothing is asked for a while.
var errPause = errors.New("a question a moment ago had no answer")

// UnavailableError says that Keystone could not be asked, so that nobody knows whether the token is good.
type UnavailableError struct {
	Err error // why; nil: there are too many questions already
}

func (*UnavailableError) Error() string {
	return "the token cannot be checked: Keystone does not answer as it should (setting granary.compat.gnocchi.keystone)"
}
func (e *UnavailableError) Unwrap() error { return e.Err }

// Kind implements the kinds of errors.
func (*UnavailableError) Kind() string { return "unavailable" }

// Code implements the codes of errors.
func (*UnavailableError) Code() string { return "keystone-unavailable" }

// RetryAfter is how long to wait.
func (*UnavailableError) RetryAfter() time.Duration { return retryAfter }
