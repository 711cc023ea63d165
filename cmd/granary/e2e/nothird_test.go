//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
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

// TestTelegrafTable sends the same with the outputs for InfluxDB, whose hosts keep their name.
func TestTelegrafTable(t *testing.T) {
	t.Parallel()
	for _, o := range []telegraf{outputInfluxdb("telegraf"), outputInfluxdb2("site", "telegraf", "no-token-is-asked-for")} {
		dir := t.TempDir()
		p := serve(t, theFive(t, dir, 10), filepath.Join(dir, "data"))
		publishedTable(t, p, o, "host=n1", "")
		p.stop()
	}
}

// TestPublishedProxy does the job of the remote-write proxy that the published guide leaves to its readers: a real Prometheus that
// scrapes nodes writes to Granary itself, and the metrics of the published table come out.
func TestPublishedProxy(t *testing.T) {
	t.Parallel()
	program(t, "prometheus", "prometheus", "GRANARY_E2E_PROMETHEUS")
	dir := t.TempDir()
	p := serve(t, theFive(t, dir, 1), filepath.Join(dir, "data"))
	nodes := nodeExporter(t)
	var targets []object
	for i := range 2 {
		targets = append(targets, object{"targets": []string{strings.TrimPrefix(nodes.URL, "http://")}, "labels": object{"instance": fmt.Sprintf("node%02d:9100", i), "__metrics_path__": fmt.Sprint("/node", i)}})
	}
	startPrometheus(t, object{"global": object{"scrape_interval": "500ms", "scrape_timeout": "500ms", "external_labels": object{"cluster": "mycluster"}},
		"scrape_configs": []object{{"job_name": "node", "static_configs": targets}},
		"remote_write":   []object{remoteWrite("proxy", p.url+"/receive", object{"write_relabel_configs": []object{{"source_labels": []string{"__name__"}, "regex": "node_load1|node_cpu_seconds_total|node_memory_.*|node_network_.*", "action": "keep"}}})}})
	for node := range 2 {
		name := fmt.Sprintf("node%02d", node)
		for metric, about := range map[string]struct{ want, within float64 }{
			"cpu_load": {float64(node) + 0.75, 0},
			"mem_used": {float64(64-node-1) * 1024, 0},
			"cpu_user": {100 * 0.125 * 2.5, 15},
			"net_bw":   {2e6 * float64(2+3+2*node), 4e6}, // of eth0 and ib0, both ways
		} {
			poll(t, metric+" of "+name, func() bool {
				now := time.Now().Unix()
				r := p.mustAsk(question{Cluster: "mycluster", From: now - 30, To: now + 10, Queries: []selector{{Metric: metric, Host: name}}})[0]
				if len(r) == 0 {
					return false
				}
				values, err := thousandths(nil, r[0].Data)
				must(t, err)
				found := 0
				for _, v := range values {
					if v == hole {
						continue
					}
					if d := float64(v)/1000 - about.want; d < -about.within || d > about.within {
						t.Fatalf("%s of %s: %v, want %v", metric, name, values, about.want)
					}
					found++
				}
				return found >= 2
			})
		}
	}
	if status, answer := p.get("/v2/metrics?name=node_load1"); status != http.StatusOK || strings.Count(answer, `"name":"node_load1"`) != 2 {
		t.Errorf("the metrics under their own names: %d %s", status, answer)
	}
	p.stop()
}
