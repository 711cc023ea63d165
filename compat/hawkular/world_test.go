package hawkular

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

var quiet = slog.New(slog.DiscardHandler)

// openStore opens an empty store, which is closed with the test.
func openStore(tb testing.TB, now func() time.Time) *measures.Store {
	tb.Helper()
	s, err := measures.Open(measures.Options{Dir: tb.TempDir(), Sync: journal.Never, Now: now, Logger: quiet})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := s.Recover(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// world is a dialect on a store of its own.
type world struct {
	*Dialect
	store *measures.Store
	clock atomic.Int64
}

// newWorld makes a world in which everybody may do everything, in the default mode, unless the options say otherwise.
func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{}
	w.clock.Store(testNow.UnixNano())
	now := func() time.Time { return time.Unix(0, w.clock.Load()) }
	s := openStore(t, now)
	set, err := policy.NewSet(policy.Content{Open: true, Rules: []policy.Rule{policy.HawkularRule()},
		Policies: []policy.Policy{policy.FallBack(policy.Retention{Length: policy.Forever}), policy.HawkularDefault(policy.HawkularRetention)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetPolicies(context.Background(), set); err != nil {
		t.Fatal(err)
	}
	o := Options{Definitions: s.Definitions, Store: s, Tenants: s.Tenants, Version: "v1", Now: now, Logger: quiet}
	o.Select.Default = "_ops"
	for _, fn := range change {
		fn(&o)
	}
	w.Dialect, w.store = New(o), s
	return w
}

func strict(o *Options) { o.Strict = true }

// ask sends a request for the tenant t1. The path is below Prefix.
func (w *world) ask(t testing.TB, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return w.askFor(t, "t1", method, path, body)
}

func (w *world) askFor(t testing.TB, id tenant.ID, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	var content io.Reader = http.NoBody
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, Prefix+path, content)
	r.Header.Set("Hawkular-Tenant", string(id))
	r.Header.Set("Content-Type", "application/json")
	out := httptest.NewRecorder()
	w.ServeHTTP(out, r)
	return out
}

// must is ask for an answer of that status.
func (w *world) must(t testing.TB, status int, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	out := w.ask(t, method, path, body)
	if out.Code != status {
		t.Fatalf("%s %s %s: %d, want %d: %.500s", method, path, body, out.Code, status, out.Body)
	}
	return out
}

// read reads the body of an answer.
func read[T any](t testing.TB, out *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(out.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, out.Body)
	}
	return v
}

// metric is a definition as the dialect answers it.
type metric struct {
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	Tenant    string            `json:"tenantId"`
	Tags      map[string]string `json:"tags"`
	Retention *int              `json:"dataRetention"`
	Min       *int64            `json:"minTimestamp"`
	Max       *int64            `json:"maxTimestamp"`
	Data      []struct {
		Timestamp int64 `json:"timestamp"`
		Value     any   `json:"value"`
	} `json:"data"`
}

// put stores a sample of a series, which data makes, of any dialect. The value is a float64, an int64, a metricdef.State or a text.
func (w *world) put(t testing.TB, id tenant.ID, d metricdef.Draft, at time.Time, v any) {
	t.Helper()
	num, err := w.store.EnsureTenant(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	d.Tenant = num
	b := measures.Batch{Tenant: num}
	switch draft, ns := (measures.Draft{Def: d}), at.UnixNano(); v := v.(type) {
	case float64:
		b.AddDraft(draft, ns, v)
	case int64:
		b.AddIntDraft(draft, ns, v)
	case metricdef.State:
		b.AddDraft(draft, ns, float64(v))
	case string:
		b.AddTextDraft(draft, ns, v)
	default:
		t.Fatalf("no value: %v", v)
	}
	if err := w.store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Refusals) > 0 {
		t.Fatal(b.Refusals)
	}
}

// gauge is a series of data that this dialect makes.
func gauge(name string) metricdef.Draft {
	return metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: name}, Dialect: Name}
}
