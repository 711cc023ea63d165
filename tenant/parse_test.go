package tenant

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestParse(t *testing.T) {
	for _, s := range []string{"a", "_ops", "My Tenant", "..", "münchen", "租户", strings.Repeat("x", 128), `a\b"c`} {
		if id, err := Parse(s); err != nil || string(id) != s {
			t.Errorf("Parse(%q) = %q, %v", s, id, err)
		}
	}
	for s, want := range refusedIDs {
		_, err := Parse(s)
		var id *IDError
		if !errors.As(err, &id) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want ...%s...", s, err, want)
		}
	}
}

// refusedIDs are texts that are no ids, and why.
var refusedIDs = map[string]string{
	"":                       "is empty",
	"a/b":                    `holds a "/"`,
	"../x":                   `holds a "/"`,
	"a\x00":                  "U+0000",
	"a\nb":                   "U+000A",
	"a\x7f":                  "U+007F",
	"a\u0085b":               "U+0085",
	"a\u00a0b":               "U+00A0",
	"a\u3000b":               "U+3000", // the wide space
	"a\u200bb":               "U+200B", // no width
	"a\u200db":               "U+200D",
	"a\ufeff":                "U+FEFF",
	"a\u00adb":               "U+00AD", // shows only at the end of a line
	"a\u202eb":               "U+202E", // turns around what follows
	"a\u2066b\u2069":         "U+2066",
	"a\u2028b":               "U+2028",
	"a\ue000":                "U+E000", // of private use
	"a\U000e0041":            "U+E0041",
	"a\ufdd0":                "U+FDD0", // no character
	"a\u0378":                "U+0378", // not assigned
	"a\xff":                  "not UTF-8",
	"a\xed\xa0\x80":          "not UTF-8", // half of a pair
	"a\xc0\xaf":              "not UTF-8", // a slash in two bytes
	strings.Repeat("x", 129): "129 bytes",
	strings.Repeat("x", 300): "300 bytes",
	strings.Repeat("é", 65):  "130 bytes",
	" a":                     "begins or ends with a space",
	"a ":                     "begins or ends with a space",
	" ":                      "begins or ends with a space",
	"e\u0301":                `normal form C, which is "\u00e9"`,
	"\u212b":                 `normal form C, which is "\u00c5"`, // the unit, which is the letter
	"\u1100\u1161":           "normal form C",
	"a\ufe0f":                "U+FE0F, which does not show",
	"a\u034f":                "U+034F, which does not show",
	"\u3164":                 "U+3164, which does not show",
	"\u115f":                 "U+115F, which does not show",
	"\u2800":                 "U+2800, which does not show",
}

// TestLookAlike: names that look alike are those of different tenants.
func TestLookAlike(t *testing.T) {
	seen := map[ID]string{}
	for _, s := range []string{"paypal", "p\u0430ypal", "PAYPAL", "\uff50aypal", "paypa1", "\u212aelvin", "Kelvin", "ﬁn", "fin", "é", "e"} {
		id, err := Parse(s)
		if s == "\u212aelvin" { // the sign of the unit is the letter K itself
			if err == nil {
				t.Errorf("%+q is taken", s)
			}
			continue
		}
		if err != nil || seen[id] != "" {
			t.Errorf("%+q: %v, as %+q", s, err, seen[id])
		}
		seen[id] = s
	}
}

// TestOldIDsAreRead: what was taken before Parse was as strict is still read from records.
func TestOldIDsAreRead(t *testing.T) {
	for _, s := range []string{" a", "e\u0301", "a\ufe0f"} {
		if id, err := parse(s); err != nil || string(id) != s {
			t.Errorf("%+q: %v", s, err)
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
		if string(id) != s || len(s) == 0 || len(s) > MaxIDLen || !utf8.ValidString(s) || strings.ContainsAny(s, "/\x00\n\r\t\x7f") || strings.TrimSpace(s) != s || !norm.NFC.IsNormalString(s) {
			t.Fatalf("%q is accepted", s)
		}
	})
}
