package chunk

import (
	"fmt"
	"testing"
)

const benchColumns = 256

func perSample(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/sample")
}

func BenchmarkAppendFloats(b *testing.B) {
	for _, n := range []int{8, 64, 120} {
		for _, p := range patterns {
			b.Run(fmt.Sprintf("n=%d/%s", n, p.name), func(b *testing.B) {
				columns := p.series(benchColumns, n)
				var buf []byte
				total := 0
				for _, v := range columns {
					total += len(AppendFloats(buf[:0], v))
				}
				buf = make([]byte, 0, 16*n)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					buf = AppendFloats(buf[:0], columns[i%benchColumns])
				}
				perSample(b, n)
				b.ReportMetric(float64(total)/float64(benchColumns*n), "B/sample")
			})
		}
	}
}

func BenchmarkDecodeFloats(b *testing.B) {
	for _, n := range []int{8, 64, 120} {
		for _, p := range patterns {
			b.Run(fmt.Sprintf("n=%d/%s", n, p.name), func(b *testing.B) {
				var payloads [][]byte
				for _, v := range p.series(benchColumns, n) {
					payloads = append(payloads, AppendFloats(nil, v))
				}
				dst := make([]float64, n)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if err := DecodeFloats(dst, payloads[i%benchColumns]); err != nil {
						b.Fatal(err)
					}
				}
				perSample(b, n)
			})
		}
	}
}
