package attribute

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/metricdef/resource"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func decode(t testing.TB, s string) any {
	t.Helper()
	v, err := pyjson.Decode([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func makeType(t testing.TB, body string) resource.Type {
	t.Helper()
	v, err := Type(decode(t, body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v.(resource.Type)
}

const wrong = `not a valid value for dictionary value @ data['attributes']['x']['type']`

func TestType(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"name": "my_other_type"}`, `{"name": "my_other_type", "attributes": {}, "state": "active"}`},
		{
			`{"name": "t", "attributes": {"myid": {"type": "uuid"}, "display_name": {"type": "string", "required": true},
				"prefix": {"type": "string", "required": false, "max_length": 8, "min_length": 3}, "size": {"type": "number", "min": 5, "max": 32.8},
				"enabled": {"type": "bool", "required": false}, "launched_at": {"type": "datetime", "required": false}, "a-b c": {"type": "number"}}}`,
			`{"name": "t", "attributes": {"a-b c": {"type": "number", "required": true, "min": null, "max": null}, ` +
				`"display_name": {"type": "string", "required": true, "max_length": 256, "min_length": 0}, "enabled": {"type": "bool", "required": false}, ` +
				`"launched_at": {"type": "datetime", "required": false}, "myid": {"type": "uuid", "required": true}, ` +
				`"prefix": {"type": "string", "required": false, "max_length": 8, "min_length": 3}, ` +
				`"size": {"type": "number", "required": true, "min": 5, "max": 32.8}}, "state": "active"}`,
		},
		{`[]`, `expected a dictionary`},
		{`{}`, `required key not provided @ data['name']`},
		{`{"name": 5}`, `expected str for dictionary value @ data['name']`},
		{`{"name": "x", "y": 1}`, `extra keys not allowed @ data['y']`},
		{`{"name": ""}`, `length of value must be at least 1 for dictionary value @ data['name']`},
		{`{"name": "a/b"}`, `'/' is not supported in a name for dictionary value @ data['name']`},
		{`{"name": ".."}`, `'..' is not supported in a name: no address leads to it for dictionary value @ data['name']`},
		{`{"name": "a\u0000"}`, `the character U+0000 is not supported in a name for dictionary value @ data['name']`},
		{`{"name": "t", "attributes": []}`, `expected a dictionary for dictionary value @ data['attributes']`},
		{`{"name": "t", "attributes": {"x": 5}}`, `expected a dictionary for dictionary value @ data['attributes']['x']`},
		{`{"name": "t", "attributes": {"x": {}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "float"}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": 5}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "string", "min_length": -1}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "string", "min_length": 1.5}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "string", "max_length": 257}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "string", "max_length": 0}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "string", "min": 0}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "number", "min": "0"}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "number", "max": Infinity}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "bool", "required": 1}}}`, wrong},
		{`{"name": "t", "attributes": {"x": {"type": "bool", "options": {"fill": true}}}}`, wrong},
		{
			`{"name": "t", "attributes": {"x": {"type": "string", "min_length": 10, "max_length": 5}}}`,
			`Invalid input: Resource attribute value min (or min_length) 10 must be less  than or equal to max (or max_length) 5!`,
		},
		{
			`{"name": "t", "attributes": {"x": {"type": "number", "min": 10.5, "max": 5}}}`,
			`Invalid input: Resource attribute value min (or min_length) 10.5 must be less  than or equal to max (or max_length) 5!`,
		},
		{`{"name": "t", "attributes": {"user_id": {"type": "uuid"}}}`, `Invalid input: Resource attribute name user_id is invalid`},
		{`{"name": "t", "attributes": {"_x": {"type": "uuid"}}}`, `Invalid input: Resource attribute name _x is invalid`},
		{`{"name": "t", "attributes": {"": {"type": "uuid"}}}`, `Invalid input: Resource attribute name  is invalid`},
	} {
		got := ""
		if v, err := Type(decode(t, c.in)); err != nil {
			got = err.Error()
		} else {
			typ := v.(resource.Type)
			got = string(AppendType(nil, &typ))
			if err := typ.Validate(); err != nil {
				t.Errorf("%s: %v", c.in, err)
			}
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.in, got, c.want)
		}
	}
}

func TestValue(t *testing.T) {
	at := func(f float64) *float64 { return &f }
	str := resource.Attribute{Name: "s", Kind: resource.String, MinLength: 2, MaxLength: 4}
	id := resource.Attribute{Name: "u", Kind: resource.UUID}
	num := resource.Attribute{Name: "n", Kind: resource.Number, Min: at(5), Max: at(100.5)}
	flag := resource.Attribute{Name: "b", Kind: resource.Bool}
	date := resource.Attribute{Name: "d", Kind: resource.Datetime}
	for _, c := range []struct {
		a        resource.Attribute
		in, want string
	}{
		{str, `"äöü"`, `"\u00e4\u00f6\u00fc"`},
		{str, `"x"`, `length of value must be at least 2`},
		{str, `"abcde"`, `length of value must be at most 4`},
		{str, `"a\u0000"`, `not a valid value`},
		{str, `5`, `expected str`},
		{str, `null`, `expected str`},
		{id, `"6868DA77FA824E67ABA9270C5AE8CBCA"`, `"6868da77-fa82-4e67-aba9-270c5ae8cbca"`},
		{id, `"junk"`, `not a valid value`},
		{id, `5`, `not a valid value`},
		{num, `5`, `5.0`},
		{num, `32.85`, `32.85`},
		{num, `4.9`, `value must be at least 5`},
		{num, `101`, `value must be at most 100.5`},
		{num, `NaN`, `value must be at least 5`},
		{num, `true`, `expected Real`},
		{num, `"5"`, `expected Real`},
		{resource.Attribute{Name: "n", Kind: resource.Number}, `1e999`, `not a valid value`},
		{resource.Attribute{Name: "n", Kind: resource.Number}, `NaN`, `not a valid value`},
		{flag, `true`, `true`},
		{flag, `1`, `expected bool`},
		{date, `"2017-12-10T08:10:42Z"`, `"2017-12-10T08:10:42+00:00"`},
		{date, `1.0000015`, `"1970-01-01T00:00:01.000001+00:00"`},
		{date, `"now"`, `"2026-11-28T12:00:00+00:00"`},
		{date, `"01/02/2020"`, `not a valid value`},
		{date, `null`, `not a valid value`},
		{date, `true`, `not a valid value`},
		{date, `""`, `not a valid value`},
	} {
		got := ""
		if v, err := Value(&c.a, now)(decode(t, c.in)); err != nil {
			got = err.Error()
		} else {
			got = string(AppendValue(nil, v.(resource.Value), true))
		}
		if got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.in, c.a.Kind, got, c.want)
		}
	}
	if got := string(AppendValue(nil, resource.Value{}, false)); got != "null" {
		t.Errorf("no value: %s", got)
	}
}

const patched = `{"name": "vm", "attributes": {"prefix": {"type": "string", "required": false, "max_length": 8, "min_length": 3}, "size": {"type": "number"}}}`

func TestPatch(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`[]`, `prefix string false 3 8, size number true; `},
		{
			`[{"op": "add", "path": "/attributes/awesome-stuff", "value": {"type": "bool", "required": false}},
			  {"op": "add", "path": "/attributes/required-stuff", "value": {"type": "bool", "required": true, "options": {"fill": true}}},
			  {"op": "add", "path": "/attributes/required-datetime", "value": {"type": "datetime", "required": true, "options": {"fill": "2017-12-11T08:12:42Z"}}},
			  {"op": "remove", "path": "/attributes/prefix"}]`,
			`awesome-stuff bool false, required-datetime datetime true, required-stuff bool true, size number true; ` +
				`required-datetime "2017-12-11T08:12:42+00:00" required-stuff true`,
		},
		{`[{"op": "add", "path": "/attributes/a~1b~0", "value": {"type": "bool", "required": false}}, {"op": "remove", "path": "/attributes/size"}]`, `a/b~ bool false, prefix string false 3 8; `},
		{`[{"op": "add", "path": "/attributes", "value": {"x": {"type": "uuid", "required": false}}}]`, `x uuid false; `},
		{`[{"op": "add", "path": "/attributes/prefix", "value": {"type": "string", "required": false, "max_length": 20}}]`, `prefix string false 0 20, size number true; `},
		{`[{"op": "add", "path": "/attributes/prefix", "value": {"type": "string", "options": {"fill": "xyz"}}}]`, `prefix string true 0 256, size number true; prefix "xyz"`},
		{`[{"op": "remove", "path": "/attributes/prefix/max_length"}]`, `prefix string false 3 256, size number true; `},
		{`[{"op": "add", "path": "/attributes/prefix/options", "value": {"fill": "abc"}}]`, `prefix string false 3 8, size number true; prefix "abc"`},

		{`{}`, `expected a list`},
		{`[5]`, `expected a dictionary @ data[0]`},
		{`[{}]`, `required key not provided @ data[0]['op']`},
		{`[{"op": "add"}]`, `required key not provided @ data[0]['path']`},
		{`[{"op": "add", "path": "/attributes/x"}]`, `required key not provided @ data[0]['value']`},
		{`[{"op": "replace", "path": "/attributes/x", "value": {}}]`, `not a valid value for dictionary value @ data[0]['op']`},
		{`[{"op": "test", "path": "/attributes/x", "value": {}}]`, `not a valid value for dictionary value @ data[0]['op']`},
		{`[{"op": "add", "path": "/name", "value": {}}]`, `not a valid value for dictionary value @ data[0]['path']`},
		{`[{"op": "add", "path": "/attributes/a/b/c/d", "value": {}}]`, `not a valid value for dictionary value @ data[0]['path']`},
		{`[{"op": "add", "path": "/attributes/x", "value": 5}]`, `expected a dictionary for dictionary value @ data[0]['value']`},
		{`[{"op": "add", "path": "/attributes/x", "value": {}, "from": "y"}]`, `extra keys not allowed @ data[0]['from']`},
		{`[{"op": "add", "path": "/attributesx", "value": {}}]`, `extra keys not allowed @ data['attributesx']`},
		{`[{"op": "remove", "path": "/attributes/nope"}]`, `can't remove a non-existent object 'nope'`},
		{`[{"op": "remove", "path": "/attributes/nope/type"}]`, `member 'nope' not found in path '/attributes/nope/type'`},
		{`[{"op": "remove", "path": "/attributes"}]`, `required key not provided @ data['attributes']`},
		{`[{"op": "add", "path": "/attributes/x", "value": {"type": "nope"}}]`, wrong},
		{`[{"op": "add", "path": "/attributes/x", "value": {"type": "bool", "options": {"empty": 1}}}]`, wrong},
		{`[{"op": "add", "path": "/attributes/x", "value": {"type": "bool"}}]`, `Invalid input: Option 'fill' of resource attribute x is invalid: must not be empty if required=True`},
		{`[{"op": "add", "path": "/attributes/prefix", "value": {"type": "string"}}]`, `Invalid input: Option 'fill' of resource attribute prefix is invalid: must not be empty if required=True`},
		{`[{"op": "add", "path": "/attributes/x", "value": {"type": "bool", "options": {"fill": null}}}]`, `Invalid input: Option 'fill' of resource attribute x is invalid: must not be empty if required=True`},
		{`[{"op": "add", "path": "/attributes/x", "value": {"type": "bool", "options": {"fill": "yes"}}}]`, `Invalid input: Option 'fill' of resource attribute x is invalid: expected bool`},
		{`[{"op": "add", "path": "/attributes/x", "value": {"type": "string", "required": false, "max_length": 2, "options": {"fill": "yes"}}}]`, `Invalid input: Option 'fill' of resource attribute x is invalid: length of value must be at most 2`},
		{`[{"op": "add", "path": "/attributes/prefix", "value": {"type": "number"}}]`, `Type update is not available yet. Changing string to number for attribute prefix of resource vm`},
		{`[{"op": "add", "path": "/attributes/id", "value": {"type": "number", "required": false}}]`, `Invalid input: Resource attribute name id is invalid`},
		{`[{"op": "add", "path": "/attributes/x", "value": {"type": "number", "min": 2, "max": 1}}]`, `Invalid input: Resource attribute value min (or min_length) 2 must be less  than or equal to max (or max_length) 1!`},
		{`[` + strings.Repeat(`{"op": "remove", "path": "/attributes/x"}, `, MaxPatch) + `{"op": "remove", "path": "/attributes/x"}]`, `length of value must be at most 1000`},
	} {
		got := ""
		typ := makeType(t, patched)
		v, err := ParsePatch(decode(t, c.in))
		if err == nil {
			var fill map[string]resource.Value
			if fill, err = v.(Patch).Apply(&typ, now); err == nil {
				got = showType(&typ) + "; " + showFill(fill)
				again := makeType(t, patched)
				if _, err := v.(Patch).Apply(&again, now); err != nil || showType(&again) != showType(&typ) {
					t.Errorf("%s: another type a second time: %s, %v", c.in, showType(&again), err)
				}
			}
		}
		if err != nil {
			if got = err.Error(); showType(&typ) != "prefix string false 3 8, size number true" {
				t.Errorf("%s: the type is changed: %s", c.in, showType(&typ))
			}
		}
		if got != c.want {
			t.Errorf("%.200s:\n%s, want\n%s", c.in, got, c.want)
		}
	}
}

func showType(t *resource.Type) string {
	var parts []string
	for _, a := range t.Attributes {
		text := fmt.Sprint(a.Name, " ", a.Kind, " ", a.Required)
		if a.Kind == resource.String {
			text += fmt.Sprint(" ", a.MinLength, " ", a.MaxLength)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func showFill(fill map[string]resource.Value) string {
	var parts []string
	for name, v := range fill {
		parts = append(parts, name+" "+string(AppendValue(nil, v, true)))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// FuzzPatch looks for patches that make types which are none, or whose fill no resource could have.
func FuzzPatch(f *testing.F) {
	for _, s := range []string{
		`[{"op": "add", "path": "/attributes/x", "value": {"type": "string", "required": true, "min_length": 1, "options": {"fill": "x"}}}]`,
		`[{"op": "add", "path": "/attributes", "value": {}}, {"op": "add", "path": "/attributes/a~1b", "value": {"type": "number", "min": 1, "options": {"fill": 1}}}]`,
		`[{"op": "remove", "path": "/attributes/prefix/min_length"}, {"op": "remove", "path": "/attributes/size"}]`, `[]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		body, err := pyjson.Decode([]byte(in))
		if err != nil {
			return
		}
		v, err := ParsePatch(body)
		var fault *schema.Error
		if err != nil {
			if !errors.As(err, &fault) {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		typ := makeType(t, patched)
		fill, err := v.(Patch).Apply(&typ, now)
		if err != nil {
			var input *InputError
			var patch *PatchError
			if !errors.As(err, &fault) && !errors.As(err, &input) && !errors.As(err, &patch) {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		var known *resource.InvalidError
		if err := typ.Validate(); err != nil && !(errors.As(err, &known) && len(typ.Attributes) > resource.MaxAttributes) {
			t.Fatalf("%q: %v", in, err)
		}
		for name, v := range fill {
			a := typ.Attribute(name)
			if a == nil || a.Check(v) != nil {
				t.Fatalf("%q: fill %s with %v", in, name, v)
			}
			if math.IsNaN(v.Number) {
				t.Fatalf("%q: NaN", in)
			}
		}
	})
}
