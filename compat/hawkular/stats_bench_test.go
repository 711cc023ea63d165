package hawkular

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"granary/metricdef"
)

// discard is the writer of an answer that nobody reads.
type discard struct {
	header http.Header
	status int
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }

// statsBed has 100 gauges with a point every 30 s in the last 8 hours.
func statsBed(tb testing.TB) *bed {
	b := newBed(tb, false)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 100 {
		var points []point
		value := 1000 * rng.Float64()
		for at := now - 8*3600_000; at < now; at += 30_000 {
			value += rng.NormFloat64()
			points = append(points, point{at: at, value: math.Round(value*100) / 100})
		}
		b.put("t", metricdef.Gauge, fmt.Sprintf("gauge/%03d", i), nil, points...)
	}
	return b
}

func benchmarkStats(bench *testing.B, path, body string) {
	b := statsBed(bench)
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	w := &discard{header: http.Header{}}
	reader := strings.NewReader(body)
	bench.ReportAllocs()
	for bench.Loop() {
		reader.Reset(body)
		r := httptest.NewRequest(method, Prefix+path, io.NopCloser(reader))
		r.Header["Hawkular-Tenant"] = []string{"t"}
		clear(w.header)
		w.n, w.status = 0, 0
		b.ServeHTTP(w, r)
	}
	if w.status != 200 {
		bench.Fatal(w.status)
	}
	bench.SetBytes(int64(w.n))
}

// BenchmarkStatsOfOne is one gauge over 8 hours in buckets of 5 minutes.
func BenchmarkStatsOfOne(b *testing.B) {
	benchmarkStats(b, fmt.Sprintf("/gauges/gauge%%2F007/stats?start=%d&end=%d&bucketDuration=5mn", now-8*3600_000, now), "")
}

// BenchmarkStatsSince1970 is one gauge since 1970 in buckets of a day, nearly all of which are empty.
func BenchmarkStatsSince1970(b *testing.B) {
	benchmarkStats(b, fmt.Sprintf("/gauges/gauge%%2F007/stats?start=0&end=%d&bucketDuration=1d", now), "")
}

// BenchmarkStatsQuery is 100 gauges over 8 hours in buckets of 5 minutes, each by itself.
func BenchmarkStatsQuery(b *testing.B) {
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf(`"gauge/%03d"`, i))
	}
	benchmarkStats(b, "/m/stats/query", fmt.Sprintf(`{"ids":[%s],"start":%d,"end":%d,"bucketDuration":"5mn"}`, strings.Join(ids, ","), now-8*3600_000, now))
}
