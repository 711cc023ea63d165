package edge

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func checkFixed(t *testing.T, x float64) {
	t.Helper()
	if got, want := string(AppendFixed3(nil, x)), strconv.FormatFloat(x, 'f', 3, 64); got != want {
		t.Fatalf("three decimals of %b: %s, want %s", x, got, want)
	}
	if got, want := string(AppendFixed2([]byte{}, x)), strconv.FormatFloat(x, 'f', 2, 64); got != want {
		t.Fatalf("two decimals of %b: %s, want %s", x, got, want)
	}
}

var fixedCases = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.0005, 0.0015, 0.5, 0.125, 0.0625, 0.03125, 2.0005, 999.9995, 999.9994999, 0.9995,
	1e-300, -1e-300, 5e-324, math.MaxFloat64, 1e15, 1e16, 1 << 52, 1<<52 - 0.5, 1<<53 + 2, 1 << 62, 1 << 63, 1<<63 - 1024,
	999999.9995, 1e6, 1e9, 1e12, 123456789.125, 4503599627370495.5, 0.00048828125, 0.000244140625, 0.0004999, 0.005, 0.015, 0.025,
	math.NaN(), math.Inf(1), math.Inf(-1), -999.9996, -0.0004, 1e20, 25e18, 9223372036854775807, 100, 999, 1000, 1001, 999999,
}

func TestFixedEqualsStrconv(t *testing.T) {
	for _, x := range fixedCases {
		checkFixed(t, x)
	}
	r := rand.New(rand.NewPCG(1, 0))
	for range 300_000 {
		checkFixed(t, math.Float64frombits(r.Uint64()))
		checkFixed(t, math.Round(r.Float64()*1e5)/100)
		checkFixed(t, math.Ldexp(float64(r.Int64N(1<<53)), -r.IntN(80)))
		checkFixed(t, float64(r.Int64N(1<<40))/2000) // ties of three decimals, as near as floats come
		checkFixed(t, float64(r.Int64N(1<<40))/16)   // exact ties
	}
}

func FuzzFixed(f *testing.F) {
	for _, x := range fixedCases {
		f.Add(math.Float64bits(x))
	}
	f.Fuzz(func(t *testing.T, bits uint64) { checkFixed(t, math.Float64frombits(bits)) })
}

func TestFixed3Array(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want string
	}{
		{nil, "[]"},
		{[]float64{1}, "[1.000]"},
		{[]float64{math.NaN()}, "[null]"},
		{[]float64{1, math.NaN(), math.Inf(1), -2.5, 1e20, math.Inf(-1)}, "[1.000,null,null,-2.500,100000000000000000000.000,null]"},
		{[]float64{1 << 62, 1 << 62, 1 << 62}, "[4611686018427387904.000,4611686018427387904.000,4611686018427387904.000]"},
	} {
		for extra := range 60 { // whatever room the buffer has
			dst := append(make([]byte, 0, 2+extra), "x:"...)
			if got := string(AppendFixed3Array(dst, c.in)); got != "x:"+c.want {
				t.Fatalf("%v with %d spare bytes: %s, want %s", c.in, extra, got, c.want)
			}
		}
	}
	if got := string(AppendNulls([]byte("["), 3)); got != "[null,null,null" {
		t.Errorf("nulls: %s", got)
	}
}

// benchValues are 72,000 numbers as a cluster sends them: percentages, loads, bytes, rates.
func benchValues() []float64 {
	r := rand.New(rand.NewPCG(7, 0))
	v := make([]float64, 72_000)
	for i := range v {
		switch i / 360 % 4 {
		case 0:
			v[i] = math.Round(r.Float64()*1e4) / 100
		case 1:
			v[i] = 50 + r.NormFloat64()
		case 2:
			v[i] = float64(r.Int64N(1 << 34))
		default:
			v[i] = r.Float64() * 1e9
		}
	}
	return v
}

func BenchmarkFixed3Array(b *testing.B) {
	pct := benchValues()
	for i := range pct {
		pct[i] = math.Mod(math.Abs(pct[i]), 100)
	}
	for _, c := range []struct {
		name string
		v    []float64
	}{{"mixed", benchValues()}, {"percent", pct}} {
		b.Run(c.name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for range b.N {
				buf = AppendFixed3Array(buf[:0], c.v)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.v)), "ns/number")
			b.ReportMetric(float64(len(buf)), "bytes")
		})
		b.Run(c.name+"/strconv", func(b *testing.B) {
			var buf []byte
			for range b.N {
				buf = buf[:0]
				for _, x := range c.v {
					buf = append(strconv.AppendFloat(buf, x, 'f', 3, 64), ',')
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.v)), "ns/number")
		})
	}
}
