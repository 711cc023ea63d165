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
