package operations

import (
	"strings"

	"granary/compat/gnocchi/syntax"
)

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
	words := words{text: text}
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
			word := words.next(at)
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

// words finds the words of a text. Whatever the text, that takes time in proportion to its length: what has been found out about the rest behind a
// place counts for all quotes before it.
type words struct {
	text string
	// ends says of each kind of quote, and each place behind one, where the text in quotes ends that goes on there; 0: it is not known,
	// below 0: nowhere. It is nil for a kind that has not been met.
	ends [2][]int32
	path []int32 // the places that are being found out about
}

// next is the word that begins at a place: in quotes, or up to white space, a parenthesis or a word in quotes.
func (w *words) next(at int) string {
	if end := w.quoted(at); end > 0 {
		return w.text[at:end]
	}
	n := at + 1
	for n < len(w.text) && strings.IndexByte(space+"()", w.text[n]) < 0 && w.quoted(n) < 0 {
		n++
	}
	return w.text[at:n]
}

// quoted is where the text in quotes ends that begins at a place, with its quote; below 0 if none begins there. In quotes two of them stand for one, a
// backslash takes the meaning from what follows, \x needs digits behind it, and a line does not end.
func (w *words) quoted(at int) int {
	kind := strings.IndexByte(`"'`, w.text[at])
	if kind < 0 {
		return -1
	}
	if w.ends[kind] == nil {
		w.ends[kind] = make([]int32, len(w.text)+1)
	}
	return int(w.find(w.ends[kind], w.text[at], at+1))
}

// find finds out where a text in quotes ends that goes on at a place.
func (w *words) find(ends []int32, quote byte, at int) int32 {
	const nowhere = -1
	end := int32(0)
	for w.path = w.path[:0]; end == 0; {
		if end = ends[at]; end != 0 {
			break
		}
		w.path = append(w.path, int32(at))
		rest := w.text[at:]
		switch {
		case rest == "", rest[0] == '\n', rest[0] == '\r':
			end = nowhere
		case rest[0] == quote && !strings.HasPrefix(rest[1:], rest[:1]):
			end = int32(at) + 1
		case rest[0] == quote: // two of them, or, if it does not end behind these, the end
			at += 2
		case rest[0] != '\\':
			at++
		case len(rest) == 1, rest[1] == 'x' && (len(rest) == 2 || !isHex(rest[2])):
			end = nowhere
		case rest[1] == 'x':
			at += 3
		default:
			at += 2
		}
	}
	for i := len(w.path) - 1; i >= 0; i-- {
		at := w.path[i]
		if end < 0 && int(at) < len(w.text) && w.text[at] == quote {
			end = at + 1
		}
		ends[at] = end
	}
	return end
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}
