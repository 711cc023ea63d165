package operations

import (
	"errors"
	"fmt"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/when"
	"granary/policy"
)

// Parse reads operations: a text, or lists as JSON has them, in which the first item of each names the operation and numbers may be
// texts. The error is a *schema.Error for what has no form that operations have; a *syntax.Error for a text that is not made of lists; a
// *LimitError for what is too large; an *Error for what makes no sense.
func Parse(v any) (*Operations, error) {
	if text, ok := v.(string); ok {
		var err error
		if v, err = parseText(text); err != nil {
			return nil, err
		}
	}
	var p parser
	root, err := p.operation(v, 1)
	switch {
	case p.over != nil:
		return nil, p.over
	case err != nil:
		return nil, err
	}
	o := &Operations{root: root}
	o.refer(root, make(map[Ref]int))
	if len(o.Refs) == 0 {
		return nil, &Error{"At least one 'metric' is required", root.tree()}
	}
	if n := root.misplaced(); n != nil {
		return nil, &Error{fmt.Sprintf("%q works on series, and %s is a number", n.name, n.args[0]), root.tree()}
	}
	return o, nil
}

// Across is one operation: of these series the values that one time has are made one by a method, which is one of aggregate. A span
// above 0 groups each of the series by each first, nanoseconds.
func Across(method string, refs []Ref, each policy.Method, span int64) (*Operations, error) {
	r, ok := reductionOf(method)
	if !ok {
		return nil, &Error{fmt.Sprintf("%q is no method that makes one series of several: %s", method, reductionNames), method}
	}
	o := &Operations{}
	o.root = &node{kind: metric, name: "metric", refs: refs}
	if span > 0 {
		o.root = &node{kind: resample, name: "resample", method: each, span: span, args: []*node{o.root}}
	}
	o.root = &node{kind: across, name: "aggregate", reduce: r, args: []*node{o.root}}
	o.refer(o.root, make(map[Ref]int))
	return o, nil
}

// misplaced is the first operation on series that is given a number; nil: there is none.
func (n *node) misplaced() *node {
	switch n.kind {
	case across, rolling, resample, change:
		if !n.args[0].series() {
			return n
		}
	}
	for _, a := range n.args {
		if m := a.misplaced(); m != nil {
			return m
		}
	}
	return nil
}

// parser counts what it reads.
type parser struct {
	operations, refs int
	over             error // the limit that is broken
}

func (p *parser) count(n *int, most int, what string) bool {
	if *n++; *n > most && p.over == nil {
		p.over = &LimitError{most, what}
	}
	return p.over == nil
}

// operation reads a list. Of all errors in it that one counts which lies deepest, and else that of the whole: the clients know no other.
// Only the series of a metric have places of their own.
func (p *parser) operation(v any, depth int) (*node, error) {
	list, ok := v.([]any)
	switch {
	case !ok:
		return nil, schema.Wrong("Expected a tuple/list, got a " + typeName(v))
	case len(list) == 0:
		return nil, schema.Wrong("Operation must not be empty")
	case len(list) == 1:
		return nil, schema.Wrong("Operation need at least one argument")
	case depth > MaxDepth:
		p.over = &LimitError{MaxDepth, "levels"}
		return nil, p.over
	case !p.count(&p.operations, MaxOperations, "operations and numbers"):
		return nil, p.over
	}
	name, ok := list[0].(string)
	if !ok {
		return nil, wrongOperation(list[0])
	}
	n := &node{name: name}
	if name == "metric" {
		return n, p.metric(n, list[1:])
	}
	rest, ok := n.settle(list[1:])
	if !ok {
		return nil, wrongOperation(name)
	}
	for _, e := range rest {
		arg, err := p.argument(e, depth+1)
		if err != nil {
			var e *schema.Error
			if errors.As(err, &e) && len(e.Path) == 0 {
				err = wrongOperation(name)
			}
			return nil, err
		}
		n.args = append(n.args, arg)
	}
	return n, nil
}

func wrongOperation(name any) error {
	shown, ok := name.(string)
	if !ok {
		shown = string(pyjson.AppendRepr(nil, name))
	}
	return schema.Wrong("'" + shown + "' operation invalid")
}

// metric reads what stands behind "metric": a name and a method, or lists of these two.
func (p *parser) metric(n *node, list []any) error {
	n.kind = metric
	if name, method, ok := texts(list); ok {
		p.count(&p.refs, MaxRefs, "series")
		n.refs = []Ref{{name, method}}
		return p.over
	}
	for i, e := range list {
		pair, ok := e.([]any)
		if !ok || len(pair) != 2 {
			return &schema.Error{Text: "None", Path: []any{i}}
		}
		name, method, ok := texts(pair)
		if !ok {
			return &schema.Error{Text: "expected str", Path: []any{i}}
		}
		if !p.count(&p.refs, MaxRefs, "series") {
			return p.over
		}
		n.refs = append(n.refs, Ref{name, method})
	}
	return nil
}

func texts(list []any) (a, b string, ok bool) {
	if len(list) != 2 {
		return "", "", false
	}
	a, ok = list[0].(string)
	b, also := list[1].(string)
	return a, b, ok && also
}

// argument reads a number or an operation.
func (p *parser) argument(v any, depth int) (*node, error) {
	if x, ok := number(v); ok {
		p.count(&p.operations, MaxOperations, "operations and numbers")
		return &node{kind: constant, number: x}, p.over
	}
	return p.operation(v, depth)
}

// number is what Python's float takes.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case pyjson.Number:
		return v.Float(), true
	case string:
		return when.Float(v)
	}
	return 0, false
}

// settle takes what stands in front of the arguments, and gives the arguments; false if it, or their number, is wrong.
func (n *node) settle(list []any) (rest []any, ok bool) {
	front, least, most := 0, 1, 1
	if n.two = operators[n.name]; n.two == nil {
		n.two = limits[n.name]
	}
	if n.two != nil {
		n.kind, least, most = binary, 2, 2
	} else if n.one = unaries[n.name]; n.one != nil {
		n.kind = unary
	} else {
		switch n.name {
		case "rateofchange":
			n.kind = change
		case "rateofchangesec":
			n.kind, n.perSec = change, true
		case "clip":
			n.kind, least, most = clip, 2, 3
		case "aggregate":
			n.kind, front = across, 1
		case "rolling":
			n.kind, front = rolling, 2
		case "resample":
			n.kind, front = resample, 2
		default:
			return nil, false
		}
	}
	if len(list) < front+least || len(list) > front+most {
		return nil, false
	}
	return list[front:], n.options(list[:front])
}

// options reads the method of an operation, and the window or span that stands behind it.
func (n *node) options(list []any) (ok bool) {
	if len(list) == 0 {
		return true
	}
	name, ok := list[0].(string)
	if !ok {
		return false
	}
	if n.kind == resample {
		var err error
		if n.method, err = policy.ParseMethod(name); err == nil {
			n.span, err = span(list[1])
		}
		return err == nil
	}
	if n.reduce, ok = reductionOf(name); !ok {
		return false
	}
	if n.kind == rolling {
		v, err := schema.AtLeast(1, schema.CoerceInt)(list[1])
		if err != nil {
			return false
		}
		n.window = int(v.(int64))
	}
	return true
}

// span reads a timespan, in nanoseconds.
func span(v any) (int64, error) {
	switch v := v.(type) {
	case pyjson.Number:
		return when.Span(string(v))
	case string:
		return when.Span(v)
	}
	return 0, schema.NotValid()
}

// typeName is the name of a value's type as Python shows it.
func typeName(v any) string {
	name := "list"
	switch v := v.(type) {
	case nil:
		name = "NoneType"
	case bool:
		name = "bool"
	case string:
		name = "str"
	case pyjson.Number:
		if name = "float"; v.IsInt() {
			name = "int"
		}
	case *pyjson.Object:
		name = "dict"
	}
	return "<class '" + name + "'>"
}
