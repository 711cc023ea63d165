package prometheus

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/klauspost/compress/snappy"

	"granary/measures/ingest/remoteout"
)

// fleet are series as a Prometheus has them of so many hosts, in the order in which it scrapes them.
func fleet(hosts, each int) (list []remoteout.Series) {
	for h := range hosts {
		for i := range each {
			list = append(list, remoteout.Series{Samples: make([]remoteout.Sample, 1), Labels: []string{
				"__name__", fmt.Sprintf("node_metric_%02d_total", i/16), "cluster", "alex", "cpu", fmt.Sprint(i % 16), "instance", fmt.Sprintf("host%04d:9100", h), "job", "node", "mode", "idle"}})
		}
	}
	return list
}

// BenchmarkWrite is about requests of 2,000 known series, the next ones each time, in both versions.
func BenchmarkWrite(b *testing.B) {
	const hosts, each, send = 100, 188, 2000
	for _, version := range []string{"1.0", "2.0"} {
		b.Run(version, func(b *testing.B) {
			bed := newBed(b)
			list, random := fleet(hosts, each), rand.New(rand.NewPCG(1, 2))
			var plain, packed []byte
			step := int64(-86_000_000)
			from := 0
			next := func() []byte {
				if from == 0 {
					step += 10
					for i := range list {
						list[i].Samples[0] = remoteout.Sample{Time: at(step), Value: random.Float64() * 1000}
					}
				}
				part := list[from:min(from+send, len(list))]
				if from += send; from >= len(list) {
					from = 0
				}
				if version == "1.0" {
					plain = remoteout.AppendV1(plain[:0], part)
				} else {
					plain = remoteout.AppendV2(plain[:0], part)
				}
				packed = snappy.Encode(packed[:cap(packed)], plain)
				return packed
			}
			r := httptest.NewRequest(http.MethodPost, Paths[0], nil)
			r.Header.Set("Content-Encoding", "snappy")
			if version == "2.0" {
				r.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
			}
			reader := bytes.NewReader(nil)
			write := func() int {
				body := next()
				reader.Reset(body)
				r.Body, r.ContentLength = io.NopCloser(reader), int64(len(body))
				w := httptest.NewRecorder()
				b.StartTimer()
				bed.ServeHTTP(w, r)
				b.StopTimer()
				if w.Code != http.StatusNoContent {
					b.Fatal(w.Code, w.Body)
				}
				return min(send, len(list))
			}
			for range 3 * (len(list) + send - 1) / send {
				write()
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.StopTimer()
			samples := 0
			for range b.N {
				samples += write()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples), "ns/sample")
		})
	}
}
