package series

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/when"
)

func TestPrinter(t *testing.T) {
	c := Column{
		[]int64{0, 1, day - 1, day, instant("2020-01-01T00:00:00") + 5e8, instant("2020-01-01T23:59:59"), instant("2019-12-31T01:02:03"), -1},
		[]float64{1, -0.5, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 0.1, 3},
	}
	const want = `["1970-01-01T00:00:00+00:00", "M", 1.0], ["1970-01-01T00:00:00+00:00", "M", -0.5], ["1970-01-01T23:59:59+00:00", "M", NaN], ["1970-01-02T00:00:00+00:00", "M", Infinity], ` +
		`["2020-01-01T00:00:00+00:00", "M", -Infinity], ["2020-01-01T23:59:59+00:00", "M", 1e+300], ["2019-12-31T01:02:03+00:00", "M", 0.1], ["1969-12-31T23:59:59+00:00", "M", 3.0]`
	if got := string(NewPrinter(`"M"`).Append(nil, c)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	// Against what prints times and numbers one by one.
	rng := rand.New(rand.NewPCG(3, 4))
	c = Column{}
	var rows []string
	for range 2000 {
		at, v := rng.Int64N(1<<62), math.Round(rng.NormFloat64()*1e5)/1e3
		c.Times, c.Values = append(c.Times, at), append(c.Values, v)
		rows = append(rows, string(append(pyjson.AppendFloat(append(when.AppendTime([]byte(`["`), at), `", 0.5, `...), v), ']')))
	}
	if got := string(NewPrinter("0.5").Append(nil, c)); got != strings.Join(rows, ", ") {
		t.Error("rows differ")
	}
}

func BenchmarkPrinter(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var c Column
	for i := range int64(10_080) {
		c.Times, c.Values = append(c.Times, i*60*second+instant("2020-01-01T00:00:00")), append(c.Values, math.Round(rng.NormFloat64()*1e4)/100)
	}
	for i := range c.Values {
		if i%3 == 0 {
			c.Values[i] /= 3 // as means are
		}
	}
	p := NewPrinter("60.0")
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = p.Append(dst[:0], c)
	}
	b.SetBytes(int64(len(dst)))
}
