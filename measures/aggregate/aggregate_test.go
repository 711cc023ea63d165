package aggregate

import (
	"fmt"
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
		if all := Several(methods, values, out, ok, &s); all == slices.Contains(ok, false) {
			t.Fatalf("of %v all is %v: %v", values, all, ok)
		}
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

// TestOrder holds quantiles of many values against those of sorted ones.
func TestOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	for round := range 400 {
		values := make([]float64, 1+rnd.IntN([]int{10, 40, 300, 5000}[round%4]))
		for i := range values {
			switch round / 4 % 5 {
			case 0:
				values[i] = rnd.NormFloat64()
			case 1:
				values[i] = float64(rnd.IntN(3))
			case 2:
				values[i] = float64(i)
			case 3:
				values[i] = -float64(i / 2)
			default: // an organ pipe, which is bad for pivots
				values[i] = float64(min(i, len(values)-i))
			}
		}
		sorted := slices.Clone(values)
		slices.Sort(sorted)
		var s Scratch
		for range 5 {
			q := rnd.Float64()
			at := q * float64(len(values)-1)
			lo, hi := math.Floor(at), math.Ceil(at)
			want := sorted[int(lo)]
			if lo != hi {
				want = want*(hi-at) + sorted[int(hi)]*(at-lo)
			}
			if got, _ := Quantile(values, q, &s); got != want {
				t.Fatalf("%v of %d values is %v, want %v", q, len(values), got, want)
			}
		}
		k := rnd.IntN(len(values))
		s.order.load(values)
		s.order.done = false
		for range 3 {
			s.order.find(k)
			if v := valueOf(s.order.keys[k]); v != sorted[k] {
				t.Fatalf("value %d of %d is %v, want %v", k, len(values), v, sorted[k])
			}
			k = rnd.IntN(len(values))
		}
		left := make([]float64, len(values))
		for i, key := range s.order.keys {
			left[i] = valueOf(key)
		}
		if slices.Sort(left); !slices.Equal(left, sorted) {
			t.Fatal("a value was lost")
		}
	}
}

// BenchmarkSeveral makes the statistics of many buckets, so that nothing can be guessed from the one before.
func BenchmarkSeveral(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	nine := []policy.Method{policy.Min, policy.Max, policy.Mean, policy.Median, policy.Sum, policy.Count, policy.First, policy.Last, policy.Std}
	out, ok := make([]float64, len(nine)), make([]bool, len(nine))
	for _, n := range []int{5, 10, 16, 20, 30, 60, 1000, 100_000} {
		values := make([]float64, 100*max(n, 1000))
		for i := range values {
			values[i] = math.Round(rnd.Float64()*10000) / 100
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var s Scratch
			b.ReportAllocs()
			at := 0
			for b.Loop() {
				if at += n; at+n > len(values) {
					at = 0
				}
				Several(nine, values[at:at+n], out, ok, &s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/value")
		})
	}
}
