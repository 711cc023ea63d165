package scan

import (
	"math"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzScan: what is taken is the value that the library finds there, and all numbers are found.
func FuzzScan(f *testing.F) {
	for _, s := range []string{"1", "-0", "01", "1.", ".5", "1e5", "1E+5,", "-1.5e-3}", "123456789012345678", "1234567890123456789", "1.5", "1e", "-", `"a"`, `"\u0061"`, "\"\x01\"", "\"\xff\"", "1e400", " 1", "12 ", "0.1e1]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var first jsontext.Value
		if len(b) > 0 {
			end := len(b) // the library reads a number to its end, whatever it is
			for i, c := range b {
				if c-'0' > 9 && c != '-' && c != '+' && c != '.' && c|0x20 != 'e' {
					end = i
					break
				}
			}
			if first = jsontext.Value(b[:end]); !first.IsValid() || first.Kind() != '0' {
				first = nil
			}
		}
		end, ok := Number(b, 0)
		if ok != (first != nil) && !(ok && jsontext.Value(b[:end]).IsValid()) {
			t.Fatalf("%q: %d, %v", b, end, ok)
		}
		if v, end, ok := Float(b, 0); ok {
			want, err := strconv.ParseFloat(string(b[:end]), 64)
			if n, whole := Number(b, 0); !whole || n != end || err != nil || math.Float64bits(want) != math.Float64bits(v) {
				t.Fatalf("%q is %v to %d: %v, %v", b, v, end, want, err)
			}
		}
		if v, end, ok := Int(b, 0); ok {
			want, err := strconv.ParseInt(string(b[:end]), 10, 64)
			if n, whole := Number(b, 0); !whole || n != end || err != nil || want != v {
				t.Fatalf("%q is %v to %d: %v, %v", b, v, end, want, err)
			}
		}
		if v, end, ok := Uint(b, 0); ok {
			if w, n, ok := Int(b, 0); !ok || n != end || w < 0 || uint64(w) != v {
				t.Fatalf("%q is %v to %d: %v", b, v, end, w)
			}
		}
		if s, end, ok := Text(b, 0); ok {
			want, err := jsontext.AppendUnquote(nil, b[:end])
			if err != nil || string(want) != string(s) {
				t.Fatalf("%q is %q: %q, %v", b, s, want, err)
			}
		}
		if i := Space(b, 0); i < len(b) && (b[i] == ' ' || b[i] == '\n') {
			t.Fatalf("%q begins at %d", b, i)
		}
	})
}
