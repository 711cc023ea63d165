package native

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/api/edge"
	"granary/measures"
	"granary/tenant"
)

// fakeTenants is a store that knows tenants and nothing else.
type fakeTenants struct {
	mu   sync.Mutex
	list map[tenant.ID]tenant.Tenant
	fail error
}

func (f *fakeTenants) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.list[id]
	return t, ok
}

func (f *fakeTenants) EnsureTenant(_ context.Context, id tenant.ID) (tenant.Num, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return 0, f.fail
	}
	if t, ok := f.list[id]; ok {
		return t.Num, nil
	}
	if f.list == nil {
		f.list = map[tenant.ID]tenant.Tenant{}
	}
	t := tenant.Tenant{Num: tenant.Num(len(f.list) + 1), ID: id, Implicit: true}
	f.list[id] = t
	return t.Num, nil
}

func (f *fakeTenants) Limits(tenant.Num) tenant.Limits { return tenant.Limits{Series: 7} }
func (f *fakeTenants) All() []tenant.Tenant            { return nil }
func (f *fakeTenants) Held(tenant.Num) measures.Held {
	return measures.Held{Memory: measures.Memory{Heads: 1, Late: 2}, Files: 5, Samples: 9}
}
func (f *fakeTenants) Stats() measures.Stats { return measures.Stats{Samples: 11, LastSnapshot: 5e9} }

func (f *fakeTenants) Commit(context.Context, *measures.Batch) error { return nil }

// fakeDefinitions knows how many there are.
type fakeDefinitions struct{ Definitions }

func (fakeDefinitions) Count(tenant.Num) int { return 3 }

var testNow = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// bare is an API on a store that knows tenants only.
func bare(change ...func(*Options)) *API {
	f := &fakeTenants{}
	o := Options{
		Store: f, Tenants: f, Definitions: fakeDefinitions{}, Select: edge.Tenants{Default: "_ops", Trusted: edge.Loopback},
		Now: func() time.Time { return testNow }, Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&o)
	}
	return New(o)
}

// ask sends one request. header are names and values; a Content-Type of JSON goes with a body that has no other.
func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(context.Background(), method, path, rd)
	r.RemoteAddr = "127.0.0.1:4711"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	compareWithDocument(r, body, w)
	return w
}

// problemOf reads a problem document and checks its form.
func problemOf(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("%d with Content-Type %q: %s", w.Code, ct, w.Body)
	}
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if m["status"] != float64(w.Code) || m["title"] == "" || m["detail"] == "" {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	if code, ok := m["code"]; ok && m["type"] != "/docs/errors/"+code.(string) {
		t.Fatalf("type %v of code %v", m["type"], code)
	}
	return m
}

func (*fakeTenants) MadeByWrites(tenant.ID) bool { return true }
