package match

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestTables makes tables of the patterns that people write, and leaves to the library what would need large ones.
func TestTables(t *testing.T) {
	for _, p := range []string{"node[0-9]+", "(?i)abc", "a{3,}", "[^a]+b", `\pL+x`, `[äöü]+.*ß+`, ".+.+", "(ab|cd)*e?", "x*", `[a-z]+-[0-9]+[a-z.]*`, "(a|b)*abb.*", `(?i)K+s`, `[^\n]+\d`, "..", `(?-s:.)+\n?`} {
		m, err := Regexp("x", p)
		if err != nil || m.Form() != Automaton || m.expr.dfa == nil || m.Price() != 2 {
			t.Errorf("%q: %v, %v", p, m, err)
			continue
		}
		re := regexp.MustCompile(`\A(?s:` + p + `)\z`)
		rnd := rand.New(rand.NewPCG(1, 2))
		pieces := []string{"a", "b", "ab", "abb", "node", "0", "7", "äö", "ß", "\xff", "\xe4\xb8", "K", "K", "ſ", "s", "x", "-", ".", "\n", "ABC", "e", "cd", "日本"}
		for range 3000 {
			var b strings.Builder
			for range rnd.IntN(6) {
				b.WriteString(pieces[rnd.IntN(len(pieces))])
			}
			if v := b.String(); m.Match(v) != re.MatchString(v) {
				t.Fatalf("%q on %q: %v", p, v, m.Match(v))
			}
		}
	}
	for _, p := range []string{`\bab\b`, "a$b+", "(a|b)*a(a|b){12}", strings.Repeat("[a-m]?", 300), `(\pL|\pN){20}x`} {
		if m, err := Regexp("x", p); err != nil || m.Form() != Automaton || m.expr.dfa != nil || m.expr.re == nil {
			t.Errorf("%q: %v, %v", p, m, err)
		}
	}
}

// TestRandomPatterns holds the answers to patterns of all sorts against those of the library.
func TestRandomPatterns(t *testing.T) {
	rnd := rand.New(rand.NewPCG(77, 1))
	atoms := []string{"a", "b", "k", "S", "ß", "ä", "日", "ſ", "\n", "", "[a-c]", "[^a]", `[^\n]`, ".", "(?-s:.)", "(?i:k)", "(?i:ß)", "(?i:abk)", `\d`, `\W`, `\pL`, `\x{FFFD}`,
		`[\x{FFFD}-\x{10FFFF}]`, `\Q.\E`, "^", "$", `\A`, `\z`, "(?m:^)", "(?m:$)", `\b`, "(?i)µ", "[é-ü]"}
	ends := []string{"*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0}", "{2,}"}
	pieces := []string{"a", "b", "c", "k", "K", "\u212a", "S", "ſ", "ß", "ẞ", "ä", "\xc3", "\xa4", "\xff", "\n", "\ufffd", "日", "\xe6\x97", "\xed\xa0\x80", "\U0010ffff", "1", ".", "é", "µ", "μ", "abk"}
	var pattern func(depth int) string
	pattern = func(depth int) string {
		if depth == 0 {
			return atoms[rnd.IntN(len(atoms))]
		}
		a := pattern(depth - 1)
		switch rnd.IntN(5) {
		case 0:
			return a + "|" + pattern(depth-1)
		case 1:
			return "(" + a + ")"
		case 2:
			return "(?:" + a + ")" + ends[rnd.IntN(len(ends))]
		}
		return a + pattern(rnd.IntN(depth))
	}
	tables := 0
	for range 3000 {
		p := pattern(1 + rnd.IntN(5))
		re := regexp.MustCompile(`\A(?s:` + p + `)\z`)
		m, err := Regexp("x", p)
		if err != nil {
			t.Fatal(err)
		}
		if m.expr != nil && m.expr.dfa != nil {
			tables++
		}
		for range 20 {
			v := ""
			for range rnd.IntN(6) {
				v += pieces[rnd.IntN(len(pieces))]
			}
			if m.Match(v) != re.MatchString(v) {
				t.Fatalf("%q (%v) on %q: %v", p, m.Form(), v, m.Match(v))
			}
		}
	}
	if tables < 500 {
		t.Errorf("%d patterns had tables", tables)
	}
}

// TestAcceptsEach holds the answers to many values at once against those to each: values of all lengths, some of them not ASCII.
func TestAcceptsEach(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"a", "b", "ab", "node-", "0", "42", "17", ".org", "ä", "\xff", "日本", "-", "x"}
	for _, p := range []string{"node-[0-9]+", ".*42.*", "(?i)[a-z]+-[0-9]*", "node-.org", "[^a]+b", `\pL+x`, "a.*b.*c", "(a|b)*a(a|b){7}", `\bab\b.*`, "node-[0-9]*[.]org", "ab|ba|42", "a{3,}"} {
		m, err := Regexp("x", p)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]string, 301)
		for i := range values {
			for range rnd.IntN(8) {
				values[i] += pieces[rnd.IntN(len(pieces))]
			}
		}
		yes := make([]bool, len(values))
		for i := range yes {
			yes[i] = i%2 == 0
		}
		m.AcceptsEach(values, yes)
		for i, v := range values {
			if yes[i] != m.Accepts(v) {
				t.Errorf("%q on %q: %v among others, %v alone", p, v, yes[i], !yes[i])
			}
		}
	}
}

// TestAnchorsOfRepetitions: what is written out several times begins the text only once.
func TestAnchorsOfRepetitions(t *testing.T) {
	for _, p := range []string{"(?:^a){2}", `(?:\A[ab]+){2}`, "(?:a$){2}", "(?:^a|b){2,}"} {
		m, err := Regexp("x", p)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(`\A(?s:` + p + `)\z`)
		for _, v := range []string{"a", "aa", "ab", "ba", "bb", "bab"} {
			if m.Match(v) != re.MatchString(v) {
				t.Errorf("%q on %q: %v", p, v, m.Match(v))
			}
		}
	}
}
