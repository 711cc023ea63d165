package hawkular

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/audit"
	"granary/tenant/identity"
)

func TestExports(t *testing.T) {
	w := newWorld(t)
	tag := func(pairs ...string) (tags []metricdef.Tag) {
		for i := 0; i < len(pairs); i += 2 {
			tags = append(tags, metricdef.Tag{Name: pairs[i], Value: pairs[i+1]})
		}
		return tags
	}
	put := func(typ metricdef.Type, name string, identity, plain []metricdef.Tag, age time.Duration, v any) {
		t.Helper()
		w.put(t, "t1", metricdef.Draft{Identity: metricdef.Identity{Type: typ, Name: name, Tags: identity}, Plain: plain, Dialect: Name}, testNow.Add(-age), v)
	}
	put(metricdef.Gauge, "free_memory", nil, tag("host", "b", "type", "mem"), time.Minute, 19.0)
	put(metricdef.Gauge, "free_memory", tag("host", "a"), nil, time.Minute, 1.0/3)
	put(metricdef.Counter, "requests", nil, nil, time.Hour, int64(1<<53+1))
	put(metricdef.Gauge, "old", nil, nil, 9*time.Hour, 1.0)
	put(metricdef.Gauge, "both", tag("x", "1"), nil, 0, 2.0)
	put(metricdef.Counter, "both", nil, nil, 0, int64(3))
	put(metricdef.String, "text", nil, nil, 0, "no number")
	put(metricdef.Availability, "up", nil, nil, 0, metricdef.Up)
	put(metricdef.Gauge, "machine/a.b/1", nil, tag("a.b", "1", "a_b", "2", "q", "x\"\\\n\xff"), 0, -1/zero)
	put(metricdef.Gauge, "machine/a_b/1", nil, tag("id", "mine"), 0, zero/zero)
	put(metricdef.Gauge, "1st", nil, tag("9", "x"), 0, 1e21)
	w.must(t, 201, "POST", "/gauges", `{"id": "empty"}`)
	want := `# TYPE _1st gauge
_1st{_9="x",id="1st"} 1e+21
# TYPE both untyped
both 3
both{x="1"} 2
# TYPE free_memory gauge
free_memory{host="a"} 0.3333333333333333
free_memory{host="b",type="mem"} 19
# TYPE machine_a_b_1 gauge
machine_a_b_1{a_b="1",a_b_="2",id="machine/a.b/1",q="x\"\\\n` + "\uFFFD" + `"} -Inf
machine_a_b_1{id="mine",id_="machine/a_b/1"} NaN
# TYPE requests counter
requests 9007199254740993
`
	out := w.must(t, 200, "GET", "/exports", "")
	if out.Body.String() != want || out.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("%v\n%s\nwant\n%s", out.Header(), out.Body, want)
	}
	if got := w.must(t, 200, "GET", "/exports?tags=host:a", "").Body.String(); got != "# TYPE free_memory gauge\nfree_memory{host=\"a\"} 0.3333333333333333\n" {
		t.Error(got)
	}
	w.must(t, 400, "GET", "/exports?tags=host:(", "")
	if got := w.must(t, 200, "GET", "/exports?tags=host:nobody", "").Body.String(); got != "" {
		t.Error(got)
	}
	var asked []int64
	d := edge.NewDispatcher(edge.DispatchOptions{Logger: w.o.Logger, Asked: func(_ tenant.ID, samples, _ int64) { asked = append(asked, samples) }})
	d.Mount(Prefix, Name, w.Dialect)
	r := httptest.NewRequest(http.MethodGet, Prefix+"/exports?tags=host:.*", http.NoBody)
	r.Header.Set("Hawkular-Tenant", "t1")
	if d.ServeHTTP(httptest.NewRecorder(), r); !slices.Equal(asked, []int64{2}) {
		t.Errorf("the account of the tenant has %d values", asked)
	}
	if out := w.askFor(t, "nobody", "GET", "/exports", ""); out.Code != 200 || out.Body.Len() > 0 {
		t.Error(out.Code, out.Body)
	}
}

// TestExportsApart: metrics that Prometheus would take for one, since their names and tags are alike there, are told apart by a label. It would keep one
// value of them.
func TestExportsApart(t *testing.T) {
	w := newWorld(t)
	put := func(typ metricdef.Type, name string, identity, plain []metricdef.Tag, v any) {
		t.Helper()
		w.put(t, "t1", metricdef.Draft{Identity: metricdef.Identity{Type: typ, Name: name, Tags: identity}, Plain: plain, Dialect: Name}, testNow, v)
	}
	host, mine := []metricdef.Tag{{Name: "host", Value: "a"}}, []metricdef.Tag{{Name: "metric", Value: "mine"}}
	put(metricdef.Gauge, "x", nil, nil, 2.0)
	put(metricdef.Counter, "x", nil, nil, int64(1))
	put(metricdef.Counter, "x", host, nil, int64(3))
	put(metricdef.Gauge, "cpu", nil, host, 4.0)
	put(metricdef.Gauge, "cpu", host, nil, 5.0)
	put(metricdef.Gauge, "m1", nil, mine, 6.0)
	put(metricdef.Gauge, "m2", nil, mine, 7.0)
	w.must(t, 200, "PUT", "/gauges/tags", `[{"id": "m1", "tags": {"__name__": "load"}}, {"id": "m2", "tags": {"__name__": "load"}}]`)
	const want = `# TYPE cpu gauge
cpu{host="a",metric="gauges/cpu"} 4
cpu{host="a",metric="gauges/cpu{host=\"a\"}"} 5
# TYPE load gauge
load{metric="mine",metric_="gauges/m1"} 6
load{metric="mine",metric_="gauges/m2"} 7
# TYPE x untyped
x{host="a"} 3
x{metric="counters/x"} 1
x{metric="gauges/x"} 2
`
	if got := w.must(t, 200, "GET", "/exports", "").Body.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestOpenshift(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"t1", "t2"} {
		w.put(t, "t1", gauge("untagged"), testNow, 1.0)
		d := gauge("pod/cpu")
		d.Plain = []metricdef.Tag{{Name: "descriptor_name", Value: "cpu/usage"}}
		w.put(t, tenant.ID(id), d, testNow, 1.0)
	}
	const list = `[{"id":"pod/cpu","tags":{"descriptor_name":"cpu/usage"},"dataRetention":KEPT,"type":"gauge","tenantId":"t1"DATA},` +
		`{"id":"pod/cpu","tags":{"descriptor_name":"cpu/usage"},"dataRetention":KEPT,"type":"gauge","tenantId":"t2"DATA}]`
	want := func(kept, data string) {
		t.Helper()
		if got := w.must(t, 200, "GET", "/openshift", "").Body.String(); got != strings.NewReplacer("KEPT", kept, "DATA", data).Replace(list) {
			t.Error(got)
		}
	}
	want("7", `,"data":[{"timestamp":`+strconv.FormatInt(testMilli, 10)+`,"value":1}]`)
	w.o.Strict = true
	want("null", "")
	w.o.Auth = as{identity.InScope("ann", identity.Token, "t", identity.Admin, identity.AllTenants())}
	w.must(t, http.StatusForbidden, "GET", "/openshift", "")
	empty := newWorld(t)
	if got := empty.must(t, 200, "GET", "/openshift", "").Body.String(); got != "[]" {
		t.Error(got)
	}
}

// TestBrokenListIsAudited: who breaks a list of all tenants off has seen a part of it.
func TestBrokenListIsAudited(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	log, err := audit.Open(audit.Options{File: file, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := manyMetrics(t, 5000)
	w.o.Audit = &edge.Audit{Log: log}
	func() {
		defer func() {
			if why := recover(); why != http.ErrAbortHandler {
				t.Errorf("it ended with %v", why)
			}
		}()
		w.ServeHTTP(&gone{header: http.Header{}}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"/openshift", http.NoBody))
	}()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), `"action":"metric.list"`) || !strings.Contains(string(b), `"tenants":"*"`) {
		t.Errorf("%s, %v", b, err)
	}
}

// gone is a client that takes nothing.
type gone struct{ header http.Header }

func (g *gone) Header() http.Header       { return g.header }
func (g *gone) WriteHeader(int)           {}
func (g *gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
