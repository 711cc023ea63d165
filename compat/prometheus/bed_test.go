package prometheus

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"

	"granary/measures"
	"granary/measures/ingest/line"
	"granary/measures/ingest/remoteout"
	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

var quiet = slog.New(slog.DiscardHandler)

var testNow = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// bed is a dialect over a store of its own.
type bed struct {
	*Dialect
	tb    testing.TB
	store *measures.Store
	now   time.Time
}

func newBed(tb testing.TB, change ...func(*Options)) *bed {
	tb.Helper()
	b := &bed{tb: tb, now: testNow}
	clock := func() time.Time { return b.now }
	s, err := measures.Open(measures.Options{Dir: tb.TempDir(), Sync: journal.Never, Now: clock, Logger: quiet})
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
	def := policy.FallBack(policy.Retention{Length: policy.Forever})
	set, err := policy.NewSet(policy.Content{Open: true, Rules: []policy.Rule{policy.PrometheusRule()}, Policies: []policy.Policy{def, policy.PrometheusDefault(def)}})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.SetPolicies(context.Background(), set); err != nil {
		tb.Fatal(err)
	}
	o := Options{Definitions: s.Definitions, Store: s, Tenants: s.Tenants, Now: clock, Logger: quiet,
		Bounds: func() line.Bounds { return line.Bounds{Past: 24 * time.Hour, Future: 10 * time.Minute} }}
	o.Select.Default = "t"
	for _, f := range change {
		f(&o)
	}
	b.Dialect, b.store = New(o), s
	return b
}

// post sends bytes as they are.
func (b *bed) post(body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, Paths[0], strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Content-Encoding", "snappy")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// both are the two versions, as functions that send series.
func (b *bed) both() map[string]func(...remoteout.Series) *httptest.ResponseRecorder {
	return map[string]func(...remoteout.Series) *httptest.ResponseRecorder{
		"1.0": func(list ...remoteout.Series) *httptest.ResponseRecorder {
			return b.post(snappy.Encode(nil, remoteout.AppendV1(nil, list)))
		},
		"2.0": func(list ...remoteout.Series) *httptest.ResponseRecorder {
			return b.post(snappy.Encode(nil, remoteout.AppendV2(nil, list)), "Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		},
	}
}

// read are the samples of a series of the tenant t, by its key text.
func (b *bed) read(key string) (ms []int64, values []float64) {
	b.tb.Helper()
	t, ok := b.store.Tenants.Lookup(tenant.ID("t"))
	if !ok {
		return nil, nil
	}
	ref, ok := b.store.Definitions.Resolve(t.Num, metricdef.Gauge, []byte(key))
	if !ok {
		return nil, nil
	}
	var r measures.Reader
	if err := b.store.Read(b.tb.Context(), &r, ref, 0, 1<<62); err != nil {
		b.tb.Fatal(err)
	}
	for i, at := range r.Times {
		ms, values = append(ms, at/1e6), append(values, r.Values[i])
	}
	return ms, values
}

// at is a time so many milliseconds behind the beginning of the test.
func at(ms int64) int64 { return testNow.UnixMilli() + ms }

func series(samples []remoteout.Sample, labels ...string) remoteout.Series {
	return remoteout.Series{Labels: labels, Samples: samples}
}

func one(ms int64, v float64) []remoteout.Sample { return []remoteout.Sample{{Time: at(ms), Value: v}} }
