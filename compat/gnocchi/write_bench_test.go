package gnocchi

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/compat/gnocchi/when"
	"granary/metricdef"
	"granary/policy"
)

// measuresBody is a body by metrics, with so many measures of each, which follow those of the round before. Times are texts, as clients
// send them, or numbers.
func measuresBody(ids []uuid.UUID, measures int, round int64, numbers bool) []byte {
	r := rand.New(rand.NewPCG(1, uint64(round)))
	b := []byte{'{'}
	for m, id := range ids {
		if m > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, `"%s": [`, id)
		for p := range measures {
			if p > 0 {
				b = append(b, ", "...)
			}
			b = append(b, `{"timestamp": `...)
			t := 1_700_000_000 + (round*int64(measures)+int64(p))*10
			if numbers {
				b = strconv.AppendInt(b, t, 10)
			} else {
				b = when.AppendTime(append(b, '"'), t*int64(time.Second))
				b = append(b[:len(b)-len("+00:00")], '"')
			}
			b = append(b, `, "value": `...)
			b = append(strconv.AppendFloat(b, float64(r.IntN(10_000))/100, 'f', -1, 64), '}')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// spent is the CPU time of the process so far: what the clock shows depends on who else is at work.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWrite writes to known metrics, through the handler and the journal. BenchmarkWriteJSON of the native API is what it is measured
// by, whose metrics have the policy of default here.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		metrics, measures int
		policy            string
		numbers           bool
	}{{1000, 100, "default", false}, {1000, 100, "default", true}, {1000, 100, "medium", false}, {1000, 10, "default", false}, {100, 1000, "medium", false}} {
		b.Run(fmt.Sprintf("%dx%d/%s/numbers=%v", c.metrics, c.measures, c.policy, c.numbers), func(b *testing.B) {
			s := newBed(b)
			s.policies(append(policy.BuiltIn(), policy.FallBack(policy.Retention{Length: policy.Forever}))...)
			ids := make([]uuid.UUID, c.metrics)
			for i := range ids {
				ids[i] = s.metric("_ops", metricdef.Draft{Policy: c.policy, Creator: "bob", Label: "cpu"})
			}
			write := func(body []byte) {
				r := httptest.NewRequest(http.MethodPost, "/v1/batch/metrics/measures", bytes.NewReader(body))
				r.Header.Set("Authorization", basic("bob"))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				if s.ServeHTTP(w, r); w.Code != http.StatusAccepted || w.Header().Get("X-Granary-Ignored") != "" {
					b.Fatal(w.Code, w.Header(), w.Body)
				}
			}
			write(measuresBody(ids, c.measures, 0, c.numbers))
			b.SetBytes(int64(len(measuresBody(ids, c.measures, 0, c.numbers))))
			b.ReportAllocs()
			cpu := time.Duration(0)
			for i := range b.N {
				b.StopTimer()
				body := measuresBody(ids, c.measures, int64(i)+1, c.numbers)
				before := spent()
				b.StartTimer()
				write(body)
				cpu += spent() - before
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*c.metrics*c.measures), "cpu-ns/measure")
		})
	}
}
