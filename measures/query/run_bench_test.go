package query

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

const (
	daySeries = 1000
	daySlots  = 8640
)

// day is a store with 24 hours of 1,000 series at 10 s: rates of counters with two decimals.
func day(b *testing.B) (*measures.Store, []metricdef.Ref) {
	b.Helper()
	s := openStore(b, b.TempDir())
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	num := prepare(b, s, 10*time.Second)
	rnd := rand.New(rand.NewPCG(1, 2))
	level := make([]float64, daySeries)
	for i := range level {
		level[i] = 1000 * rnd.Float64()
	}
	var refs []metricdef.Ref
	var batch measures.Batch
	for slot := range int64(daySlots) {
		batch.Reset()
		for i := range daySeries {
			v := math.Round(100*(level[i]+50*rnd.NormFloat64())) / 100
			if slot == 0 {
				batch.AddDraft(draft(num, "m", i), epoch, v)
			} else {
				batch.Add(refs[i], epoch+slot*10*sec, v)
			}
		}
		commit(b, s, &batch)
		if slot == 0 {
			refs = append(refs, batch.Refs...)
		}
	}
	return s, refs
}

// used is the processor time that the process has used.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRun asks for 5-minute means and others over 24 hours of 1,000 series. Its figures are processor time, of all
// goroutines, for one query.
func BenchmarkRun(b *testing.B) {
	s, refs := day(b)
	e := New(s, Options{Definitions: s.Definitions})
	whole := Request{Refs: refs, From: epoch, To: epoch + daySlots*10*sec, Buckets: Buckets{Step: 300 * sec}, Over: policy.Mean}
	for _, c := range []struct {
		name   string
		change func(*Request)
	}{
		{"mean", func(*Request) {}},
		{"mean-across", func(r *Request) { r.Across = policy.Mean }},
		{"max", func(r *Request) { r.Over = policy.Max }},
		{"95pct", func(r *Request) { r.Over = policy.Percentile(95) }},
		{"rate", func(r *Request) { r.Rate.Per = time.Second }},
		{"raw-hour", func(r *Request) {
			r.Over, r.Buckets = policy.NoMethod, Buckets{}
			r.From = r.To - 3600*sec
		}},
		{"last", func(r *Request) { r.Over, r.Buckets, r.Limit, r.Desc = policy.NoMethod, Buckets{}, 1, true }},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := whole
			c.change(&r)
			b.ReportMetric(float64(runs(b, e, r))/1e6, "cpu-ms/op")
		})
	}
}

// runs asks the same question as long as the benchmark goes, and returns the processor time of each time, in nanoseconds.
func runs(b *testing.B, e *Engine, r Request) int64 {
	b.Helper()
	runtime.GC()
	b.ReportAllocs()
	points := 0
	before := used(b)
	for b.Loop() {
		q, err := e.Prepare(context.Background(), r)
		if err != nil {
			b.Fatal(err)
		}
		points = 0
		if err := q.Run(context.Background(), func(f *Frame) error { points += f.Len(); return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(points), "points")
	return int64(used(b)-before) / int64(b.N)
}

// BenchmarkRunTier asks for 5-minute means of 24 hours of 1,000 series that a tier keeps.
func BenchmarkRunTier(b *testing.B) {
	s := openStore(b, b.TempDir())
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	num := tiered(b, s, 0)
	rnd := rand.New(rand.NewPCG(1, 2))
	var refs []metricdef.Ref
	var batch measures.Batch
	for slot := range int64(daySlots) {
		batch.Reset()
		for i := range daySeries {
			v := math.Round(100*(1000+50*rnd.NormFloat64())) / 100
			if slot == 0 {
				batch.AddDraft(draft(num, "w", i), epoch, v)
			} else {
				batch.Add(refs[i], epoch+slot*10*sec, v)
			}
		}
		commit(b, s, &batch)
		if slot == 0 {
			refs = append(refs, batch.Refs...)
		}
		if slot%1000 == 999 {
			s.TendTiers()
		}
	}
	e := New(s, Options{Definitions: s.Definitions})
	for _, c := range []struct {
		name   string
		across policy.Method
		over   policy.Method
	}{{"mean", policy.NoMethod, policy.Mean}, {"max", policy.NoMethod, policy.Max}, {"mean-across", policy.Mean, policy.Mean}} {
		b.Run(c.name, func(b *testing.B) {
			r := Request{Refs: refs, From: epoch / (300 * sec) * 300 * sec, To: epoch + daySlots*10*sec, Buckets: Buckets{Step: 300 * sec}, Over: c.over, Across: c.across}
			b.ReportMetric(float64(runs(b, e, r))/1e6, "cpu-ms/op")
		})
	}
}
