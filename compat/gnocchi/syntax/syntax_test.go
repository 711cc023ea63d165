package syntax

import "testing"

func TestError(t *testing.T) {
	for _, c := range []struct {
		text string
		at   int
		want string
	}{
		{"", 0, `Expected '('  (at char 0), (line:1, col:1)`},
		{"(metric foo bar", 15, `Expected '(', found end of text  (at char 15), (line:1, col:16)`},
		{"a b", 2, `Expected '(', found 'b'  (at char 2), (line:1, col:3)`},
		{"é\n\nö 'x'", 7, `Expected '(', found "'"  (at char 5), (line:3, col:3)`},
		{"abcdefghijklmnopqr", 0, `Expected '(', found 'abcdefghijklmnop'  (at char 0), (line:1, col:1)`},
		{"∨x", 0, `Expected '(', found '∨'  (at char 0), (line:1, col:1)`},
		{"\xff", 0, `Expected '(', found '�'  (at char 0), (line:1, col:1)`},
	} {
		if got := At(c.text, c.at, "'('").Error(); got != c.want {
			t.Errorf("%q at %d: %s, want %s", c.text, c.at, got, c.want)
		}
	}
}
