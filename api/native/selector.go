package native

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/metricdef/match"
)

// selector is a condition on metrics in a body: a text as match.Parse reads it, or a tree of objects, each of which is
// one of
//
//	{"and": [...]}  {"or": [...]}  {"not": {...}}
//	{"tag": "host", "op": "=~", "value": "n0.*"}  {"tag": "dc", "op": "in", "values": ["a", "b"]}  {"tag": "gpu", "op": "exists"}
//
// Without "op" a condition with "value" asks for that value, and one with "values" for one of them.
type selector struct {
	expr  match.Expr
	given bool
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *selector) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		var text string
		if err := json.UnmarshalDecode(d, &text); err != nil {
			return err
		}
		e, err := match.Parse(text)
		s.expr, s.given = e, true
		return err
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	if len(raw) > match.MaxSelector {
		return &syntaxError{text: fmt.Sprintf("the selector has %d bytes, at most %d are possible", len(raw), match.MaxSelector)}
	}
	t := tree{}
	s.expr, err = t.read(raw, 0)
	s.given = true
	return err
}

// tree reads the JSON form of a selector.
type tree struct{ bounds match.Bounds }

// treeNode is one object of it. What is not given is nil.
type treeNode struct {
	And    *[]jsontext.Value `json:"and"`
	Or     *[]jsontext.Value `json:"or"`
	Not    jsontext.Value    `json:"not"`
	Tag    *string           `json:"tag"`
	Op     *string           `json:"op"`
	Value  *string           `json:"value"`
	Values *[]string         `json:"values"`
}

// read reads the object raw with that many levels above it. Paths in errors count from there.
func (t *tree) read(raw jsontext.Value, above int) (match.Expr, error) {
	if err := match.CheckDepth(above); err != nil {
		return nil, &syntaxError{text: err.Error()}
	}
	var n treeNode
	if err := syntax(json.Unmarshal(raw, &n, json.RejectUnknownMembers(true))); err != nil {
		return nil, err
	}
	forms := 0
	for _, given := range []bool{n.And != nil, n.Or != nil, n.Not != nil, n.Tag != nil} {
		if given {
			forms++
		}
	}
	switch {
	case forms != 1:
		return nil, &syntaxError{text: `expected exactly one of the members "and", "or", "not" and "tag"`}
	case n.Tag == nil && (n.Op != nil || n.Value != nil || n.Values != nil):
		return nil, &syntaxError{text: `"op", "value" and "values" belong to "tag" alone`}
	case n.And != nil:
		parts, err := t.parts("/and", *n.And, above)
		return match.And(parts), err
	case n.Or != nil:
		parts, err := t.parts("/or", *n.Or, above)
		return match.Or(parts), err
	case n.Not != nil:
		part, err := t.read(n.Not, above+1)
		return match.Not{Expr: part}, edge.At("/not", err)
	}
	m, err := n.matcher()
	if err != nil {
		return nil, err
	}
	if err := t.bounds.Add(m); err != nil {
		return nil, &syntaxError{text: err.Error()}
	}
	return m, nil
}

func (t *tree) parts(path string, list []jsontext.Value, above int) ([]match.Expr, error) {
	parts := make([]match.Expr, len(list))
	for i, raw := range list {
		var err error
		if parts[i], err = t.read(raw, above+1); err != nil {
			return nil, edge.At(path+"/"+strconv.Itoa(i), err)
		}
	}
	return parts, nil
}

// matcher makes the condition on one tag.
func (n *treeNode) matcher() (*match.Matcher, error) {
	op := "="
	switch {
	case n.Op != nil:
		op = *n.Op
	case n.Values != nil:
		op = "in"
	case n.Value == nil:
		return nil, &syntaxError{text: `expected "op", "value" or "values" beside "tag"`}
	}
	if *n.Tag == "" {
		return nil, edge.At("/tag", &syntaxError{text: "the name of a tag must not be empty"})
	}
	takes := "value"
	switch op {
	case "in":
		takes = "values"
	case "exists":
		takes = ""
	}
	for _, member := range []struct {
		name  string
		given bool
	}{{"value", n.Value != nil}, {"values", n.Values != nil}} {
		if member.given != (member.name == takes) {
			must := "must"
			if member.given {
				must = "must not"
			}
			return nil, &syntaxError{text: fmt.Sprintf("%q %s be given with the op %q", member.name, must, shorten(op))}
		}
	}
	switch op {
	case "=":
		return match.Equal(*n.Tag, *n.Value), nil
	case "!=":
		return match.NotEqual(*n.Tag, *n.Value), nil
	case "=~", "!~":
		make := match.Regexp
		if op == "!~" {
			make = match.NotRegexp
		}
		m, err := make(*n.Tag, *n.Value)
		return m, edge.At("/value", err)
	case "in":
		return match.In(*n.Tag, *n.Values...), nil
	case "exists":
		return match.Exists(*n.Tag), nil
	case "begins with":
		return match.Prefix(*n.Tag, *n.Value), nil
	}
	return nil, edge.At("/op", &syntaxError{text: fmt.Sprintf(`%q is none of =, !=, =~, !~, in, exists, begins with`, shorten(op))})
}
