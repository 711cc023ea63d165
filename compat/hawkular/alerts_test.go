package hawkular

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/compat/hawkular/alerts"
	"granary/compat/hawkular/tagql"
	"granary/measures"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant/identity"
)

// watched is a dialect whose alerts a test looks at.
func watched(t *testing.T, strict bool, rules ...alerts.Rule) (*bed, *alerts.Watch) {
	t.Helper()
	b := newBed(t, strict)
	for i := range rules {
		r := &rules[i]
		if r.Type == 0 {
			r.Type = metricdef.Gauge
		}
		if r.Tags != "" {
			q, err := tagql.Parse(r.Tags, tagql.Patterns)
			if err != nil {
				t.Fatal(err)
			}
			r.Selector = q.Expr
		}
	}
	w, err := alerts.New(alerts.Options{Metrics: AlertMetrics(b.store.Definitions, b.store.Tenants, b.store, false), Rules: rules, Now: func() time.Time { return testNow },
		Hook: alerts.Hook{Server: "http://user:secret@localhost:9099/append?token=secret"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b.o.Alerts = w
	return b, w
}

// alertsOf asks for alerts, and gives the ids and statuses of those that are answered.
func (b *bed) alertsOf(query string, header ...string) (list []string) {
	b.tb.Helper()
	r := httptest.NewRequest(http.MethodGet, PrefixAlerts+"/raw"+query, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	if w.Code == http.StatusNoContent {
		return nil
	}
	var got []struct {
		ID, Status, TrigerMetric string
		TrigerValue              float64
		State                    bool
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		b.tb.Errorf("%s: %d %s", query, w.Code, w.Body)
	}
	for _, a := range got {
		list = append(list, a.ID+" "+a.Status)
		if a.State != (a.Status == "firing") {
			b.tb.Errorf("%+v", a)
		}
	}
	return list
}

func TestAlerts(t *testing.T) {
	b, w := watched(t, false,
		alerts.Rule{ID: "low", Tenant: "t", Metrics: []string{"free_memory"}, Lower: new(100.0)},
		alerts.Rule{ID: "by tags", Tenant: "t", Tags: "node:n[0-9]+,!stale:x", Higher: new(90.0)},
		alerts.Rule{ID: "key", Tenant: "t", Metrics: []string{`cpu{host="a"}`}, Higher: new(1000.0)},
		alerts.Rule{ID: "counted", Tenant: "t", Type: metricdef.Counter, Metrics: []string{"requests"}, Higher: new(float64(1 << 60))},
		alerts.Rule{ID: "silent", Tenant: "t", Metrics: []string{"old"}, Lower: new(1.0)},
		alerts.Rule{ID: "theirs", Tenant: "other", Metrics: []string{"free_memory"}, Lower: new(100.0)},
		alerts.Rule{ID: "default", Tenant: "_ops", Metrics: []string{"free_memory"}, Lower: new(100.0)},
	)
	ago := func(d time.Duration) int64 { return testNow.Add(-d).UnixMilli() }
	b.put("t", metricdef.Gauge, "free_memory", nil, point{at: ago(time.Minute), value: 50}, point{at: ago(time.Hour), value: 500})
	b.put("t", metricdef.Gauge, "load/1", []string{"node=n1"}, point{at: ago(time.Minute), value: 5})
	b.put("t", metricdef.Gauge, "load/2", []string{"node=n2", "stale=yes"}, point{at: ago(time.Minute), value: 99})
	b.put("t", metricdef.Gauge, "load/3", []string{"node=n3"}, point{at: ago(0), value: 99}, point{at: ago(-time.Hour), value: 1})
	b.put("t", metricdef.Counter, "load/4", []string{"node=n4"}, point{at: ago(time.Minute), value: 99})
	b.put("t", metricdef.Counter, "requests", nil, point{at: ago(time.Minute), value: 1 << 60})
	b.put("t", metricdef.Gauge, "old", nil, point{at: ago(6 * time.Minute), value: 0})
	b.put("other", metricdef.Gauge, "free_memory", nil, point{at: ago(time.Minute), value: 500})
	num, _ := b.store.Tenants.Lookup("t")
	made := b.store.CreateDefinitions(t.Context(), []metricdef.Draft{{Identity: metricdef.Identity{Tenant: num.Num, Type: metricdef.Gauge, Name: "cpu",
		Tags: []metricdef.Tag{{Name: "host", Value: "a"}}}, Dialect: "native"}})[0]
	var batch measures.Batch
	batch.Add(made.Ref, testNow.UnixNano(), 7)
	if err := b.store.Commit(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		t.Helper()
		r := httptest.NewRecorder()
		b.ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
		return fmt.Sprint(r.Code, " ", r.Body)
	}
	const status = `200 {"AlertsService":"STARTED","AlertsInterval":"5s","Heartbeat":"%d","ServerURL":"http://localhost:9099/append"}` + "\n"
	if got, want := get(PrefixAlerts+"/status"), fmt.Sprintf(status, 0); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for interval, want := range map[time.Duration]string{time.Minute: "60s", 1500 * time.Millisecond: "1.5s", time.Hour: "3600s"} {
		b.o.Alerts, _ = alerts.New(alerts.Options{Interval: interval})
		if got := get(PrefixAlerts + "/status"); !strings.Contains(got, `"AlertsInterval":"`+want+`","Heartbeat":"0","ServerURL":""}`) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	b.o.Alerts = w
	w.Look(t.Context())
	if got, want := get(PrefixAlerts+"/status/"), fmt.Sprintf(status, testNow.UnixMilli()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for query, want := range map[string]string{
		"":                         "[low firing by tags firing key ok counted firing silent missing]",
		"?state=T":                 "[low firing by tags firing counted firing]",
		"?state=F":                 "[key ok silent missing]",
		"?state=t":                 "[key ok silent missing]",
		"?id=low":                  "[low firing]",
		"?id=low&state=F":          "[]",
		"?id=theirs":               "[]",
		"?id=by%20tags&state=T":    "[by tags firing]",
		"?id=nothing&something=no": "[]",
	} {
		if got := fmt.Sprint(b.alertsOf(query, "Hawkular-Tenant", "t")); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := fmt.Sprint(b.alertsOf(""), b.alertsOf("", "Hawkular-Tenant", "other"), b.alertsOf("", "Hawkular-Tenant", "nobody")); got != "[default missing] [theirs ok] []" {
		t.Errorf("of other tenants: %s", got)
	}
	r := httptest.NewRequest(http.MethodGet, PrefixAlerts+"/raw?id=by+tags", nil)
	r.Header.Set("Hawkular-Tenant", "t")
	one := httptest.NewRecorder()
	b.ServeHTTP(one, r)
	var list []map[string]any
	if err := json.Unmarshal(one.Body.Bytes(), &list); err != nil || list[0]["TrigerMetric"] != "load/3" || list[0]["TrigerValue"] != 99.0 || list[0]["TrigerTimestamp"] != float64(testNow.UnixMilli()) ||
		list[0]["Tags"] != "node:n[0-9]+,!stale:x" || list[0]["Type"] != 2.0 {
		t.Errorf("%v %s", err, one.Body)
	}
}

// TestOwnAlerts finds by tags what lists show, and by id everything.
func TestOwnAlerts(t *testing.T) {
	b := newBed(t, false)
	b.put("t", metricdef.Gauge, "mine", []string{"node=n1"})
	num, _ := b.store.Tenants.Lookup("t")
	b.store.CreateDefinitions(t.Context(), []metricdef.Draft{{Identity: metricdef.Identity{Tenant: num.Num, Type: metricdef.Gauge, Name: "theirs",
		Tags: []metricdef.Tag{{Name: "node", Value: "n2"}}}, Dialect: "native"}})
	q, err := tagql.Parse("node:.*", tagql.Patterns)
	if err != nil {
		t.Fatal(err)
	}
	for own, want := range map[bool]string{false: `[mine theirs{node="n2"}]`, true: "[mine]"} {
		m := AlertMetrics(b.store.Definitions, b.store.Tenants, b.store, own)
		refs, err := m.Select(t.Context(), num.Num, metricdef.Gauge, q.Expr)
		var ids []string
		for _, ref := range refs {
			ids = append(ids, m.ID(ref))
		}
		if got := fmt.Sprint(ids); err != nil || got != want {
			t.Errorf("own %v: %s %v, want %s", own, got, err, want)
		}
		if _, ok := m.Find(num.Num, metricdef.Gauge, `theirs{node="n2"}`); !ok {
			t.Errorf("own %v: not found by its id", own)
		}
	}
}

// TestNewestOfAlerts is the last value that there is, on grids, behind values that are none, and before those of the future.
func TestNewestOfAlerts(t *testing.T) {
	b := newBed(t, false)
	set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{{Name: "minute", Raw: policy.Retention{Length: policy.Forever}, Grid: time.Minute}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.SetPolicies(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	now := testNow.UnixNano()
	at := func(d time.Duration) int64 { return now + int64(d) }
	ref := b.put("t", metricdef.Gauge, "own", nil)
	gridded := b.put("t", metricdef.Gauge, "gridded", nil)
	policyName := "minute"
	if err := b.store.UpdateDefinition(t.Context(), gridded, metricdef.Update{Policy: &policyName}); err != nil {
		t.Fatal(err)
	}
	var batch measures.Batch
	for _, r := range []metricdef.Ref{ref, gridded} {
		for i, v := range []float64{1, 2, 3, math.NaN()} {
			batch.Add(r, at(time.Duration(i-4)*time.Minute), v)
		}
	}
	if err := b.store.Commit(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	m := AlertMetrics(b.store.Definitions, b.store.Tenants, b.store, false)
	check := func(ref metricdef.Ref, from, to time.Duration, want float64) {
		t.Helper()
		_, v, ok, err := m.Newest(t.Context(), ref, at(from), at(to))
		if err != nil || ok != (want != 0) || v != want {
			t.Errorf("%v to %v: %v %v %v, want %v", from, to, v, ok, err, want)
		}
	}
	for _, r := range []metricdef.Ref{ref, gridded} {
		check(r, -5*time.Minute, 0, 3)
		check(r, -90*time.Second, 0, 0)
		check(r, -time.Second, 0, 0)
		check(r, -10*time.Minute, -170*time.Second, 2)
	}
	batch.Reset()
	batch.Add(ref, at(0), 9)
	batch.Add(ref, at(time.Hour), 10)
	if err := b.store.Commit(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	check(ref, -time.Minute, 0, 9)
	check(ref, -time.Minute, time.Hour, 10)
}

// BenchmarkAlerts looks at 10,000 metrics that a query over tags finds, none of which fires.
func BenchmarkAlerts(b *testing.B) {
	d := newBed(b, false)
	num, err := d.store.EnsureTenant(b.Context(), "t")
	if err != nil {
		b.Fatal(err)
	}
	var batch measures.Batch
	for i := range 10_000 {
		def := metricdef.Draft{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: fmt.Sprint("m", i)}, Dialect: Name, Plain: []metricdef.Tag{{Name: "node", Value: fmt.Sprint("n", i)}}}
		for k := range 30 {
			batch.AddDraft(measures.Draft{Def: def}, testNow.Add(-time.Duration(k)*10*time.Second).UnixNano(), 1)
		}
	}
	if err := d.store.Commit(b.Context(), &batch); err != nil {
		b.Fatal(err)
	}
	q, err := tagql.Parse("node:n[0-9]+", tagql.Patterns)
	if err != nil {
		b.Fatal(err)
	}
	w, err := alerts.New(alerts.Options{Metrics: AlertMetrics(d.store.Definitions, d.store.Tenants, d.store, false), Now: func() time.Time { return testNow },
		Rules: []alerts.Rule{{ID: "a", Tenant: "t", Type: metricdef.Gauge, Tags: "x", Selector: q.Expr, Higher: new(10.0)}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Look(b.Context())
	}
	if a := w.Alerts("t")[0]; a.Status() != alerts.OK {
		b.Error(a.Status())
	}
}

// TestNoAlerts has none to watch.
func TestNoAlerts(t *testing.T) {
	for _, strict := range []bool{false, true} {
		b := newBed(t, strict)
		r := httptest.NewRecorder()
		b.ServeHTTP(r, httptest.NewRequest(http.MethodGet, PrefixAlerts+"/status", nil))
		if r.Code != http.StatusOK || r.Body.String() != `{"AlertsService":"UNAVAILABLE"}`+"\n" {
			t.Errorf("%d %s", r.Code, r.Body)
		}
		if got := b.alertsOf("", "Hawkular-Tenant", "t"); len(got) != 0 {
			t.Error(got)
		}
	}
}

// TestAlertsOfWhom shows alerts to those who may read in the tenant, and nobody else.
func TestAlertsOfWhom(t *testing.T) {
	_, w := watched(t, false, alerts.Rule{ID: "a", Tenant: "t", Metrics: []string{"m"}, Lower: new(100.0)})
	b := newBed(t, false, func(o *Options) {
		o.Alerts = w
		o.Auth = as{identity.New("x", identity.Key, "k", 0, identity.Grant{Tenant: "t", Roles: identity.Reader})}
	})
	if got := b.alertsOf("", "Hawkular-Tenant", "t"); len(got) != 1 {
		t.Error(got)
	}
	r := httptest.NewRequest(http.MethodGet, PrefixAlerts+"/raw", nil)
	r.Header.Set("Hawkular-Tenant", "other")
	no := httptest.NewRecorder()
	b.ServeHTTP(no, r)
	if no.Code != http.StatusForbidden {
		t.Errorf("%d %s", no.Code, no.Body)
	}
}

// TestAlertsWhileWritten judges metrics that are made, written, tagged and deleted at the same time.
func TestAlertsWhileWritten(t *testing.T) {
	b, w := watched(t, false, alerts.Rule{ID: "ids", Tenant: "t", Metrics: []string{"m0", "m1"}, Higher: new(5.0)},
		alerts.Rule{ID: "tags", Tenant: "t", Tags: "node:.*", Higher: new(5.0)})
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for k := range 40 {
				ref := b.put("t", metricdef.Gauge, fmt.Sprint("m", i), []string{"node=n"}, point{at: testNow.UnixMilli(), value: float64(k % 10)})
				if k%7 == 0 {
					if _, err := b.store.DeleteDefinitions(t.Context(), []metricdef.Ref{ref}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 100 {
		w.Look(t.Context())
		b.alertsOf("", "Hawkular-Tenant", "t")
	}
	wg.Wait()
	if s := w.Stats(); s.Looks != 100 || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}
