package points

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"granary/metricdef"
)

// benchBody is a body of so many metrics with so many points each; every one has tags if tags is not "".
func benchBody(metrics, points int, tags string) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := []byte{'['}
	for m := range metrics {
		if m > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"id":"machine/n%04d/cpu_load","data":[`, m)
		for p := range points {
			if p > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"timestamp":`...)
			b = strconv.AppendInt(b, 1_700_000_000_000+int64(p)*10_000, 10)
			b = append(b, `,"value":`...)
			b = strconv.AppendFloat(b, float64(r.IntN(10_000))/100, 'f', -1, 64)
			b = append(append(b, tags...), '}')
		}
		b = append(b, ']', '}')
	}
	return append(b, ']')
}

// spent is the CPU time of the process so far: what the clock shows depends on who else is at work.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkSeveral(b *testing.B) {
	for _, c := range []struct {
		name            string
		metrics, points int
		tags            string
	}{{"100x100", 100, 100, ""}, {"1000x1", 1000, 1, ""}, {"100x100/tags", 100, 100, `,"tags":{"host":"a"}`}} {
		b.Run(c.name, func(b *testing.B) {
			body := benchBody(c.metrics, c.points, c.tags)
			d := NewDecoder(Options{})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			if err := d.Several(body, metricdef.Gauge, nil); err != nil {
				b.Fatal(err)
			}
			before := spent()
			for b.Loop() {
				if err := d.Several(body, metricdef.Gauge, nil); err != nil || len(d.Times) != c.metrics*c.points {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((spent()-before).Nanoseconds())/float64(b.N*c.metrics*c.points), "cpu-ns/point")
		})
	}
}

// TestNoAllocation: of a body in the usual spelling nothing is allocated.
func TestNoAllocation(t *testing.T) {
	body := benchBody(10, 100, "")
	d := NewDecoder(Options{})
	read := func() {
		if err := d.Several(body, metricdef.Gauge, nil); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if n := testing.AllocsPerRun(20, read); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
