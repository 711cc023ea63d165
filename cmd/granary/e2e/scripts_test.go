//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// script runs one of the published scripts, as it is, with the hosts that it names led elsewhere, and gives what it says.
func script(t *testing.T, name string, hosts map[string]string) string {
	t.Helper()
	folder := os.Getenv("GRANARY_E2E_SCRIPTS")
	if folder == "" {
		t.Skip("GRANARY_E2E_SCRIPTS names no folder with the published scripts")
	}
	python := pythonWith(t, "requests", "GRANARY_E2E_SCRIPTS")
	elsewhere, err := filepath.Abs(filepath.FromSlash("testdata/elsewhere"))
	must(t, err)
	var pairs []string
	for named, real := range hosts {
		pairs = append(pairs, named+"="+strings.TrimPrefix(real, "http://"))
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join(folder, name))
	cmd.Env = append(os.Environ(), "PYTHONPATH="+elsewhere, "PYTHONDONTWRITEBYTECODE=1", "GRANARY_E2E_HOSTS="+strings.Join(pairs, ","), "no_proxy=*")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, said)
	}
	return string(said)
}

// theFour are the metrics that the scripts send, as their guide wants them configured.
func theFour(t *testing.T, dir string) string {
	return configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"disk-free-mark": 0}, "metrics": object{
		"cpu_load": object{"frequency": 60, "aggregation": "avg"},
		"cpu_user": object{"frequency": 60, "aggregation": "avg"},
		"mem_used": object{"frequency": 60, "aggregation": nil},
		"net_bw":   object{"frequency": 60, "aggregation": "sum"},
	}})
}

// nodeExporter answers as the exporter of a node does, on a path for each node.
func nodeExporter(t *testing.T) *httptest.Server {
	began := time.Now()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var node int
		_, _ = fmt.Sscanf(r.URL.Path, "/node%d", &node) // 0 is a node too
		up := time.Since(began).Seconds()
		fmt.Fprintf(w, "# TYPE node_load1 gauge\nnode_load1 %d.75\n", node)
		fmt.Fprintf(w, "# TYPE node_memory_MemTotal_bytes gauge\nnode_memory_MemTotal_bytes %d\n# TYPE node_memory_MemAvailable_bytes gauge\nnode_memory_MemAvailable_bytes %d\n", int64(64)<<30, int64(node+1)<<30)
		fmt.Fprintln(w, "# TYPE node_cpu_seconds_total counter")
		for cpu := range 4 {
			fmt.Fprintf(w, "node_cpu_seconds_total{cpu=\"%d\",mode=\"user\"} %g\nnode_cpu_seconds_total{cpu=\"%[1]d\",mode=\"idle\"} %[3]g\n", cpu, up*0.125*float64(cpu+1), up*0.25)
		}
		for _, kind := range []string{"receive", "transmit"} {
			fmt.Fprintf(w, "# TYPE node_network_%s_bytes_total counter\n", kind)
			for i, device := range []string{"lo", "eth0", "ib0"} {
				fmt.Fprintf(w, "node_network_%s_bytes_total{device=\"%s\"} %.0f\n", kind, device, up*1e6*float64(i+node+1))
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestPublishedScriptPrometheus runs the published script that takes metrics from Prometheus. Prometheus logs the queries that come,
// with their times; asked again it says what has to be stored.
func TestPublishedScriptPrometheus(t *testing.T) {
	t.Parallel()
	if os.Getenv("GRANARY_E2E_SCRIPTS") == "" {
		t.Skip("GRANARY_E2E_SCRIPTS names no folder with the published scripts")
	}
	dir := t.TempDir()
	nodes := nodeExporter(t)
	var targets []object
	for i := range 2 {
		targets = append(targets, object{"targets": []string{strings.TrimPrefix(nodes.URL, "http://")}, "labels": object{"instance": fmt.Sprintf("node%02d:9100", i), "__metrics_path__": fmt.Sprint("/node", i)}})
	}
	queries := filepath.Join(dir, "queries")
	s := startPrometheus(t, object{"global": object{"query_log_file": queries, "scrape_interval": "500ms", "scrape_timeout": "500ms"},
		"scrape_configs": []object{{"job_name": "node", "static_configs": targets}}})
	instant := func(query string, at time.Time) (values map[string]float64) {
		parameters := url.Values{"query": {query}}
		if !at.IsZero() {
			parameters.Set("time", at.Format(time.RFC3339Nano))
		}
		_, body := s.do(http.MethodGet, "/api/v1/query?"+parameters.Encode(), nil)
		var answer struct {
			Data struct {
				Result []struct {
					Metric map[string]string
					Value  [2]any
				}
			}
		}
		must(t, json.Unmarshal(body, &answer))
		values = map[string]float64{}
		for _, r := range answer.Data.Result {
			text, _ := r.Value[1].(string)
			v, err := strconv.ParseFloat(text, 64)
			must(t, err)
			values[strings.TrimSuffix(r.Metric["instance"], ":9100")] = v
		}
		return values
	}
	poll(t, "rates", func() bool {
		return len(instant(`rate(node_cpu_seconds_total{cpu="0",mode="user"}[1m])`, time.Time{})) == 2
	})
	before, err := os.ReadFile(queries)
	must(t, err)

	p := serve(t, theFour(t, dir), filepath.Join(dir, "data"))
	t.Log(script(t, "prom2ccms.py", map[string]string{"prometheus.example.org:9090": s.url, "ccms.example.org:8080": p.url}))
	logged, err := os.ReadFile(queries)
	must(t, err)
	compared := 0
	for line := range strings.Lines(string(logged[len(before):])) {
		var asked struct {
			Params struct {
				Query string
				End   time.Time
			}
		}
		must(t, json.Unmarshal([]byte(line), &asked))
		metric := ""
		for word, name := range map[string]string{"node_load1": "cpu_load", "node_cpu_": "cpu_user", "node_memory_": "mem_used", "node_network_": "net_bw"} {
			if strings.Contains(asked.Params.Query, word) {
				metric = name
			}
		}
		got := tenantOf{p: p, tenant: "_ops"}.chosen(t, metric)
		values := instant(asked.Params.Query, asked.Params.End)
		if len(values) != 2 || len(got) != 2 {
			t.Errorf("%s: prometheus has %v, granary %v", metric, values, got)
		}
		for node, want := range values {
			h := got[keyOf(metric, map[string]string{"cluster": "mycluster", "hostname": node})]
			for _, text := range h {
				v, err := strconv.ParseFloat(text, 64)
				// A sample that came while the query was answered may have been too late for the script.
				if err != nil || math.Abs(v-want) > 0.2*want {
					t.Errorf("%s of %s: %v, want %v", metric, node, v, want)
				}
				if v == want {
					compared++
				}
			}
			if len(h) != 1 {
				t.Errorf("%s of %s: %v", metric, node, h)
			}
		}
	}
	if compared < 6 {
		t.Errorf("%d values of 8 are those of prometheus, bit by bit", compared)
	}
	readAsBackend(t, p, "node00", 0.75)
	p.stop()
}

// readAsBackend asks for the load of a node as cc-backend would.
func readAsBackend(t *testing.T, p *process, node string, want float64) {
	t.Helper()
	now := time.Now().Unix()
	_, values := p.values("mycluster", selector{Metric: "cpu_load", Host: node}, now-300, now+60)
	found := false
	for _, v := range values {
		found = found || v == int64(want*1000)
	}
	if !found {
		t.Errorf("the load of %s: %v, want %v among them", node, values, want)
	}
}

// TestPublishedScriptInfluxDB runs the published script that takes metrics from InfluxDB 2, whose place something takes that answers
// each query with tables as InfluxDB does: without annotations, for the script asks for none, and with a header before each table.
func TestPublishedScriptInfluxDB(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, theFour(t, dir), filepath.Join(dir, "data"))
	asked := 0
	influx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/api/v2/query" || r.URL.Query().Get("org") == "" || !strings.HasPrefix(r.Header.Get("Authorization"), "Token ") || r.Header.Get("Content-Type") != "application/vnd.flux" {
			t.Errorf("%s %s with %v, %v", r.Method, r.URL, r.Header, err)
		}
		asked++
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		table := func(header, format string, values ...float64) {
			for i, v := range values {
				fmt.Fprintf(w, header+"\r\n"+format+"\r\n\r\n", i, fmt.Sprintf("node%02d", i), v)
			}
		}
		const last = ",result,table,_start,_stop,_time,_value,_field,_measurement,host"
		const row = ",_result,%[1]d,2026-01-01T00:00:00Z,2026-01-01T00:05:00Z,2026-01-01T00:04:50Z,%[3]v,field,measurement,%[2]s"
		switch text := string(query); {
		case strings.Contains(text, `"load1"`):
			table(last, row, 0.75, 1.5)
		case strings.Contains(text, `"usage_user"`):
			table(last, row, 12.625, 99.5)
		case strings.Contains(text, `"mem"`):
			table(last, row, 2048, 512.25)
		case strings.Contains(text, `"bytes_recv"`):
			fmt.Fprint(w, ",result,table,host,_value\r\n,_result,0,node00,1234567.5\r\n\r\n,result,table,host,_value\r\n,_result,1,node01,2\r\n\r\n")
		default:
			t.Errorf("the query %s", text)
		}
	}))
	t.Cleanup(influx.Close)
	t.Log(script(t, "influx2ccms.py", map[string]string{"influxdb.example.org:8086": influx.URL, "ccms.example.org:8080": p.url}))
	if asked != 4 {
		t.Errorf("%d queries", asked)
	}
	for metric, want := range map[string][2]float64{"cpu_load": {0.75, 1.5}, "cpu_user": {12.625, 99.5}, "mem_used": {2048, 512.25}, "net_bw": {1234567.5, 2}} {
		got := tenantOf{p: p, tenant: "_ops"}.chosen(t, metric)
		for i, v := range want {
			h := got[keyOf(metric, map[string]string{"cluster": "mycluster", "hostname": fmt.Sprintf("node%02d", i)})]
			if len(h) != 1 {
				t.Errorf("%s of node %d: %v", metric, i, h)
			}
			for _, text := range h {
				if text != said(v) {
					t.Errorf("%s of node %d: %s, want %v", metric, i, text, v)
				}
			}
		}
	}
	readAsBackend(t, p, "node01", 1.5)
	p.stop()
}
