package gnocchi

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/metricdef"
	"granary/policy"
)

// window is a policy as Gnocchi's are.
func window(tb testing.TB, name string, back int, methods string, tiers ...policy.Tier) policy.Policy {
	tb.Helper()
	list, err := policy.MethodList(strings.Fields(methods), policy.DefaultMethods(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return policy.GnocchiPolicy(name, back, list, tiers...)
}

// measured has a metric with the points that the contract's exchanges about reads have.
func measured(tb testing.TB, change ...func(*Options)) (*bed, uuid.UUID) {
	b := newBed(tb, change...)
	b.policies(window(tb, "m1", 1, "mean min max sum std count last first median 95pct 5pct rate:mean rate:last",
		policy.Tier{Granularity: time.Second, Points: 60}, policy.Tier{Granularity: time.Minute, Points: 10}))
	id := b.metric("_ops", metricdef.Draft{Policy: "m1", Creator: "admin"})
	b.post(id)
	const at = 1577836800
	b.post(id, [2]float64{at, 3}, [2]float64{at + 10, 5}, [2]float64{at + 10, 7}, [2]float64{at + 30, 1}, [2]float64{at + 59, 12}, [2]float64{at + 65, 100}, [2]float64{at + 180, -4})
	return b, id
}

// compact is an answer with T0 for the day of measured and without what all times end with.
func compact(body string) string {
	return strings.NewReplacer("2020-01-01T00:", "T", `+00:00"`, `"`).Replace(body)
}

func TestMeasures(t *testing.T) {
	b, id := measured(t)
	const all = `[["T00:00", 60.0, 5.25], ["T01:00", 60.0, 100.0], ["T03:00", 60.0, -4.0], ["T03:00", 1.0, -4.0]]`
	const minutes = `[["T00:00", 60.0, 5.25], ["T01:00", 60.0, 100.0], ["T03:00", 60.0, -4.0]]`
	for _, c := range []struct{ query, want string }{
		{"", all},
		{"granularity=60", minutes},
		{"granularity=1m", minutes},
		{"granularity=1", `[["T03:00", 1.0, -4.0]]`},
		{"aggregation=max", `[["T00:00", 60.0, 12.0], ["T01:00", 60.0, 100.0], ["T03:00", 60.0, -4.0], ["T03:00", 1.0, -4.0]]`},
		{"aggregation=std&granularity=60", `[["T00:00", 60.0, 4.7871355387816905]]`},
		{"aggregation=count&granularity=60", `[["T00:00", 60.0, 4.0], ["T01:00", 60.0, 1.0], ["T03:00", 60.0, 1.0]]`},
		{"aggregation=95pct&granularity=60", `[["T00:00", 60.0, 10.949999999999998], ["T01:00", 60.0, 100.0], ["T03:00", 60.0, -4.0]]`},
		{"aggregation=5pct&granularity=60", `[["T00:00", 60.0, 1.3], ["T01:00", 60.0, 100.0], ["T03:00", 60.0, -4.0]]`},
		{"aggregation=rate:mean&granularity=60", `[["T00:00", 60.0, 3.0], ["T01:00", 60.0, 88.0], ["T03:00", 60.0, -104.0]]`},
		{"aggregation=rate:mean&granularity=1", `[["T03:00", 1.0, -104.0]]`},
		{"start=2020-01-01T00:01:00", `[["T01:00", 60.0, 100.0], ["T03:00", 60.0, -4.0], ["T03:00", 1.0, -4.0]]`},
		{"start=2020-01-01T00:01:30&granularity=60", `[["T01:00", 60.0, 100.0], ["T03:00", 60.0, -4.0]]`},
		{"stop=2020-01-01T00:01:00&granularity=60", `[["T00:00", 60.0, 5.25]]`},
		{"stop=2020-01-01T00:01:00.1&granularity=60", `[["T00:00", 60.0, 5.25], ["T01:00", 60.0, 100.0]]`},
		{"start=2020-01-01T00:00:10&stop=2020-01-01T00:00:30&granularity=1", `[]`},
		{"start=-2000%20weeks", all},
		{"start=", `[]`},
		{"stop=NaT", `[]`},
		{"start=2030-01-01", `[]`},
		{"start=2020-01-01T00:03:00&stop=2020-01-01T00:01:00", `[]`},
		{"start=2020-01-01T01:01:00%2B01:00&granularity=60", `[["T01:00", 60.0, 100.0], ["T03:00", 60.0, -4.0]]`},
		{"resample=120&granularity=60", `[["T00:00", 120.0, 52.625], ["T02:00", 120.0, -4.0]]`},
		{"resample=30&granularity=60", `[["T00:00", 30.0, 5.25], ["T01:00", 30.0, 100.0], ["T03:00", 30.0, -4.0]]`},
		{"resample=&granularity=60", minutes},
		{"resample=M&granularity=60", `[["T00:00", "M", 33.75]]`},
		{"resample=W&granularity=60", `[["2019-12-29T00:00:00", "W", 33.75]]`},
		{"resample=Q&granularity=1", `[["T00:00", "Q", -4.0]]`},
		// Where the reference fails: the start is taken down to the start of its month.
		{"resample=M&granularity=60&start=2020-01-01T00:02:00", `[["T00:00", "M", 33.75]]`},
		{"resample=M&granularity=60&start=2020-02-01", `[]`},
		{"resample=M&granularity=60&stop=2020-02-01", `[["T00:00", "M", 33.75]]`},
		{"resample=120&granularity=60&aggregation=count", `[["T00:00", 120.0, 2.0], ["T02:00", 120.0, 1.0]]`},
		{"resample=120&granularity=60&aggregation=std", `[]`},
		{"resample=120&granularity=60&aggregation=rate:mean", `[["T00:00", 120.0, 85.0], ["T02:00", 120.0, -192.0]]`},
		{"resample=120&granularity=60&aggregation=rate:mean&start=2020-01-01T00:03:00", `[["T02:00", 120.0, -192.0]]`},
		{"resample=120&granularity=60&start=2020-01-01T00:01:00", `[["T00:00", 120.0, 52.625], ["T02:00", 120.0, -4.0]]`},
		{"resample=120&granularity=60&stop=2020-01-01T00:01:00", `[["T00:00", 120.0, 52.625]]`},
		{"resample=90&granularity=60", `[["T00:00", 90.0, 52.625], ["T03:00", 90.0, -4.0]]`},
		{"refresh=true&foo=bar", all},
	} {
		w := b.get("/v1/metric/" + id.String() + "/measures?" + c.query)
		if got := compact(w.Body.String()); w.Code != http.StatusOK || got != c.want {
			t.Errorf("%s: %d %s\nwant %s", c.query, w.Code, got, c.want)
		}
	}
}

func TestMeasuresRefused(t *testing.T) {
	b, id := measured(t)
	argument := func(name, reason string) string {
		return fmt.Sprintf(`{"cause": "Argument value error", "detail": "%s", "reason": "%s"}`, name, reason)
	}
	method := func(m string) string {
		return fmt.Sprintf(`{"cause": "Aggregation method does not exist for this metric", "detail": {"metric": "%s", "aggregation_method": "%s"}}`, id, m)
	}
	const noTime = "Must be a datetime or a timestamp"
	for _, c := range []struct {
		query  string
		status int
		want   string
	}{
		{"granularity=2", 404, `"Aggregation method 'mean' at granularity '2.0' for metric ` + id.String() + ` does not exist"`},
		{"granularity=0.5&aggregation=max", 404, `"Aggregation method 'max' at granularity '0.5' for metric ` + id.String() + ` does not exist"`},
		{"granularity=abc", 400, argument("granularity", "Unable to parse timespan")},
		{"granularity=", 400, argument("granularity", "Unable to parse timespan")},
		{"granularity=-1", 400, argument("granularity", "Timespan must be positive")},
		{"granularity=0", 400, argument("granularity", "Timespan must be positive")},
		{"granularity=60&granularity=1", 400, `"granularity: it is given 2 times, once is possible"`},
		{"aggregation=mean&aggregation=max", 400, `"aggregation: it is given 2 times, once is possible"`},
		{"start=1&start=2", 400, `"start: it is given 2 times, once is possible"`},
		{"aggregation=50pct", 404, method("50pct")},
		{"aggregation=wrong", 404, method("wrong")},
		{"aggregation=", 404, method("")},
		{"start=-10%20years", 400, argument("start", noTime)},
		{"start=foo", 400, argument("start", noTime)},
		{"stop=foo", 400, argument("stop", noTime)},
		{"start=1960-01-01", 400, argument("start", noTime)},
		{"stop=9999999999999", 400, argument("stop", noTime)},
		{"resample=120", 400, `"A granularity must be specified to resample"`},
		{"resample=abc&granularity=60", 400, `"Unable to parse timespan"`},
		{"resample=D&granularity=60", 400, `"Unable to parse timespan"`},
		{"resample=-1&granularity=60", 400, `"Timespan must be positive"`},
		{"refresh=foo", 400, "\"Unable to parse `refresh': Unrecognized value 'foo', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'\""},
	} {
		w := b.get("/v1/metric/" + id.String() + "/measures?" + c.query)
		want := fmt.Sprintf(`{"code": %d, "title": "%s", "description": %s}`, c.status, http.StatusText(c.status), c.want)
		if w.Code != c.status || w.Body.String() != want {
			t.Errorf("%s: %d %s\nwant %s", c.query, w.Code, w.Body, want)
		}
	}
	w := b.get("/v1/metric/"+id.String()+"/measures?aggregation=wrong", "Accept", "")
	if want := "{'cause': 'Aggregation method does not exist for this metric', 'detail': {'metric': UUID('" + id.String() + "'), 'aggregation_method': 'wrong'}}"; !strings.Contains(w.Body.String(), want) {
		t.Errorf("%s\nwant in it %s", w.Body, want)
	}
}

// TestMeasuresOfWhom: who may read the measures of a metric, and what the others are told.
func TestMeasuresOfWhom(t *testing.T) {
	b := newBed(t)
	b.policies(window(t, "p", 0, "", policy.Tier{Granularity: time.Minute}))
	named, foreign := b.metric("_ops", metricdef.Draft{Policy: "p", Creator: "alice"}), b.metric("other", metricdef.Draft{Policy: "p", Creator: "u1:other"})
	unknown := uuid.New()
	for _, c := range []struct {
		id     uuid.UUID
		status int
		header []string
	}{
		{named, 200, []string{"Authorization", basic("alice")}},
		{named, 200, nil},
		{named, 403, []string{"Authorization", basic("bob")}},
		{named, 401, []string{"Authorization", ""}},
		{foreign, 200, []string{"X-User-Id", "u1", "X-Project-Id", "other"}},
		{foreign, 200, []string{"X-User-Id", "u2", "X-Project-Id", "other"}},
		{foreign, 404, []string{"X-User-Id", "u1", "X-Project-Id", "third"}},
		{foreign, 200, []string{"X-User-Id", "s", "X-Project-Id", "third", "X-Roles", "service"}},
		{foreign, 404, []string{"Authorization", basic("alice")}},
		{unknown, 404, nil},
	} {
		if w := b.get("/v1/metric/"+c.id.String()+"/measures", c.header...); w.Code != c.status {
			t.Errorf("%s of %v: %d %s, want %d", c.id, c.header, w.Code, w.Body, c.status)
		}
	}
	if w := b.get("/v1/metric/" + strings.ToUpper(named.String()) + "/measures"); w.Code != 200 || w.Body.String() != "[]" {
		t.Errorf("another spelling of the id: %d %s", w.Code, w.Body)
	}
}

// TestMeasuresOfSamples reads a metric of another dialect, which has samples only.
func TestMeasuresOfSamples(t *testing.T) {
	b := newBed(t)
	d := metricdef.Draft{Identity: metricdef.Identity{Tenant: b.tenant("_ops"), Type: metricdef.Gauge, Name: "load"}, Dialect: "native"}
	ref := b.store.CreateDefinitions(t.Context(), []metricdef.Draft{d})[0].Ref
	def, _ := b.store.Definitions.Get(ref)
	const at = 1577836800
	b.post(def.ID, [2]float64{at, 1}, [2]float64{at + 30, 4}, [2]float64{at + 70, 10})
	for query, want := range map[string]string{
		"":                     `[["T00:00", 60.0, 2.5], ["T01:00", 60.0, 10.0]]`,
		"aggregation=75pct":    `[["T00:00", 60.0, 3.25], ["T01:00", 60.0, 10.0]]`,
		"aggregation=rate:sum": `[["T00:00", 60.0, 3.0], ["T01:00", 60.0, 6.0]]`,
	} {
		if w := b.get("/v1/metric/" + def.ID.String() + "/measures?" + query); compact(w.Body.String()) != want {
			t.Errorf("%s: %d %s, want %s", query, w.Code, w.Body, want)
		}
	}
	if w := b.get("/v1/metric/" + def.ID.String() + "/measures?granularity=300"); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestMeasuresTooMany refuses an answer that would be too large, with 400: waiting does not help.
func TestMeasuresTooMany(t *testing.T) {
	b, id := measured(t, func(o *Options) { o.Queries = limited(o, 4) })
	if w := b.get("/v1/metric/" + id.String() + "/measures?granularity=60"); w.Code != 200 {
		t.Errorf("one granularity: %d %s", w.Code, w.Body)
	}
	if w := b.get("/v1/metric/" + id.String() + "/measures"); w.Code != 400 || !strings.Contains(w.Body.String(), "granary.limits.query-points") {
		t.Errorf("all: %d %s", w.Code, w.Body)
	}
}

// TestMeasuresAtLength compares a long answer, which goes out in parts, with its points.
func TestMeasuresAtLength(t *testing.T) {
	b, id, want := long(t, 20_000)
	w := b.get("/v1/metric/" + id.String() + "/measures?granularity=60")
	if w.Code != 200 || w.Body.String() != "["+strings.Join(want, ", ")+"]" {
		t.Errorf("%d %.300s", w.Code, w.Body)
	}
}

// long has a metric of so many minutes with three points each, so that means have all digits that there are.
func long(tb testing.TB, n int) (*bed, uuid.UUID, []string) {
	b := newBed(tb)
	b.policies(window(tb, "medium", 0, "", policy.Tier{Granularity: time.Minute, Points: int64(n)}, policy.Tier{Granularity: time.Hour, Points: 8760}))
	id := b.metric("_ops", metricdef.Draft{Policy: "medium", Creator: "admin"})
	rng := rand.New(rand.NewPCG(1, 2))
	var points [][2]float64
	var rows []string
	const at = 1577836800
	for i := range n {
		sum := 0.0
		for k := range 3 {
			v := math.Round(rng.NormFloat64()*1e4) / 100
			points = append(points, [2]float64{float64(at + 60*i + 20*k), v})
			sum += v
		}
		rows = append(rows, fmt.Sprintf(`["%s+00:00", 60.0, %s]`, time.Unix(int64(at+60*i), 0).UTC().Format("2006-01-02T15:04:05"), pyjson.AppendFloat(nil, sum/3)))
	}
	b.post(id, points...)
	b.store.TendTiers()
	return b, id, rows
}

// discard is the writer of an answer that nobody reads.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }

// BenchmarkMeasures is a GET of a week of minutes.
func BenchmarkMeasures(bench *testing.B) {
	b, id, _ := long(bench, 10_080)
	r := httptest.NewRequest(http.MethodGet, "/v1/metric/"+id.String()+"/measures?"+url.Values{"granularity": {"60"}}.Encode(), nil)
	r.Header.Set("Authorization", basic("admin"))
	r.Header.Set("Accept", "application/json")
	w := &discard{header: http.Header{}}
	bench.ReportAllocs()
	for bench.Loop() {
		w.n = 0
		b.ServeHTTP(w, r)
	}
	if w.n < 10_080*45 {
		bench.Fatalf("%d bytes", w.n)
	}
	bench.SetBytes(int64(w.n))
}

// FuzzMeasures: whatever is asked of the measures of a metric is answered, or refused with what is wrong.
func FuzzMeasures(f *testing.F) {
	b, id := measured(f)
	for _, q := range []string{"granularity=60&resample=M&start=2020-01-01", "start=-1%20week&stop=now", "aggregation=rate:95pct", "resample=1e-9&granularity=1", "start=9999999999&granularity=1m&resample=100000%20days", "stop=2262-01-01&resample=W&granularity=1", "%zz", "granularity=60&granularity=1"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/v1/metric/"+id.String()+"/measures", nil)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", basic("admin"))
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		v, err := pyjson.Decode(w.Body.Bytes())
		if err != nil {
			t.Fatalf("%s: %d %s: %v", query, w.Code, w.Body, err)
		}
		switch w.Code {
		case http.StatusOK:
			if _, ok := v.([]any); !ok {
				t.Errorf("%s: %s", query, w.Body)
			}
		case http.StatusBadRequest, http.StatusNotFound:
		default:
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	})
}
