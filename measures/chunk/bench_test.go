package chunk

import (
	"fmt"
	"math"
	"math/rand"
	"testing"
)

const benchColumns = 128

// benchPatterns are the patterns of the workload and some that make the other codecs work.
var benchPatterns = append(patterns[:len(patterns):len(patterns)],
	pattern{name: "xor", start: func(r *rand.Rand) func() float64 { // few bits, of any magnitude and sign
		return func() float64 { return math.Ldexp(float64(1-r.Intn(2)*2)*float64(1+r.Intn(1<<20)), -r.Intn(60)) }
	}},
	pattern{name: "decimals", start: func(r *rand.Rand) func() float64 { // a rate with two decimals
		return func() float64 { return float64(1e10+r.Intn(1e9)) / 100 }
	}},
	pattern{name: "division", start: func(r *rand.Rand) func() float64 { // decimals too long for a product
		return func() float64 { return float64(1e14+r.Intn(1e6)) / 1000 }
	}},
	pattern{name: "float32", start: func(r *rand.Rand) func() float64 {
		return func() float64 { return float64(float32(10 + r.Float64())) }
	}},
)

// report adds the time and the size of a sample to a benchmark of columns of n samples.
func report(b *testing.B, n int, payloads [][]byte) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/sample")
	total := 0
	for _, p := range payloads {
		total += len(p)
	}
	b.ReportMetric(float64(total)/float64(len(payloads)*n), "B/sample")
}

func BenchmarkFloats(b *testing.B) {
	for _, n := range []int{64, 120} {
		for _, p := range benchPatterns {
			// Series in their first chunk, and one that runs on.
			columns := append(p.series(benchColumns/2, n), p.ongoing(benchColumns/2, n)...)
			var payloads [][]byte
			for _, v := range columns {
				payloads = append(payloads, AppendFloats(nil, v))
			}
			b.Run(fmt.Sprintf("append/%d/%s", n, p.name), func(b *testing.B) {
				buf := make([]byte, 0, 16*n)
				b.ReportAllocs()
				for i := range b.N {
					buf = AppendFloats(buf[:0], columns[i%benchColumns])
				}
				report(b, n, payloads)
			})
			b.Run(fmt.Sprintf("decode/%d/%s", n, p.name), func(b *testing.B) {
				dst := make([]float64, n)
				b.ReportAllocs()
				for i := range b.N {
					if err := DecodeFloats(dst, payloads[i%benchColumns]); err != nil {
						b.Fatal(err)
					}
				}
				report(b, n, payloads)
			})
		}
	}
}

func BenchmarkTimes(b *testing.B) {
	const n = 120
	for _, k := range []struct {
		name   string
		jitter int64 // ns, both ways
	}{{"regular", 0}, {"jitter", 50 * ms}} {
		r := rand.New(rand.NewSource(1))
		var columns [][]int64
		var payloads [][]byte
		for c := range benchColumns {
			columns = append(columns, ints(n, func(i int64) int64 {
				return noon + (int64(c)*n+i)*15*second + (r.Int63n(2*k.jitter+1)-k.jitter)/ms*ms
			}))
			payloads = append(payloads, AppendTimes(nil, columns[c]))
		}
		b.Run("append/"+k.name, func(b *testing.B) {
			buf := make([]byte, 0, 16*n)
			b.ReportAllocs()
			for i := range b.N {
				buf = AppendTimes(buf[:0], columns[i%benchColumns])
			}
			report(b, n, payloads)
		})
		b.Run("decode/"+k.name, func(b *testing.B) {
			dst := make([]int64, n)
			b.ReportAllocs()
			for i := range b.N {
				if err := DecodeTimes(dst, payloads[i%benchColumns]); err != nil {
					b.Fatal(err)
				}
			}
			report(b, n, payloads)
		})
	}
}

func BenchmarkBitmap(b *testing.B) {
	const n = 512
	words := make([]uint64, n/64)
	for i := range words {
		words[i] = ^uint64(0)
	}
	words[3] &^= 1 << 17
	payload := AppendBitmap(nil, words, n)
	b.Run("append/hole", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			payload = AppendBitmap(payload[:0], words, n)
		}
	})
	b.Run("decode/hole", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := DecodeBitmap(words, n, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}
