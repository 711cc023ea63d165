package attribute

import (
	"time"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/when"
	"granary/metricdef/resource"
)

// Value is the check of the value that an attribute may have; it means a resource.Value.
func Value(a *resource.Attribute, now time.Time) schema.Check {
	return func(v any) (any, error) { return value(a, v, now) }
}

func value(a *resource.Attribute, v any, now time.Time) (resource.Value, error) {
	out := resource.Value{Kind: a.Kind}
	var err error
	switch a.Kind {
	case resource.String:
		var s any
		if s, err = schema.StrRange(a.MinLength, a.MaxLength)(v); err == nil {
			out.Text = s.(string)
		}
	case resource.UUID:
		s, _ := v.(string)
		id, ok := schema.UUID(s)
		if !ok {
			err = schema.NotValid()
		}
		out.Text = id.String()
	case resource.Number:
		n, ok := v.(pyjson.Number)
		switch out.Number = n.Float(); {
		case !ok:
			err = schema.Wrong("expected Real")
		case a.Min != nil && !(out.Number >= *a.Min):
			err = schema.Wrong("value must be at least " + string(appendBound(nil, *a.Min)))
		case a.Max != nil && !(out.Number <= *a.Max):
			err = schema.Wrong("value must be at most " + string(appendBound(nil, *a.Max)))
		}
	case resource.Bool:
		var b any
		if b, err = schema.Bool(v); err == nil {
			out.Bool = b.(bool)
		}
	case resource.Datetime:
		out.Time, err = Time(v, now)
	}
	if err == nil && a.Check(out) != nil { // what it says is a matter of the store's; there is no word for it here
		err = schema.NotValid()
	}
	return out, err
}

// Time reads a time that a resource has: a timestamp of any form, in whole microseconds.
func Time(v any, now time.Time) (int64, error) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case pyjson.Number:
		text = string(v)
	}
	ns, err := when.Timestamp(text, now)
	if err != nil {
		return 0, schema.NotValid()
	}
	return ns - ns%int64(time.Microsecond), nil
}

// AppendValue appends the value of an attribute, null if there is none.
func AppendValue(dst []byte, v resource.Value, ok bool) []byte {
	if !ok {
		return append(dst, "null"...)
	}
	switch v.Kind {
	case resource.Number:
		return pyjson.AppendFloat(dst, v.Number)
	case resource.Bool:
		return pyjson.Append(dst, v.Bool)
	case resource.Datetime:
		return append(when.AppendDatetime(append(dst, '"'), v.Time), '"')
	}
	return pyjson.AppendString(dst, v.Text)
}
