package filter

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/when"
	"granary/metricdef/resource"
)

// Binding is what gives the words of a query their meaning.
type Binding struct {
	Type    *resource.Type
	History bool // former revisions are searched, too
	// ID is the id of a resource that somebody calls so; it depends on who asks.
	ID  func(text string) (uuid.UUID, error)
	Now time.Time
}

// Query is the query of the store that q means: values have the kind of their attribute. Its errors are *AttributeError, *ValueError
// and *OperatorError.
func (b *Binding) Query(q Query) (resource.Query, error) {
	switch q := q.(type) {
	case And:
		parts, err := b.queries(q)
		return resource.And(parts), err
	case Or:
		parts, err := b.queries(q)
		return resource.Or(parts), err
	case Not:
		part, err := b.Query(q.Query)
		return resource.Not{Query: part}, err
	}
	return b.compare(q.(*Compare))
}

func (b *Binding) queries(list []Query) ([]resource.Query, error) {
	parts := make([]resource.Query, len(list))
	for i, q := range list {
		var err error
		if parts[i], err = b.Query(q); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func (b *Binding) compare(c *Compare) (resource.Query, error) {
	kind, ok := b.Type.KindOf(c.Attribute, b.History)
	if !ok {
		return nil, &AttributeError{b.Type.Name, c.Attribute}
	}
	if err := comparableBy(c, kind); err != nil {
		return nil, err
	}
	out := &resource.Compare{Attribute: c.Attribute, Op: c.Op, Values: make([]resource.Operand, len(c.Values))}
	for i, v := range c.Values {
		if v.Kind == Null && c.Op != resource.Like {
			out.Values[i].Null = true
			continue
		}
		value, err := b.value(c.Attribute, kind, v)
		if err != nil {
			return nil, &ValueError{v, c.Attribute, err}
		}
		out.Values[i].Value = value
	}
	return out, nil
}

// comparableBy says whether an attribute can be compared so.
func comparableBy(c *Compare, kind resource.Kind) error {
	switch c.Attribute {
	case "created_by_user_id", "created_by_project_id": // they are parts of the creator
		if c.Op != resource.Eq && c.Op != resource.Ne && c.Op != resource.Like {
			return &OperatorError{c.Op, c.Attribute, "it is compared by =, != and like"}
		}
	}
	if c.Op == resource.Like && kind != resource.String {
		return &OperatorError{c.Op, c.Attribute, "it compares texts, and this is a " + kind.String()}
	}
	return nil
}

// value is what a value is for an attribute. The errors say why it is nothing.
func (b *Binding) value(attribute string, kind resource.Kind, v Value) (out resource.Value, err error) {
	switch {
	case v.Kind == Null:
		return out, errKind
	case attribute == attrID:
		if v.Kind != Text {
			return out, errKind
		}
		id, err := b.ID(v.Text)
		return resource.UUIDValue(id), err
	case attribute == "lifespan":
		if v.Kind == Bool {
			return out, errKind
		}
		span, err := when.SignedSpan(v.Text)
		return resource.NumberValue(when.Seconds(span)), err
	}
	switch kind {
	case resource.String:
		return resource.TextValue(text(v)), nil
	case resource.UUID:
		if v.Kind != Text {
			return out, errKind
		}
		id, ok := schema.UUID(v.Text)
		if !ok {
			err = errKind
		}
		return resource.UUIDValue(id), err
	case resource.Bool:
		if v.Kind != Bool {
			return out, errKind
		}
		return resource.BoolValue(v.Bool), nil
	}
	if v.Kind == Bool {
		return out, errKind
	}
	if kind == resource.Datetime {
		ns, err := when.Timestamp(v.Text, b.Now)
		return resource.TimeValue(ns - ns%int64(time.Microsecond)), err
	}
	f, err := strconv.ParseFloat(v.Text, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		err = errKind
	}
	return resource.NumberValue(f), err
}

// text is a value as a text: numbers have the digits that Python gives them.
func text(v Value) string {
	if n := pyjson.Number(v.Text); v.Kind == Number && !n.IsInt() {
		return string(pyjson.AppendFloat(nil, n.Float()))
	}
	return v.String()
}

// AttributeError refuses a query for an attribute that resources of the type do not have.
type AttributeError struct{ Type, Attribute string }

// Error implements error.
func (e *AttributeError) Error() string {
	return fmt.Sprintf("Resource type %s has no %s attribute", e.Type, edge.Shorten(e.Attribute, 200))
}

// Kind is "invalid".
func (*AttributeError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*AttributeError) Code() string { return "filter-invalid" }

// ValueError refuses a value that an attribute cannot have.
type ValueError struct {
	Value     Value
	Attribute string
	Err       error
}

// Error implements error.
func (e *ValueError) Error() string {
	return fmt.Sprintf("Invalid value: `%s' for field `%s'", edge.Shorten(e.Value.String(), 200), e.Attribute)
}

func (e *ValueError) Unwrap() error { return e.Err }

// Kind is "invalid".
func (*ValueError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*ValueError) Code() string { return "filter-invalid" }

// errKind is the cause where the kind of a value says it all.
var errKind = fmt.Errorf("value of another kind")

// OperatorError refuses a comparison that an attribute does not have.
type OperatorError struct {
	Op        Op
	Attribute string
	Reason    string
}

// Error implements error.
func (e *OperatorError) Error() string {
	return fmt.Sprintf("Invalid operator: `%s' for field `%s': %s", e.Op, e.Attribute, e.Reason)
}

// Kind is "invalid".
func (*OperatorError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*OperatorError) Code() string { return "filter-invalid" }
