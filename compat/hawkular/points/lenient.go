package points

// Strict makes JSON of what Hawkular Metrics reads beyond it: texts in single quotes, and names of members without quotes.
// changed is false if there is none of it. What is neither stays as it is, for the reader of JSON to refuse.
func Strict(b []byte) (strict []byte, changed bool) {
	out := make([]byte, 0, len(b)+len(b)/8+16)
	for i := 0; i < len(b); {
		var other bool
		out, i, other = appendPart(out, b, i)
		changed = changed || other
	}
	if !changed {
		return nil, false
	}
	return out, true
}

// Place is where in a text that is sent something stands which is at a place of what Strict makes of it.
func Place(b []byte, at int) int {
	var part []byte
	for i, written := 0, 0; i < len(b); {
		begin, quoted := i, false
		part, i, quoted = appendPart(part[:0], b, i)
		if in := at - written; in < len(part) {
			if quoted && b[begin] != '\'' {
				in = max(in-1, 0) // the quote is new
			}
			return min(begin+in, i-1)
		}
		written += len(part)
	}
	return len(b)
}

// appendPart appends the part of b that begins at i: a text, a name, a number or literal, or any other byte.
func appendPart(out, b []byte, i int) (strict []byte, end int, changed bool) {
	switch c := b[i]; {
	case c == '"':
		end = i + 1
		for end < len(b) && b[end] != '"' {
			if b[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(b))
	case c == '\'':
		out, end = appendSingle(out, b, i+1)
		return out, end, true
	case nameByte(c):
		end = i
		for end < len(b) && nameByte(b[end]) {
			end++
		}
		if behind := skipSpace(b, end); behind < len(b) && b[behind] == ':' {
			return append(append(append(out, '"'), b[i:end]...), '"'), end, true
		}
	default:
		end = i + 1
	}
	return append(out, b[i:end]...), end, false
}

// nameByte says whether a byte may stand in a name without quotes, or in a number or literal.
func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80 ||
		c == '_' || c == '$' || c == '@' || c == '#' || c == '*' || c == '+' || c == '-' || c == '.'
}

// appendSingle appends the text in single quotes that begins at b[i:], behind its quote, as JSON has it.
func appendSingle(out, b []byte, i int) ([]byte, int) {
	out = append(out, '"')
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\'':
			return append(out, '"'), i + 1
		case c == '"':
			out = append(out, '\\', '"')
		case c == '\\' && i+1 < len(b):
			if i++; b[i] != '\'' {
				out = append(out, '\\')
			}
			out = append(out, b[i])
		default:
			out = append(out, c)
		}
	}
	return out, i // it is not closed, which the reader will find
}
