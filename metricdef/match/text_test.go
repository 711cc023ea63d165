package match

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func re(t *testing.T, make func(string, string) (*Matcher, error), name, pattern string) *Matcher {
	t.Helper()
	m, err := make(name, pattern)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// same says whether two trees have the same shape and the same matchers.
func same(a, b Expr) bool {
	switch a := a.(type) {
	case *Matcher:
		b, ok := b.(*Matcher)
		return ok && a.text == b.text && a.name == b.name && a.negative == b.negative && a.form == b.form
	case And:
		b, ok := b.(And)
		return ok && slices.EqualFunc(a, b, same)
	case Or:
		b, ok := b.(Or)
		return ok && slices.EqualFunc(a, b, same)
	case Not:
		b, ok := b.(Not)
		return ok && same(a.Expr, b.Expr)
	}
	return false
}

func TestParse(t *testing.T) {
	name := func(s string) Expr { return Equal(NameTag, s) }
	a, b, c := Equal("a", "1"), Equal("b", "2"), Equal("c", "3")
	for _, c := range []struct {
		text string
		want Expr
	}{
		{"cpu_load", name("cpu_load")},
		{"  net.in:bytes-total/s@x=\"1\"  ", Equal("net.in:bytes-total/s@x", "1")},
		{`"cpu load"`, name("cpu load")},
		{"größe", name("größe")},
		{"{}", And{}},
		{" { } ", And{}},
		{"cpu{}", name("cpu")},
		{`cpu_load{host=~"n0.*",cluster="alex",rack!="r1",dc in ("a","b"),gpu exists}`, And{name("cpu_load"),
			re(t, Regexp, "host", "n0.*"), Equal("cluster", "alex"), NotEqual("rack", "r1"), In("dc", "a", "b"), Exists("gpu")}},
		{`{a="1",}`, a},
		{"{\n\ta = \"1\" ,\r\n\tb=\"2\"}", And{a, b}},
		{`a!~"x|y"`, re(t, NotRegexp, "a", "x|y")},
		{`__name__=~"a.*"`, re(t, Regexp, NameTag, "a.*")},
		{`a="1" and b="2" or c="3"`, Or{And{a, b}, c}},
		{`a="1" and (b="2" or c="3")`, And{a, Or{b, c}}},
		{`(a="1" and b="2") and c="3"`, And{And{a, b}, c}},
		{`not a="1" and b="2"`, And{Not{a}, b}},
		{`not (a="1" and b="2")`, Not{And{a, b}}},
		{`not not a="1"`, Not{Not{a}}},
		{`cpu{a="1"} or mem{not b="2"}`, Or{And{name("cpu"), a}, And{name("mem"), Not{b}}}},
		{`cpu{a="1" or b="2", c="3"}`, And{name("cpu"), Or{a, b}, c}},
		{`cpu and a="1"`, And{name("cpu"), a}},
		{`((((a="1"))))`, a},
		{`a in ()`, In("a")},
		{`a in ("x",)`, In("a", "x")},
		{`a begins with "x"`, Prefix("a", "x")},
		{`a=""`, Equal("a", "")},
		{`in in ("in")`, In("in", "in")},
		{`exists exists`, Exists("exists")},
		{`"and"="or"`, Equal("and", "or")},
		{`android`, name("android")},
		{`nothing or orange`, Or{name("nothing"), name("orange")}},
		{`a="\"\\\/\b\f\n\r\tä\ud83d\ude00"`, Equal("a", "\"\\/\b\f\n\r\tä😀")},
		{"a=\"\xff\"", Equal("a", "\xff")},
		{"a=\"\x7f\"", Equal("a", "\x7f")},
		{`"tag name" exists`, Exists("tag name")},
	} {
		got, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if !same(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.text, got, c.want)
		}
		if again, err := Parse(Text(got)); err != nil || !same(got, again) {
			t.Errorf("%s: printed as %s, which is read as %v (%v)", c.text, Text(got), again, err)
		}
	}
}

func TestRefusedSelectors(t *testing.T) {
	for _, c := range []struct {
		text   string
		at     int
		reason string
	}{
		{"", 0, `expected a name, "{", "(" or not, found the end`},
		{"   ", 3, "found the end"},
		{"cpu{", 4, `expected the name of a tag, "(" or not, found the end`},
		{"cpu{host", 8, "expected =, !=, =~, !~, in, exists or begins with, found the end"},
		{"cpu{host}", 8, `found "}"`},
		{"cpu{host=n1}", 9, "expected a value in double quotes, found n1"},
		{"cpu{host='n1'}", 9, `found "'"`},
		{`cpu{host="n1"`, 13, `expected and, or, "," or "}", found the end`},
		{`cpu{host="n1" b="2"}`, 14, `expected and, or, "," or "}", found b`},
		{`cpu{{}}`, 4, "expected the name of a tag"},
		{`a="1" b="2"`, 6, "expected and, or, or the end of the selector, found b"},
		{`a="1" and`, 9, "found the end"},
		{`a="1" or or b="1"`, 9, "found or"},
		{`(a="1"`, 6, `expected and, or, or ")"`},
		{`a="1")`, 5, `found ")"`},
		{`a="1`, 4, "expected the double quote that ends the text that begins at byte 2"},
		{"a=\"x\ny\"", 4, "found the control character 0x0a"},
		{`a="\x"`, 3, "expected one of the escapes"},
		{`a="\u12"`, 3, "expected one of the escapes"},
		{`a="\ud800"`, 3, "expected a pair of surrogates"},
		{`a="\ud800\n"`, 3, "expected a pair of surrogates"},
		{`a in "x"`, 5, `expected "(" and values`},
		{`a in ("x" "y")`, 10, `expected "," or ")"`},
		{`a in (x)`, 6, "expected a value in double quotes"},
		{`a begins "x"`, 9, "expected with"},
		{`a=~"b("`, 3, "missing closing )"},
		{`a=~"(?=x)"`, 3, "look-around ((?=) is not part of RE2"},
		{`""="x"`, 0, "a name must not be empty"},
		{"\xff", 0, "byte 0xff"},
		{"and", 0, "found and"},
		{"not", 3, "found the end"},
		{strings.Repeat("(", 65), 65, "more than 64 levels"},
		{strings.Repeat("not ", 65) + "a", 260, "more than 64 levels"},
		{strings.Repeat(`a or b and (`, 40), -1, "expected"},
		{strings.Repeat(`a or b and (`, 40) + "a" + strings.Repeat(")", 40), -1, "more than 64 levels"},
		{strings.Repeat(`a and `, 4096) + "a", 6 * 4096, "more than 4096 matchers"},
		{strings.Repeat(`a=~"([ab][cd]){6}x+" and `, 64) + "a", -1, "too large together"},
		{strings.Repeat("a", MaxSelector+1), MaxSelector, "at most 1048576"},
	} {
		got, err := Parse(c.text)
		var bad *SyntaxError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%.60s: %v, %v, want %q", c.text, got, err, c.reason)
			continue
		}
		code := "selector-invalid"
		if strings.Contains(c.text, "=~") && !strings.Contains(c.reason, "together") {
			code = "regexp-invalid"
		}
		if c.at >= 0 && bad.At != c.at || bad.Kind() != "invalid" || bad.Code() != code || len(err.Error()) > 500 {
			t.Errorf("%.60s: byte %d, kind %s, code %s: %v", c.text, bad.At, bad.Kind(), bad.Code(), err)
		}
	}
}

func TestTextOfOtherTrees(t *testing.T) {
	a, b := Equal("a", "1"), Equal("b", "2")
	for want, e := range map[string]Expr{
		"{}":                         nil,
		"not {}":                     Or{},
		`a="1"`:                      And{Or{a}},
		`a="1" and {}`:               And{a, nil},
		`a="1" and (a="1" or b="2")`: And{a, Or{a, b}},
		`a="1" or a="1" and b="2"`:   Or{a, And{a, b}},
		`a="1" or (a="1" or b="2")`:  Or{a, Or{And{a}, b}},
		`not (a="1" and b="2")`:      Not{And{a, b}},
		`not not {}`:                 Not{Not{nil}},
	} {
		if got := Text(e); got != want {
			t.Errorf("%#v is printed as %s, want %s", e, got, want)
		}
		if _, err := Parse(want); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	if s := (And{a, b}).String() + (Or{a, b}).String() + (Not{a}).String(); s != `a="1" and b="2"a="1" or b="2"not a="1"` {
		t.Error(s)
	}
}

// FuzzParse: no text panics, and what was read is printed as a text that is read as the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`cpu_load{host=~"n0.*",cluster="alex",rack!="r1",dc in ("a","b"),gpu exists}`,
		`a="1" and not (b begins with "2" or c!~"3|4")`, `{}`, `not not {}`, `"a b"{"c\u00e4" exists}`, "a=\"\xff\\ud83d\\ude00\"",
		`((a or b) and c) or not (d and e{f="g" or not h in ()})`, `a=~"(?=b)"`, `a{,}`, `{a exists,}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return
		}
		e, err := Parse(text)
		if err != nil {
			var bad *SyntaxError
			if !errors.As(err, &bad) || bad.At < 0 || bad.At > len(text) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := Parse(Text(e))
		if err != nil || !same(e, again) {
			t.Fatalf("%q is printed as %q, which is read as %v (%v)", text, Text(e), again, err)
		}
	})
}
