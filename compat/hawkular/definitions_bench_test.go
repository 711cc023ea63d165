package hawkular

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"granary/measures"
	"granary/metricdef"
)

// manyMetrics makes 100,000 gauges as Heapster does: an id of the pod, some tags that many share, one that each has alone.
func manyMetrics(tb testing.TB, n int) *world {
	tb.Helper()
	w := newWorld(tb)
	num, err := w.store.EnsureTenant(tb.Context(), "t1")
	if err != nil {
		tb.Fatal(err)
	}
	b := measures.Batch{Tenant: num}
	for i := range n {
		pod := fmt.Sprintf("91c171ed-0294-44b3-bcdb-%012d", i/10)
		b.AddDraft(measures.Draft{Def: metricdef.Draft{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: fmt.Sprintf("pod/%s/metric_%d", pod, i%10)},
			Dialect: Name, Plain: []metricdef.Tag{
				{Name: "descriptor_name", Value: fmt.Sprint("memory/usage_", i%10)}, {Name: "group_id", Value: fmt.Sprint("/pod/", i%10)},
				{Name: "hostname", Value: fmt.Sprintf("node%03d.example.org", i%500)}, {Name: "pod_id", Value: pod},
				{Name: "type", Value: "pod"}, {Name: "units", Value: "bytes"},
			}}}, testNow.UnixNano(), float64(i))
		if len(b.Refs) == 10_000 || i == n-1 {
			if err := w.store.Commit(tb.Context(), &b); err != nil {
				tb.Fatal(err)
			}
			b.Reset()
			b.Tenant = num
		}
	}
	return w
}

// BenchmarkTagSearch finds metrics among 100,000 by queries over tags, from the text to the refs.
func BenchmarkTagSearch(b *testing.B) {
	w := manyMetrics(b, 100_000)
	t, _ := w.store.Tenants.Lookup("t1")
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"few-values":  {"hostname:node1[0-4].*,type:pod", 10_000},
		"all":         {"hostname:node.*[.]org", 100_000},
		"many-values": {"pod_id:.*-0000000012.*", 1000},
		"regexp":      {"pod_id:[0-9a-f]{8}-.*-0000+12[0-9][0-9]", 1000},
		"negation":    {"hostname ~ 'node00.*' AND descriptor_name !~ 'memory/usage_[1-9]' AND NOT gone", 200},
		"console":     {"descriptor_name:memory/usage_1|memory/usage_2,type:pod,pod_id:91c171ed-0294-44b3-bcdb-000000000777|91c171ed-0294-44b3-bcdb-000000000778", 4},
	} {
		b.Run(name, func(b *testing.B) {
			c2 := &call{d: w.Dialect, ctx: b.Context(), num: t.Num, tenant: "t1"}
			for b.Loop() {
				refs, err := c2.byTags(c.text, metricdef.Gauge)
				if err != nil || len(refs) != c.want {
					b.Fatal(len(refs), err)
				}
			}
		})
	}
}

// nowhere takes an answer and keeps none of it.
type nowhere struct {
	header http.Header
	bytes  int
}

func (n *nowhere) Header() http.Header { return n.header }
func (n *nowhere) WriteHeader(int)     {}
func (n *nowhere) Write(p []byte) (int, error) {
	n.bytes += len(p)
	return len(p), nil
}

// BenchmarkListMetrics lists 100,000 definitions, as Heapster does at its start.
func BenchmarkListMetrics(b *testing.B) {
	w := manyMetrics(b, 100_000)
	for _, c := range []struct {
		name, path string
		strict     bool
	}{
		{"default", "/metrics?type=gauge", false}, {"strict", "/metrics?type=gauge", true}, {"timestamps", "/metrics?type=gauge&timestamps=true", true},
		{"values", "/metrics/tags/hostname:*", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			w.o.Strict = c.strict
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, Prefix+c.path, http.NoBody)
				r.Header.Set("Hawkular-Tenant", "t1")
				out := &nowhere{header: http.Header{}}
				w.ServeHTTP(out, r)
				if out.bytes < 1000 {
					b.Fatal(out.bytes)
				}
			}
		})
	}
}

// TestListOfManyIsBounded: a long list goes out in parts, each of which is small.
func TestListOfManyIsBounded(t *testing.T) {
	w := manyMetrics(t, 5000)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"/m", http.NoBody)
	r.Header.Set("Hawkular-Tenant", "t1")
	out := &parts{ResponseRecorder: httptest.NewRecorder()}
	w.ServeHTTP(out, r)
	if n := strings.Count(out.Body.String(), `"tenantId":"t1"`); n != 5000 {
		t.Errorf("%d metrics", n)
	}
	if list := read[[]metric](t, out.ResponseRecorder); len(list) != 5000 || list[4999].Data[0].Value != 4999.0 {
		t.Error(len(list))
	}
	if out.longest > 512<<10 {
		t.Errorf("a part has %d bytes", out.longest)
	}
}

type parts struct {
	*httptest.ResponseRecorder
	longest int
}

func (p *parts) Write(b []byte) (int, error) {
	p.longest = max(p.longest, len(b))
	return p.ResponseRecorder.Write(b)
}
