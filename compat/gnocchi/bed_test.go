package gnocchi

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/journal"
	"granary/measures/query"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// testNow is the time on the clock of all tests.
var testNow = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// bed is a dialect over a store of its own, into which tests may write without the dialect. Header fields that say who asks are
// trusted.
type bed struct {
	*Dialect
	tb    testing.TB
	store *measures.Store
}

func newBed(tb testing.TB, change ...func(*Options)) *bed {
	tb.Helper()
	return newBedAt(tb, func() time.Time { return testNow }, change...)
}

// newBedAt is newBed with a clock of its own.
func newBedAt(tb testing.TB, clock func() time.Time, change ...func(*Options)) *bed {
	tb.Helper()
	s, err := measures.Open(measures.Options{Dir: tb.TempDir(), Sync: journal.Never, Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Recover(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	o := Options{
		Definitions: s.Definitions, Resources: s.Resources, Store: s, Tenants: s.Tenants, Policies: s.Policies, Now: clock, Logger: slog.New(slog.DiscardHandler),
		Queries: query.New(s, query.Options{Definitions: s.Definitions, MaxPoints: 1_000_000}), Default: "_ops",
		Proxies: edge.Proxies{netip.MustParsePrefix("192.0.2.0/24")}, // which is where httptest's requests come from

	}
	for _, f := range change {
		f(&o)
	}
	return &bed{New(o), tb, s}
}

// tenant is the number of a tenant, which is made if it is not there.
func (b *bed) tenant(id tenant.ID) tenant.Num {
	b.tb.Helper()
	num, err := b.store.EnsureTenant(b.tb.Context(), id)
	if err != nil {
		b.tb.Fatal(err)
	}
	return num
}

// policies puts policies of the configuration into force.
func (b *bed) policies(list ...policy.Policy) {
	b.tb.Helper()
	set, err := policy.NewSet(policy.Content{Open: true, Policies: list})
	if err != nil {
		b.tb.Fatal(err)
	}
	if err := b.store.SetPolicies(b.tb.Context(), set); err != nil {
		b.tb.Fatal(err)
	}
}

// metric makes a metric of a tenant as the dialect makes them, and returns its id. The draft may say more of it.
func (b *bed) metric(id tenant.ID, d metricdef.Draft) uuid.UUID {
	b.tb.Helper()
	own := uuid.New()
	d.Tenant, d.Type, d.ByID, d.Name, d.Dialect, d.Explicit = b.tenant(id), metricdef.Gauge, true, own.String(), Name, true
	if made := b.store.CreateDefinitions(b.tb.Context(), []metricdef.Draft{d})[0]; made.Err != nil {
		b.tb.Fatal(made.Err)
	}
	return own
}

// post stores points of a metric as one batch. Times are seconds since 1970.
func (b *bed) post(id uuid.UUID, points ...[2]float64) {
	b.tb.Helper()
	ref, ok := b.store.Definitions.ByID(id)
	if !ok {
		b.tb.Fatalf("there is no metric %s", id)
	}
	var batch measures.Batch
	for _, p := range points {
		batch.Add(ref, int64(p[0]*1e9), p[1])
	}
	if err := b.store.Commit(b.tb.Context(), &batch); err != nil {
		b.tb.Fatal(err)
	}
}

// ask sends a request with header fields, name and value one after the other. The user is admin, unless Authorization or X-User-Id is among
// them; "" takes a field away.
func (b *bed) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", basic("admin"))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		switch {
		case header[i+1] == "":
			r.Header.Del(header[i])
		default:
			r.Header.Set(header[i], header[i+1])
		}
		if strings.HasPrefix(header[i], "X-") {
			r.Header.Del("Authorization")
		}
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// get is ask without a body.
func (b *bed) get(path string, header ...string) *httptest.ResponseRecorder {
	return b.ask(http.MethodGet, path, "", header...)
}

func basic(user string) string {
	return "basic " + base64.StdEncoding.EncodeToString([]byte(user+":"))
}

// limited are the queries of a bed, with at most so many points in an answer.
func limited(o *Options, points int64) Queries {
	s := o.Store.(*measures.Store)
	return query.New(s, query.Options{Definitions: s.Definitions, MaxPoints: points})
}
