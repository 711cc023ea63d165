package tagql

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"granary/metricdef/match"
)

// expression reads the language of expressions from left to right. Every method begins at a token and leaves at the next one.
type expression struct {
	query
	in       string
	at       int
	start    int  // of the condition that is read
	open     int  // parentheses
	compared bool // a comparison was read as a whole: the text is no list
}

// tree is a condition with the levels that it has above its matchers.
type tree struct {
	expr   match.Expr
	levels int
}

func levelsOf(e match.Expr) int {
	var parts []match.Expr
	switch e := e.(type) {
	case match.And:
		parts = e
	case match.Or:
		parts = e
	case match.Not:
		parts = []match.Expr{e.Expr}
	default:
		return 0
	}
	levels := 0
	for _, p := range parts {
		levels = max(levels, levelsOf(p))
	}
	return levels + 1
}

func (x *expression) read() (Query, error) {
	x.space()
	t, err := x.conditions()
	if err == nil && x.at < len(x.in) {
		err = x.want("AND, OR or the end")
	}
	if err != nil {
		return Query{}, err
	}
	return Query{t.expr, x.names}, nil
}

func (x *expression) fail(err error) error {
	return &Error{At: x.at, Term: strings.TrimSpace(x.in[min(x.start, x.at):x.at]), Err: err}
}

// want says what should stand here and what does.
func (x *expression) want(what string) error {
	found := "the end"
	if x.at < len(x.in) {
		r, size := utf8.DecodeRuneInString(x.in[x.at:])
		if w := x.peek(); w != "" {
			found = shorten(w)
		} else if r == utf8.RuneError {
			found = fmt.Sprintf("byte 0x%02x", x.in[x.at])
		} else {
			found = fmt.Sprintf("%q", x.in[x.at:x.at+size])
		}
	}
	return x.fail(fmt.Errorf("expected %s, found %s", what, found))
}

func (x *expression) space() {
	for x.at < len(x.in) && strings.IndexByte(" \t\r\n", x.in[x.at]) >= 0 {
		x.at++
	}
}

// take takes the token if it stands here.
func (x *expression) take(token string) bool {
	if strings.HasPrefix(x.in[x.at:], token) {
		x.at += len(token)
		x.space()
		return true
	}
	return false
}

// takeWord takes the word, in any case, if it stands here as a whole.
func (x *expression) takeWord(word string) bool {
	w := x.peek()
	return strings.EqualFold(w, word) && x.take(w)
}

// peek is the bare text that stands here.
func (x *expression) peek() string {
	end := x.at
	for end < len(x.in) && isBare(x.in[end]) {
		end++
	}
	return x.in[x.at:end]
}

func isBare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}

// isWord says whether a bare text is a word of the language, which neither names a tag nor is a value without quotes.
func isWord(s string) bool {
	for _, w := range []string{"and", "or", "not", "in"} {
		if strings.EqualFold(s, w) {
			return true
		}
	}
	return false
}

// conditions reads conditions with AND and OR between them, of which none binds stronger.
func (x *expression) conditions() (tree, error) {
	left, err := x.condition()
	for err == nil {
		and := x.takeWord("and")
		if !and && !x.takeWord("or") {
			return left, nil
		}
		var right tree
		if right, err = x.condition(); err == nil {
			left, err = x.join(left, right, and)
		}
	}
	return left, err
}

// join puts two conditions together. Rows of one word are one level.
func (x *expression) join(left, right tree, and bool) (tree, error) {
	var out tree
	if and {
		a, la := left.and()
		b, lb := right.and()
		out = tree{append(a, b...), max(la, lb)}
	} else {
		a, la := left.or()
		b, lb := right.or()
		out = tree{append(a, b...), max(la, lb)}
	}
	if err := match.CheckDepth(out.levels); err != nil {
		return tree{}, x.fail(err)
	}
	return out, nil
}

// and and or are the condition as an And and as an Or, with the levels of that.
func (t tree) and() (match.And, int) {
	if parts, ok := t.expr.(match.And); ok {
		return parts, t.levels
	}
	return match.And{t.expr}, t.levels + 1
}

func (t tree) or() (match.Or, int) {
	if parts, ok := t.expr.(match.Or); ok {
		return parts, t.levels
	}
	return match.Or{t.expr}, t.levels + 1
}

func (x *expression) condition() (tree, error) {
	x.start = x.at
	if x.take("(") {
		if x.open++; match.CheckDepth(x.open) != nil {
			return tree{}, x.fail(fmt.Errorf("more than %d parentheses are open", match.MaxDepth))
		}
		t, err := x.conditions()
		if err == nil && !x.take(")") {
			err = x.want(`AND, OR or ")"`)
		}
		x.open--
		return t, err
	}
	e, err := x.comparison()
	if err == nil {
		if e, err = x.add(e); err != nil {
			err = x.fail(err)
		}
	}
	return tree{e, levelsOf(e)}, err
}

// comparison reads a key and what is asked of it.
func (x *expression) comparison() (match.Expr, error) {
	if x.takeWord("not") {
		key, err := x.key(`a tag behind NOT`)
		return absent(key), err
	}
	key, err := x.key(`a tag, NOT or "("`)
	if err != nil {
		return nil, err
	}
	x.name(key)
	var e match.Expr
	switch {
	case x.take("!="):
		e, err = x.literal(key, true)
	case x.take("="):
		e, err = x.literal(key, false)
	case x.take("!~"):
		e, err = x.regexp(key, true)
	case x.take("~"):
		e, err = x.regexp(key, false)
	case x.takeWord("in"):
		e, err = x.oneOf(key, false)
	case x.takeWord("not"):
		if !x.takeWord("in") {
			return nil, x.want("IN behind NOT")
		}
		e, err = x.oneOf(key, true)
	default:
		return exists(key), nil
	}
	x.compared = x.compared || err == nil
	return e, err
}

func (x *expression) key(what string) (string, error) {
	key := x.peek()
	if key == "" || isWord(key) {
		return "", x.want(what)
	}
	x.take(key)
	return Stored(key), nil
}

// value reads a text, in quotes or bare.
func (x *expression) value() (string, error) {
	if !strings.HasPrefix(x.in[x.at:], "'") {
		v := x.peek()
		if v == "" || isWord(v) {
			return "", x.want("a value in single quotes, or one of letters, digits, _ and .")
		}
		x.take(v)
		return v, nil
	}
	rest := x.in[x.at+1:]
	end := strings.IndexByte(rest, '\'')
	if end < 0 {
		return "", x.fail(errors.New("the quote that begins here has no end"))
	}
	x.at += end + 2
	x.space()
	return rest[:end], nil
}

// literal is = or != with the value as it stands.
func (x *expression) literal(key string, negative bool) (match.Expr, error) {
	v, err := x.value()
	switch {
	case err != nil:
		return nil, err
	case negative && v == "":
		return exists(key), nil // no tag has the empty value
	case negative:
		return holdsNot(key, nil, []string{v}), nil
	case v == "":
		return match.Or{}, nil
	}
	return match.Equal(key, v), nil
}

func (x *expression) regexp(key string, negative bool) (match.Expr, error) {
	at := x.at
	v, err := x.value()
	if err != nil {
		return nil, err
	}
	m, err := pattern(key, v, negative)
	if err != nil {
		return nil, x.bad(at, err)
	}
	if negative {
		return holdsNot(key, []*match.Matcher{m}, nil), nil
	}
	return holds(key, []*match.Matcher{m}), nil
}

// bad is the error of an expression that was read. The text is none of the other form.
func (x *expression) bad(at int, err error) error {
	x.compared = true
	return &Error{At: at, Term: strings.TrimSpace(x.in[x.start:x.at]), Err: err}
}

// oneOf reads the list behind IN, whose values are expressions. Those that are texts become one look-up together.
func (x *expression) oneOf(key string, negative bool) (match.Expr, error) {
	if !x.take("[") {
		return nil, x.want(`"[" and values`)
	}
	var ms []*match.Matcher
	var texts []string
	bounds := x.bounds // what stands between the brackets counts at once, not when all of it has been made
	for {
		at := x.at
		v, err := x.value()
		if err != nil {
			return nil, err
		}
		if !strings.ContainsAny(v, special+".") {
			texts = append(texts, v)
		} else {
			m, err := pattern(key, v, negative)
			if err == nil {
				err = bounds.Add(m)
			}
			if err != nil {
				return nil, x.bad(at, err)
			}
			ms = append(ms, m)
		}
		if x.take("]") {
			break
		}
		if !x.take(",") {
			return nil, x.want(`"," or "]"`)
		}
	}
	if negative {
		return holdsNot(key, ms, texts), nil
	}
	if len(texts) > 0 {
		ms = append(ms, match.In(key, texts...))
	}
	return holds(key, ms), nil
}
