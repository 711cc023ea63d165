package tagql

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"granary/metricdef/match"
)

// special are the characters that make a value of Hawkular's lists a regular expression. The dot is not among them.
const special = `[]?+*{}()^$|\`

var (
	errTerm       = errors.New("expected name:value")
	errBlankName  = errors.New("the name is blank")
	errBlankValue = errors.New("the value is blank")
	errBlankTerm  = errors.New("nothing stands between the commas")
)

// Names reads the names of a list whose values do not count, as those of tags that are to go: a,b:x. They are answered in the
// order of the text, each once.
func Names(text string, lists Lists) ([]string, error) {
	var q query
	err := eachTerm(text, func(term string) error {
		name, _, _ := strings.Cut(term, ":")
		if name = lists.name(name); strings.TrimSpace(name) == "" {
			return errBlankName
		}
		q.name(name)
		return nil
	})
	return q.names, err
}

// eachTerm calls fn for the elements of a list. A comma may stand behind the last one.
func eachTerm(text string, fn func(term string) error) error {
	if len(text) > MaxQuery {
		return &Error{At: MaxQuery, Err: errors.New("the list is too long")}
	}
	for at := 0; at < len(text) || at == 0; {
		term, _, _ := strings.Cut(text[at:], ",")
		err := errBlankTerm
		if strings.TrimSpace(term) != "" {
			err = fn(term)
		}
		if err != nil {
			return &Error{At: at, Term: term, Err: err}
		}
		at += len(term) + 1
	}
	return nil
}

// parseList reads name:value,name:value. All of them must hold.
func parseList(text string, lists Lists) (Query, error) {
	var q query
	var all match.And
	err := eachTerm(text, func(term string) error {
		e, err := q.term(term, lists)
		if err != nil {
			return err
		}
		if parts, ok := e.(match.And); ok {
			all = append(all, parts...)
		} else {
			all = append(all, e)
		}
		return nil
	})
	switch {
	case err != nil:
		return Query{}, err
	case len(all) == 1:
		return Query{all[0], q.names}, nil
	}
	return Query{all, q.names}, nil
}

func (q *query) term(term string, lists Lists) (match.Expr, error) {
	name, value, found := strings.Cut(term, ":")
	if !found {
		return nil, errTerm
	}
	name, not := strings.CutPrefix(name, "!")
	name = lists.name(name)
	switch {
	case strings.TrimSpace(name) == "":
		return nil, errBlankName
	case not:
		return q.add(absent(name))
	}
	q.name(name)
	value, err := lists.value(value)
	if err != nil {
		return nil, err
	}
	value, negative := strings.CutPrefix(value, "!")
	if strings.TrimSpace(value) == "" {
		return nil, errBlankValue
	}
	if texts, ok := lists.texts(value); ok {
		if negative {
			return q.add(holdsNot(name, nil, texts))
		}
		return q.add(holds(name, []*match.Matcher{match.In(name, texts...)}))
	}
	m, err := pattern(name, value, negative)
	switch {
	case err != nil:
		return nil, err
	case negative:
		return q.add(holdsNot(name, []*match.Matcher{m}, nil))
	}
	return q.add(holds(name, []*match.Matcher{m}))
}

// texts are the texts that a value stands for, if it stands for no more than a few of them. Thousands of ids with | between them are
// common.
func (l Lists) texts(value string) ([]string, bool) {
	chars := special
	if l == Patterns {
		chars += "."
	}
	if strings.ContainsAny(strings.ReplaceAll(value, "|", ""), chars) {
		return nil, false
	}
	set := strings.Split(value, "|")
	return set, !slices.Contains(set, "")
}

// name is the name of a tag as a list has it.
func (l Lists) name(s string) string {
	if l == Patterns {
		s = unescape(s)
	}
	return Stored(s)
}

func (l Lists) value(s string) (string, error) {
	if l == Patterns {
		return unescape(s), nil
	}
	s, err := url.QueryUnescape(s)
	var escape url.EscapeError
	if errors.As(err, &escape) {
		return "", errors.New(string(escape) + " is no percent-encoded character; a percent sign is %25")
	}
	return s, err
}

// unescape decodes percent-encoded characters. A percent sign that begins none stands for itself.
func unescape(s string) string {
	at := strings.IndexByte(s, '%')
	if at < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	for i := at; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, ok := hex(s[i+1])
			low, also := hex(s[i+2])
			if ok && also {
				b = append(b, high<<4|low)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
