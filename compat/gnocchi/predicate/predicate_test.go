package predicate

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"granary/compat/gnocchi/pyjson"
)

func parse(t testing.TB, text string) (*Predicate, error) {
	v, err := pyjson.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Parse(v)
}

func TestHolds(t *testing.T) {
	for _, c := range []struct {
		in   string
		x    float64
		want bool
	}{
		{`{"and": [{">=": [{"+": 23}, 50]}, {"!=": 55}]}`, 43.1, true},
		{`{"and": [{">=": [{"+": 23}, 50]}, {"!=": 55}]}`, 26.9, false},
		{`{"and": [{">=": [{"+": 23}, 50]}, {"!=": 55}]}`, 55, false},
		{`{"=": 12}`, 12, true}, {`{"≠": 12}`, 12, false}, {`{"eq": 12.5}`, 12, false},
		{`{"∨": [{"<": 1}, {"gt": 5}]}`, 3, false}, {`{"or": [{"<": 1}, {"gt": 5}]}`, 6, true}, {`{"∧": [{"≤": 1}, {"ge": 1}]}`, 1, true},
		{`{"+": 1}`, -1, false}, {`{"+": 1}`, 0, true}, {`{"mod": 2}`, 4, false}, {`{"=": [{"%": 3}, 2]}`, -1, true},
		{`{"<": [5, {"*": 2}]}`, 3, true}, {`{"<": [5, {"×": 2}]}`, 2, false}, {`{"=": [1, 1]}`, 7, true}, {`{"=": true}`, 1, true},
		{`{">": [{"^": 0.5}, {"-": [{"/": 2}, 1]}]}`, 4, true}, {`{"=": [{"and": [{"<": 3}]}, {"<": 5}]}`, 4, false},
		{`{"=": [{"÷": 0}, Infinity]}`, 4, true}, {`{">": 1}`, math.NaN(), false}, {`{"!=": 1}`, math.NaN(), true}, {`{"+": 1}`, math.NaN(), true},
	} {
		p, err := parse(t, c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
		} else if got := p.Holds(c.x); got != c.want {
			t.Errorf("%s of %v: %v", c.in, c.x, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`[]`, "expected a dictionary"}, {`1`, "expected a dictionary"}, {`{}`, "length of value must be at least 1"}, {`{"=": 1, ">": 2}`, "length of value must be at most 1"},
		{`{"foo": 1}`, "extra keys not allowed @ data['foo']"}, {`{"clip_min": 1}`, "extra keys not allowed @ data['clip_min']"},
		{`{"=": "a"}`, "expected a list for dictionary value @ data['=']"}, {`{"=": null}`, "expected a list for dictionary value @ data['=']"},
		{`{"=": [1]}`, "a number or a list of two is expected, and the list has 1 for dictionary value @ data['=']"},
		{`{"=": [1, "a"]}`, "expected a dictionary @ data['='][1]"}, {`{"=": [{"x": 1}, 1]}`, "extra keys not allowed @ data['='][0]['x']"},
		{`{"and": []}`, "length of value must be at least 1 for dictionary value @ data['and']"}, {`{"and": {"=": 1}}`, "expected a list for dictionary value @ data['and']"},
		{`{"or": [{"=": 1}, 2]}`, "expected a dictionary @ data['or'][1]"}, {`{"and": [{"not": {"=": 1}}]}`, "Unknown operator not"},
	} {
		if _, err := parse(t, c.in); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.in, err, c.want)
		}
	}
	if p, err := parse(t, `{"and": [{">=": [{"+": 23}, 50]}, {"!=": 55}]}`); err != nil || p.Parts != 5 {
		t.Error(p, err)
	}
	deep := strings.Repeat(`{"and": [`, 40) + strings.Repeat(`{"=": [1, `, 9) + `{"=": 1}` + strings.Repeat(`]}`, 49)
	if _, err := parse(t, deep); err != nil {
		t.Error(err)
	}
	deeper := any(&pyjson.Object{Names: []string{"="}, Values: []any{pyjson.Number("1")}})
	for range MaxDepth {
		deeper = &pyjson.Object{Names: []string{"and"}, Values: []any{[]any{deeper}}}
	}
	var limit *LimitError
	if _, err := Parse(deeper); !errors.As(err, &limit) || limit.Error() != "a predicate has at most 64 levels" {
		t.Error(err)
	}
	many := fmt.Sprintf(`{"or": [%s{"=": 1}]}`, strings.Repeat(`{"=": 1}, `, MaxParts))
	if _, err := parse(t, many); !errors.As(err, &limit) || limit.Error() != "a predicate has at most 1000 operations and numbers" {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"and": [{">=": [{"+": 23}, 50]}, {"!=": 55}]}`, `{"=": [1, {"or": [{"<": 2}]}]}`, `{"not": {}}`, `{"%": 0}`} {
		f.Add([]byte(s), 1.5)
	}
	f.Fuzz(func(t *testing.T, b []byte, x float64) {
		v, err := pyjson.Decode(b)
		if err != nil {
			return
		}
		p, err := Parse(v)
		if err != nil {
			return
		}
		both, err := Parse(&pyjson.Object{Names: []string{"and"}, Values: []any{[]any{v, v}}})
		if err == nil && both.Holds(x) != p.Holds(x) {
			t.Errorf("%s of %v holds and does not", b, x)
		}
	})
}

func BenchmarkHolds(b *testing.B) {
	p, err := parse(b, `{"and": [{">=": [{"+": 23}, 50]}, {"!=": 55}]}`)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Holds(43.1)
	}
}
