package hawkular

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// benchBody is a body of so many metrics with so many points each, which follow those of the round before.
func benchBody(metrics, points int, round int64) string {
	r := rand.New(rand.NewPCG(1, uint64(round)))
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
			b = strconv.AppendInt(b, 1_700_000_000_000+(round*int64(points)+int64(p))*10_000, 10)
			b = append(b, `,"value":`...)
			b = strconv.AppendFloat(b, float64(r.IntN(100_000))/1000, 'f', -1, 64)
			b = append(b, '}')
		}
		b = append(b, ']', '}')
	}
	return string(append(b, ']'))
}

// spent is the CPU time of the process so far: what the clock shows depends on who else is at work.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWrite writes to known metrics, through the handler and the journal.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct{ metrics, points int }{{100, 100}, {1000, 1}, {1, 100}} {
		b.Run(fmt.Sprintf("%dx%d", c.metrics, c.points), func(b *testing.B) {
			s := newStored(b, false)
			write := func(body string) {
				r := httptest.NewRequest(http.MethodPost, Prefix+"/gauges/raw", strings.NewReader(body))
				r.Header.Set("Hawkular-Tenant", "t")
				w := httptest.NewRecorder()
				if s.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
			write(benchBody(c.metrics, c.points, 0))
			b.SetBytes(int64(len(benchBody(c.metrics, c.points, 0))))
			b.ReportAllocs()
			cpu := time.Duration(0)
			for i := range b.N {
				b.StopTimer()
				body := benchBody(c.metrics, c.points, int64(i)+1)
				before := spent()
				b.StartTimer()
				write(body)
				cpu += spent() - before
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*c.metrics*c.points), "cpu-ns/point")
		})
	}
}
