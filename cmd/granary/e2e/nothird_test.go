//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// theFive are the metrics of the published table, each slot as wide as the senders' interval.
func theFive(t *testing.T, dir string, seconds int) string {
	metrics := object{}
	for name, aggregation := range map[string]any{"cpu_load": "avg", "cpu_user": "avg", "mem_used": nil, "net_bw": "sum", "cpu_power": "sum"} {
		metrics[name] = object{"frequency": seconds, "aggregation": aggregation}
	}
	return configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"disk-free-mark": 0}, "metrics": metrics})
}

// publishedTable sends steps of 10 s of what Telegraf gathers of the host n1 of mycluster, and expects the published table of it.
func publishedTable(t *testing.T, p *process, o telegraf, host, tags string) {
	t.Helper()
	at := time.Now().Add(-10 * time.Minute).Truncate(10 * time.Second)
	const steps = 6
	for step := range steps {
		now := at.Add(time.Duration(step) * 10 * time.Second)
		body := gathered(host+tags, "cluster=mycluster,", step, now) +
			fmt.Sprintf("ipmi_sensor,cluster=mycluster,%s,name=pwr_psu1,status_code=ok%s,unit=watts status=1i,value=%d %d\n", host, tags, 100+step, now.UnixNano()) +
			fmt.Sprintf("ipmi_sensor,cluster=mycluster,%s,name=fan1,status_code=ok%s,unit=rpm status=1i,value=9000 %d\n", host, tags, now.UnixNano())
		if f, res, answer := o.send(t, p.client, p.url, body); f != delivered {
			t.Fatalf("%s, %s %s", f, res.Status, answer)
		}
	}
	for metric, want := range map[string]func(step int) int64{
		"cpu_load":  func(step int) int64 { return int64(750 + 1000*step) },
		"cpu_user":  func(step int) int64 { return int64(12500 + 1000*step) },
		"mem_used":  func(step int) int64 { return int64(16+step) * 1024 * 1000 },
		"net_bw":    func(int) int64 { return 300_000_000 },
		"cpu_power": func(step int) int64 { return int64(100+step) * 1000 },
	} {
		var values []int64
		from, first := at.Unix(), 0
		if metric == "net_bw" {
			from, first = from+10, 1 // a rate needs two values
		}
		for step := first; step < steps; step++ {
			values = append(values, want(step))
		}
		expect(t, p, "mycluster", selector{Metric: metric, Host: "n1"}, from, 10, values...)
	}
}

// TestPublishedTelegraf sends what the published snippet makes Telegraf send to /api/write: the inputs' own names and fields, with the
// host as hostname and tags for cluster and type. Out of it come the metrics of the published table, and nothing is refused.
func TestPublishedTelegraf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, theFive(t, dir, 10), filepath.Join(dir, "data"))
	publishedTable(t, p, outputHTTP("/api/write/", http.Header{"Authorization": {"Bearer eyJ0eXAiOiJKV1QiLC..."}}), "hostname=n1", ",type=node")
	p.stop()
}
