package ingest

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/ingest/line"
	"granary/metricdef"
	"granary/tenant"
)

var (
	_ Store    = (*measures.Store)(nil)
	_ Resolver = (*metricdef.Registry)(nil)
)

// openStore opens a real store and a writer in front of it.
func openStore(t testing.TB, now func() time.Time, limits ...tenant.Limits) (*measures.Store, *Writer, *line.ClusterCockpit) {
	t.Helper()
	limits = append(limits, tenant.Limits{})
	quiet := slog.New(slog.DiscardHandler)
	s, err := measures.Open(measures.Options{Dir: t.TempDir(), Now: now, Logger: quiet, Limits: limits[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	num, err := s.EnsureTenant(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	m := &line.ClusterCockpit{Tenant: func(string) (tenant.Num, error) { return num, nil }}
	return s, New(s, s.Definitions, Options{Now: now, Logger: quiet, Tenants: s.Tenants}), m
}

// interval is one body for each 5,000 lines of what a cluster of this many hosts sends at a time.
func interval(hosts int, at int64) (bodies [][]byte) {
	var b []byte
	n := 0
	add := func(metric string, host int, rest string, value float64) {
		b = fmt.Appendf(b, "%s,cluster=alex,hostname=n%04d,%s value=%v %d\n", metric, host, rest, value, at)
		if n++; n%5000 == 0 {
			bodies = append(bodies, slices.Clone(b))
			b = b[:0]
		}
	}
	for h := range hosts {
		for m := range 30 {
			add(fmt.Sprintf("node_metric_%d", m), h, "type=node", float64(m*h)+float64(at%97)/100)
		}
		for m := range 64 {
			add(fmt.Sprintf("thread_metric_%d", m%4), h, fmt.Sprintf("type=hwthread,type-id=%d", m/4), 1/float64(at%1000+int64(m)+1))
		}
	}
	return append(bodies, b)
}

func TestRealStore(t *testing.T) {
	now := start
	s, w, m := openStore(t, func() time.Time { return now })
	for step := range 4 {
		now = start.Add(time.Duration(step) * time.Minute)
		bodies := interval(10, now.Unix())
		lines := bytes.Count(bytes.Join(bodies, nil), []byte("\n"))
		stored := 0
		for _, body := range bodies {
			r, err := w.WriteLines(t.Context(), m, body)
			if err != nil || r.Malformed > 0 || r.Lines != r.Stored {
				t.Fatalf("%+v, %v", r, err)
			}
			stored += r.Stored
		}
		if stored != lines {
			t.Errorf("%d of %d lines stored", stored, lines)
		}
	}
	if n := s.Definitions.Len(); n != 940 {
		t.Errorf("%d definitions", n)
	}
	ref, ok := s.Definitions.Resolve(1, metricdef.Gauge, []byte(`thread_metric_1{cluster="alex",hostname="n0007",type="hwthread",type-id="5"}`))
	if !ok {
		t.Fatal("series not found")
	}
	if at, _, ok := s.Newest(ref); !ok || at != now.UnixNano() {
		t.Errorf("newest sample at %d, want %d", at, now.UnixNano())
	}
	if c := w.CacheStats(); c.Entries != 940 {
		t.Errorf("%+v", c)
	}
}

// BenchmarkWriteLines is the whole way in, journal and all, for 18,800 series at one body of 5,000 lines a time.
func BenchmarkWriteLines(b *testing.B) { benchmarkWriteLines(b, tenant.Limits{}) }

// BenchmarkWriteLinesLimited is the same for a tenant that has every limit of a write, and reaches none.
func BenchmarkWriteLinesLimited(b *testing.B) {
	benchmarkWriteLines(b, tenant.Limits{
		Series: 1 << 30, SamplesPerSecond: 1 << 40, SamplesBurst: 1 << 40, Line: 1 << 12, Tags: 30, TagName: 200, TagValue: 200, Past: 1000 * time.Hour, Future: time.Hour,
		Retention: 1000 * time.Hour, Memory: 1 << 40,
	})
}

func benchmarkWriteLines(b *testing.B, limits tenant.Limits) {
	now := start
	_, w, m := openStore(b, func() time.Time { return now }, limits)
	write := func() (lines int) {
		b.StopTimer()
		now = now.Add(time.Minute)
		bodies := interval(200, now.Unix())
		b.StartTimer()
		for _, body := range bodies {
			r, err := w.WriteLines(b.Context(), m, body)
			if err != nil {
				b.Fatal(err)
			}
			lines += r.Stored
		}
		return lines
	}
	write()
	lines := 0
	b.ReportAllocs()
	for b.Loop() {
		lines += write()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(lines), "ns/line")
}
