package match

import (
	"strings"
	"testing"
	"time"
)

// TestExpensivePatterns refuses patterns that a few bytes make large, before anything large is made of them.
func TestExpensivePatterns(t *testing.T) {
	var ideographs strings.Builder
	for r := rune(0x4e00); r < 0x9f00; r += 2 { // no two of them make a range
		ideographs.WriteRune(r)
	}
	for name, pattern := range map[string]string{
		"class repeated":         "[" + ideographs.String() + "]{900}",
		"properties repeated":    `(\pL\pN\pP){1000}`,
		"one property":           `[\p{Greek}\p{Han}\p{L}]{1000}`,
		"gaps repeated":          `(?:` + strings.Repeat(`.*a`, 200) + `){900}`,
		"optional parts":         `(?:(?:x?y){30}){30}` + strings.Repeat(`(?:(?:x?y){30}){30}`, 50),
		"parts without a limit":  `(?:` + strings.Repeat(`[^a]b`, 100) + `){1000,}`,
		"nested beyond a parser": `((a{1,1000}){1,1000}){1,1000}`,
	} {
		begun := time.Now()
		m, err := Regexp("host", pattern)
		if err == nil {
			t.Errorf("%s: a matcher of weight %d was made", name, m.weight)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
	for _, pattern := range []string{`\pL{10}`, `[\p{L}\p{N}_-]{1,63}`, strings.Repeat("a?", 1000), `(?i)(node|gpu)[0-9]{1,4}`} {
		if _, err := Regexp("host", pattern); err != nil {
			t.Error(err)
		}
	}
}

// TestWeightOfClasses bounds expressions of which each part alone would do.
func TestWeightOfClasses(t *testing.T) {
	m, err := Regexp("host", `\pL{300}x`)
	if err != nil {
		t.Fatal(err)
	}
	if m.weight < 1<<20 {
		t.Errorf("300 large classes weigh %d", m.weight)
	}
	var b Bounds
	if err := b.AddAll(And{m, Or{m, Not{m}}}); err != nil || b.matchers != 3 {
		t.Errorf("%d matchers: %v", b.matchers, err)
	}
	if err := b.AddAll(Not{Or{m, m, m, m, m, m, m, m, m, m, m, m, m, m}}); err == nil {
		t.Errorf("weight %d was taken", b.weight)
	}
	if err := b.AddAll(nil); err != nil {
		t.Error(err)
	}
}
