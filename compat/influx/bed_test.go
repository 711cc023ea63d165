package influx

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/line"
	"granary/metricdef"
	"granary/tenant"
)

// now is the time of all tests: 2026-01-01 00:00:00.25 UTC.
var now = time.Unix(1767225600, 250e6)

// bed is a dialect over a store of its own.
type bed struct {
	*Dialect
	tb    testing.TB
	store *measures.Store
}

func newBed(tb testing.TB, change ...func(*Options)) *bed {
	tb.Helper()
	clock := func() time.Time { return now }
	store, err := measures.Open(measures.Options{Dir: tb.TempDir(), Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := store.Recover(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	o := Options{
		Lines: ingest.New(store, store.Definitions, ingest.Options{Now: clock, Tenants: store.Tenants, Logger: slog.New(slog.DiscardHandler)}),
		Store: store, Tenants: store.Tenants, Definitions: store.Definitions, Now: clock,
		Bounds: func(tenant.ID) line.Bounds { return line.Bounds{Past: 30 * 24 * time.Hour, Future: 10 * time.Minute} },
	}
	o.Select.Default = "_ops"
	for _, c := range change {
		c(&o)
	}
	return &bed{New(o), tb, store}
}

// ask sends a request.
func (b *bed) ask(method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// want sends lines and looks at the status and for a part of the answer.
func (b *bed) want(target, body string, status int, part string, header ...string) http.Header {
	b.tb.Helper()
	w := b.ask(http.MethodPost, target, body, header...)
	if w.Code != status || !strings.Contains(w.Body.String(), part) {
		b.tb.Errorf("%s %.300q: %d %s, want %d %s", target, body, w.Code, w.Body, status, part)
	}
	return w.Header()
}

// sample is what is stored at a time of a series.
type sample struct {
	at   int64
	v    float64
	i    int64
	text string
}

// samples are all of a series of a tenant, by its key text.
func (b *bed) samples(id tenant.ID, typ metricdef.Type, key string) (kind metricdef.Kind, list []sample) {
	b.tb.Helper()
	t, ok := b.store.Tenants.Lookup(id)
	if !ok {
		return 0, nil
	}
	ref, ok := b.store.Definitions.Resolve(t.Num, typ, []byte(key))
	if !ok {
		return 0, nil
	}
	kind = b.store.Definitions.Kind(ref)
	if typ == metricdef.String {
		var r measures.TextReader
		if err := b.store.ReadText(b.tb.Context(), &r, ref, -1<<62, 1<<62); err != nil {
			b.tb.Fatal(err)
		}
		for i := range r.Times {
			list = append(list, sample{at: r.Times[i], text: r.Texts[i]})
		}
		return kind, list
	}
	var r measures.Reader
	if err := b.store.Read(b.tb.Context(), &r, ref, -1<<62, 1<<62); err != nil {
		b.tb.Fatal(err)
	}
	for i := range r.Times {
		s := sample{at: r.Times[i], v: r.Values[i]}
		if r.Kind == metricdef.KindInt {
			s.v, s.i = 0, measures.WordInt(r.Values[i])
		}
		list = append(list, s)
	}
	return kind, list
}
