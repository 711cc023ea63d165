package operations

import (
	"regexp"
	"strings"

	"granary/compat/gnocchi/syntax"
)

// quoted is a text in quotes, which is one word whatever stands in it. The quotes belong to the word.
var quoted = regexp.MustCompile(`^(?:"(?:[^"\n\r\\]|""|\\(?:[^x]|x[0-9a-fA-F]+))*"|'(?:[^'\n\r\\]|''|\\(?:[^x]|x[0-9a-fA-F]+))*')`)

const space = " \t\n\r"

// parseText reads the first expression of a text: lists in parentheses, of words and lists. What stands behind it is left alone. The
// error is a *syntax.Error or a *LimitError.
func parseText(text string) (any, error) {
	if len(text) > MaxText {
		return nil, &LimitError{MaxText, "bytes"}
	}
	skip := func(at int) int { return len(text) - len(strings.TrimLeft(text[at:], space)) }
	at := skip(0)
	if !strings.HasPrefix(text[at:], "(") {
		return nil, syntax.At(text, at, "'('")
	}
	var open [][]any // the lists that have not ended
	var begins []int // where they begin
	for at < len(text) {
		switch text[at] {
		case '(':
			if len(open) == MaxDepth {
				return nil, &LimitError{MaxDepth, "levels"}
			}
			open, begins = append(open, []any{}), append(begins, at)
			at++
		case ')':
			last := len(open) - 1
			list := open[last]
			if last == 0 {
				return list, nil
			}
			open, begins = open[:last], begins[:last]
			open[last-1] = append(open[last-1], list)
			at++
		default:
			word := nextWord(text[at:])
			open[len(open)-1] = append(open[len(open)-1], word)
			at += len(word)
		}
		at = skip(at)
	}
	// The outermost list ends where one that does not end stands in it.
	if len(begins) > 1 {
		at = begins[1]
	}
	return nil, syntax.At(text, at, "')'")
}

// nextWord is the word that a text begins with: in quotes, or up to white space, a parenthesis or a word in quotes.
func nextWord(text string) string {
	if w := quoted.FindString(text); w != "" {
		return w
	}
	n := 1
	for n < len(text) && strings.IndexByte(space+"()", text[n]) < 0 {
		if (text[n] == '"' || text[n] == '\'') && quoted.MatchString(text[n:]) {
			break
		}
		n++
	}
	return text[:n]
}
