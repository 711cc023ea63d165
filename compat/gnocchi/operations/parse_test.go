package operations

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/syntax"
)

// body checks operations as the member of a body that they are.
func body(v any) (*Operations, error) {
	o := &pyjson.Object{}
	o.Set("operations", v)
	got, err := schema.Dict(schema.Field{Name: "operations", Required: true, Check: func(v any) (any, error) { return Parse(v) }})(o)
	if err != nil {
		return nil, err
	}
	return got.(*pyjson.Object).Values[0].(*Operations), nil
}

func decode(t testing.TB, text string) any {
	v, err := pyjson.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`["metric", "a", "mean"]`, `['metric', 'a', 'mean']`},
		{`["metric", ["a", "mean"], ["b", "max"]]`, `['metric', ['a', 'mean'], ['b', 'max']]`},
		{`["metric", ["a", "mean"]]`, `['metric', 'a', 'mean']`},
		{`"(metric a mean)"`, `['metric', 'a', 'mean']`},
		{`"  (* (aggregate mean\n(metric (a mean)(b max))) 4) and more"`, `['*', ['aggregate', 'mean', ['metric', ['a', 'mean'], ['b', 'max']]], 4.0]`},
		{`"(metric it's mean)"`, `['metric', "it's", 'mean']`},
		{`"(metric \"a b\" mean)"`, `['metric', '"a b"', 'mean']`},
		{`"(metric x\"a b\" )"`, `['metric', 'x', '"a b"']`},
		{`["rolling", "rate:mean", 3, ["metric", "a", "mean"]]`, `['rolling', 'rate:mean', 3, ['metric', 'a', 'mean']]`},
		{`"(rolling var 2 (metric a mean))"`, `['rolling', 'var', 2, ['metric', 'a', 'mean']]`},
		{`["resample", "95pct", "2 minutes", ["metric", "a", "mean"]]`, `['resample', '95pct', 120.0, ['metric', 'a', 'mean']]`},
		{`["resample", "rate:last", 90, ["metric", "a", "mean"]]`, `['resample', 'rate:last', 90.0, ['metric', 'a', 'mean']]`},
		{`["clip", ["metric", "a", "mean"], 1, " 2_0.5 "]`, `['clip', ['metric', 'a', 'mean'], 1.0, 20.5]`},
		{`["clip", ["metric", "a", "mean"], true]`, `['clip', ['metric', 'a', 'mean'], 1.0]`},
		{`["≥", ["÷", 1, ["abs", ["metric", "a", "mean"]]], ["+", 1, "-inf"]]`, `['≥', ['÷', 1.0, ['abs', ['metric', 'a', 'mean']]], ['+', 1.0, -Infinity]]`},
	} {
		o, err := body(decode(t, c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
		} else if got := o.root.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
	o, err := body(decode(t, `["+", ["metric", ["b", "max"], ["a", "mean"], ["b", "max"]], ["metric", "a", "max"]]`))
	if err != nil || fmt.Sprint(o.Refs) != "[{b max} {a mean} {a max}]" {
		t.Error(o, err)
	}
}

func TestParseErrors(t *testing.T) {
	const whole = " for dictionary value @ data['operations']"
	for _, c := range []struct{ in, want string }{
		{`1`, `Expected a tuple/list, got a <class 'int'>` + whole},
		{`1.5`, `Expected a tuple/list, got a <class 'float'>` + whole},
		{`null`, `Expected a tuple/list, got a <class 'NoneType'>` + whole},
		{`true`, `Expected a tuple/list, got a <class 'bool'>` + whole},
		{`{}`, `Expected a tuple/list, got a <class 'dict'>` + whole},
		{`[]`, `Operation must not be empty` + whole},
		{`"()"`, `Operation must not be empty` + whole},
		{`["metric"]`, `Operation need at least one argument` + whole},
		{`"(foo)"`, `Operation need at least one argument` + whole},
		{`["foo", "bar"]`, `'foo' operation invalid` + whole},
		{`"(foo bar)"`, `'foo' operation invalid` + whole},
		{`[1, 2]`, `'1' operation invalid` + whole},
		{`[["a"], 2]`, `'['a']' operation invalid` + whole},
		{`[null, 2]`, `'None' operation invalid` + whole},
		{`["metric", "a"]`, `None @ data['operations'][0]`},
		{`["metric", ["a", "mean"], ["b"]]`, `None @ data['operations'][1]`},
		{`["metric", ["a", 5]]`, `expected str @ data['operations'][0]`},
		{`["metric", "a", "mean", "x"]`, `None @ data['operations'][0]`},
		{`["metric", "a", 5]`, `None @ data['operations'][0]`},
		{`["aggregate", "mean", ["metric", "a"]]`, `None @ data['operations'][0]`},
		{`["aggregate", "wrong", ["metric", "a"]]`, `'aggregate' operation invalid` + whole},
		{`["aggregate", "mean", ["foo", "a"]]`, `'aggregate' operation invalid` + whole},
		{`["aggregate", "mean", []]`, `'aggregate' operation invalid` + whole},
		{`["aggregate", "95pct", ["metric", "a", "mean"]]`, `'aggregate' operation invalid` + whole},
		{`["aggregate", "mean", ["metric", "a", "mean"], ["metric", "a", "mean"]]`, `'aggregate' operation invalid` + whole},
		{`["rolling", "mean", 0, ["metric", "a", "mean"]]`, `'rolling' operation invalid` + whole},
		{`["rolling", "mean", "x", ["metric", "a", "mean"]]`, `'rolling' operation invalid` + whole},
		{`["rolling", "last", 2, ["metric", "a", "mean"]]`, `'rolling' operation invalid` + whole},
		{`["resample", "var", 60, ["metric", "a", "mean"]]`, `'resample' operation invalid` + whole},
		{`["resample", "mean", "M", ["metric", "a", "mean"]]`, `'resample' operation invalid` + whole},
		{`["resample", "mean", 0, ["metric", "a", "mean"]]`, `'resample' operation invalid` + whole},
		{`["resample", "mean", null, ["metric", "a", "mean"]]`, `'resample' operation invalid` + whole},
		{`["+", ["metric", "a", "mean"]]`, `'+' operation invalid` + whole},
		{`["+", 1, 2, 3]`, `'+' operation invalid` + whole},
		{`["+", "x", ["metric", "a"]]`, `'+' operation invalid` + whole},
		{`["abs", null]`, `'abs' operation invalid` + whole},
		{`["clip", ["metric", "a", "mean"]]`, `'clip' operation invalid` + whole},
		{`["clip", ["metric", "a", "mean"], 1, 2, 3]`, `'clip' operation invalid` + whole},
		{`["clip", ["metric", "a", "mean"], 1, null]`, `'clip' operation invalid` + whole},
	} {
		_, err := body(decode(t, c.in))
		var e *schema.Error
		if !errors.As(err, &e) || e.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.in, err, c.want)
		}
	}
	for _, c := range []struct{ in, want string }{
		{``, `Expected '('  (at char 0), (line:1, col:1)`},
		{`  `, `Expected '(', found end of text  (at char 2), (line:1, col:3)`},
		{`foo`, `Expected '(', found 'foo'  (at char 0), (line:1, col:1)`},
		{`(metric foo bar`, `Expected ')', found end of text  (at char 15), (line:1, col:16)`},
		{"(a\n (b (c) (d", `Expected ')', found '('  (at char 4), (line:2, col:2)`},
	} {
		_, err := Parse(c.in)
		var e *syntax.Error
		if !errors.As(err, &e) || e.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.in, err, c.want)
		}
	}
	for _, c := range []struct{ in, want string }{
		{`["+", 1, 2]`, `operations: At least one 'metric' is required`},
		{`["+", ["aggregate", "mean", ["+", 1, 2]], ["metric", "a", "mean"]]`, `operations: "aggregate" works on series, and ['+', 1.0, 2.0] is a number`},
		{`["+", ["rateofchange", 3], ["metric", "a", "mean"]]`, `operations: "rateofchange" works on series, and 3.0 is a number`},
	} {
		_, err := Parse(decode(t, c.in))
		var e *Error
		if !errors.As(err, &e) || e.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.in, err, c.want)
		}
	}
}

func nested(depth int) any {
	v := any([]any{"metric", "a", "mean"})
	for range depth {
		v = []any{"abs", v}
	}
	return v
}

func TestParseBounds(t *testing.T) {
	wide := []any{"metric"}
	for i := range MaxRefs + 1 {
		wide = append(wide, []any{fmt.Sprint(i), "mean"})
	}
	var many func(depth int) any
	many = func(depth int) any {
		if depth == 0 {
			return []any{"metric", "a", "mean"}
		}
		return []any{"+", many(depth - 1), many(depth - 1)}
	}
	for name, c := range map[string]struct {
		in   any
		want string
	}{
		"lists":  {nested(MaxDepth), "operations have at most 64 levels"},
		"text":   {strings.Repeat("(abs ", MaxDepth+1), "operations have at most 64 levels"},
		"long":   {strings.Repeat(" ", MaxText+1), "operations have at most 1048576 bytes"},
		"series": {wide, "operations have at most 10000 series"},
		"many":   {many(10), "operations have at most 1000 operations and numbers"},
	} {
		_, err := Parse(c.in)
		var e *LimitError
		if !errors.As(err, &e) || e.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for name, v := range map[string]any{"lists": nested(MaxDepth - 1), "series": wide[:MaxRefs+1], "many": many(8)} {
		if _, err := Parse(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`"(* (aggregate mean (metric cpu.util mean)) 4)"`, `["clip", ["metric", ["a", "mean"], ["b", "max"]], 1, "2"]`, `"(rolling mean 3 (resample max 60 (metric 'a b' mean)))"`,
		`["-", ["rateofchange", ["metric", "a", "mean"]], true]`, `"((("`, `"(a \"b\\x41\" 'c''d')"`, `[1, [2, [3]]]`, `["metric", "a"]`, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := pyjson.Decode(b)
		if err != nil {
			return
		}
		o, err := Parse(v)
		if err != nil {
			if o != nil || err.Error() == "" {
				t.Error("operations with an error, or an error without a text")
			}
			return
		}
		shown := o.root.String()
		for _, r := range o.Refs {
			if !strings.Contains(shown, string(pyjson.AppendRepr(nil, r.Method))) {
				t.Errorf("%s does not show %v", shown, r)
			}
		}
	})
}
