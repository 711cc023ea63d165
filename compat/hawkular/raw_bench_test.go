package hawkular

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"granary/metricdef"
)

// sink takes an answer and counts its bytes.
type sink struct {
	header http.Header
	status int
	bytes  int64
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { s.bytes += int64(len(b)); return len(b), nil }

// BenchmarkRaw reads points as they are: of one metric, and of many with one request.
func BenchmarkRaw(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	s := newStored(b, false)
	fill := func(typ metricdef.Type, id string, n int) {
		points := make([]sample, n)
		for i := range points {
			points[i] = sample{testMilli - int64(n-i)*2000, float64(random.IntN(100_000)) / 100, ""}
			switch typ {
			case metricdef.Counter:
				points[i].value = i * 17
			case metricdef.Availability:
				points[i].value = metricdef.State(random.IntN(2))
			case metricdef.String:
				points[i].value = fmt.Sprint("text ", i%10)
			}
		}
		s.write(typ, id, nil, points...)
	}
	for typ, id := range map[metricdef.Type]string{metricdef.Gauge: "g", metricdef.Counter: "c", metricdef.Availability: "a", metricdef.String: "s"} {
		fill(typ, id, 10_000)
	}
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf(`"m%03d"`, i))
		fill(metricdef.Gauge, fmt.Sprintf("m%03d", i), 1000)
	}
	for _, c := range []struct {
		name, method, path, body string
		points                   int
	}{
		{"gauge", "GET", "/gauges/g/raw?start=0", "", 10_000},
		{"counter", "GET", "/counters/c/raw?start=0", "", 10_000},
		{"availability", "GET", "/availability/a/raw?start=0", "", 10_000},
		{"string", "GET", "/strings/s/raw?start=0", "", 10_000},
		{"last", "GET", "/gauges/g/raw?limit=1", "", 1},
		{"100x1000", "POST", "/gauges/raw/query", `{"ids":[` + strings.Join(ids, ",") + `],"start":0}`, 100_000},
		{"100x1", "POST", "/gauges/raw/query", `{"ids":[` + strings.Join(ids, ",") + `],"start":0,"order":"DESC","limit":1}`, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(c.method, Prefix+c.path, http.NoBody)
				if c.body != "" {
					r.Body = io.NopCloser(strings.NewReader(c.body))
				}
				r.Header["Hawkular-Tenant"] = []string{"t"}
				w := &sink{header: http.Header{}}
				s.ServeHTTP(w, r)
				if w.status != 200 || w.bytes < int64(c.points)*20 {
					b.Fatal(w.status, w.bytes)
				}
				b.SetBytes(w.bytes)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.points), "ns/point")
		})
	}
}
