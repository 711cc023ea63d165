package filter

import (
	"fmt"

	"granary/metricdef/resource"
)

// Query is what a search asks of a resource, before the type of the resources is known: And, Or, Not or Compare.
type Query interface{ query() }

// And holds if all of its parts do, without any always. Or holds if one of its parts does; it has some.
type (
	And []Query
	Or  []Query
)

// Not holds if its part does not.
type Not struct{ Query Query }

// Compare compares an attribute with one value, or with any of several if Op is resource.In.
type Compare struct {
	Attribute string
	Op        Op
	Values    []Value // one at least; one alone unless Op is resource.In
}

func (And) query()      {}
func (Or) query()       {}
func (Not) query()      {}
func (*Compare) query() {}

// attrID is the attribute that patterns are not for: a client knows the texts of which ids are made, not the ids.
const attrID = "id"

// Op is a way to compare.
type Op = resource.Op

// operators are the ways to compare under all their names.
var operators = map[string]Op{
	"=": resource.Eq, "==": resource.Eq, "eq": resource.Eq,
	"!=": resource.Ne, "≠": resource.Ne, "ne": resource.Ne,
	"<": resource.Lt, "lt": resource.Lt,
	"<=": resource.Le, "≤": resource.Le, "le": resource.Le,
	">": resource.Gt, "gt": resource.Gt,
	">=": resource.Ge, "≥": resource.Ge, "ge": resource.Ge,
	"like": resource.Like,
	"in":   resource.In,
}

// Kind says what a Value is.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	Text
)

// Value is a value that an attribute is compared with, as it was written.
type Value struct {
	Kind Kind
	Bool bool
	Text string // a number has the digits that were written
}

// String is the value as messages quote it.
func (v Value) String() string {
	switch v.Kind {
	case Null:
		return "None"
	case Bool:
		if v.Bool {
			return "True"
		}
		return "False"
	default:
		return v.Text
	}
}

// Bounds of a query. Whatever is beyond them is refused before the rest is read.
const (
	MaxDepth  = 64                      // levels of and, or, not and of parentheses
	MaxTerms  = resource.MaxQueryTerms  // comparisons
	MaxValues = resource.MaxQueryValues // values, in lists and alone
	MaxText   = 1 << 20                 // bytes of a filter
)

// LimitError refuses a query that is too large.
type LimitError struct {
	Limit int
	What  string // that there may be so many of
}

// Error implements error.
func (e *LimitError) Error() string { return fmt.Sprintf("a query has at most %d %s", e.Limit, e.What) }

// Kind is "invalid".
func (*LimitError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*LimitError) Code() string { return "filter-invalid" }

// budget counts what a query consists of.
type budget struct{ depth, terms, values int }

// deeper enters a level; leave it by lowering depth.
func (b *budget) deeper() error {
	b.depth++
	return atMost(b.depth, MaxDepth, "levels")
}

func (b *budget) term() error {
	b.terms++
	return atMost(b.terms, MaxTerms, "comparisons")
}

func (b *budget) operand() error {
	b.values++
	return atMost(b.values, MaxValues, "values")
}

func atMost(n, limit int, what string) error {
	if n > limit {
		return &LimitError{limit, what}
	}
	return nil
}

// Everything says whether a query finds all resources, whatever these are: it asks for nothing, or for anything or nothing.
func Everything(q Query) bool { return always(q, true) }

// always says whether a query answers the same for all resources, since it compares nothing that could matter.
func always(q Query, answer bool) bool {
	parts, all := []Query(nil), answer // all of the parts have to answer so, or one
	switch q := q.(type) {
	case And:
		parts = q
	case Or:
		parts, all = q, !answer
	case Not:
		return always(q.Query, !answer)
	default:
		return false
	}
	for _, part := range parts {
		if always(part, answer) != all {
			return !all
		}
	}
	return all
}
