package native

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/metricdef"
	"granary/tenant"
)

// world is an API on a registry of definitions, in memory.
type world struct {
	*API
	tenants *fakeTenants
	defs    *metricdef.Registry
	samples map[metricdef.Ref][2]int64 // first and last
}

func newWorld(change ...func(*Options)) *world {
	w := &world{tenants: &fakeTenants{}, samples: map[metricdef.Ref][2]int64{}}
	w.defs = metricdef.NewRegistry(metricdef.Options{TenantID: func(n tenant.Num) tenant.ID { return w.tenants.id(n) }})
	w.API = bare(append([]func(*Options){func(o *Options) {
		o.Store, o.Tenants, o.Definitions, o.Ends, o.PolicyOf = w.tenants, w.tenants, w.defs, w, w.policyOf
	}}, change...)...)
	return w
}

func (f *fakeTenants) id(n tenant.Num) tenant.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.list {
		if t.Num == n {
			return t.ID
		}
	}
	return ""
}

func (w *world) policyOf(d *metricdef.Definition) (string, bool) { return "default", false }

func (w *world) Newest(ref metricdef.Ref) (int64, bool) {
	s, ok := w.samples[ref]
	return s[1], ok
}

func (w *world) Ends(ref metricdef.Ref) (first, last int64, ok bool) {
	s, ok := w.samples[ref]
	return s[0], s[1], ok
}

// put makes a definition in a tenant. Its newest sample is as old as age says; below zero there is none.
func (w *world) put(t testing.TB, id tenant.ID, d metricdef.Draft, age time.Duration) metricdef.Definition {
	t.Helper()
	var err error
	if d.Tenant, err = w.tenants.EnsureTenant(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if d.Type == 0 {
		d.Type = metricdef.Gauge
	}
	d.Dialect = Name
	ref := w.defs.Reserve(&d, testNow.Add(-24*time.Hour+time.Duration(w.defs.Len())*time.Minute).UnixNano())
	if ref == 0 {
		t.Fatal(d.Validate())
	}
	if _, _, err := w.defs.Apply(w.defs.AppendRecord(nil, ref)); err != nil {
		t.Fatal(err)
	}
	if age >= 0 {
		w.samples[ref] = [2]int64{testNow.Add(-age - time.Hour).UnixNano(), testNow.Add(-age).UnixNano()}
	}
	out, _ := w.defs.Get(ref)
	return out
}

// hosts makes n metrics of two names on hosts h00, h01, ... of a tenant.
func (w *world) hosts(t testing.TB, id tenant.ID, n int) {
	t.Helper()
	for i := range n {
		w.put(t, id, metricdef.Draft{
			Identity: metricdef.Identity{Name: []string{"cpu", "mem"}[i%2], Type: []metricdef.Type{metricdef.Gauge, metricdef.Counter}[i%2],
				Tags: []metricdef.Tag{{Name: "host", Value: fmt.Sprintf("h%02d", i/2)}}},
			Unit: "B/s", Plain: []metricdef.Tag{{Name: "rack", Value: fmt.Sprint("r", i/4)}},
		}, time.Duration(i)*time.Minute)
	}
}

// metricsOf reads an answer of metrics.
type metricsOf struct {
	Metrics []struct {
		ID        uuid.UUID         `json:"id"`
		Name      string            `json:"name"`
		Type      string            `json:"type"`
		Tags      map[string]string `json:"tags"`
		PlainTags map[string]string `json:"plain_tags"`
	} `json:"metrics"`
	Next  string `json:"next"`
	Total *int   `json:"total"`
}

func answerOf[T any](t testing.TB, w *httptest.ResponseRecorder, status int) (v T) {
	t.Helper()
	if w.Code != status || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d, want %d: %s", w.Code, status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}
