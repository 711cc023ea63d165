package line

import (
	"strings"

	"granary/measures"
)

// maxText is how much of a line an error or an example shows, in bytes.
const maxText = 120

// Tally counts what became of the lines of a body.
type Tally struct {
	Lines     int // lines that hold something: no blank lines, no comments
	Ignored   [measures.NumReasons]int
	Malformed int
	First     *Error // the first malformed line
	// Field is the first field that an Exact mapping's senders have given a type that it cannot have.
	Field *FieldError

	// How the lines were read, for the curious: Predicted + LookedUp + Parsed = Lines.
	Predicted int // the key was that of the entry that followed last time
	LookedUp  int // the key was found by its hash
	Parsed    int // went through the library

	examples [measures.NumReasons]example
}

// example is a line that shows a reason. It starts in line Line, at the offset.
type example struct{ line, at int }

func (t *Tally) ignore(r measures.Reason, n, line, at int) {
	if t.examples[r].line == 0 {
		t.examples[r] = example{line, at}
	}
	t.Ignored[r] += n
}

// shorten makes the text of a line fit to be shown: one line, valid UTF-8, at most maxText bytes.
func shorten(text []byte) string {
	cut := ""
	if len(text) > maxText {
		text, cut = text[:maxText], "…"
	}
	for i, c := range text {
		if c == '\n' || c == '\r' && i+1 == len(text) {
			text, cut = text[:i], ""
			break
		}
	}
	return strings.ToValidUTF8(string(text), "\uFFFD") + cut
}
