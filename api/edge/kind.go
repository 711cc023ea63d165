package edge

import (
	"errors"
	"fmt"
	"net/http"
)

// Kind is the kind of an error, as rooms give it with a method Kind() string. Each dialect has one table from kind to
// status and body; Status is the one that most of them share.
type Kind string

// The kinds of errors.
const (
	Invalid     Kind = "invalid"
	NotFound    Kind = "not found"
	Conflict    Kind = "conflict"
	Forbidden   Kind = "forbidden"
	OverLimit   Kind = "over limit"
	Unavailable Kind = "unavailable"
	Internal    Kind = "internal" // also what an error is that says nothing about itself
)

// KindOf is the kind of err: that of the outermost error in its chain that has one.
func KindOf(err error) Kind {
	var k interface{ Kind() string }
	if !errors.As(err, &k) {
		return Internal
	}
	switch kind := Kind(k.Kind()); kind {
	case Invalid, NotFound, Conflict, Forbidden, OverLimit, Unavailable:
		return kind
	default:
		return Internal
	}
}

// CodeOf is the stable code of err, "" if it has none.
func CodeOf(err error) string {
	var c interface{ Code() string }
	if errors.As(err, &c) {
		return c.Code()
	}
	return ""
}

// Status is the HTTP status of an error in the table that most dialects share. A body or an answer that is too large is
// 413, an encoding that nobody speaks is 415.
func Status(err error) int {
	var large *TooLargeError
	var encoding *EncodingError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &encoding):
		return http.StatusUnsupportedMediaType
	}
	switch KindOf(err) {
	case Invalid:
		return http.StatusBadRequest
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Forbidden:
		return http.StatusForbidden
	case OverLimit:
		return http.StatusTooManyRequests
	case Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// TooLargeError refuses a body that is larger than its limit.
type TooLargeError struct {
	What    string // "request body", "answer"
	Limit   int64  // bytes
	Setting string // the setting that changes the limit
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s exceeds the limit of %d bytes (setting %s)", e.What, e.Limit, e.Setting)
}

// Kind implements the kinds of errors.
func (*TooLargeError) Kind() string { return string(OverLimit) }

// Code implements the codes of errors.
func (*TooLargeError) Code() string { return "size-limit" }

// BusyError refuses a body because the bodies of all requests together would need more memory than the limit.
type BusyError struct {
	Limit   int64 // bytes
	Setting string
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("request bodies in work would exceed %d bytes (setting %s), try again", e.Limit, e.Setting)
}

// Kind implements the kinds of errors.
func (*BusyError) Kind() string { return string(Unavailable) }

// Code implements the codes of errors.
func (*BusyError) Code() string { return "bodies-in-work" }

// EncodingError refuses a Content-Encoding that is not known.
type EncodingError struct{ Encoding string }

func (e *EncodingError) Error() string {
	return fmt.Sprintf("Content-Encoding %q is not understood; gzip, zstd and identity are", e.Encoding)
}

// Kind implements the kinds of errors.
func (*EncodingError) Kind() string { return string(Invalid) }

// Code implements the codes of errors.
func (*EncodingError) Code() string { return "content-encoding" }

// DamagedError refuses a compressed body whose compression is damaged.
type DamagedError struct {
	Encoding string
	Err      error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("request body is not valid %s: %v", e.Encoding, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Kind implements the kinds of errors.
func (*DamagedError) Kind() string { return string(Invalid) }

// Code implements the codes of errors.
func (*DamagedError) Code() string { return "damaged-body" }
