package native

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"granary/tenant"
)

// benchBody is a body of items with so many samples each, for hosts of a cluster.
func benchBody(items, samples int, round int64) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := []byte(`{"metrics":[`)
	for i := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"name":"cpu_load","tags":{"cluster":"alex","hostname":"n%04d","type":"node"},"samples":[`, i)
		for j := range samples {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(b, '[')
			b = strconv.AppendInt(b, 1_700_000_000_000+(round*int64(samples)+int64(j))*10_000, 10)
			b = append(b, ',')
			b = strconv.AppendFloat(b, float64(r.IntN(10_000))/100, 'f', -1, 64)
			b = append(b, ']')
		}
		b = append(b, ']', '}')
	}
	return append(b, "]}"...)
}

// spent is the CPU time of the process so far: what the clock shows depends on who else is at work.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWriteJSON writes to known metrics, through the journal.
func BenchmarkWriteJSON(b *testing.B) {
	for _, c := range []struct{ items, samples int }{{10_000, 1}, {1000, 10}, {1000, 100}, {100, 1000}} {
		b.Run(fmt.Sprintf("%dx%d", c.items, c.samples), func(b *testing.B) {
			s := newStored(b, tenant.Limits{})
			in := &intake{}
			write := func(body []byte) {
				in.begin(context.Background(), s.API, "_ops", true)
				err := in.body(body)
				if err == nil {
					err = in.flush()
				}
				if err != nil || in.report.stored != c.items*c.samples {
					b.Fatal(err, in.report)
				}
			}
			write(benchBody(c.items, c.samples, 0))
			b.SetBytes(int64(len(benchBody(c.items, c.samples, 0))))
			b.ReportAllocs()
			cpu := time.Duration(0)
			for i := range b.N {
				b.StopTimer()
				body := benchBody(c.items, c.samples, int64(i)+1)
				before := spent()
				b.StartTimer()
				write(body)
				cpu += spent() - before
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*c.items*c.samples), "cpu-ns/sample")
		})
	}
}

// BenchmarkScanJSON reads the samples alone.
func BenchmarkScanJSON(b *testing.B) {
	body := benchBody(1, 10_000, 0)
	start, _ := header(body, 12)
	c := &columns{}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	before := spent()
	for range b.N {
		c.reset(1)
		if _, ok := c.scan(body, start); !ok {
			b.Fatal("not taken")
		}
	}
	b.ReportMetric(float64((spent()-before).Nanoseconds())/float64(b.N*10_000), "cpu-ns/sample")
}
