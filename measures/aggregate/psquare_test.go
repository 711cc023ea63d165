package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func estimate(percent float64, values ...float64) (float64, bool) {
	p := NewPSquare(percent)
	for _, v := range values {
		p.Add(v)
	}
	return p.Value()
}

func TestPSquare(t *testing.T) {
	// The example of the paper, table I: 20 values, whose median is estimated as 4.44.
	paper := []float64{0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92, 34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27, 0.42, 0.09, 11.37}
	for i, want := range []float64{0.74, 0.74, 2.18, 4.75, 4.75, 9.28, 9.28, 9.28, 9.28, 6.30, 6.30, 6.30, 6.30, 4.44, 4.44} {
		if got, ok := estimate(50, paper[:6+i]...); !ok || math.Abs(got-want) > 0.006 {
			t.Errorf("median of the first %d values is %v, in the paper %v", 6+i, got, want)
		}
	}
	for _, c := range []struct {
		percent float64
		values  []float64
		want    float64
	}{
		{50, []float64{198.6, 172.6}, 172.6},
		{99, []float64{4, 3, 2, 1}, 3},
		{50, []float64{5, 1, 3}, 3},
		{99.9, []float64{0, 200, 400, 550, 950}, 550},
		{50, []float64{0, 200, 400, 550, 950, 1000}, 400},
		{100, []float64{1, 9, 2}, 9},
		{0, []float64{1, 9, -2}, -2},
		{100, append([]float64{77}, paper...), 77},
		{0, append(slices.Clone(paper), -3), -3},
		{150, []float64{1, 2}, 2},
		{-1, []float64{1, 2}, 1},
		{90, []float64{7, 7, 7, 7, 7, 7, 7, 7}, 7},
		{100, []float64{1, math.NaN(), 2}, math.NaN()},
	} {
		if got, ok := estimate(c.percent, c.values...); !ok || got != c.want && !(got != got && c.want != c.want) {
			t.Errorf("%v%% of %v is %v, want %v", c.percent, c.values, got, c.want)
		}
	}
	if _, ok := estimate(50); ok {
		t.Error("nothing has a median")
	}
}

// TestPSquareNear: of many values without order the estimate is near the quantile, it lies between the extremes, and it is never a
// number that is none.
func TestPSquareNear(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, percent := range []float64{5, 25, 50, 90, 99} {
		values := make([]float64, 5000)
		for i := range values {
			values[i] = 1000 * rnd.Float64()
		}
		if got, _ := estimate(percent, values...); math.Abs(got-10*percent) > 15 {
			t.Errorf("%v%% of values up to 1000 is %v", percent, got)
		}
	}
	for range 500 {
		values := make([]float64, 1+rnd.IntN(60))
		for i := range values {
			values[i] = float64(rnd.IntN(4)) * rnd.NormFloat64()
		}
		percent := 100 * rnd.Float64()
		if got, ok := estimate(percent, values...); !ok || !(got >= slices.Min(values) && got <= slices.Max(values)) {
			t.Fatalf("%v%% of %v is %v", percent, values, got)
		}
	}
}

// FuzzPSquare: nothing that comes makes it fail or give no value.
func FuzzPSquare(f *testing.F) {
	f.Add(50.0, 1.0, math.NaN(), math.Inf(1), uint8(9))
	f.Fuzz(func(t *testing.T, percent, a, b, c float64, n uint8) {
		p := NewPSquare(percent)
		for i := range int(n) {
			p.Add([]float64{a, b, c, a * float64(i)}[i%4])
			if _, ok := p.Value(); !ok {
				t.Fatal("no value")
			}
		}
	})
}

func BenchmarkPSquare(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{10, 1000} {
		values := make([]float64, n)
		for i := range values {
			values[i] = math.Round(rnd.Float64()*10000) / 100
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p := NewPSquare(95)
				for _, v := range values {
					p.Add(v)
				}
				if _, ok := p.Value(); !ok {
					b.Fatal("no value")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/value")
		})
	}
}
