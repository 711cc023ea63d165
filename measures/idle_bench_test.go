package measures

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"granary/policy"
	"granary/tenant"
)

// resident is the memory of the process and its heap, when all is given back that can be.
func resident(tb testing.TB) (rss, heap int64) {
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

// BenchmarkIdleTenants makes 5,000 tenants with a few series of ten samples each and leaves them alone: what they cost together once a
// snapshot has been made.
func BenchmarkIdleTenants(b *testing.B) {
	const tenants, samples = 5000, 10
	ctx := context.Background()
	for _, metrics := range []int{1, 3, 4} {
		b.Run(fmt.Sprintf("series=%d", metrics), func(b *testing.B) {
			for b.Loop() {
				s := openTest(b, testOptions(b.TempDir(), &clock{testEpoch}))
				setup(b, s, policy.Forever)
				rss, heap := resident(b)
				for i := range tenants {
					num, err := s.EnsureTenant(ctx, tenant.ID(fmt.Sprintf("tenant-%04d", i)))
					if err != nil {
						b.Fatal(err)
					}
					var batch Batch
					for k := range samples {
						for m := range metrics {
							d := draftOf(num, fmt.Sprintf("metric%d", m), i%97)
							d.Def.Dialect = "native"
							batch.AddDraft(d, testEpoch+int64(k)*10*second, float64(k*m))
						}
					}
					if err := s.Commit(ctx, &batch); err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Snapshot(); err != nil {
					b.Fatal(err)
				}
				s.Expire(ctx)
				s.EnforceCap()
				rssNow, heapNow := resident(b)
				b.ReportMetric(float64(rssNow-rss)/1e6, "RSS-MB")
				b.ReportMetric(float64(heapNow-heap)/1e6, "heap-MB")
				b.ReportMetric(float64(s.Memory().Heads)/1e6, "heads-MB")
				b.ReportMetric(float64(s.Memory().Total())/1e6, "counted-MB")
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
