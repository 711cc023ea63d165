package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

// gauges fills a store with series of so many samples, one each 30 seconds at times of its own, with two decimals each.
func gauges(b *testing.B, series, samples int) (*measures.Store, []metricdef.Ref) {
	b.Helper()
	s := openStore(b, b.TempDir())
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	num := prepare(b, s, 10*time.Second)
	rnd := rand.New(rand.NewPCG(1, 2))
	var refs []metricdef.Ref
	for i := range series {
		var batch measures.Batch
		level, phase := 1000*rnd.Float64(), rnd.Int64N(30_000)*1e6
		for k := range int64(samples) {
			batch.AddDraft(draft(num, "own", i), epoch+k*30*sec+phase, math.Round(100*(level+50*rnd.NormFloat64()))/100)
		}
		commit(b, s, &batch)
		refs = append(refs, batch.Refs[0])
	}
	return s, refs
}

var nine = []policy.Method{policy.Min, policy.Max, policy.Mean, policy.Median, policy.Sum, policy.Count, policy.First, policy.Last, policy.Std}

// BenchmarkStats asks for nine statistics in 5-minute buckets over 8 hours of series with a sample each 30 seconds. Its figures are
// processor time, of all goroutines, for one query.
func BenchmarkStats(b *testing.B) {
	const hours = 8
	s, refs := gauges(b, 100, hours*120)
	e := New(s, Options{Definitions: s.Definitions})
	day := Request{From: 0, To: epoch + hours*3600*sec, Buckets: Buckets{Step: 86400 * sec, FromStart: true}}
	five := Request{From: epoch, To: epoch + hours*3600*sec, Buckets: Buckets{Step: 300 * sec, FromStart: true}}
	for _, c := range []struct {
		name   string
		series int
		r      Request
		change func(*Request)
	}{
		{"nine", 1, five, func(r *Request) { r.Overs = nine }},
		{"nine", 100, five, func(r *Request) { r.Overs = nine }},
		{"mean", 100, five, func(r *Request) { r.Over = policy.Mean }},
		{"median", 100, five, func(r *Request) { r.Over = policy.Median }},
		{"percentiles", 100, five, func(r *Request) {
			r.Overs = []policy.Method{policy.Percentile(50), policy.Percentile(90), policy.Percentile(99)}
		}},
		{"rates", 100, five, func(r *Request) { r.Overs, r.Rate = nine, Rate{Per: time.Minute, Falls: FallsKeep, Inside: true} }},
		{"stacked", 100, five, func(r *Request) { r.Overs, r.Across = nine, policy.Sum }},
		{"pooled", 100, five, func(r *Request) { r.Overs, r.Pool = nine, true }},
		{"pooled-one", 100, five, func(r *Request) { r.Overs, r.Pool, r.Buckets = nine, true, Buckets{} }},
		{"since-1970", 1, day, func(r *Request) { r.Overs = nine }},
		{"since-1970", 100, day, func(r *Request) { r.Overs = nine }},
		{"since-1970-null", 1, day, func(r *Request) { r.Overs, r.Fill.How = nine, Null }},
	} {
		b.Run(fmt.Sprintf("%s/%d", c.name, c.series), func(b *testing.B) {
			r := c.r
			r.Refs = refs[:c.series]
			c.change(&r)
			b.ReportMetric(float64(runs(b, e, r))/1e3, "cpu-us/op")
		})
	}
}
