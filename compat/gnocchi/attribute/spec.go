package attribute

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/metricdef/resource"
)

// maxLength is the largest max_length that clients may ask for.
const maxLength = 256

// InputError refuses a type whose parts do not fit each other.
type InputError struct{ Text string }

// Error implements error.
func (e *InputError) Error() string { return "Invalid input: " + e.Text }

// Kind is "invalid".
func (*InputError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*InputError) Code() string { return "resource-invalid" }

func inputError(format string, args ...any) error {
	return &InputError{fmt.Sprintf(format, args...)}
}

// Type is the check of a body that makes a type; it means a resource.Type.
func Type(v any) (any, error) {
	out, err := schema.Dict(
		schema.Field{Name: "name", Required: true, Check: TypeName},
		schema.Field{Name: "attributes", Check: specs(false)},
	)(v)
	if err != nil {
		return nil, err
	}
	o := out.(*pyjson.Object)
	name, _ := o.Get("name")
	t := resource.Type{Name: name.(string)}
	if list, ok := o.Get("attributes"); ok {
		for _, s := range list.([]spec) {
			if err := s.fits(); err != nil {
				return nil, err
			}
			t.Attributes = append(t.Attributes, s.Attribute)
		}
	}
	sortByName(t.Attributes)
	return t, nil
}

func sortByName(list []resource.Attribute) {
	slices.SortFunc(list, func(a, b resource.Attribute) int { return strings.Compare(a.Name, b.Name) })
}

// TypeName is the check of the name of a type, a string.
func TypeName(v any) (any, error) {
	s, err := schema.Name(v)
	if err == nil && strings.Contains(s.(string), "/") {
		err = schema.Wrong("'/' is not supported in a name")
	}
	return s, err
}

// spec is an attribute as a body gives it.
type spec struct {
	resource.Attribute
	fill any // what resources get that have no value; nil: nothing
}

// fits says whether the name of an attribute is one, and its bounds are in order.
func (s *spec) fits() error {
	if resource.CheckAttributeName(s.Name) != nil {
		return inputError("Resource attribute name %s is invalid", edge.Shorten(s.Name, 200))
	}
	lower, upper := float64(s.MinLength), float64(s.MaxLength)
	if s.Kind == resource.Number {
		lower, upper = math.Inf(-1), math.Inf(1)
		if s.Min != nil {
			lower = *s.Min
		}
		if s.Max != nil {
			upper = *s.Max
		}
	}
	if lower > upper {
		return inputError("Resource attribute value min (or min_length) %s must be less  than or equal to max (or max_length) %s!",
			appendBound(nil, lower), appendBound(nil, upper))
	}
	return nil
}

// specs is the check of an object of attributes; it means a []spec in the order of the body. A change of a type may say with what
// resources are filled that exist.
func specs(change bool) schema.Check {
	return func(v any) (any, error) {
		o, ok := v.(*pyjson.Object)
		if !ok {
			return nil, schema.Wrong("expected a dictionary")
		}
		list := make([]spec, len(o.Names))
		for i, name := range o.Names {
			var err error
			if list[i], err = newSpec(name, o.Values[i], change); err != nil {
				return nil, schema.At(err, name, true)
			}
		}
		return list, nil
	}
}

// newSpec reads what is said of an attribute. Whatever is wrong with it, its type is called wrong, as in the reference.
func newSpec(name string, v any, change bool) (s spec, err error) {
	o, ok := v.(*pyjson.Object)
	if !ok {
		return s, schema.Wrong("expected a dictionary")
	}
	typ, _ := o.Get("type")
	text, _ := typ.(string)
	s.Name, s.Required = name, true
	if s.Kind, ok = resource.ParseKind(text); !ok {
		return s, wrongType()
	}
	if s.Kind == resource.String {
		s.MaxLength = maxLength
	}
	for i, member := range o.Names {
		ok, value := true, o.Values[i]
		switch {
		case member == "type":
		case member == "required":
			s.Required, ok = value.(bool)
		case member == "min_length" && s.Kind == resource.String:
			s.MinLength, ok = length(value, 0)
		case member == "max_length" && s.Kind == resource.String:
			s.MaxLength, ok = length(value, 1)
		case member == "min" && s.Kind == resource.Number:
			s.Min, ok = bound(value)
		case member == "max" && s.Kind == resource.Number:
			s.Max, ok = bound(value)
		case member == "options" && change:
			s.fill, ok = fillOf(value)
		default:
			ok = false
		}
		if !ok {
			return s, wrongType()
		}
	}
	return s, nil
}

func wrongType() error { return schema.At(schema.NotValid(), "type", true) }

func length(v any, least int64) (int, bool) {
	n, err := schema.Int(v)
	if err != nil || n.(int64) < least || n.(int64) > maxLength {
		return 0, false
	}
	return int(n.(int64)), true
}

func bound(v any) (*float64, bool) {
	if v == nil {
		return nil, true
	}
	n, ok := v.(pyjson.Number)
	if !ok {
		return nil, false
	}
	f := n.Float()
	return &f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

// fillOf is the only option that there is.
func fillOf(v any) (any, bool) {
	o, ok := v.(*pyjson.Object)
	if !ok || strings.Join(o.Names, "") != "fill" && len(o.Names) > 0 {
		return nil, false
	}
	fill, _ := o.Get("fill")
	return fill, true
}

// AppendType appends a type.
func AppendType(dst []byte, t *resource.Type) []byte {
	dst = pyjson.AppendString(append(dst, `{"name": `...), t.Name)
	dst = append(dst, `, "attributes": {`...)
	for i := range t.Attributes {
		a := &t.Attributes[i]
		dst = pyjson.Append(pyjson.AppendName(dst, a.Name), describe(a))
	}
	return append(dst, `}, "state": "active"}`...)
}

// describe is what a type says of an attribute.
func describe(a *resource.Attribute) *pyjson.Object {
	o := &pyjson.Object{}
	o.Set("type", a.Kind.String())
	o.Set("required", a.Required)
	switch a.Kind {
	case resource.String:
		o.Set("max_length", pyjson.Number(strconv.Itoa(a.MaxLength)))
		o.Set("min_length", pyjson.Number(strconv.Itoa(a.MinLength)))
	case resource.Number:
		o.Set("min", boundOf(a.Min))
		o.Set("max", boundOf(a.Max))
	}
	return o
}

func boundOf(f *float64) any {
	if f == nil {
		return nil
	}
	return pyjson.Number(appendBound(nil, *f))
}

// appendBound appends a bound: a whole one without a point, as bounds are given.
func appendBound(dst []byte, f float64) []byte {
	dst = pyjson.AppendFloat(dst, f)
	if n := len(dst) - 2; n > 0 && string(dst[n:]) == ".0" {
		dst = dst[:n]
	}
	return dst
}
