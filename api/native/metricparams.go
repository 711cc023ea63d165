package native

import (
	"errors"
	"strings"

	"granary/api/edge"
	"granary/metricdef/match"
)

// selector is the condition of the parameters selector and tag.
func (p *params) selector() (match.Expr, []match.Expr) {
	var e match.Expr
	if text := p.text("selector", ""); p.has("selector") {
		var err error
		if e, err = match.Parse(text); err != nil {
			p.refuse("selector", err)
		}
	}
	var all []match.Expr
	for _, text := range p.list("tag") {
		m, err := tagShorthand(text)
		if err != nil {
			p.refuse("tag", err)
			break
		}
		all = append(all, m)
	}
	return e, all
}

// tagShorthand reads a condition on a tag without quotes: NAME, NAME=VALUE, NAME!=VALUE, NAME=~REGEXP or NAME!~REGEXP.
func tagShorthand(text string) (*match.Matcher, error) {
	at := strings.IndexAny(text, "=!")
	if at < 0 {
		at = len(text)
	}
	name, rest := text[:at], text[at:]
	value := func(sign string) string { return strings.TrimPrefix(rest, sign) }
	switch {
	case name == "":
		return nil, errNoTag
	case rest == "":
		return match.Exists(name), nil
	case strings.HasPrefix(rest, "=~"):
		return match.Regexp(name, value("=~"))
	case strings.HasPrefix(rest, "!~"):
		return match.NotRegexp(name, value("!~"))
	case strings.HasPrefix(rest, "!="):
		return match.NotEqual(name, value("!=")), nil
	case rest[0] == '=':
		return match.Equal(name, value("=")), nil
	}
	return nil, errNoSign
}

var (
	errNoTag  = errors.New("begins without the name of a tag")
	errNoSign = errors.New("expected =, !=, =~ or !~ behind the name of the tag")
)

// refuse keeps an error of a room, which may have a code of its own, as that of the parameter.
func (p *params) refuse(name string, err error) {
	if p.err == nil {
		p.err = parameterOf(name, err)
	}
}

// parameterOf is the error of a room as that of a parameter.
func parameterOf(name string, err error) error {
	if edge.CodeOf(err) == "" {
		return &parameterError{name: name, text: err.Error()}
	}
	return &namedError{name, err}
}

// namedError says at which parameter an error of a room is.
type namedError struct {
	name string
	err  error
}

func (e *namedError) Error() string { return e.err.Error() }
func (e *namedError) Unwrap() error { return e.err }

// Problem names the parameter.
func (e *namedError) Problem() map[string]any { return map[string]any{"parameter": e.name} }

// namedAs turns an error at a member of a body into one at the parameter of the same name.
func namedAs(err error) error {
	var at *edge.PathError
	if !errors.As(err, &at) {
		return err
	}
	name := strings.TrimPrefix(at.Path, "/")
	var own *syntaxError
	if errors.As(at.Err, &own) {
		return &parameterError{name: name, text: own.text}
	}
	return &namedError{name, at.Err}
}
