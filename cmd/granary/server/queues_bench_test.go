package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"granary/api/edge"
	"granary/compat/clustercockpit"
)

// BenchmarkQueues is what the queues cost of a write that meets nobody: the same bodies with and without them, all but the
// connection included.
func BenchmarkQueues(b *testing.B) {
	for _, lines := range []int{94, 5000} {
		for _, queues := range []bool{false, true} {
			b.Run(fmt.Sprintf("lines=%d/queues=%v", lines, queues), func(b *testing.B) {
				s := running(b, configured(b, "granary: {journal: {sync: never}, limits: {body: 64MiB}}"))
				o := s.clusterCockpit()
				if !queues {
					o.Lines = edge.NewBodies(edge.BodyOptions{})
				}
				d := clustercockpit.New(o)
				at := time.Now().Add(-24 * time.Hour).Unix()
				var body bytes.Buffer
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					body.Reset()
					for i := range lines {
						fmt.Fprintf(&body, "m%d,cluster=c,hostname=h%d,type=node value=%d.5 %d\n", i%30, i/30, i, at)
					}
					at += 10
					r := httptest.NewRequest(http.MethodPost, "/api/write/?cluster=c", bytes.NewReader(body.Bytes()))
					r.RemoteAddr = "127.0.0.1:1"
					b.StartTimer()
					d.ServeHTTP(discard{http.Header{}}, r)
				}
			})
		}
	}
}
