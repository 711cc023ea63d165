package clustercockpit

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// ready is a reader whose values cost nothing to read, so that a benchmark shows what the dialect costs.
type ready struct {
	*memory
	values [][]float64
}

func (r *ready) Grid(_ context.Context, refs []metricdef.Ref, from, _ int64, _ policy.Method, g *Grid) (int, error) {
	g.From, g.Step = from, 10*second
	g.Values = append(g.Values[:0], r.values[int(refs[0])%len(r.values)]...)
	return len(refs), nil
}

// discard is an answer that nobody reads.
type discard struct {
	h     http.Header
	bytes int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { d.bytes += len(p); return len(p), nil }

func benchDialect(b *testing.B, points int) *Dialect {
	r := rand.New(rand.NewPCG(1, 0))
	rd := &ready{values: make([][]float64, 16)}
	for i := range rd.values {
		x := make([]float64, points)
		for j := range x {
			x[j] = math.Round(r.Float64()*1e4) / 100
		}
		rd.values[i] = x
	}
	d, m := newTest(b, func(o *Options) { o.Reader = rd })
	rd.memory = m
	for h := range 200 {
		m.put(1, []string{"alex", fmt.Sprintf("n%04d", h)}, "cpu_load", t0*second, 1)
		for c := range 16 {
			m.put(1, []string{"alex", fmt.Sprintf("n%04d", h), fmt.Sprintf("hwthread%d", c)}, "flops_any", t0*second, 1)
		}
	}
	return d
}

// BenchmarkQuery is the dialect alone: decode, select, print; values come ready.
func BenchmarkQuery(b *testing.B) {
	var queries []string
	for h := range 200 {
		queries = append(queries, fmt.Sprintf(`{"metric":"cpu_load","host":"n%04d"}`, h))
	}
	span := fmt.Sprintf(`{"cluster":"alex","from":%d,"to":%d,`, t0, t0+3600)
	for _, c := range []struct {
		name, body string
		points     int
		gzip       bool
	}{
		{"1 metric 1 node 360 points", span + `"queries":[` + queries[0] + `]}`, 360, false},
		{"1 metric 200 nodes 360 points", span + `"queries":[` + strings.Join(queries, ",") + `]}`, 360, false},
		{"1 metric 200 nodes 360 points gzip", span + `"queries":[` + strings.Join(queries, ",") + `]}`, 360, true},
		{"for-all-nodes 360 points", span + `"for-all-nodes":["cpu_load"]}`, 360, false},
		{"200 queries of one point", span + `"queries":[` + strings.Join(queries, ",") + `]}`, 1, false},
		{"200 queries of one point, statistics", span + `"with-data":false,"queries":[` + strings.Join(queries, ",") + `]}`, 1, false},
		{"implied children", span + `"queries":[` + strings.ReplaceAll(strings.Join(queries, ","), "cpu_load", "flops_any") + `]}`, 1, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := benchDialect(b, c.points)
			w := &discard{h: http.Header{}}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				r := httptest.NewRequest(http.MethodGet, "/api/query?version=v2", strings.NewReader(c.body))
				if c.gzip {
					r.Header.Set("Accept-Encoding", "gzip")
				}
				clear(w.h)
				w.bytes = 0
				d.ServeHTTP(w, r)
			}
			b.ReportMetric(float64(w.bytes), "bytes")
		})
	}
}

func BenchmarkDecodeQuery(b *testing.B) {
	var queries []string
	for h := range 200 {
		queries = append(queries, fmt.Sprintf(`{"metric":"cpu_load","host":"n%04d","aggreg":false,"resolution":0}`, h))
	}
	body := []byte(`{"cluster":"alex","queries":[` + strings.Join(queries, ",") + `]}`)
	b.Run("fast", func(b *testing.B) {
		var req queryRequest
		b.ReportAllocs()
		for range b.N {
			if !fastQuery(body, &req) {
				b.Fatal("not taken")
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			var req queryRequest
			if err := decodeFirst(body, &req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLTTB(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 0))
	x := make([]float64, 8640)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	var out []float64
	b.ReportAllocs()
	for range b.N {
		out = lttb(out[:0], x, 1440)
	}
}
