// Package syntax says where a text in one of Gnocchi's small languages cannot be read on, in the words of its clients.
package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"granary/compat/gnocchi/pyjson"
)

// Error says what should stand at a place of a text.
type Error struct {
	Expected     string
	Found        string // a word of the text, or a character; "": the end of the text
	Char         int    // characters before the place
	Line, Column int    // of the place, both from 1
	Empty        bool   // there is no text at all
}

// Error implements error: "Expected ')', found end of text  (at char 15), (line:1, col:16)".
func (e *Error) Error() string {
	found := ", found end of text"
	switch {
	case e.Empty:
		found = ""
	case e.Found != "":
		found = string(pyjson.AppendRepr([]byte(", found "), e.Found))
	}
	return fmt.Sprintf("Expected %s%s  (at char %d), (line:%d, col:%d)", e.Expected, found, e.Char, e.Line, e.Column)
}

// Kind is "invalid".
func (*Error) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*Error) Code() string { return "query-invalid" }

// At is the error that something else is expected at a byte of a text.
func At(text string, at int, expected string) *Error {
	before := text[:at]
	return &Error{
		Expected: expected,
		Found:    word(text[at:]),
		Char:     utf8.RuneCountInString(before),
		Line:     1 + strings.Count(before, "\n"),
		Column:   1 + utf8.RuneCountInString(before[1+strings.LastIndexByte(before, '\n'):]),
		Empty:    text == "",
	}
}

// longestWord is how much of a word an error quotes.
const longestWord = 16

// word is the word that a text begins with, or its first character.
func word(text string) string {
	n := 0
	for n < len(text) && n < longestWord && isWord(text[n]) {
		n++
	}
	if n == 0 {
		_, n = utf8.DecodeRuneInString(text)
	}
	return text[:n]
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
