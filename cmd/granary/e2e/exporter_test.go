//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// exporter is what a Prometheus scrapes: every kind of metric there is, texts that have to be escaped, numbers at the ends of what a
// float holds, and many series beside them. What it shows changes with each scrape.
type exporter struct {
	address string       // host:port, the label instance of what is scraped
	load    int          // how many series there are of e2e_load
	scrapes atomic.Int64 // so many have been answered
	ended   atomic.Bool  // e2e_passing is not shown any more, so that Prometheus says that it has ended
	down    atomic.Bool  // scrapes fail, so that Prometheus says so of all series
}

// startExporter starts an exporter on a free port.
func startExporter(t *testing.T, load int) *exporter {
	t.Helper()
	e := &exporter{load: load}
	s := httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(s.Close)
	e.address = strings.TrimPrefix(s.URL, "http://")
	return e
}

func (e *exporter) serve(w http.ResponseWriter, r *http.Request) {
	n := e.scrapes.Add(1)
	if e.down.Load() {
		http.Error(w, "the end", http.StatusServiceUnavailable)
		return
	}
	var b strings.Builder
	b.WriteString("# HELP e2e_requests Requests that were answered.\n# TYPE e2e_requests counter\n")
	for i, code := range []int{200, 404} {
		fmt.Fprintf(&b, "e2e_requests_total{code=\"%d\",path=\"/a b/%d\"} %d # {trace_id=\"%08x\"} 1\n", code, i, (7+int64(i))*n, n)
	}
	b.WriteString("# HELP e2e_temperature_celsius How warm it is.\n# TYPE e2e_temperature_celsius gauge\n# UNIT e2e_temperature_celsius celsius\n")
	fmt.Fprintf(&b, "e2e_temperature_celsius{room=\"Büro \\\"Süd\\\" 東京 🌡\",drive=\"C:\\\\temp\\nnext=line,{}\"} %d.1\n", n)
	fmt.Fprintf(&b, "e2e_temperature_celsius{room=\"plain\",empty=\"\"} %d.3\n", -n)
	b.WriteString("# TYPE e2e_special gauge\n")
	for _, v := range []string{"NaN", "+Inf", "-Inf", "5e-324", "1.7976931348623157e+308", "9007199254740993", "0.30000000000000004"} {
		fmt.Fprintf(&b, "e2e_special{text=\"%s\"} %[1]s\n", v)
	}
	if !e.ended.Load() {
		fmt.Fprintf(&b, "# TYPE e2e_passing gauge\ne2e_passing %d\n", n)
	}
	b.WriteString("# TYPE e2e_duration_seconds summary\n")
	for _, q := range []string{"0.5", "0.99"} {
		fmt.Fprintf(&b, "e2e_duration_seconds{quantile=\"%s\"} %d.5\n", q, n)
	}
	fmt.Fprintf(&b, "e2e_duration_seconds_sum %d.25\ne2e_duration_seconds_count %d\n", 3*n, n)
	b.WriteString("# TYPE e2e_size_bytes histogram\n")
	for i, le := range []string{"1.0", "1024.0", "+Inf"} {
		fmt.Fprintf(&b, "e2e_size_bytes_bucket{le=\"%s\"} %d # {trace_id=\"%08x\"} 0.5\n", le, int64(i+1)*n, n)
	}
	fmt.Fprintf(&b, "e2e_size_bytes_sum %d\ne2e_size_bytes_count %d\n", 700*n, 3*n)
	b.WriteString("# TYPE e2e_load gauge\n")
	for i := range e.load {
		fmt.Fprintf(&b, "e2e_load{unit=\"u%d\"} %d.125\n", i, n*int64(i+1))
	}
	b.WriteString("# EOF\n")
	w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // Prometheus counts a scrape that breaks off as one that failed
}

// elapse waits until it has been scraped so many times more.
func (e *exporter) elapse(t *testing.T, scrapes int64) {
	t.Helper()
	until := e.scrapes.Load() + scrapes
	poll(t, "scrapes", func() bool { return e.scrapes.Load() >= until })
}

// finish ends all series and gives what Prometheus has of them.
func (e *exporter) finish(t *testing.T, s *realServer) map[string]history {
	t.Helper()
	e.down.Store(true)
	e.elapse(t, 2) // what was under way has come to its end
	return scraped(t, s)
}

// scrape is the configuration of a job that scrapes the exporter four times a second.
func (e *exporter) scrape() []object {
	return []object{{"job_name": "e2e", "scrape_interval": "250ms", "scrape_timeout": "250ms", "static_configs": []object{{"targets": []string{e.address}, "labels": object{"dc": "east"}}}}}
}
