// Package predicate is the language in which Gnocchi's clients search for values: what holds of a value and what does not.
//
//	{"and": [{">=": [{"+": 23}, 50]}, {"!=": 55}]}
//
// An operation with one number has the value on its left; one with a list has two sides, each of which is a number or an operation on
// the value. Whatever is not 0 holds. Predicates are bounded in depth and size, and testing one takes no memory.
package predicate

import (
	"fmt"

	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
)

// Predicate holds of some values.
type Predicate struct {
	root node
	// Parts is how many operations and numbers it is made of: about what testing a value takes, in nanoseconds times 3.
	Parts int
}

// Holds says whether the predicate holds of a value.
func (p *Predicate) Holds(x float64) bool { return p.root.of(x) != 0 }

// node is a number that depends on the value.
type node interface{ of(x float64) float64 }

type (
	number float64
	value  struct{} // itself
	all    []node
	some   []node
	two    struct {
		f           func(x, y float64) float64
		left, right node
	}
)

func (n number) of(float64) float64 { return float64(n) }
func (value) of(x float64) float64  { return x }
func (n *two) of(x float64) float64 { return n.f(n.left.of(x), n.right.of(x)) }

func (n all) of(x float64) float64 {
	for _, p := range n {
		if p.of(x) == 0 {
			return 0
		}
	}
	return 1
}

func (n some) of(x float64) float64 {
	for _, p := range n {
		if p.of(x) != 0 {
			return 1
		}
	}
	return 0
}

// Bounds of a predicate. What is beyond them is refused.
const (
	MaxDepth = 64
	MaxParts = 1000 // operations and numbers
)

// LimitError refuses a predicate that is too large.
type LimitError struct {
	Limit int
	What  string // that there may be so many of
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("a predicate has at most %d %s", e.Limit, e.What)
}

// Kind is "invalid".
func (*LimitError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*LimitError) Code() string { return "query-too-large" }

// OperatorError says that there is no such operator here.
type OperatorError struct{ Name string }

// Error implements error.
func (e *OperatorError) Error() string { return "Unknown operator " + e.Name }

// Kind is "invalid".
func (*OperatorError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*OperatorError) Code() string { return "query-invalid" }

// Parse reads a predicate as JSON has it. The error is a *schema.Error, an *OperatorError or a *LimitError.
func Parse(v any) (*Predicate, error) {
	var r reader
	n, err := r.operation(v, 1)
	switch {
	case r.refused != nil: // the schema would put a path behind it
		return nil, r.refused
	case err != nil:
		return nil, err
	}
	return &Predicate{n, r.parts}, nil
}

// reader counts what it reads.
type reader struct {
	parts   int
	refused error
}

func (r *reader) refuse(err error) error {
	if r.refused == nil {
		r.refused = err
	}
	return err
}

func (r *reader) operation(v any, depth int) (node, error) {
	o, ok := v.(*pyjson.Object)
	switch {
	case !ok:
		return nil, schema.Wrong("expected a dictionary")
	case len(o.Names) > 1:
		return nil, schema.Wrong("length of value must be at most 1")
	case len(o.Names) == 0:
		return nil, schema.Wrong("length of value must be at least 1")
	case depth > MaxDepth:
		return nil, r.refuse(&LimitError{MaxDepth, "levels"})
	}
	if r.parts++; r.parts > MaxParts {
		return nil, r.refuse(&LimitError{MaxParts, "operations and numbers"})
	}
	name := o.Names[0]
	read := r.named(name, depth)
	if read == nil {
		return nil, &schema.Error{Text: "extra keys not allowed", Path: []any{name}}
	}
	n, err := read(o.Values[0])
	if err != nil {
		return nil, schema.At(err, name, true)
	}
	return n, nil
}

// named is what reads the operation of a name; nil: there is none.
func (r *reader) named(name string, depth int) func(v any) (node, error) {
	deeper := func(v any) (node, error) { return r.operation(v, depth+1) }
	switch name {
	case "and", "∧":
		return func(v any) (node, error) {
			parts, err := r.list(v, deeper)
			return all(parts), err
		}
	case "or", "∨":
		return func(v any) (node, error) {
			parts, err := r.list(v, deeper)
			return some(parts), err
		}
	case "not":
		return func(any) (node, error) { return nil, r.refuse(&OperatorError{name}) }
	}
	f := operations.Operator(name)
	if f == nil {
		return nil
	}
	return func(v any) (node, error) {
		if x, ok := numberOf(v); ok {
			return &two{f, value{}, number(x)}, nil
		}
		sides, err := r.list(v, func(v any) (node, error) { return r.side(v, depth+1) })
		switch {
		case err != nil:
			return nil, err
		case len(sides) != 2:
			return nil, schema.Wrong(fmt.Sprintf("a number or a list of two is expected, and the list has %d", len(sides)))
		}
		return &two{f, sides[0], sides[1]}, nil
	}
}

func (r *reader) list(v any, read func(v any) (node, error)) ([]node, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, schema.Wrong("expected a list")
	}
	if len(list) == 0 {
		return nil, schema.Wrong("length of value must be at least 1")
	}
	parts := make([]node, 0, min(len(list), MaxParts))
	for i, e := range list {
		n, err := read(e)
		if err != nil {
			return nil, schema.At(err, i, false)
		}
		parts = append(parts, n)
	}
	return parts, nil
}

// side reads a number or an operation.
func (r *reader) side(v any, depth int) (node, error) {
	x, ok := numberOf(v)
	if !ok {
		return r.operation(v, depth)
	}
	if r.parts++; r.parts > MaxParts {
		return nil, r.refuse(&LimitError{MaxParts, "operations and numbers"})
	}
	return number(x), nil
}

// numberOf is a number, or what truth counts as.
func numberOf(v any) (float64, bool) {
	switch v := v.(type) {
	case pyjson.Number:
		return v.Float(), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
