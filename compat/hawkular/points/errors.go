package points

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
)

// TextEmpty is what is said of a body without anything in it.
const TextEmpty = "Payload is empty"

// Error says what is wrong with a body.
type Error struct {
	Path string // "[3].data[17].value"; "" for the body
	Text string

	broken bool // it is no JSON
	at     int  // where, if it is broken
	value  bool
}

func (e *Error) Error() string {
	if e.broken {
		return fmt.Sprintf("no valid JSON at byte %d: %s", e.at, e.Text)
	}
	if e.Path == "" {
		return e.Text
	}
	return e.Path + ": " + e.Text
}

// Kind is "invalid".
func (*Error) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (e *Error) Code() string {
	if e.value {
		return "value-invalid"
	}
	return "request-syntax"
}

// asBroken is the error that says that a body is no JSON, nil for any other.
func asBroken(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.broken {
		return e
	}
	return nil
}

// brokenAt says that the body is no JSON.
func (d *Decoder) brokenAt(i int, text string) error {
	return &Error{Text: text, broken: true, at: i}
}

// libraryError is brokenAt in the words of the library, about a value that begins at a place in the body.
func (d *Decoder) libraryError(i int, err error) error {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return d.brokenAt(i, shorten(err.Error()))
	}
	text := syntax.Err.Error()
	if errors.Is(syntax.Err, io.ErrUnexpectedEOF) {
		text = "it ends too early"
	}
	return d.brokenAt(i+int(syntax.ByteOffset), shorten(text))
}

// wrongPoint says what is wrong with a member of a point; member is "" for the point itself.
func (d *Decoder) wrongPoint(n int, member, format string, args ...any) error {
	return d.wrong(path(d.list, d.at, n), member, format, args...)
}

// wrongMetric is the same for the metric.
func (d *Decoder) wrongMetric(member, format string, args ...any) error {
	return d.wrong(path(d.list, d.at, -1), member, format, args...)
}

func (*Decoder) wrong(path, member, format string, args ...any) error {
	if member != "" && path != "" {
		member = "." + member
	}
	return &Error{Path: path + shorten(member), Text: fmt.Sprintf(format, args...)}
}

const textTwice = "is given twice"

// shorten is the front of a text that may be very long.
func shorten(s string) string { return edge.Shorten(s, 100) }
