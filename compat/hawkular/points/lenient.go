package points

// Strict makes JSON of what Hawkular Metrics reads beyond it: texts in single quotes, and names of members without quotes.
// changed is false if there is none of it. What is neither stays as it is, for the reader of JSON to refuse.
func Strict(b []byte) (strict []byte, changed bool) {
	out := make([]byte, 0, len(b)+len(b)/8+16)
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			end := i + 1
			for end < len(b) && b[end] != '"' {
				if b[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(b))
			out, i = append(out, b[i:end]...), end
		case c == '\'':
			out, i = appendSingle(out, b, i+1)
			changed = true
		case nameByte(c):
			end := i
			for end < len(b) && nameByte(b[end]) {
				end++
			}
			if behind := skipSpace(b, end); behind < len(b) && b[behind] == ':' {
				out = append(append(append(out, '"'), b[i:end]...), '"')
				changed = true
			} else {
				out = append(out, b[i:end]...)
			}
			i = end
		default:
			out = append(out, c)
			i++
		}
	}
	if !changed {
		return nil, false
	}
	return out, true
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
