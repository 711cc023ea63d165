package filter

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/metricdef/resource"
)

// show is a query with all its parentheses.
func show(q Query) string {
	switch q := q.(type) {
	case And:
		return "and" + showAll(q)
	case Or:
		return "or" + showAll(q)
	case Not:
		return "not(" + show(q.Query) + ")"
	case *Compare:
		var values []string
		for _, v := range q.Values {
			kinds := [...]string{Null: "", Bool: "", Number: "#", Text: "'"}
			values = append(values, kinds[v.Kind]+v.String())
		}
		return q.Attribute + " " + q.Op.String() + " " + strings.Join(values, "|")
	}
	return "?"
}

func showAll(list []Query) string {
	var parts []string
	for _, q := range list {
		parts = append(parts, show(q))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`host = 'compute1'`, `host = 'compute1`},
		{`host="compute1"`, `host = 'compute1`},
		{`host == compute1`, `host = 'compute1`},
		{` host	eq
			compute1 `, `host = 'compute1`},
		{`host != null`, `host != None`},
		{`ended_at ≠ none`, `ended_at != None`},
		{`a ne None and b lt 1 and c le 1.5e3 and d gt -2 and e ge +3`, `and(a != None, b < #1, c <= #1.5e3, d > #-2, e >= #3)`},
		{`a ≥ 1 and b ≤ 2 and c>=3 and d<=4 and e>5 and f<6`, `and(a >= #1, b <= #2, c >= #3, d <= #4, e > #5, f < #6)`},
		{`enabled = true or enabled = False`, `or(enabled = True, enabled = False)`},
		{`id = 6868da77-fa82-4e67-aba9-270c5ae8cbca`, `id = '6868da77-fa82-4e67-aba9-270c5ae8cbca`},
		{`id = 6868DA77FA824E67ABA9270C5AE8CBCA`, `id = '6868DA77FA824E67ABA9270C5AE8CBCA`},
		{`id in [6868da77-fa82-4e67-aba9-270c5ae8cbca, "x", y,3,null ]`, `id in '6868da77-fa82-4e67-aba9-270c5ae8cbca|'x|'y|#3|None`},
		{`host like "compute%"`, `host like 'compute%`},
		{`host like"compute%"`, `host like 'compute%`},
		{`"a-b c" = 1`, `a-b c = #1`},
		{`'a' in["b"]`, `a in 'b`},
		{`a = "it's"`, `a = 'it's`},
		{`a = nonesuch`, `a = 'nonesuch`},
		{`notes = truely`, `notes = 'truely`},
		{`orange = andy`, `orange = 'andy`},
		{`in in [in]`, `in in 'in`},
		{`not a = 1`, `not(a = #1)`},
		{`not not a = 1`, `not(not(a = #1))`},
		{`not (a = 1 or b = 2)`, `not(or(a = #1, b = #2))`},
		{`not a = 1 and b = 2`, `and(not(a = #1), b = #2)`},
		{`a = 1 and b = 2 or c = 3 and d = 4`, `or(and(a = #1, b = #2), and(c = #3, d = #4))`},
		{`a = 1 or b = 2 and c = 3`, `or(a = #1, and(b = #2, c = #3))`},
		{`a = 1 ∧ b = 2 and c = 3 ∧ d = 4`, `and(a = #1, and(b = #2, c = #3), d = #4)`},
		{`a = 1 or b = 2 ∧ c = 3`, `or(a = #1, and(b = #2, c = #3))`},
		{`a = 1 ∨ b = 2 or c = 3 ∧ d = 4`, `or(a = #1, or(b = #2, and(c = #3, d = #4)))`},
		{`(a = 1 ∨ b = 2)and(c = 3)`, `and(or(a = #1, b = #2), c = #3)`},
		{`((((a = 1))))`, `a = #1`},
		{`a = 'ü' and b = "x"`, `and(a = 'ü, b = 'x)`},
		{`a = 1 or b = 2 or c = 3`, `or(a = #1, b = #2, c = #3)`},

		{``, `Invalid filter: Expected attribute  (at char 0), (line:1, col:1)`},
		{` `, `Invalid filter: Expected attribute, found end of text  (at char 1), (line:1, col:2)`},
		{`host = 'a' AND b = 1`, `Invalid filter: Expected end of text, found 'AND'  (at char 11), (line:1, col:12)`},
		{`host = a b`, `Invalid filter: Expected end of text, found 'b'  (at char 9), (line:1, col:10)`},
		{`host = 'ü' )`, `Invalid filter: Expected end of text, found ')'  (at char 11), (line:1, col:12)`},
		{`host`, `Invalid filter: Expected operator, found end of text  (at char 4), (line:1, col:5)`},
		{`host ~ 1`, `Invalid filter: Expected operator, found '~'  (at char 5), (line:1, col:6)`},
		{`host =`, `Invalid filter: Expected value, found end of text  (at char 6), (line:1, col:7)`},
		{`host = [a]`, `Invalid filter: Expected value, found '['  (at char 7), (line:1, col:8)`},
		{`host = 'a`, `Invalid filter: Expected value, found "'"  (at char 7), (line:1, col:8)`},
		{`host eqb`, `Invalid filter: Expected operator, found 'eqb'  (at char 5), (line:1, col:6)`},
		{`host in a`, `Invalid filter: Expected '[', found 'a'  (at char 8), (line:1, col:9)`},
		{`host in []`, `Invalid filter: Expected value, found ']'  (at char 9), (line:1, col:10)`},
		{`host in [a b]`, `Invalid filter: Expected ',' or ']', found 'b'  (at char 11), (line:1, col:12)`},
		{`host in [a,`, `Invalid filter: Expected value, found end of text  (at char 11), (line:1, col:12)`},
		{"a = 1 and\n(b = 2", `Invalid filter: Expected ')', found end of text  (at char 16), (line:2, col:7)`},
		{"a = 1 and\n  =", `Invalid filter: Expected attribute, found '='  (at char 12), (line:2, col:3)`},
		{`a = 5abcdefghijklmnopqrstuvwxyz`, `Invalid filter: Expected end of text, found 'abcdefghijklmnop'  (at char 5), (line:1, col:6)`},
		{`5 = a`, `Invalid filter: Expected attribute, found '5'  (at char 0), (line:1, col:1)`},
		{`Not a = 1`, `Invalid filter: Expected operator, found 'a'  (at char 4), (line:1, col:5)`},
		{strings.Repeat("(", 63) + "a = 1" + strings.Repeat(")", 63), `a = #1`},
		{strings.Repeat("(", 65) + "a = 1" + strings.Repeat(")", 65), `a query has at most 64 levels`},
		{strings.Repeat("not ", 1000) + "a = 1", `a query has at most 64 levels`},
		{"a = 1" + strings.Repeat(" or a = 1", MaxTerms), `a query has at most 1000 comparisons`},
		{"a in [1" + strings.Repeat(",1", MaxValues) + "]", `a query has at most 10000 values`},
		{strings.Repeat(" ", MaxText+1), `a query has at most 1048576 bytes`},
	} {
		got := ""
		if q, err := Parse(c.in); err != nil {
			got = err.Error()
		} else {
			got = show(q)
		}
		if got != c.want {
			t.Errorf("%.100q:\n%s, want\n%s", c.in, got, c.want)
		}
	}
}

func TestFromJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, `and()`},
		{`{"=": {"host": "compute1"}}`, `host = 'compute1`},
		{`{"eq": {"host": null}}`, `host = None`},
		{`{"≠": {"enabled": true}}`, `enabled != True`},
		{`{"<=": {"size": 1.50}}`, `size <= #1.50`},
		{`{"like": {"host": "a%"}}`, `host like 'a%`},
		{`{"in": {"id": ["a", "b"]}}`, `id in 'a|'b`},
		{`{"and": [{"=": {"a": 1}}, {"or": [{"<": {"b": 2}}, {"not": {">": {"c": 3}}}]}]}`, `and(a = #1, or(b < #2, not(c > #3)))`},
		{`{"∧": [{}, {"∨": [{"==": {"a": 1}}]}]}`, `and(and(), or(a = #1))`},

		{`[]`, `expected a dictionary`},
		{`null`, `expected a dictionary`},
		{`{"=": {"a": 1}, "!=": {"a": 1}}`, `length of value must be at most 1`},
		{`{"foo": {"a": 1}}`, `extra keys not allowed @ data['foo']`},
		{`{"": {"a": 1}}`, `extra keys not allowed @ data['']`},
		{`{"=": {}}`, `length of value must be at least 1 for dictionary value @ data['=']`},
		{`{"=": {"a": 1, "b": 2}}`, `length of value must be at most 1 for dictionary value @ data['=']`},
		{`{"=": []}`, `expected a dictionary for dictionary value @ data['=']`},
		{`{"=": {"a": [1]}}`, `not a valid value for dictionary value @ data['=']['a']`},
		{`{"=": {"": 1}}`, `extra keys not allowed @ data['=']['']`},
		{`{"like": {"a": 1}}`, `expected str for dictionary value @ data['like']['a']`},
		{`{"like": {"id": "a%"}}`, `extra keys not allowed @ data['like']['id']`},
		{`{"in": {"a": "b"}}`, `expected a list for dictionary value @ data['in']['a']`},
		{`{"in": {"a": []}}`, `length of value must be at least 1 for dictionary value @ data['in']['a']`},
		{`{"in": {"a": [1, {}]}}`, `not a valid value @ data['in']['a'][1]`},
		{`{"and": []}`, `length of value must be at least 1 for dictionary value @ data['and']`},
		{`{"and": {}}`, `expected a list for dictionary value @ data['and']`},
		{`{"and": [{"or": [{"x": 1}]}]}`, `extra keys not allowed @ data['and'][0]['or'][0]['x']`},
		{`{"not": 5}`, `expected a dictionary for dictionary value @ data['not']`},
		{strings.Repeat(`{"not": `, 65) + `{}` + strings.Repeat(`}`, 65), `a query has at most 64 levels`},
		{`{"or": [{"=": {"a": 1}}` + strings.Repeat(`, {"=": {"a": 1}}`, MaxTerms) + `]}`, `a query has at most 1000 comparisons`},
		{`{"in": {"a": [1` + strings.Repeat(`, 1`, MaxValues) + `]}}`, `a query has at most 10000 values`},
	} {
		v, err := pyjson.Decode([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if q, err := FromJSON(v); err != nil {
			got = err.Error()
		} else {
			got = show(q)
		}
		if got != c.want {
			t.Errorf("%.100s:\n%s, want\n%s", c.in, got, c.want)
		}
	}
}

func TestEverything(t *testing.T) {
	for in, want := range map[string]bool{
		`{}`: true, `{"and": [{}, {"and": [{}]}]}`: true, `{"and": [{}, {"=": {"a": 1}}]}`: false, `{"=": {"a": 1}}`: false,
		`{"or": [{"=": {"a": 1}}, {}]}`: true, `{"or": [{"=": {"a": 1}}, {"not": {}}]}`: false, `{"not": {"not": {}}}`: true, `{"not": {}}`: false,
		`{"not": {"and": [{"=": {"a": 1}}, {"not": {}}]}}`: true, `{"not": {"or": [{"=": {"a": 1}}, {"not": {}}]}}`: false,
	} {
		v, _ := pyjson.Decode([]byte(in))
		q, err := FromJSON(v)
		if err != nil || Everything(q) != want {
			t.Errorf("%s: %v, want %v", in, !want, want)
		}
	}
}

// write is a query as a filter, so that reading it again is the query.
func write(q Query) string {
	join := func(parts []Query, word string) string {
		var texts []string
		for _, p := range parts {
			texts = append(texts, write(p))
		}
		return "(" + strings.Join(texts, " "+word+" ") + ")"
	}
	switch q := q.(type) {
	case And:
		return join(q, "and")
	case Or:
		return join(q, "or")
	case Not:
		return "not " + write(q.Query)
	case *Compare:
		quoted := func(s string) string {
			if strings.Contains(s, `"`) {
				return "'" + s + "'"
			}
			return `"` + s + `"`
		}
		var values []string
		for _, v := range q.Values {
			switch {
			case v.Kind == Text:
				values = append(values, quoted(v.Text))
			case v.Kind == Number && v.Text[0] != '-':
				values = append(values, "+"+v.Text) // or else 32 digits were an id
			default:
				values = append(values, v.String())
			}
		}
		op := q.Op.String()
		list := strings.Join(values, ", ")
		if q.Op == resource.In {
			list = "[" + list + "]"
		}
		return fmt.Sprintf("%s %s %s", quoted(q.Attribute), op, list)
	}
	return ""
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`a = 1 and not (b like 'x%' or c in [1, "2", null]) ∨ d ≥ 2.5e-3`, `((a=1`, `id = 6868da77-fa82-4e67-aba9-270c5ae8cbca`,
		`"a'b" != 'c"d'`, "a\n=\t1 ∧ b = true", "a = +00000000000000000000000000000000", `not not not a eq None`, "\xff = 1", `a in [[1]]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		q, err := Parse(in)
		if err != nil {
			var syntax *SyntaxError
			var limit *LimitError
			if !errors.As(err, &syntax) && !errors.As(err, &limit) || err.Error() == "" {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		text := write(q)
		again, err := Parse(text)
		var limit *LimitError
		if errors.As(err, &limit) { // it has more parentheses than were written
			return
		}
		if err != nil || show(again) != show(q) {
			t.Fatalf("%q is %s, and written %q it is %v, %v", in, show(q), text, again, err)
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	for _, s := range []string{
		`{"and": [{"=": {"a": 1}}, {"or": [{"<": {"b": 2}}, {"not": {">": {"c": 3}}}]}]}`, `{"in": {"id": ["a", null, true, 1e5]}}`,
		`{"like": {"id": "x"}}`, `{}`, `{"=": {"": null}}`, `{"not": {"not": {}}}`, `[{"=": 1}]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		v, err := pyjson.Decode([]byte(in))
		if err != nil {
			return
		}
		q, err := FromJSON(v)
		var wrong *schema.Error
		var limit *LimitError
		switch {
		case err != nil && !errors.As(err, &wrong) && !errors.As(err, &limit):
			t.Fatalf("%q: %v", in, err)
		case err == nil && show(q) == "?":
			t.Fatalf("%q is nothing", in)
		}
	})
}
