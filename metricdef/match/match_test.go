package match

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestForms(t *testing.T) {
	for _, c := range []struct {
		pattern string
		form    Form
		yes, no string // blank-separated values; ~ stands for the empty one
	}{
		{"", Set, "~", "a"},
		{"abc", Set, "abc", "~ ab abcd xabc"},
		{"^abc$", Set, "abc", "~ abcd"},
		{"^a$|^b$", Set, "a b", "~ ab"},
		{"(a|b)c?", Set, "a b ac bc", "~ c abc"},
		{"a|b|c", Set, "a b c", "~ d"},
		{"node[0-4][0-9]", Set, "node00 node49", "node50 node4"},
		{"[ab]{2}", Set, "ab ba aa", "a abb"},
		{"a|", Set, "~ a", "b"},
		{`a\.b`, Set, "a.b", "axb"},
		{`\Qa.b`, Set, "a.b", "axb"},
		{"(?i)12", Set, "12", "1"},
		{".*", Any, "~ a", ""},
		{"^.*$", Any, "~ a", ""},
		{"(.*)", Any, "~ a", ""},
		{".*|a", Any, "~ b", ""},
		{".+|", Any, "~ b", ""},
		{".+", Filled, "a", "~"},
		{".*.+", Filled, "a", "~"},
		{"a.*", Gaps, "a ab", "~ b"},
		{"a.+", Gaps, "ab", "~ a"},
		{".*01", Gaps, "01 a01", "~ 1 012"},
		{".+01", Gaps, "a01", "01"},
		{"a.*a", Gaps, "aa aba", "a"},
		{"aa.*aa", Gaps, "aaaa aabaa", "aaa"},
		{".*b.*", Gaps, "b abc", "~ ac"},
		{"a.*b.+c.*d", Gaps, "abxcd axbxbcd", "abcd"},
		{"a.*b.+b", Gaps, "abxb abbb", "abb"},
		{".*[0-9]", Gaps, "a1", "a"},
		{".*?x", Gaps, "x ax", "~"},
		{"(a|b.*)", Gaps, "a b bc", "ac"},
		{".*.*x", Gaps, "x", "y"},
		{".+.+", Automaton, "ab", "a"},
		{"node[0-9]+", Automaton, "node1", "node xnode1"},
		{"(?i)abc", Automaton, "ABC abc", "ab"},
		{"a{3,}", Automaton, "aaa aaaa", "aa"},
		{"..", Automaton, "ab", "a abc"},
		{"a$b", Automaton, "", "ab"},
		{`\bab\b`, Automaton, "ab", "abc"},
	} {
		m, err := Regexp("x", c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if m.Form() != c.form {
			t.Errorf("%q became %v, want %v", c.pattern, m.Form(), c.form)
		}
		for want, values := range map[bool]string{true: c.yes, false: c.no} {
			for _, v := range strings.Fields(values) {
				v = strings.Replace(v, "~", "", 1)
				if m.Match(v) != want {
					t.Errorf("%q on %q: want %v", c.pattern, v, want)
				}
			}
		}
	}
}

func TestMatchers(t *testing.T) {
	notA, err := NotRegexp("x", "a.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m       *Matcher
		yes, no []string
		text    string
	}{
		{Equal("x", "a"), []string{"a"}, []string{"", "b"}, `x="a"`},
		{Equal("x", ""), []string{""}, []string{"b"}, `x=""`},
		{NotEqual("x", "a"), []string{"", "b"}, []string{"a"}, `x!="a"`},
		{In("x", "c", "a", "c"), []string{"a", "c"}, []string{"", "b"}, `x in ("a","c")`},
		{In("x"), nil, []string{"", "b"}, "x in ()"},
		{Prefix("x", "ab"), []string{"ab", "abc"}, []string{"", "a"}, `x begins with "ab"`},
		{Prefix("x", ""), []string{"ab", ""}, nil, `x begins with ""`},
		{Exists("x"), []string{"a"}, []string{""}, "x exists"},
		{notA, []string{"", "b"}, []string{"a", "ab"}, `x!~"a.*"`},
	} {
		for _, v := range c.yes {
			if !c.m.Match(v) {
				t.Errorf("%v does not hold for %q", c.m, v)
			}
		}
		for _, v := range c.no {
			if c.m.Match(v) {
				t.Errorf("%v holds for %q", c.m, v)
			}
		}
		if c.m.String() != c.text || c.m.Name() != "x" {
			t.Errorf("printed as %q, want %q", c.m, c.text)
		}
	}
}

func TestExpressions(t *testing.T) {
	tags := func(name string) string { return map[string]string{"a": "1", "b": "2"}[name] }
	yes, no := Equal("a", "1"), Equal("b", "1")
	for i, c := range []struct {
		e    Expr
		want bool
	}{
		{And{}, true},
		{And{yes, nil}, true},
		{And{yes, no}, false},
		{Or{}, false},
		{Or{no, yes}, true},
		{Or{no, nil}, true},
		{Not{no}, true},
		{Not{nil}, false},
		{And{yes, Not{Or{no, Equal("c", "x")}}}, true},
	} {
		if got := c.e.Eval(tags); got != c.want {
			t.Errorf("case %d: %v", i, got)
		}
	}
}

func TestRefusedPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, reason string }{
		{"(?=a)b", "look-around ((?=)"},
		{"a(?!b)", "look-around ((?!)"},
		{"(?<=a)b", "look-around ((?<=)"},
		{"[(?=](?<!a)b", "look-around ((?<!)"},
		{"a(b", "missing closing )"},
		{"[(?=](", "missing closing )"},
		{`\Q(?=\E(`, "missing closing )"},
		{strings.Repeat("a", MaxPattern+1), "at most 65536"},
		{strings.Repeat("[a-z0-9]{1,50}x+", 1200) + "y", "instructions, at most 100000"},
		{"a\xffb.", "invalid UTF-8"},
	} {
		_, err := Regexp("x", c.pattern)
		var bad *PatternError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%.40q: %v, want %q", c.pattern, err, c.reason)
		} else if bad.Kind() != "invalid" || len(err.Error()) > 1000 {
			t.Errorf("%.40q: kind %s, %d bytes", c.pattern, bad.Kind(), len(err.Error()))
		}
	}
}

func TestManyAlternatives(t *testing.T) {
	var hosts []string
	for i := range 3000 {
		hosts = append(hosts, fmt.Sprintf("host%d.example.org", i))
	}
	m, err := Regexp("x", strings.Join(hosts[:2000], "|"))
	if err != nil || m.Form() != Automaton && m.Form() != Set {
		t.Fatalf("%v, %v", m, err)
	}
	if !m.Match(hosts[1999]) || m.Match(hosts[2000]) {
		t.Error("wrong answer")
	}
	for i := range hosts {
		hosts[i], _, _ = strings.Cut(hosts[i], ".")
	}
	m, err = Regexp("x", strings.Join(hosts, "|"))
	if set, ok := m.Values(); err != nil || !ok || len(set) != 3000 {
		t.Fatalf("%d values, %v", len(set), err)
	}
}

// FuzzRegexp holds the analysis against the library.
func FuzzRegexp(f *testing.F) {
	for _, p := range []string{"", "a|b", "a.*b", ".*01", "(a|b).+c", "^a$|b", "[ab]{2}", "(?i)ab", `\Qa`, "a?b*", "(?m)^a$", "[^a]", "x{2,3}", ".+.*", `\pL`, "\ufffd.*"} {
		for _, v := range []string{"", "a", "ab", "axb", "host01", "a\nb", "\xff", "ä"} {
			f.Add(p, v)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if len(pattern) > 200 {
			return
		}
		if strings.Contains(pattern, `\Q`) {
			return // the plain wrapping below would not do
		}
		m, err := Regexp("x", pattern)
		_, libErr := regexp.Compile(pattern)
		if (err == nil) != (libErr == nil) {
			if err != nil && strings.Contains(err.Error(), "at most") {
				return
			}
			t.Fatalf("%q: %v, the library says %v", pattern, err, libErr)
		}
		if err != nil {
			return
		}
		re := regexp.MustCompile(`\A(?s:` + pattern + `)\z`)
		for n := 1; n < 4; n++ { // what a text needs twice in a row
			if v := strings.Repeat(value, n); m.Match(v) != re.MatchString(v) {
				t.Fatalf("%q (%v) on %q: %v", pattern, m.Form(), v, m.Match(v))
			}
		}
		if m.Match(value) != re.MatchString(value) {
			t.Fatalf("%q (%v) on %q: %v", pattern, m.Form(), value, m.Match(value))
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	values := make([]string, 1000)
	for i := range values {
		values[i] = fmt.Sprintf("host%05d.cluster", i*7919%100000)
	}
	for _, p := range []string{"host00001.cluster", "host00.*", ".*01.cluster", ".*01.*", "host.*1.*cluster", "(host0|host1).*", "host[0-9]+.cluster"} {
		b.Run(p, func(b *testing.B) {
			m, err := Regexp("x", p)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := range b.N {
				m.Match(values[i%1000])
			}
		})
	}
}
