package filter

import (
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/metricdef/resource"
)

// FromJSON reads a query as JSON has it: nil, bool, string, pyjson.Number, []any, *pyjson.Object. {} asks for nothing. Its errors
// are *schema.Error and *LimitError.
func FromJSON(v any) (Query, error) {
	var r reader
	q, err := r.query(v)
	if r.over != nil { // the schema would put a path behind it
		return nil, r.over
	}
	if err != nil {
		return nil, err
	}
	return q.(Query), nil
}

// reader makes queries of values. Its methods are checks of a schema.
type reader struct {
	budget
	over error // the limit that is broken
}

// bound keeps the error of a limit.
func (r *reader) bound(err error) error {
	if err != nil {
		r.over = err
	}
	return err
}

// query reads an object with one member, whose name says what it is.
func (r *reader) query(v any) (any, error) {
	name, err := only(v, 0)
	if name == "" || err != nil {
		return And{}, err
	}
	if err := r.bound(r.deeper()); err != nil {
		return nil, err
	}
	defer func() { r.depth-- }()
	field := schema.Field{Name: name}
	switch name {
	case "and", "∧":
		field.Check = func(v any) (any, error) {
			parts, err := r.queries(v)
			return And(parts), err
		}
	case "or", "∨":
		field.Check = func(v any) (any, error) {
			parts, err := r.queries(v)
			return Or(parts), err
		}
	case "not":
		field.Check = func(v any) (any, error) {
			q, err := r.query(v)
			if err != nil {
				return nil, err
			}
			return Not{q.(Query)}, nil
		}
	default:
		op, ok := operators[name]
		if !ok {
			return schema.Dict()(v) // refuses the name
		}
		field.Check = func(v any) (any, error) { return r.compare(op, v) }
	}
	return member(v, field)
}

// only is the name of the only member of an object, which has least members at least; "" if it has none.
func only(v any, least int) (string, error) {
	o, ok := v.(*pyjson.Object)
	switch {
	case !ok:
		return "", schema.Wrong("expected a dictionary")
	case len(o.Names) > 1:
		return "", schema.Wrong("length of value must be at most 1")
	case len(o.Names) < least:
		return "", schema.Wrong("length of value must be at least 1")
	case len(o.Names) == 0:
		return "", nil
	case o.Names[0] == "":
		_, err := schema.Dict()(v) // refuses the name
		return "", err
	}
	return o.Names[0], nil
}

// member is what the only member of an object means.
func member(v any, field schema.Field) (any, error) {
	out, err := schema.Dict(field)(v)
	if err != nil {
		return nil, err
	}
	return out.(*pyjson.Object).Values[0], nil
}

func (r *reader) queries(v any) ([]Query, error) {
	list, err := schema.List(1, r.query)(v)
	if err != nil {
		return nil, err
	}
	var parts []Query
	for _, q := range list.([]any) {
		parts = append(parts, q.(Query))
	}
	return parts, nil
}

// compare reads an object whose only member names an attribute.
func (r *reader) compare(op Op, v any) (any, error) {
	if err := r.bound(r.term()); err != nil {
		return nil, err
	}
	name, err := only(v, 1)
	if err != nil {
		return nil, err
	}
	c := &Compare{Attribute: name, Op: op}
	switch {
	case op == resource.Like && name == attrID:
		return schema.Dict()(v)
	case op == resource.In:
		list, err := member(v, schema.Field{Name: name, Check: schema.List(1, r.scalar)})
		if err != nil {
			return nil, err
		}
		for _, value := range list.([]any) {
			c.Values = append(c.Values, value.(Value))
		}
		return c, nil
	}
	check := r.scalar
	if op == resource.Like {
		check = r.pattern
	}
	value, err := member(v, schema.Field{Name: name, Check: check})
	if err != nil {
		return nil, err
	}
	c.Values = []Value{value.(Value)}
	return c, nil
}

// scalar is a value.
func (r *reader) scalar(v any) (any, error) {
	if err := r.bound(r.operand()); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return Value{}, nil
	case bool:
		return Value{Kind: Bool, Bool: v}, nil
	case pyjson.Number:
		return Value{Kind: Number, Text: string(v)}, nil
	case string:
		return Value{Kind: Text, Text: v}, nil
	}
	return nil, schema.NotValid()
}

// pattern is a value of like.
func (r *reader) pattern(v any) (any, error) {
	if _, err := schema.Str(v); err != nil {
		return nil, err
	}
	return r.scalar(v)
}
