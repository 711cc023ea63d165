package filter

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"granary/compat/gnocchi/syntax"
	"granary/metricdef/resource"
)

// Parse reads the language of filters. Its errors are *SyntaxError and *LimitError.
func Parse(text string) (Query, error) {
	p := parser{in: text}
	if err := atMost(len(text), MaxText, "bytes"); err != nil {
		return nil, err
	}
	p.space()
	q, err := p.level(0)
	if err == nil && p.at < len(text) {
		err = p.want("end of text")
	}
	if err != nil {
		return nil, err
	}
	return q, nil
}

// SyntaxError says where a filter cannot be read on.
type SyntaxError struct{ Place *syntax.Error }

// Error implements error.
func (e *SyntaxError) Error() string { return "Invalid filter: " + e.Place.Error() }

func (e *SyntaxError) Unwrap() error { return e.Place }

// Kind is "invalid".
func (*SyntaxError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*SyntaxError) Code() string { return "filter-invalid" }

// levels are the words between parts, the weakest first.
var levels = [...]struct {
	word string
	and  bool
}{{"∨", false}, {"or", false}, {"∧", true}, {"and", true}}

// parser reads a filter from left to right. Every method begins at a token and leaves behind the space that follows it.
type parser struct {
	in string
	at int
	budget
}

// level reads parts with the word of a level between them.
func (p *parser) level(n int) (Query, error) {
	if n == len(levels) {
		return p.part()
	}
	first, err := p.level(n + 1)
	if err != nil || !p.takeWord(levels[n].word) {
		return first, err
	}
	parts := []Query{first}
	for {
		next, err := p.level(n + 1)
		if err != nil {
			return nil, err
		}
		if parts = append(parts, next); !p.takeWord(levels[n].word) {
			break
		}
	}
	if levels[n].and {
		return And(parts), nil
	}
	return Or(parts), nil
}

// part reads a comparison, one with not in front of it, or parts in parentheses.
func (p *parser) part() (q Query, err error) {
	not := p.takeWord("not")
	if !not && !p.take("(") {
		return p.comparison()
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	if not {
		if q, err = p.part(); err == nil {
			q = Not{q}
		}
	} else if q, err = p.level(0); err == nil && !p.take(")") {
		err = p.want("')'")
	}
	p.depth--
	return q, err
}

func (p *parser) comparison() (Query, error) {
	if err := p.term(); err != nil {
		return nil, err
	}
	var c Compare
	var err error
	if quoted, ok := p.quoted(); ok {
		c.Attribute = quoted
	} else if c.Attribute = p.match(identifier); c.Attribute == "" {
		return nil, p.want("attribute")
	}
	if c.Op = operators[p.match(operator)]; c.Op == 0 {
		return nil, p.want("operator")
	}
	if c.Op != resource.In {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		c.Values = []Value{v}
		return &c, nil
	}
	c.Values, err = p.list()
	return &c, err
}

// list reads values in brackets.
func (p *parser) list() (values []Value, err error) {
	if !p.take("[") {
		return nil, p.want("'['")
	}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if p.take("]") {
			return values, nil
		}
		if !p.take(",") {
			return nil, p.want("',' or ']'")
		}
	}
}

// The tokens. Words are whole: a value nonesuch is a text that begins with none.
var (
	identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*`)
	operator   = regexp.MustCompile(`^(>=|<=|!=|==|=|>|<|≠|≥|≤|(eq|ne|lt|gt|ge|le|in|like)\b)`)
	id         = regexp.MustCompile(`^[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}\b`)
	number     = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?`)
)

// words are the values that have names.
var words = map[string]Value{
	"null": {}, "none": {}, "None": {},
	"true": {Kind: Bool, Bool: true}, "True": {Kind: Bool, Bool: true},
	"false": {Kind: Bool}, "False": {Kind: Bool},
}

func (p *parser) value() (Value, error) {
	if err := p.operand(); err != nil {
		return Value{}, err
	}
	if quoted, ok := p.quoted(); ok {
		return Value{Kind: Text, Text: quoted}, nil
	}
	for _, token := range []*regexp.Regexp{id, identifier} {
		if w := p.match(token); w != "" {
			if v, ok := words[w]; ok {
				return v, nil
			}
			return Value{Kind: Text, Text: w}, nil
		}
	}
	if n := p.match(number); n != "" {
		return Value{Kind: Number, Text: strings.TrimPrefix(n, "+")}, nil
	}
	return Value{}, p.want("value")
}

// quoted takes a text in quotes of either kind. Nothing escapes a quote.
func (p *parser) quoted() (string, bool) {
	if p.at == len(p.in) || p.in[p.at] != '"' && p.in[p.at] != '\'' {
		return "", false
	}
	rest := p.in[p.at+1:]
	end := strings.IndexByte(rest, p.in[p.at])
	if end < 0 {
		return "", false
	}
	p.at += end + 2
	p.space()
	return rest[:end], true
}

// match takes a token, "" if another one stands here.
func (p *parser) match(token *regexp.Regexp) string {
	found := token.FindString(p.in[p.at:])
	if p.at += len(found); found != "" {
		p.space()
	}
	return found
}

// take takes a sign if it stands here.
func (p *parser) take(sign string) bool {
	if !strings.HasPrefix(p.in[p.at:], sign) {
		return false
	}
	p.at += len(sign)
	p.space()
	return true
}

// takeWord takes a word if it stands here as a whole.
func (p *parser) takeWord(word string) bool {
	return p.in[p.at:] != "" && (word[0] >= utf8.RuneSelf || identifier.FindString(p.in[p.at:]) == word) && p.take(word)
}

func (p *parser) space() {
	for p.at < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.at]) >= 0 {
		p.at++
	}
}

// want says what should stand here.
func (p *parser) want(what string) error { return &SyntaxError{syntax.At(p.in, p.at, what)} }
