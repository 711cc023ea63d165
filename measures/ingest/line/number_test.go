package line

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestParseFloat(t *testing.T) {
	for _, tc := range []struct {
		in   string
		rest string
		ok   bool
	}{
		{"0", "", true}, {"-0", "", true}, {"-0.0 ", " ", true}, {"7 1735689600\n", " 1735689600\n", true}, {".5", "", true}, {"1.", "", true}, {"1.,", ",", true},
		{"51.03947562839471 1735689600\n", " 1735689600\n", true}, {"95.12345678901234 1735689600", " 1735689600", true}, {"0.12345678901234567", "", true},
		{"12345678", "", true}, {"123456789", "", true}, {"1234567890123456789", "", true}, {"18446744073709551615", "", true}, {"12345678901234567890123", "", true},
		{"9007199254740993", "", true}, {"9007199254740992.5", "", true}, {"9007199254740993.0000", "", true}, {"1e22", "", true}, {"1e23", "", true}, {"1.25E3", "", true}, {"1e+9 ", " ", true},
		{"1.073741824e+09", "", true}, {"5e-324", "", true}, {"4.9406564584124654e-324", "", true}, {"1e300", "", true}, {"1e-400", "", true}, {"1e0001", "", true}, {"0e99", "", true}, {"0.000", "", true},
		{"179769313486231570000000000000000000000000000000000000000", "", true},
		{"", "", false}, {"-", "", false}, {".", "", false}, {"-.", "", false}, {"e5", "", false}, {"1e", "", false}, {"1e+", "", false}, {"1e99999", "", false}, {"1e400", "", false}, {"NaN", "", false}, {"+5", "", false}, {"Inf", "", false},
	} {
		v, end, ok := parseFloat([]byte(tc.in), 0)
		if ok != tc.ok {
			t.Errorf("%q: ok %v, want %v", tc.in, ok, tc.ok)
			continue
		}
		if !ok {
			continue
		}
		if tc.in[end:] != tc.rest {
			t.Errorf("%q: stopped before %q, want %q", tc.in, tc.in[end:], tc.rest)
		}
		want, err := strconv.ParseFloat(tc.in[:end], 64)
		if err != nil || math.Float64bits(v) != math.Float64bits(want) {
			t.Errorf("%q: %v, strconv: %v, %v", tc.in, v, want, err)
		}
	}
}

// TestQuotient compares the integer division with strconv where the fast float division does not reach.
func TestQuotient(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	for range 300_000 {
		m := r.Uint64() >> r.IntN(64)
		if m == 0 {
			continue
		}
		k := r.IntN(maxQuotient + 1)
		want, err := strconv.ParseFloat(strconv.FormatUint(m, 10)+"e-"+strconv.Itoa(k), 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := quotient(m, k); got != want {
			t.Fatalf("%d / 10^%d = %v, want %v", m, k, got, want)
		}
	}
	// Halfway between two float64: ties go to even.
	for _, m := range []uint64{1<<53 + 1, 1<<53 + 3, 1<<54 + 2, 1<<54 + 6} {
		if got := quotient(m, 0); got != float64(m) {
			t.Errorf("%d: %v", m, got)
		}
	}
}

// TestShortest parses what strconv prints of random bits and of typical values.
func TestShortest(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 0))
	for i := range 200_000 {
		v := math.Float64frombits(r.Uint64())
		if i%2 == 0 {
			v = 50 + r.NormFloat64()*20
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		for _, format := range []byte{'f', 'g', 'e'} {
			text := strconv.AppendFloat(nil, v, format, -1, 64)
			got, end, ok := parseFloat(text, 0)
			if !ok || end != len(text) || math.Float64bits(got) != math.Float64bits(v) {
				t.Fatalf("%s: %v, %d, %v", text, got, end, ok)
			}
		}
	}
}

func FuzzParseFloat(f *testing.F) {
	for _, s := range []string{"1", "-12.5e7", "51.03947562839471 1", "0.1e-30", "99999999999999999999", "1_0", "0x1p-2", "inf", "1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, end, ok := parseFloat([]byte(s), 0)
		if end > len(s) {
			t.Fatalf("%q: end %d", s, end)
		}
		if !ok {
			return
		}
		want, err := strconv.ParseFloat(s[:end], 64)
		if err != nil || math.Float64bits(v) != math.Float64bits(want) {
			t.Fatalf("%q: %v, strconv: %v, %v", s, v, want, err)
		}
	})
}

func BenchmarkParseFloat(b *testing.B) {
	for _, text := range []string{"100", "12.34", "1073741824", "51.03947562839471", "95.12345678901234", "0.12345678901234567", "1.073741824e+09"} {
		line := []byte(text + " 1735689600\n")
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, ok := parseFloat(line, 0); !ok {
					b.Fatal("not parsed")
				}
			}
		})
		b.Run(text+"/strconv", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := strconv.ParseFloat(text, 64); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
