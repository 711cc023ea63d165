package tagql

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"granary/api/edge"
	"granary/metricdef/match"
)

// MaxQuery is the greatest length of a query, in bytes.
const MaxQuery = 1 << 20

// Lists says how the values of a list are read; expressions are the same in both.
type Lists uint8

const (
	// Texts is Hawkular's way: a value is a text unless it has one of the characters of expressions, and a dot is none of these.
	// Values are decoded as those of an address are, once more: a plus is a blank.
	Texts Lists = iota
	// Patterns is Mohawk's way: a value is a regular expression, a lone dot too. Names and values may have percent-encoded
	// characters; everything else stands for itself, since a plus is part of many expressions.
	Patterns
)

// Query is a query that was read.
type Query struct {
	Expr match.Expr
	// Names are the tags that it names, as they are stored, each once, in the order of the text; those that must not exist are not
	// among them.
	Names []string
}

// Error says what is wrong with a query, and where.
type Error struct {
	At   int    // byte of the text, counted from 0
	Term string // what stands there: an element of a list, or the condition so far; "" if there is none
	Err  error
}

func (e *Error) Error() string {
	if e.Term == "" {
		return fmt.Sprintf("tag query: at byte %d: %v", e.At, e.Err)
	}
	return fmt.Sprintf("tag query: at byte %d, in %q: %v", e.At, shorten(e.Term), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (*Error) Kind() string { return "invalid" }

// Code is the stable code of the error: that of the regular expression, if one is to blame.
func (e *Error) Code() string {
	var pattern *match.PatternError
	if errors.As(e.Err, &pattern) {
		return pattern.Code()
	}
	return "tag-query-invalid"
}

func shorten(s string) string { return edge.Shorten(s, 100) }

// Parse reads a query. The error is an *Error.
func Parse(text string, lists Lists) (Query, error) {
	if len(text) > MaxQuery {
		return Query{}, &Error{At: MaxQuery, Err: fmt.Errorf("the query has %d bytes, at most %d are possible", len(text), MaxQuery)}
	}
	if strings.TrimSpace(text) == "" {
		return Query{}, &Error{Err: errors.New("the query is blank")}
	}
	e := expression{in: text}
	q, err := e.read()
	if err == nil || e.compared {
		return q, err
	}
	q, asList := parseList(text, lists)
	if asList != nil && !looksLikeList(text, err) {
		return q, err
	}
	return q, asList
}

// looksLikeList says whether a text that is neither was meant to be a list: the reading as an expression did not come beyond the
// colon that ends a name.
func looksLikeList(text string, asExpression error) bool {
	var bad *Error
	colon := strings.IndexByte(text, ':')
	return strings.HasPrefix(text, ",") || colon >= 0 && errors.As(asExpression, &bad) && bad.At <= colon
}

// query gathers what a text says.
type query struct {
	bounds match.Bounds
	names  []string
	named  map[string]bool // what names holds, when these are many
}

// name notes a tag of whose values the query speaks.
func (q *query) name(name string) {
	const few = 16
	if q.named == nil && len(q.names) >= few {
		q.named = make(map[string]bool, 2*few)
		for _, n := range q.names {
			q.named[n] = true
		}
	}
	switch {
	case q.named == nil && slices.Contains(q.names, name), q.named[name]:
		return
	case q.named != nil:
		q.named[strings.Clone(name)] = true
	}
	q.names = append(q.names, name)
}

// add counts the matchers of a condition.
func (q *query) add(e match.Expr) (match.Expr, error) { return e, q.bounds.AddAll(e) }

// exists is the condition that a definition has a tag, absent that it has not.
func exists(name string) match.Expr { return match.Exists(name) }
func absent(name string) match.Expr { return match.Equal(name, "") }

// holds makes the condition that the tag exists and that one of the matchers holds for it.
func holds(name string, ms []*match.Matcher) match.Expr {
	parts := make(match.Or, len(ms))
	needs := false // one of them holds for an absent tag too
	for i, m := range ms {
		if m.Form() == match.Any || m.Form() == match.Filled {
			return exists(name)
		}
		parts[i], needs = m, needs || m.Accepts("")
	}
	var e match.Expr = parts
	if len(parts) == 1 {
		e = parts[0]
	}
	if needs {
		return match.And{match.Exists(name), e}
	}
	return e
}

// holdsNot makes the condition that the tag exists and that its value is none of the texts, and forbidden by none of the matchers,
// which are negative.
func holdsNot(name string, ms []*match.Matcher, texts []string) match.Expr {
	parts := match.And{match.Exists(name)}
	for _, m := range ms {
		if m.Form() == match.Any || m.Form() == match.Filled {
			return match.Or{}
		}
		parts = append(parts, m)
	}
	switch len(texts) {
	case 0:
	case 1:
		parts = append(parts, match.NotEqual(name, texts[0]))
	default:
		parts = append(parts, match.Not{Expr: match.In(name, texts...)})
	}
	return parts
}

// StoredName is under which name the store has the tag match.NameTag, a name that is not a tag's there.
const StoredName = "__tag_name__"

// Stored is the name of a tag in the store, Shown the name that clients know it by.
func Stored(name string) string {
	if name == match.NameTag {
		return StoredName
	}
	return name
}

// Shown is the other way round.
func Shown(name string) string {
	if name == StoredName {
		return match.NameTag
	}
	return name
}

// anything is what a client writes for every value.
const anything = "*"

// pattern makes a matcher of a regular expression that whole values match.
func pattern(name, text string, negative bool) (*match.Matcher, error) {
	switch {
	case text == anything:
		return match.Exists(name), nil // whose form is all that holds and holdsNot look at
	case negative:
		return match.NotRegexp(name, text)
	}
	return match.Regexp(name, text)
}
