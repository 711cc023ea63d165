package aggregate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"granary/policy"
)

var nan, inf = math.NaN(), math.Inf(1)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		m      string
		values []float64
		want   float64
		ok     bool
	}{
		{"sum", []float64{0.1, 0.2, 0.3}, 0.6000000000000001, true},
		{"mean", []float64{1, 2, 4}, 7.0 / 3, true},
		{"min", []float64{3, nan, 2}, 2, true},
		{"min", []float64{nan, nan}, nan, true},
		{"max", []float64{3, nan, 4}, nan, true},
		{"max", []float64{-inf, 4}, 4, true},
		{"first", []float64{3, 1}, 3, true},
		{"last", []float64{3, 1}, 1, true},
		{"count", []float64{3, nan}, 2, true},
		{"std", []float64{3}, 0, false},
		{"std", []float64{1, 3}, math.Sqrt2, true},
		{"stdpop", []float64{1, 3}, 1, true},
		{"stdpop", []float64{5}, 0, true},
		{"median", []float64{5, 1, 3}, 3, true},
		{"median", []float64{5, 1, 3, 4}, 3.5, true},
		{"median", []float64{5, nan, 3}, nan, true},
		{"median", []float64{7}, 7, true},
		{"95pct", []float64{5, 1, 3, 2, 4}, 4*(4-3.8) + 5*(3.8-3), true},
		{"50pct", []float64{5, 1, 3}, 3, true},
		{"99.9pct", []float64{2}, 2, true},
		{"10pct", []float64{1, nan}, nan, true},
		{"nunique", []float64{1, 2, 1, 0, math.Copysign(0, -1)}, 3, true},
		{"nunique", []float64{nan, nan, 1}, 2, true},
		{"nunique", []float64{nan}, 1, true},
		{"sum", []float64{inf, -inf}, nan, true},
		{"mean", nil, 0, false},
	} {
		m, err := policy.ParseMethod(c.m)
		if err != nil {
			t.Fatal(err)
		}
		var s Scratch
		before := slices.Clone(c.values)
		got, ok := Of(m, c.values, &s)
		if ok != c.ok || ok && got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%s of %v = %v, %v; want %v, %v", c.m, c.values, got, ok, c.want, c.ok)
		}
		for i, v := range before {
			if math.Float64bits(v) != math.Float64bits(c.values[i]) {
				t.Errorf("%s changed its values", c.m)
			}
		}
		if again, ok := Of(m.Rate(), c.values, &s); ok != c.ok || ok && math.Float64bits(again) != math.Float64bits(got) {
			t.Errorf("rate:%s of differences differs", c.m)
		}
	}
	if _, ok := Of(policy.NoMethod, []float64{1}, new(Scratch)); ok {
		t.Error("no method has a value")
	}
	if got := Differences([]float64{9}, []float64{1, 4, 2}); !slices.Equal(got, []float64{9, 3, -2}) {
		t.Errorf("differences %v", got)
	}
}

// TestSeveral: all methods at once give what they give one by one, in every bit.
func TestSeveral(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	methods := policy.Methods()
	out, ok := make([]float64, len(methods)), make([]bool, len(methods))
	odd := []float64{nan, inf, -inf, 0, math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64}
	var s Scratch
	for round := range 300 {
		values := make([]float64, rnd.IntN(12))
		for i := range values {
			values[i] = rnd.NormFloat64() * 100
			if rnd.IntN(10) < round%4 {
				values[i] = odd[rnd.IntN(len(odd))]
			}
		}
		Several(methods, values, out, ok, &s)
		for i, m := range methods {
			if v, has := Of(m, values, &s); has != ok[i] || has && math.Float64bits(v) != math.Float64bits(out[i]) {
				t.Fatalf("%v of %v is %v %v, among others %v %v", m, values, v, has, out[i], ok[i])
			}
		}
	}
}

func BenchmarkOf(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 30)
	for i := range values {
		values[i] = math.Round(rnd.Float64()*10000) / 100
	}
	for _, name := range []string{"mean", "max", "std", "95pct", "nunique"} {
		m, err := policy.ParseMethod(name)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			var s Scratch
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := Of(m, values, &s); !ok {
					b.Fatal("no value")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(values)), "ns/value")
		})
	}
}
