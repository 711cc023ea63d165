package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"granary/compat/gnocchi/pyjson"
)

func TestDict(t *testing.T) {
	check := Dict(
		Field{"name", true, Str}, Field{"window", false, AtLeast(0, CoerceInt)}, Field{"unit", false, StrMax(3)},
		Field{"list", false, List(1, Dict(Field{"n", false, AtLeast(1, CoerceInt)}))}, Field{"methods", false, List(0, func(v any) (any, error) {
			if v != "mean" {
				return nil, NotValid()
			}
			return v, nil
		})}, Field{"by", false, Map(func(s string) (string, error) { return strings.ToUpper(s), nilUnless(s == "a") }, List(0, Bool))},
	)
	for _, c := range []struct{ in, want string }{
		{`{"name": "x", "window": "2", "list": [{"n": 1.9}], "by": {"a": [true]}}`, `{"name": "x", "window": 2, "list": [{"n": 1}], "by": {"A": [true]}}`},
		{`[]`, `expected a dictionary []`},
		{`{}`, `required key not provided @ data['name'] [name]`},
		{`{"x": 1}`, `extra keys not allowed @ data['x'] [x]`},
		{`{"it's": 1}`, `extra keys not allowed @ data["it's"] [it's]`},
		{`{"name": null}`, `expected str for dictionary value @ data['name'] [name]`},
		{`{"name": "x", "window": -1}`, `value must be at least 0 for dictionary value @ data['window'] [window]`},
		{`{"name": "x", "window": null}`, `expected int for dictionary value @ data['window'] [window]`},
		{`{"name": "x", "unit": "long"}`, `length of value must be at most 3 for dictionary value @ data['unit'] [unit]`},
		{`{"name": "x", "list": []}`, `length of value must be at least 1 for dictionary value @ data['list'] [list]`},
		{`{"name": "x", "list": {}}`, `expected a list for dictionary value @ data['list'] [list]`},
		{`{"name": "x", "list": [1]}`, `expected a dictionary @ data['list'][0] [list 0]`},
		{`{"name": "x", "list": [{}, {"n": 0}]}`, `value must be at least 1 for dictionary value @ data['list'][1]['n'] [list 1 n]`},
		{`{"name": "x", "methods": ["mean", "sum"]}`, `not a valid value @ data['methods'][1] [methods 1]`},
		{`{"name": "x", "by": {"b": []}}`, `extra keys not allowed @ data['by']['b'] [by b]`},
		{`{"name": "x", "by": {"a": [1]}}`, `expected bool @ data['by']['a'][0] [by a 0]`},
	} {
		v, err := pyjson.Decode([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		var e *Error
		if v, err = check(v); errors.As(err, &e) {
			got = fmt.Sprint(e.Error(), " ", e.Detail())
		} else {
			got = string(pyjson.Append(nil, v))
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.in, got, c.want)
		}
	}
}

// TestNamesInErrors: an error does not give back what came, however long it is.
func TestNamesInErrors(t *testing.T) {
	o := &pyjson.Object{}
	o.Set(strings.Repeat("\u00e9", 1<<20), nil)
	_, err := Dict()(o)
	var e *Error
	if !errors.As(err, &e) || len(e.Error()) > 2000 || len(e.Detail()[0]) > 2000 {
		t.Errorf("%d bytes", len(e.Error()))
	}
}

func nilUnless(ok bool) error {
	if ok {
		return nil
	}
	return NotValid()
}
