package points

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/uuid"

	"granary/compat/gnocchi/when"
)

// body is a body by metrics, so many with so many measures each, as clients in Python send it or without blanks.
func body(metrics, measures int, iso, blanks bool) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	colon, comma := ":", ","
	if blanks {
		colon, comma = ": ", ", "
	}
	b := []byte{'{'}
	for m := range metrics {
		if m > 0 {
			b = append(b, comma...)
		}
		b = append(fmt.Appendf(b, "%q", uuid.NewSHA1(uuid.Nil, strconv.AppendInt(nil, int64(m), 10))), colon...)
		for p := range measures {
			if p > 0 {
				b = append(b, comma...)
			} else {
				b = append(b, '[')
			}
			b = append(append(b, `{"timestamp"`...), colon...)
			t := jan + int64(p)*10*second
			if iso {
				b = append(when.AppendTime(append(b, '"'), t)[:len(b)+20], '"')
			} else {
				b = strconv.AppendInt(b, t/second, 10)
			}
			b = append(append(append(b, comma...), `"value"`...), colon...)
			b = append(strconv.AppendFloat(b, float64(r.IntN(10_000))/100, 'f', -1, 64), '}')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func BenchmarkMetrics(b *testing.B) {
	for _, c := range []struct {
		name        string
		iso, blanks bool
	}{{"number", false, false}, {"iso", true, false}, {"iso-blanks", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			body := body(1000, 100, c.iso, c.blanks)
			var d Decoder
			if err := d.Metrics(body, now, nil); err != nil || len(d.Times) != 100_000 {
				b.Fatal(err, len(d.Times))
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Metrics(body, now, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(d.Times)), "ns/measure")
		})
	}
}
