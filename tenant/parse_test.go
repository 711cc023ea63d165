package tenant

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	for _, s := range []string{"a", "_ops", "My Tenant", "..", "münchen", "租户", strings.Repeat("x", 128), `a\b"c`} {
		if id, err := Parse(s); err != nil || string(id) != s {
			t.Errorf("Parse(%q) = %q, %v", s, id, err)
		}
	}
	for s, want := range map[string]string{
		"":                       "is empty",
		"a/b":                    `holds a "/"`,
		"a\x00":                  "U+0000",
		"a\nb":                   "U+000A",
		"a\x7f":                  "U+007F",
		"a\u00a0b":               "U+00A0",
		"a\u200bb":               "U+200B",
		"a\xff":                  "not UTF-8",
		strings.Repeat("x", 129): "129 bytes",
		strings.Repeat("é", 65):  "130 bytes",
	} {
		_, err := Parse(s)
		var id *IDError
		if !errors.As(err, &id) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want ...%s...", s, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "_ops", "a/b", "\xff", "租户", "a\u200b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if string(id) != s || len(s) == 0 || len(s) > MaxIDLen || !utf8.ValidString(s) || strings.ContainsAny(s, "/\x00\n\r\t\x7f") {
			t.Fatalf("%q is accepted", s)
		}
	})
}
