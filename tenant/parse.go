package tenant

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
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

// Parse checks that s is a tenant id: 1 to 128 bytes of printable UTF-8 in Unicode's normal form C, without "/", without a space at
// either end and without letters that do not show. The space between words is printable, other white space is not.
//
// Ids are compared byte by byte. The normal form sees to it that one name that can be typed in two ways is one tenant; names that
// merely look alike, in another script or width, are those of different tenants, and who may enter which is said by bytes too.
func Parse(s string) (ID, error) {
	id, err := parse(s)
	switch {
	case err != nil:
		return "", err
	case s[0] == ' ' || s[len(s)-1] == ' ':
		return "", &IDError{s, "begins or ends with a space"}
	case !norm.NFC.IsNormalString(s):
		return "", &IDError{s, fmt.Sprintf("is not in Unicode's normal form C, which is %+q", norm.NFC.String(s))}
	}
	for _, c := range s {
		if unicode.In(c, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || c == brailleBlank {
			return "", &IDError{s, fmt.Sprintf("holds %U, which does not show", c)}
		}
	}
	return id, nil
}

// brailleBlank counts as a symbol and looks like a space.
const brailleBlank = '\u2800'

// parse checks what all ids have that were ever taken.
func parse(s string) (ID, error) {
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
