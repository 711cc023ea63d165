package hawkular

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// oracle reads a query over tags as section 5 of Hawkular's contract words it, without thought of what it costs: what it answers is asked of
// every metric. It shares nothing with package tagql.
type oracle struct {
	holds func(tags map[string]string) bool
	names []string // the tags that the query names, but those that must not exist
}

var errOracle = errors.New("no query")

// readOracle reads a text as an expression and, if it is none, as a list. That is decided for each text by whether a comparison of it could
// be read as a whole, as DESIGN.md says.
func readOracle(text string, strict bool) (*oracle, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errOracle
	}
	e := oracleExpression{tokens: oracleTokens(text)}
	holds, err := e.all()
	if err == nil && len(e.tokens) > 0 {
		err = errOracle
	}
	if err == nil {
		return &oracle{holds, e.names}, nil
	}
	if e.compared {
		return nil, err
	}
	return oracleList(text, strict)
}

var (
	oracleToken = regexp.MustCompile(`^(?:'[^']*'|[A-Za-z0-9_.]+|!=|!~|[=~()\[\],])`)
	oracleBare  = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)
	oracleWord  = regexp.MustCompile(`(?i)^(?:and|or|not|in)$`)
)

// oracleTokens takes a text apart. What is no token ends it: no rule takes it.
func oracleTokens(text string) (tokens []string) {
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		t := oracleToken.FindString(text)
		if t == "" {
			if text != "" {
				tokens = append(tokens, "?")
			}
			return tokens
		}
		tokens, text = append(tokens, t), text[len(t):]
	}
}

type holdsFunc = func(tags map[string]string) bool

type oracleExpression struct {
	tokens   []string
	names    []string
	compared bool
}

func (e *oracleExpression) next() string {
	if len(e.tokens) == 0 {
		return ""
	}
	return strings.ToLower(e.tokens[0])
}

func (e *oracleExpression) take(token string) bool {
	if e.next() != token {
		return false
	}
	e.tokens = e.tokens[1:]
	return true
}

// all are conditions with AND and OR between them, which bind equally, from left to right.
func (e *oracleExpression) all() (holdsFunc, error) {
	left, err := e.one()
	for err == nil {
		and := e.take("and")
		if !and && !e.take("or") {
			return left, nil
		}
		before := left
		var right holdsFunc
		if right, err = e.one(); err == nil {
			left = func(tags map[string]string) bool {
				if and {
					return before(tags) && right(tags)
				}
				return before(tags) || right(tags)
			}
		}
	}
	return nil, err
}

func (e *oracleExpression) one() (holdsFunc, error) {
	if e.take("(") {
		inner, err := e.all()
		if err == nil && !e.take(")") {
			err = errOracle
		}
		return inner, err
	}
	if e.take("not") {
		key, err := e.key()
		return func(tags map[string]string) bool { return tags[key] == "" }, err
	}
	key, err := e.key()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(e.names, key) {
		e.names = append(e.names, key)
	}
	exists := func(tags map[string]string) bool { return tags[key] != "" }
	test, err := e.comparison()
	if err != nil || test == nil {
		return exists, err
	}
	e.compared = true
	return func(tags map[string]string) bool { return exists(tags) && test(tags[key]) }, nil
}

// comparison is what an expression asks of the value of a tag, nil if it asks for nothing but the tag.
func (e *oracleExpression) comparison() (func(value string) bool, error) {
	not := false
	op := e.next()
	switch op {
	case "=", "!=", "~", "!~", "in":
		e.tokens = e.tokens[1:]
	case "not":
		e.tokens = e.tokens[1:]
		if op, not = "in", true; !e.take("in") {
			return nil, errOracle
		}
	default:
		return nil, nil
	}
	switch op {
	case "=", "!=":
		v, err := e.value()
		return func(value string) bool { return (value == v) == (op == "=") }, err
	case "in":
		if !e.take("[") {
			return nil, errOracle
		}
		var any []func(string) bool
		for {
			fits, err := e.pattern()
			if any = append(any, fits); err != nil {
				return nil, err
			}
			if e.take("]") {
				break
			}
			if !e.take(",") {
				return nil, errOracle
			}
		}
		return func(value string) bool {
			return slices.ContainsFunc(any, func(fits func(string) bool) bool { return fits(value) }) != not
		}, nil
	}
	fits, err := e.pattern()
	return func(value string) bool { return fits(value) == (op == "~") }, err
}

// value is a text in quotes, or a bare one.
func (e *oracleExpression) value() (string, error) {
	if len(e.tokens) == 0 {
		return "", errOracle
	}
	v := e.tokens[0]
	text, quoted := strings.CutPrefix(v, "'")
	if !quoted && (!oracleBare.MatchString(v) || oracleWord.MatchString(v)) {
		return "", errOracle
	}
	e.tokens = e.tokens[1:]
	return strings.TrimSuffix(text, "'"), nil
}

// pattern is a value that is a regular expression. One that cannot be read is the end: the text is no list then.
func (e *oracleExpression) pattern() (func(string) bool, error) {
	v, err := e.value()
	if err != nil {
		return nil, err
	}
	fits, err := oraclePattern(v)
	e.compared = e.compared || err != nil
	return fits, err
}

// oraclePattern is an expression that whole values fit; a lone star is anything.
func oraclePattern(text string) (func(string) bool, error) {
	if text == "*" {
		return func(string) bool { return true }, nil
	}
	if _, err := regexp.Compile(text); err != nil { // alone: "a)(b" is none
		return nil, err
	}
	re, err := regexp.Compile(`(?s)\A(?:` + text + `)\z`)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

func (e *oracleExpression) key() (string, error) {
	if key := e.next(); !oracleBare.MatchString(key) || oracleWord.MatchString(key) {
		return "", errOracle
	}
	key := e.tokens[0]
	e.tokens = e.tokens[1:]
	return key, nil
}

// oracleList reads name:value,name:value, of which all must hold.
func oracleList(text string, strict bool) (*oracle, error) {
	o := &oracle{}
	var all []holdsFunc
	for _, term := range strings.Split(strings.TrimSuffix(text, ","), ",") {
		name, value, ok := strings.Cut(term, ":")
		if !ok {
			return nil, errOracle
		}
		name, absent := strings.CutPrefix(name, "!")
		if !strict {
			name = oracleDecoded(name)
		}
		if strings.TrimSpace(name) == "" {
			return nil, errOracle
		}
		if absent {
			all = append(all, func(tags map[string]string) bool { return tags[name] == "" })
			continue
		}
		if !slices.Contains(o.names, name) {
			o.names = append(o.names, name)
		}
		fits, err := oracleValue(value, strict)
		if err != nil {
			return nil, err
		}
		all = append(all, func(tags map[string]string) bool { return tags[name] != "" && fits(tags[name]) })
	}
	o.holds = func(tags map[string]string) bool {
		return !slices.ContainsFunc(all, func(holds holdsFunc) bool { return !holds(tags) })
	}
	return o, nil
}

func oracleValue(value string, strict bool) (func(string) bool, error) {
	var err error
	if !strict {
		value = oracleDecoded(value)
	} else if value, err = url.QueryUnescape(value); err != nil {
		return nil, err
	}
	value, not := strings.CutPrefix(value, "!")
	if strings.TrimSpace(value) == "" {
		return nil, errOracle
	}
	special := func(text string) bool { return strings.ContainsAny(text, `[]?+*{}()^$|\`) }
	texts := strings.Split(value, "|")
	fits := func(v string) bool { return slices.Contains(texts, v) }
	if !strict || slices.ContainsFunc(texts, special) {
		fits, err = oraclePattern(value)
	}
	return func(v string) bool { return fits(v) != not }, err
}

var oracleEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// oracleDecoded has the characters that are percent-encoded, and all else as it is.
func oracleDecoded(text string) string {
	return oracleEscape.ReplaceAllStringFunc(text, func(s string) string {
		decoded, _ := url.PathUnescape(s)
		return decoded
	})
}
