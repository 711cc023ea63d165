//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// TestActiveTenants writes 100,000 series in bodies of 100 lines to two services in turn: in one they are those of one tenant, in the
// other those of a thousand. What it cost the services is in the log (-v), round by round, since the two see the same machine: seconds
// of the processor, with all that stands between a connection and the journal. It demands of them only that nobody is refused, because
// a machine that tests run on is never quiet. GRANARY_E2E_ROUNDS is how many rounds.
func TestActiveTenants(t *testing.T) {
	const bodies, lines, steps = 1000, 100, 4
	n := rounds(t, 2)
	if testing.Short() {
		n = 1
	}
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"tenants": object{"create-rate": 0}, "journal": object{"sync": "never"}}})
	type side struct {
		*process
		tenants int
	}
	sides := []side{{serve(t, config, filepath.Join(dir, "one")), 1}, {serve(t, config, filepath.Join(dir, "many")), bodies}}
	start := time.Now().Unix() - 10*int64(steps)*int64(n+2)
	step := 0
	run := func(times int) {
		for range times {
			for i := range bodies {
				var body []byte
				for k := range lines {
					body = fmt.Appendf(body, "cpu_load,cluster=alex,hostname=n%04d,type=hwthread,type-id=%d value=%d %d\n", i, k, (k*7+step*13)%100, start+int64(step)*10)
				}
				for _, s := range sides {
					header := http.Header{"Content-Type": {"text/plain"}, "Tenant": {fmt.Sprintf("tenant-%04d", i%s.tenants)}}
					if status, _, answer := s.do(http.MethodPost, "/v2/measures", header, bytes.NewReader(body)); status != http.StatusOK {
						t.Fatal(status, string(answer))
					}
				}
			}
			step++
		}
	}
	run(2) // what happens for the first time
	for round := range n {
		var before [2]float64
		for i, s := range sides {
			before[i] = s.metric("process_cpu_seconds_total")
		}
		run(steps)
		var took [2]float64
		for i, s := range sides {
			took[i] = s.metric("process_cpu_seconds_total") - before[i]
		}
		t.Logf("round %d: one tenant %.2f s, %d tenants %.2f s: %.2f times", round, took[0], bodies, took[1], took[1]/took[0])
	}
	for _, s := range sides {
		began := time.Now()
		_, text := s.get("/metrics")
		t.Logf("/metrics of %d tenants: %d kB in %v", s.tenants, len(text)/1000, time.Since(began).Round(time.Millisecond))
	}
}
