package chunk

import (
	"math"
	"testing"
)

// TestSplitPowers checks that a product of halves gives what division gives.
func TestSplitPowers(t *testing.T) {
	r := noise(5)
	for form, most := range []struct {
		e    int
		bits uint
	}{{maxSplit, 27}, {4, 40}} {
		for e := 1; e <= most.e; e++ {
			hi, lo := splitPowers[form][e][0], splitPowers[form][e][1]
			if hi+lo != quotient(1, powers[e]) {
				t.Errorf("halves of 10^-%d are %v and %v", e, hi, lo)
			}
			check := func(d int64) {
				if a, b := splitValue(d, hi, lo), quotient(d, powers[e]); math.Float64bits(a) != math.Float64bits(b) {
					t.Fatalf("%d/10^%d: %v by halves, %v by division", d, e, a, b)
				}
			}
			for d := range int64(20_000) {
				check(d)
				check(-d - 1)
				check(1<<most.bits - d)
			}
			for range 100_000 {
				check(r.Int63n(2<<most.bits) - 1<<most.bits)
			}
		}
	}
}

func TestExponent(t *testing.T) {
	tests := []struct {
		v    float64
		want int
	}{
		{0, 0}, {math.Copysign(0, -1), 0}, {1, 0}, {-3, 0}, {1 << 53, 0}, {1e18, 0}, {-1e18, 0}, {1e19, -1}, {math.NaN(), -1},
		{math.Inf(-1), -1}, {0.5, 1}, {-0.25, 2}, {99.99, 2}, {4.35, 2}, {1e-3, 3}, {1e-22, 22}, {1e-23, -1}, {math.Pi, -1},
		{0.30000000000000004, -1}, {1234567890.125, 3}, {123456789012.5, 1}, {1<<49 + 0.5, -1}, {math.SmallestNonzeroFloat64, -1},
	}
	for _, tt := range tests {
		if got := exponent(tt.v); got != tt.want {
			t.Errorf("exponent(%v) = %d, want %d", tt.v, got, tt.want)
		}
	}
}
