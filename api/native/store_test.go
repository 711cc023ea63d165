package native

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/journal"
	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/usage"
)

// realStore is an API on a store of its own.
type realStore struct {
	*API
	store *measures.Store
}

func newStored(t testing.TB, limits tenant.Limits, change ...func(*Options)) *realStore {
	t.Helper()
	clock := func() time.Time { return testNow }
	quiet := slog.New(slog.DiscardHandler)
	s, err := measures.Open(measures.Options{Dir: t.TempDir(), Sync: journal.Never, Now: clock, Logger: quiet, Limits: limits,
		Usage: usage.Options{Tags: usage.Tags{Node: []string{"host"}, User: []string{"owner"}}, Grace: 5 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	o := append([]func(*Options){func(o *Options) {
		o.Store, o.Tenants, o.TenantChanges, o.Definitions, o.Metrics, o.Ranges = s, s.Tenants, s, s.Definitions, s, s
		o.Keys, o.KeyChanges = s.Keys, s
		o.Usage = storeUsage{s.Usage, s.Tenants}
		o.Lines = ingest.New(s, s.Definitions, ingest.Options{Now: clock, Logger: quiet})
	}}, change...)
	return &realStore{bare(o...), s}
}

// storeUsage is the ledger of a store.
type storeUsage struct {
	*usage.Ledger
	tenants *tenant.Registry
}

func (u storeUsage) Everybody() (list []UsageTenant) {
	for _, num := range u.tenants.Known() {
		list = append(list, UsageTenant{num, u.tenants.ID(num), u.tenants.State(num) != tenant.Present})
	}
	return list
}

// ref finds a series.
func (s *realStore) ref(t testing.TB, id tenant.ID, typ metricdef.Type, name string, tags ...metricdef.Tag) metricdef.Ref {
	t.Helper()
	who, ok := s.store.Tenants.Lookup(id)
	if !ok {
		return 0
	}
	ref, _ := s.store.Definitions.Resolve(who.Num, typ, metricdef.AppendKey(nil, name, tags))
	return ref
}

// read reads all samples of a series.
func (s *realStore) read(t testing.TB, ref metricdef.Ref) ([]int64, []float64) {
	t.Helper()
	var r measures.Reader
	if err := s.store.Read(t.Context(), &r, ref, -1<<62, 1<<62); err != nil {
		t.Fatal(err)
	}
	return r.Times, r.Values
}

// write sends a body and reads the answer.
func (s *realStore) write(t testing.TB, body string, header ...string) (*httptest.ResponseRecorder, measuresAnswer) {
	t.Helper()
	w := ask(s, "POST", "/v2/measures", body, header...)
	var a measuresAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w, a
}
