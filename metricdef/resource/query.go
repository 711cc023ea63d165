package resource

import (
	"errors"
	"fmt"
)

// Query says which resources are looked for. A nil Query is all of them.
//
// An attribute without a value is null. As in SQL a comparison with one is neither true nor false, and stays so under Not, so that such a
// resource is not found; three forms are about null: Eq null finds it, Ne null finds all others, and Ne with a value finds it too.
type Query interface{ query() }

// And, Or and Not combine queries. And of none finds all, Or of none nothing.
type (
	And []Query
	Or  []Query
	Not struct{ Query Query }
)

// Compare compares an attribute of a resource, its own or one that all have, with values of the attribute's kind.
//
// All have: id (UUID), type, original_resource_id, creator, created_by_user_id, created_by_project_id, user_id, project_id (String),
// started_at, ended_at, revision_start (Datetime), lifespan (Number, of seconds, null while the resource has not ended), and in a search over the
// history revision_end (Datetime) and revision (Number, -1 is the current one).
type Compare struct {
	Attribute string
	Op        Op
	Values    []Operand // one; for In any number from one on
}

// Operand is what is compared with; the Value does not count if it is Null.
type Operand struct {
	Value
	Null bool
}

// Op is a comparison.
type Op uint8

const (
	Eq Op = iota + 1
	Ne
	Lt
	Le
	Gt
	Ge
	Like // % is any text, _ any character, a backslash takes both meanings away
	In
)

var opNames = [...]string{"", "=", "!=", "<", "<=", ">", ">=", "like", "in"}

func (o Op) String() string {
	if o >= Eq && o <= In {
		return opNames[o]
	}
	return "unknown"
}

func (And) query()      {}
func (Or) query()       {}
func (Not) query()      {}
func (*Compare) query() {}

// Bounds on a query.
const (
	MaxQueryDepth  = 100    // And, Or and Not inside each other
	MaxQueryTerms  = 1000   // comparisons
	MaxQueryValues = 10_000 // values of all comparisons
	maxPattern     = 4096   // bytes of a pattern of Like
)

// KindOf says what the values of an attribute are, one of the type or one that all resources have, as queries name it.
func (t *Type) KindOf(attribute string, history bool) (Kind, bool) {
	if k, ok := special[attribute]; ok {
		return k, history || attribute != "revision" && attribute != "revision_end"
	}
	if a := t.Attribute(attribute); a != nil {
		return a.Kind, true
	}
	return 0, false
}

// CheckQuery says whether q can be asked of resources of the type.
func (t *Type) CheckQuery(q Query, history bool) error {
	c := checker{t: t, history: history}
	return c.check(q, 0)
}

type checker struct {
	t             *Type
	history       bool
	terms, values int
}

func (c *checker) check(q Query, depth int) error {
	if depth > MaxQueryDepth {
		return &QueryError{Err: fmt.Errorf("is nested deeper than %d levels", MaxQueryDepth)}
	}
	switch q := q.(type) {
	case nil:
		if depth > 0 {
			return &QueryError{Err: errors.New("has a part that is nil")}
		}
		return nil
	case And:
		return c.all(q, depth)
	case Or:
		return c.all(q, depth)
	case Not:
		return c.check(q.Query, depth+1)
	case *Compare:
		return c.compare(q)
	}
	return &QueryError{Err: fmt.Errorf("has a part of type %T", q)}
}

func (c *checker) all(list []Query, depth int) error {
	for _, q := range list {
		if err := c.check(q, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) compare(q *Compare) error {
	kind, ok := c.t.KindOf(q.Attribute, c.history)
	if !ok {
		return &UnknownAttributeError{c.t.Name, q.Attribute}
	}
	bad := func(format string, args ...any) error { return &QueryError{q.Attribute, fmt.Errorf(format, args...)} }
	c.values += len(q.Values)
	switch c.terms++; {
	case c.terms > MaxQueryTerms:
		return &QueryError{Err: fmt.Errorf("has more than %d comparisons", MaxQueryTerms)}
	case c.values > MaxQueryValues:
		return &QueryError{Err: fmt.Errorf("has more than %d values", MaxQueryValues)}
	case q.Op < Eq || q.Op > In:
		return bad("comparison %d is not known", q.Op)
	case len(q.Values) == 0 || q.Op != In && len(q.Values) > 1:
		return bad("%s has %d values", q.Op, len(q.Values))
	case q.Op == Like && kind != String:
		return bad("like compares texts, and this is a %s", kind)
	case created(q.Attribute) && q.Op != Eq && q.Op != Ne && q.Op != Like:
		return bad("can be compared with =, != and like only, not with %s", q.Op)
	}
	for _, v := range q.Values {
		switch {
		case v.Null:
		case v.Kind != kind:
			return bad("a %s is needed, not a %s", kind, v.Kind)
		case q.Op == Like:
			if _, err := parsePattern(v.Text); err != nil {
				return &QueryError{q.Attribute, err}
			}
		}
	}
	return nil
}

func created(attribute string) bool {
	return attribute == "created_by_user_id" || attribute == "created_by_project_id"
}
