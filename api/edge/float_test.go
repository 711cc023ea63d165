package edge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
)

func checkFloat(t *testing.T, x float64) {
	t.Helper()
	want, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(AppendFloat(nil, x)); got != string(want) {
		t.Errorf("%x is %s, want %s", math.Float64bits(x), got, want)
	}
}

func TestAppendFloat(t *testing.T) {
	for _, x := range []float64{0, math.Copysign(0, -1), 1, -1, 0.5, 0.1, 0.001, -0.001, 0.0005, 1e-6, 1e-7, 1.5e-9, 1e20, 1e21, -1.25e22, 1e100, 123456789012.345,
		2e-6, -1.2345678901234567e-6, 0.012345678901234567, -1.2345678901234567, 12345.678901234567, -1234567890123456.7, 123456789012345680, 1e16, -2.5e20,
		1e12, 1e15, 1e15 + 0.125, 9007199254740993, math.MaxFloat64, math.SmallestNonzeroFloat64, 2.0 / 3} {
		checkFloat(t, x)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		checkFloat(t, math.Round(rnd.NormFloat64()*1e6)/100)
		checkFloat(t, rnd.NormFloat64())
		checkFloat(t, math.Ldexp(rnd.NormFloat64(), rnd.IntN(100)-25))
		checkFloat(t, math.Ldexp(float64(1<<52+rnd.IntN(64)), -rnd.IntN(80)))
		checkFloat(t, float64(rnd.Int64N(1e9))/math.Pow10(rnd.IntN(14)))
		if x := math.Float64frombits(rnd.Uint64()); x-x == 0 {
			checkFloat(t, x)
		}
	}
	for x, want := range map[float64]string{math.Inf(1): `"Infinity"`, math.Inf(-1): `"-Infinity"`} {
		if got := string(AppendFloat(nil, x)); got != want {
			t.Errorf("%v is %s", x, got)
		}
	}
	if got := string(AppendFloat(nil, math.NaN())); got != `"NaN"` {
		t.Errorf("NaN is %s", got)
	}
}

func FuzzAppendFloat(f *testing.F) {
	f.Add(math.Float64bits(0.1))
	f.Fuzz(func(t *testing.T, b uint64) {
		if x := math.Float64frombits(b); x-x == 0 {
			checkFloat(t, x)
		}
	})
}

func BenchmarkAppendFloat(b *testing.B) {
	for _, c := range []struct {
		name string
		of   func(*rand.Rand) float64
	}{
		{"few decimals", func(rnd *rand.Rand) float64 { return math.Round(rnd.Float64()*1e5) / 100 }},
		{"all digits", func(rnd *rand.Rand) float64 { return 1000 * rnd.Float64() }},
		{"below one", (*rand.Rand).Float64},
		{"large", func(rnd *rand.Rand) float64 { return 1e18 * rnd.Float64() }},
	} {
		b.Run(c.name, func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 2))
			var values [1000]float64
			for i := range values {
				values[i] = c.of(rnd)
			}
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = buf[:0]
				for _, v := range values {
					buf = AppendFloat(buf, v)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(values)), "ns/number")
		})
	}
}
