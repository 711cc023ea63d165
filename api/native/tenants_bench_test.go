package native

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"granary/tenant"
)

// BenchmarkActiveTenants writes 100,000 series in bodies of 100 lines: those of one tenant, and those of a thousand tenants in turn.
func BenchmarkActiveTenants(b *testing.B) {
	const bodies, lines = 1000, 100
	for _, tenants := range []int{1, bodies} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			s := newStored(b, tenant.Limits{})
			heads := make([][][]byte, bodies) // of each line, up to its value
			for i := range heads {
				for k := range lines {
					heads[i] = append(heads[i], fmt.Appendf(nil, "cpu_load,cluster=alex,hostname=n%04d,type=hwthread,type-id=%d value=", i, k))
				}
			}
			var body []byte
			write := func(i, round int) time.Duration {
				body = body[:0]
				for k, head := range heads[i] {
					body = append(body, head...)
					body = strconv.AppendInt(body, int64(k*7+round*13)%100, 10)
					body = append(body, ' ')
					body = strconv.AppendInt(body, 1_700_000_000+int64(round)*10, 10)
					body = append(body, '\n')
				}
				r := httptest.NewRequest(http.MethodPost, "/v2/measures", bytes.NewReader(body))
				r.Header.Set("Content-Type", "text/plain")
				r.Header.Set("Tenant", fmt.Sprintf("tenant-%04d", i%tenants))
				w := httptest.NewRecorder()
				before := spent()
				s.ServeHTTP(w, r)
				took := spent() - before
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
				return took
			}
			for round := range 2 {
				for i := range heads {
					write(i, round)
				}
			}
			b.ReportAllocs()
			cpu := time.Duration(0)
			n := 0
			for b.Loop() {
				cpu += write(n%bodies, 2+n/bodies)
				n++
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(n*lines), "cpu-ns/sample")
		})
	}
}
