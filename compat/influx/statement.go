package influx

import (
	"fmt"
	"strconv"
	"strings"

	"granary/metricdef"
	"granary/metricdef/match"
)

// subject is what a statement is about.
type subject uint8

const (
	nothing subject = iota // it succeeds, for there is nothing to be done
	databases
	retentionPolicies
	measurements
	fieldKeys
	tagKeys
	tagValues
	series
	refused // it is not served
)

// statement is one of a query.
type statement struct {
	about subject
	words string // of a refused one: its first words
	from  match.Or
	where match.And
	keys  match.Or // WITH KEY
	limit int      // 0: all
	skip  int      // OFFSET
}

// maxStatements bounds the statements of a query, maxFrom the measurements and keys that one names.
const (
	maxStatements = 100
	maxFrom       = 1000
)

// parser reads the tokens of a query.
type parser struct {
	tokens []token
	at     int
}

// parseQuery reads the statements of a query. The error is a *queryError.
func parseQuery(q string) ([]statement, error) {
	tokens, err := lex(q)
	if err != nil {
		return nil, err
	}
	p := parser{tokens: tokens}
	var list []statement
	for {
		for p.operator(";") {
		}
		if p.peek().kind == end {
			return list, nil
		}
		if len(list) == maxStatements {
			return nil, &queryError{fmt.Sprintf("more than %d statements", maxStatements), p.peek().at}
		}
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		if t := p.peek(); t.kind != end && t.text != ";" {
			return nil, p.expected("; or EOF")
		}
		list = append(list, s)
	}
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// keyword goes over a keyword, if it is the next token.
func (p *parser) keyword(word string) bool {
	if p.peek().is(word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) operator(text string) bool {
	if t := p.peek(); t.kind == operator && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *parser) expected(what string) error {
	t := p.peek()
	found := shorten(t.text)
	if t.kind == end {
		found = "EOF"
	}
	return &queryError{fmt.Sprintf("found %s, expected %s", found, what), t.at}
}

// rest goes over all tokens of a statement.
func (p *parser) rest() {
	for t := p.peek(); t.kind != end && !(t.kind == operator && t.text == ";"); t = p.peek() {
		p.at++
	}
}

// refusedWords are how statements begin that InfluxDB has and that are not served, and those of which nothing is done.
var refusedWords = []string{"SELECT", "DELETE", "DROP", "EXPLAIN", "GRANT", "REVOKE", "KILL", "SET", "CREATE", "ALTER", "SHOW"}

func (p *parser) statement() (statement, error) {
	first := p.next()
	at := p.at
	switch {
	case first.is("CREATE") && (p.keyword("DATABASE") || p.keyword("RETENTION") && p.keyword("POLICY")), first.is("ALTER") && p.keyword("RETENTION") && p.keyword("POLICY"):
		if !p.peek().name() {
			return statement{}, p.expected("identifier")
		}
		p.rest()
		return statement{about: nothing}, nil
	case first.is("SHOW"):
		if about := p.shown(); about != refused {
			s := statement{about: about}
			return s, p.clauses(&s)
		}
	}
	p.at = at
	for _, verb := range refusedWords {
		if first.is(verb) {
			words := verb
			if second := p.peek(); second.kind == word && verb != "SELECT" {
				words += " " + strings.ToUpper(shorten(second.text))
			}
			p.rest()
			return statement{about: refused, words: words}, nil
		}
	}
	p.at = at - 1
	return statement{}, p.expected(strings.Join(refusedWords, ", "))
}

// shown is what SHOW shows.
func (p *parser) shown() subject {
	for _, x := range []struct {
		words string
		about subject
	}{
		{"DATABASES", databases}, {"RETENTION POLICIES", retentionPolicies}, {"MEASUREMENTS", measurements}, {"FIELD KEYS", fieldKeys}, {"TAG KEYS", tagKeys}, {"TAG VALUES", tagValues}, {"SERIES", series},
	} {
		at, ok := p.at, true
		for w := range strings.FieldsSeq(x.words) {
			ok = ok && p.keyword(w)
		}
		if ok && !p.peek().is("CARDINALITY") && !p.peek().is("EXACT") {
			return x.about
		}
		p.at = at
	}
	return refused
}

// clauses reads what stands behind SHOW and its subject.
func (p *parser) clauses(s *statement) error {
	for {
		var err error
		switch {
		case p.keyword("ON"):
			if !p.peek().name() {
				return p.expected("identifier")
			}
			p.next()
		case p.keyword("FROM"):
			err = p.measurements(s)
		case p.keyword("WITH"):
			err = p.with(s)
		case p.keyword("WHERE"):
			err = p.conditions(s)
		case p.keyword("LIMIT"):
			s.limit, err = p.count()
		case p.keyword("OFFSET"):
			s.skip, err = p.count()
		default:
			if s.about == tagValues && s.keys == nil {
				return p.expected("WITH")
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) count() (int, error) {
	n, err := strconv.Atoi(p.peek().text)
	if p.peek().kind != number || err != nil {
		return 0, p.expected("integer")
	}
	p.next()
	return n, nil
}

// measurements reads a list of measurements, of which the database and retention policy do not count.
func (p *parser) measurements(s *statement) error {
	for {
		t := p.peek()
		for t.name() && p.tokens[p.at+1].text == "." && p.tokens[p.at+1].kind == operator {
			for p.at++; p.operator("."); {
			}
			t = p.peek()
		}
		m, err := matcher(metricdef.NameTag, "=", t)
		if err != nil {
			return err
		}
		if m == nil {
			return p.expected("identifier, regex")
		}
		p.next()
		if s.from = append(s.from, m); len(s.from) > maxFrom {
			return &queryError{fmt.Sprintf("more than %d measurements", maxFrom), t.at}
		}
		if !p.operator(",") {
			return nil
		}
	}
}

// with reads WITH KEY and WITH MEASUREMENT.
func (p *parser) with(s *statement) error {
	key := p.keyword("KEY")
	if !key && !p.keyword("MEASUREMENT") {
		return p.expected("KEY, MEASUREMENT")
	}
	list := &s.from
	if key {
		list = &s.keys
	}
	if key && p.keyword("IN") {
		if !p.operator("(") {
			return p.expected("(")
		}
		for {
			m, err := matcher("", "=", p.peek())
			if err != nil {
				return err
			}
			if m == nil || len(*list) == maxFrom {
				return p.expected("identifier")
			}
			*list = append(*list, m)
			if p.next(); p.operator(")") {
				return nil
			}
			if !p.operator(",") {
				return p.expected(")")
			}
		}
	}
	op := p.peek()
	if op.kind != operator || !comparison(op.text) {
		return p.expected("=, !=, =~, !~")
	}
	p.next()
	name := metricdef.NameTag
	if key {
		name = ""
	}
	m, err := matcher(name, op.text, p.peek())
	if err != nil {
		return err
	}
	if m == nil {
		return p.expected("identifier, regex")
	}
	p.next()
	*list = append(*list, m)
	return nil
}

func comparison(text string) bool {
	return text == "=" || text == "!=" || text == "<>" || text == "=~" || text == "!~"
}

// conditions reads conditions on tags. Those on the time do not count: what is shown is not bounded by it.
func (p *parser) conditions(s *statement) error {
	for {
		name := p.peek()
		if !name.name() {
			return p.expected("identifier; conditions on tags that are joined by AND are understood here")
		}
		p.next()
		op := p.peek()
		if op.kind != operator || !comparison(op.text) {
			return p.expected("=, !=, =~, !~")
		}
		p.next()
		value := p.peek()
		if value.kind == quoted || value.kind == word {
			return p.expected("string, regex")
		}
		m, err := matcher(name.text, op.text, value)
		if err != nil {
			return err
		}
		if m == nil {
			return p.expected("string, regex")
		}
		p.next()
		s.where = append(s.where, m)
		if !p.keyword("AND") {
			return nil
		}
	}
}

// matcher makes a condition on a tag, nil if the token is no value. Regular expressions of InfluxQL match parts of a value.
func matcher(name, op string, value token) (*match.Matcher, error) {
	if value.kind == pattern {
		make := match.Regexp
		if strings.HasPrefix(op, "!") {
			make = match.NotRegexp
		}
		m, err := make(name, ".*(?:"+value.text+").*")
		if err != nil {
			return nil, &queryError{err.Error(), value.at}
		}
		return m, nil
	}
	switch {
	case value.kind != literal && !value.name() || strings.HasSuffix(op, "~"):
		return nil, nil
	case op == "=":
		return match.Equal(name, value.text), nil
	}
	return match.NotEqual(name, value.text), nil
}
