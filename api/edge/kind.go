package edge

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"granary/tenant"
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
// 413, an encoding that nobody speaks is 415, and an error with a method Status() int has that one.
func Status(err error) int {
	if status, ok := statusOf(err); ok {
		return status
	}
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

// SetRetryAfter says in an answer of status 429 or 503 to err when the request may come again: in whole seconds, 1 at least, as
// many as the error asks for if it does. It says nothing of an error that lasts until somebody changes something: a
// client that obeys would come again for ever.
func SetRetryAfter(h http.Header, err error) {
	var lasts interface{ Lasting() bool }
	if errors.As(err, &lasts) && lasts.Lasting() {
		return
	}
	h["Retry-After"] = []string{retryAfter(err)}
}

func retryAfter(err error) string {
	var wait time.Duration
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) {
		wait = asks.RetryAfter()
	}
	return strconv.FormatInt(max(1, int64((wait+time.Second-1)/time.Second)), 10)
}

// TooLargeError refuses a body or an answer that is larger than its limit.
type TooLargeError struct {
	What    string // "request body", "answer"
	Limit   int64
	Points  bool      // the limit is one of points, not of bytes
	Setting string    // the setting that changes the limit
	Tenant  tenant.ID // whose limit it is; "": that of the service
}

func (e *TooLargeError) Error() string {
	unit := "bytes"
	if e.Points {
		unit = "points"
	}
	if e.Tenant != "" {
		return fmt.Sprintf("%s exceeds the limit of %d %s of tenant %q (setting %s)", e.What, e.Limit, unit, e.Tenant, e.Setting)
	}
	return fmt.Sprintf("%s exceeds the limit of %d %s (setting %s)", e.What, e.Limit, unit, e.Setting)
}

// Kind implements the kinds of errors.
func (*TooLargeError) Kind() string { return string(OverLimit) }

// Code implements the codes of errors.
func (e *TooLargeError) Code() string {
	if e.Points {
		return "answer-too-large"
	}
	return "size-limit"
}

// Problem names the limit and its setting.
func (e *TooLargeError) Problem() map[string]any {
	return map[string]any{"limit": e.Limit, "setting": e.Setting}
}

// EncodingError refuses a Content-Encoding that is not known.
type EncodingError struct{ Encoding string }

func (e *EncodingError) Error() string {
	return fmt.Sprintf("Content-Encoding %q is not understood; gzip, zstd, deflate and identity are", e.Encoding)
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

// RatioError refuses a compressed body that becomes too many times as large.
type RatioError struct{ Encoding string }

func (e *RatioError) Error() string {
	return fmt.Sprintf("the %s body becomes more than %d times as large, which is the limit", e.Encoding, int64(MaxRatio))
}

// Kind implements the kinds of errors.
func (*RatioError) Kind() string { return string(Invalid) }

// Code implements the codes of errors.
func (*RatioError) Code() string { return "compression-ratio" }

// Problem names the limit.
func (*RatioError) Problem() map[string]any { return map[string]any{"limit": int64(MaxRatio)} }
