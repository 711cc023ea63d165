package line

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// The ClusterCockpit store reads lines with a fork of the library. Where its texts differ, these are the library's.
const (
	textNoType    = "field value has unrecognized type"
	textNoTag     = "empty tag name"
	textEqualsTag = "expected tag key or field but found '=' instead"
	textNoValue   = "expected field value, found end of input"
	textNonNumber = "cannot be represented as a line-protocol field value"
	textNoQuote   = "expected closing quote for string field value, found end of input"
)

// textNotFinite follows the texts of the original where the value is a number and yet none that is stored.
const textNotFinite = ": NaN and infinity are not stored"

// unclosed says whether err is about a string that is not closed where the input ends.
func unclosed(err error) bool {
	var e *lineprotocol.DecodeError
	return errors.As(err, &e) && e.Err.Error() == textNoQuote
}

// timeError is a timestamp that cannot be.
type timeError struct {
	text []byte
	err  error
}

func (e *timeError) Error() string { return fmt.Sprintf("invalid timestamp (%q): %v", e.text, e.err) }

func (e *timeError) Unwrap() error { return e.err }

// describe says what is wrong with a line, and where, in the words of the ClusterCockpit store. text is the line, or
// all lines if a string runs over the end of one; the first has the number line.
func describe(err error, text []byte, line int) string {
	row, column, reason := 0, 1, err.Error()
	var syntax *lineprotocol.DecodeError
	var stamp *timeError
	switch {
	case errors.As(err, &syntax):
		row, column = int(syntax.Line)-1, syntax.Column
		reason = reword(syntax.Err.Error(), nthLine(text, row), column)
	case errors.As(err, &stamp):
		at := max(bytes.LastIndex(text, stamp.text), 0)
		row, column = bytes.Count(text[:at], newline), at-bytes.LastIndexByte(text[:at], '\n')
	}
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…" // it quotes what was sent
	}
	return fmt.Sprintf("at line %d:%d: %s", line+row, column, reason)
}

// maxReason bounds the reason that an error gives, in bytes.
const maxReason = 512

// nthLine is line n, from 0, of text.
func nthLine(text []byte, n int) []byte {
	for ; n > 0; n-- {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return text
}

// reword turns the library's text about an error at a column of a line into that of the fork.
func reword(text string, line []byte, column int) string {
	if column < 1 || column > len(line)+1 {
		return text
	}
	before, rest := line[:column-1], string(line[column-1:])
	switch text {
	case textNoType:
		if strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, ",") {
			return fmt.Sprintf("missing field value for field %q", fieldBefore(before))
		}
		if i := strings.IndexAny(rest, ", \r\n"); i >= 0 {
			rest = rest[:i]
		}
		text = fmt.Sprintf("value for field %q (%q) has unrecognized type", fieldBefore(before), cut(rest))
		if _, err := strconv.ParseFloat(rest, 64); err == nil && !strings.ContainsAny(rest, "0123456789") {
			text += textNotFinite
		}
		return text
	case textNoTag:
		if rest == "" {
			return "expected tag key or field but found end of input instead"
		}
		return fmt.Sprintf("expected '=' after tag key %q, but got end of input instead", cut(unescape(rest)))
	case textEqualsTag:
		return "empty tag key"
	case textNoValue:
		return fmt.Sprintf("expected value for field %q, found end of input", fieldBefore(before))
	case textNoQuote:
		return fmt.Sprintf("expected closing quote for string field %q, found end of input", fieldBefore(before))
	}
	if strings.HasSuffix(text, textNonNumber) {
		text += textNotFinite
	}
	return text
}

// fieldBefore is the key of the field in front of whose value text ends: what stands between the last separator and "=".
func fieldBefore(text []byte) string {
	text = bytes.TrimSuffix(text, []byte("="))
	for i := len(text) - 1; i >= 0; i-- {
		if c := text[i]; (c == ',' || c == ' ') && !escaped(text, i) {
			return cut(unescape(string(text[i+1:])))
		}
	}
	return cut(unescape(string(text)))
}

// escaped says whether the separator at i has a backslash of its own in front of it. A backslash does not escape
// another one in keys.
func escaped(text []byte, i int) bool { return i > 0 && text[i-1] == '\\' }

var unescape = strings.NewReplacer(`\,`, `,`, `\=`, `=`, `\ `, ` `).Replace

// cut keeps the text of an error from growing with the line.
func cut(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "…"
	}
	return s
}

// lineReader hands out the lines of a body one by one, as they are asked for, so that what was read tells where an entry
// ends. It stops in front of a line that is cut off by the end of its body.
type lineReader struct {
	body  []byte
	whole bool // the body ends where the data ends: its last line needs no newline
	pos   int  // what was handed out
	end   int  // of the line that is being handed out
}

func (r *lineReader) Read(p []byte) (int, error) {
	if r.pos == r.end {
		rest := r.body[r.pos:]
		switch i := bytes.IndexByte(rest, '\n'); {
		case i >= 0:
			r.end += i + 1
		case r.whole:
			r.end = len(r.body)
		}
		if r.pos == r.end {
			return 0, io.EOF
		}
	}
	n := copy(p, r.body[r.pos:r.end])
	r.pos += n
	return n, nil
}
