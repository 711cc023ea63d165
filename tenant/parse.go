package tenant

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxIDLen is the length of the longest id, in bytes.
const MaxIDLen = 128

// IDError says why a text is no tenant id.
type IDError struct {
	Text   string
	Reason string
}

func (e *IDError) Error() string {
	text := e.Text
	if len(text) > MaxIDLen {
		text = text[:MaxIDLen] + "..."
	}
	return fmt.Sprintf("tenant id %q: %s", text, e.Reason)
}

// Kind is "invalid".
func (*IDError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*IDError) Code() string { return "tenant-id" }

// Parse checks that s is a tenant id: 1 to 128 bytes of printable UTF-8 without "/". The space is printable, other white
// space is not.
func Parse(s string) (ID, error) {
	switch {
	case s == "":
		return "", &IDError{s, "is empty"}
	case len(s) > MaxIDLen:
		return "", &IDError{s, fmt.Sprintf("has %d bytes, more than %d", len(s), MaxIDLen)}
	case !utf8.ValidString(s):
		return "", &IDError{s, "is not UTF-8"}
	}
	for _, c := range s {
		if c == '/' {
			return "", &IDError{s, `holds a "/"`}
		}
		if !unicode.IsPrint(c) {
			return "", &IDError{s, fmt.Sprintf("holds %U, which is not printable", c)}
		}
	}
	return ID(s), nil
}
