package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync/atomic"
	"testing"
	"time"

	"granary/measures/ingest/line"
)

// footprint is the memory of the process and its heap, when all is given back that can be.
func footprint(tb testing.TB) (rss, heap int64) {
	tb.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Skip("no /proc: ", err)
	}
	var size, pages int64
	if _, err := fmt.Fscan(bytes.NewReader(b), &size, &pages); err != nil {
		tb.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return pages * int64(os.Getpagesize()), int64(m.HeapAlloc)
}

// BenchmarkIdleTenants is what 5,000 tenants keep of a whole server that have written three series over HTTP, in two bodies, and then
// nothing for so long that all is forgotten of them that can be: queues, limits, the ledger and the cache of line keys included. Beside
// them stand as many series of one tenant. Memory of a process is not given back entirely, so run one sub-benchmark at a time.
// GRANARY_HEAP names a file for the profile of the heap.
func BenchmarkIdleTenants(b *testing.B) {
	const bodies, samples = 5000, 5
	for _, tenants := range []int{1, bodies} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			cfg := configured(b, "granary: {tenants: {create-rate: 0}}")
			cfg.Data, cfg.Listen = filepath.Join(b.TempDir(), "data"), "127.0.0.1:0"
			var later atomic.Int64
			s, err := New(cfg, Options{Version: "test", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
			if err != nil {
				b.Fatal(err)
			}
			serve(b, s)
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			at := time.Now().Unix() - 200
			write := func(i, round int) {
				var body bytes.Buffer
				host := i
				if tenants > 1 {
					host %= 97
				}
				for k := range samples {
					for m := range 3 {
						fmt.Fprintf(&body, "metric%d,cluster=alex,hostname=n%04d,type=node value=%d %d\n", m, host, k*m, at+int64(round*samples+k)*10)
					}
				}
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+s.Addr()+"/v2/measures", &body)
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Content-Type", "text/plain")
				r.Header.Set("Tenant", fmt.Sprintf("tenant-%04d", i%tenants))
				w, err := client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				answer, err := io.ReadAll(w.Body)
				w.Body.Close()
				if err != nil || w.StatusCode != http.StatusOK {
					b.Fatal(w.StatusCode, err, string(answer))
				}
			}
			for b.Loop() {
				rss, heap := footprint(b)
				for round := range 2 {
					for i := range bodies {
						write(i, round)
					}
				}
				if err := s.store.Snapshot(); err != nil {
					b.Fatal(err)
				}
				later.Add(int64(line.TidyAfter + time.Minute))
				s.tidyUp()
				s.tidyUp() // queues are forgotten that were not asked for in between
				s.store.Expire(b.Context())
				client.CloseIdleConnections()
				rssNow, heapNow := footprint(b)
				b.ReportMetric(float64(rssNow-rss)/1e6, "RSS-MB")
				b.ReportMetric(float64(heapNow-heap)/1e6, "heap-MB")
				b.ReportMetric(float64(s.store.Memory().Total())/1e6, "counted-MB")
				if name := os.Getenv("GRANARY_HEAP"); name != "" {
					f, err := os.Create(name)
					if err != nil {
						b.Fatal(err)
					}
					if err := pprof.WriteHeapProfile(f); err != nil {
						b.Fatal(err)
					}
					f.Close()
				}
			}
		})
	}
}
