package query

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

// rates fills a store with series of 360 slots of 10 s, the rate of a counter with two decimals each.
func rates(b *testing.B, series int) (*measures.Store, []metricdef.Ref) {
	b.Helper()
	s := openStore(b, b.TempDir())
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	num := prepare(b, s, 10*time.Second)
	rnd := rand.New(rand.NewPCG(1, 2))
	level := make([]float64, series)
	for i := range level {
		level[i] = 1000 * rnd.Float64()
	}
	var refs []metricdef.Ref
	for slot := range int64(360) {
		var batch measures.Batch
		for i := range series {
			v := math.Round(100*(level[i]+50*rnd.NormFloat64())) / 100
			if slot == 0 {
				batch.AddDraft(draft(num, "m", i), epoch, v)
			} else {
				batch.Add(refs[i], epoch+slot*10*sec, v)
			}
		}
		commit(b, s, &batch)
		refs = append(refs[:0], batch.Refs...)
	}
	return s, refs
}

// BenchmarkGridSum sums 16 series for each of 200 answers of 360 points.
func BenchmarkGridSum(b *testing.B) {
	s, refs := rates(b, 200*16)
	e := New(s, Options{})
	var g Grid
	b.ReportAllocs()
	for b.Loop() {
		for h := range 200 {
			n, err := e.Grid(context.Background(), refs[h*16:h*16+16], epoch, epoch+3600*sec, policy.Sum, &g)
			if err != nil || n != 16 || len(g.Values) != 360 {
				b.Fatal(n, err, len(g.Values))
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*200*16*360), "ns/sample")
}

// BenchmarkGridOne reads one series of 360 points.
func BenchmarkGridOne(b *testing.B) {
	s, refs := rates(b, 1000)
	e := New(s, Options{})
	var g Grid
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Grid(context.Background(), refs[i:i+1], epoch, epoch+3600*sec, policy.NoMethod, &g); err != nil || len(g.Values) != 360 {
			b.Fatal(err, len(g.Values))
		}
		i = (i + 7) % len(refs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*360), "ns/sample")
}
