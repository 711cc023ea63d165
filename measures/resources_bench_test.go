package measures

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
)

// cpuTime is the time that the process has worked so far, in nanoseconds.
func cpuTime(tb testing.TB) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkCreateResource makes resources with ten metrics each, in the journal and visible.
func BenchmarkCreateResource(b *testing.B) {
	s := openTest(b, testOptions(b.TempDir(), &clock{testEpoch}))
	num := setup(b, s, policy.Forever)
	mustType(b, s)
	b.ReportAllocs()
	began, n := cpuTime(b), 0
	for b.Loop() {
		makeResource(b, s, num, n)
		n++
	}
	b.ReportMetric(float64(cpuTime(b)-began)/float64(n), "cpu-ns/op")
	var m runtime.MemStats
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&m)
	h := s.Held(num).Memory
	b.ReportMetric(float64(h.Resources)/float64(n), "resource-B")
	b.ReportMetric(float64(h.Definitions)/float64(10*n), "metric-B")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func makeResource(tb testing.TB, s *Store, num tenant.Num, n int) {
	tb.Helper()
	c := &ResourceChange{Tenant: num, ID: uuid.UUID{0: 0xaa, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}}
	c.Create = instance(n, fmt.Sprint("host", n%300))
	c.Create.Original = c.ID.String()
	for i := range 10 {
		c.Metrics = append(c.Metrics, newMetric(fmt.Sprint("metric", i), 10*n+i+1))
	}
	mustChange(tb, s, c)
}

// BenchmarkUpdateResource changes an attribute of a resource with ten metrics, among 10,000.
func BenchmarkUpdateResource(b *testing.B) {
	s := openTest(b, testOptions(b.TempDir(), &clock{testEpoch}))
	num := setup(b, s, policy.Forever)
	mustType(b, s)
	for n := range 10_000 {
		makeResource(b, s, num, n)
	}
	b.ReportAllocs()
	began, n := cpuTime(b), 0
	for b.Loop() {
		n++
		host := resource.TextValue(fmt.Sprint("host", n))
		_, _, err := s.ChangeResource(context.Background(), &ResourceChange{Tenant: num, ID: uuid.UUID{0: 0xaa, 14: byte(n % 39), 15: byte(n)}, Update: &resource.Update{Attributes: map[string]*resource.Value{"host": &host}}})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuTime(b)-began)/float64(n), "cpu-ns/op")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
