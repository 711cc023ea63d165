package operations

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// inQuotes is what the language says of texts in quotes.
var inQuotes = regexp.MustCompile(`^(?:"(?:[^"\n\r\\]|""|\\(?:[^x]|x[0-9a-fA-F]+))*"|'(?:[^'\n\r\\]|''|\\(?:[^x]|x[0-9a-fA-F]+))*')`)

// TestWords holds the words of random texts against the expression.
func TestWords(t *testing.T) {
	const letters = "\"\"''\\\\x1fgé \n(\r"
	rnd := rand.New(rand.NewPCG(1, 2))
	parts := []rune(letters)
	for range 20000 {
		var b strings.Builder
		for range rnd.IntN(14) {
			b.WriteRune(parts[rnd.IntN(len(parts))])
		}
		text := b.String()
		w := words{text: text}
		for _, at := range rnd.Perm(len(text)) {
			want := len(inQuotes.FindString(text[at:])) + at
			if got := w.quoted(at); max(got, at) != want {
				t.Fatalf("%q from %d on: ends at %d, want %d", text, at, got, want)
			}
		}
	}
}

// TestHostileWords: a text with very many quotes that end nowhere is read in one go.
func TestHostileWords(t *testing.T) {
	for _, part := range []string{`\"`, `"'\"\'`, `"""\x`, `\\"`} {
		text := "(metric a" + strings.Repeat(part, (MaxText-20)/len(part)) + " mean)"
		if _, err := parseText(text); err != nil && len(err.Error()) > 1000 {
			t.Errorf("%q: an error of %d bytes", part, len(err.Error()))
		}
	}
}

func BenchmarkHostileWords(b *testing.B) {
	text := "(metric a" + strings.Repeat(`\"`, MaxText/2-20) + " mean)"
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := parseText(text); err != nil {
			b.Fatal(err)
		}
	}
}
