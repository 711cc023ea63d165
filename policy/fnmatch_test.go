package policy

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFnmatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"?", "", false}, {"?", "é", true}, {"??", "é", false}, {"a", "A", false},
		{"*.io.*", "disk.io.rate", true}, {"disk.*", "disk", false}, {"net.?x[ab]", "net.1xa", true}, {"net.?x[ab]", "net.1xc", false},
		{"**a", "ba", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "aXbY", false}, {"*a", "aab", false},
		{"[!x]", "y", true}, {"[!x]", "x", false}, {"[!x]", "", false}, {"[a-c]", "b", true}, {"[a-c]", "d", false}, {"[é-ü]", "ö", true},
		{"[", "[", true}, {"[a", "[a", true}, {"[!]", "[!]", true}, {"[]a]", "]", true}, {"[!]a]", "b", true}, {"[!]a]", "]", false}, {"[[]x", "[x", true},
		{"[a-c-e]", "-", true}, {"[a-c-e]", "d", false}, {"[c-a]", "b", false}, {"[!c-a]", "b", true}, {"[--0]", "/", true}, {"[a-]", "-", true},
		{"[^a]", "^", true}, {"[^a]", "b", false}, {"a[*]b", "a*b", true}, {"a[*]b", "axb", false}, {`a\*`, `a\b`, true}, {"*[", "a[", true},
		{"\xff", "\xff", true}, {"\xff", "\xfe", false}, {"a*", "a\nb", true},
	} {
		if got := Fnmatch(c.pattern, c.name); got != c.want {
			t.Errorf("Fnmatch(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Fnmatch("a*b[!x-z]*?c", "aabbqqqqabcc") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// fnmatchSlow says the same by trying every split, so that it needs no memory of the last star.
func fnmatchSlow(pattern, name string) bool {
	if pattern == "" {
		return name == ""
	}
	if pattern[0] == '*' {
		for i := 0; ; {
			if fnmatchSlow(pattern[1:], name[i:]) {
				return true
			}
			if i == len(name) {
				return false
			}
			_, size := utf8.DecodeRuneInString(name[i:])
			i += size
		}
	}
	if name == "" {
		return false
	}
	next, size, ok := fnmatchOne(pattern, name)
	return ok && fnmatchSlow(pattern[next:], name[size:])
}

func FuzzFnmatch(f *testing.F) {
	for _, s := range [][2]string{{"a*b?[!c-d]", "aXbYe"}, {"[]-]*[", "]]["}, {"**?*é", "xxé"}, {"[", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if strings.Count(pattern, "*") > 4 || len(name) > 40 {
			return // the slow one would take for ever
		}
		if got, want := Fnmatch(pattern, name), fnmatchSlow(pattern, name); got != want {
			t.Errorf("Fnmatch(%q, %q) = %v", pattern, name, got)
		}
	})
}

func BenchmarkFnmatch(b *testing.B) {
	pattern, name := strings.Repeat("a*", 60)+"b", strings.Repeat("a", 250)
	b.ReportAllocs()
	for b.Loop() {
		Fnmatch(pattern, name)
	}
}
