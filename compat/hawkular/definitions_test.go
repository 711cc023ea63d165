package hawkular

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/api/edge"
	"granary/compat/hawkular/hawkulartest"
	"granary/metricdef"
	"granary/tenant/audit"
	"granary/tenant/identity"
)

// TestDefinitionVectors plays the cases that make, list, tag and delete metrics and need nothing else.
func TestDefinitionVectors(t *testing.T) {
	w := newWorld(t, strict)
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	cases, err := hawkulartest.Load(filepath.Join("testdata", "expectations.json"))
	if err != nil {
		t.Fatal(err)
	}
	p := hawkulartest.Player{Base: server.URL + Prefix, Now: testNow, JSON: true}
	played := 0
	for _, c := range cases {
		for _, begin := range []string{"create-and-tags", "overwrite", "generic-create", "definitions-by-tags", "type-mismatch", "type-param", "tag-names", "tag-expressions", "tag-simple-language"} {
			if !strings.HasPrefix(c.Name, begin) {
				continue
			}
			played++
			faults, err := p.Play(t.Context(), c, c.Name)
			if err != nil {
				t.Error(err)
			}
			for _, f := range faults {
				t.Error(f)
			}
		}
	}
	if played < 12 {
		t.Errorf("%d cases were played", played)
	}
}

func TestCreate(t *testing.T) {
	w := newWorld(t)
	w.put(t, "t1", gauge("seen"), testNow, 1.5)
	native := metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "cpu", Tags: []metricdef.Tag{{Name: "host", Value: "n1"}}}, Dialect: "native"}
	w.put(t, "t1", native, testNow, 2.5)
	for _, c := range []struct {
		path, body string
		status     int
		location   string // or part of the answer
	}{
		{"/gauges", `{"id": "a/b c+d;é", "tags": {"n": 1, "f": 1.50, "t": true, "s": "x", "none": ""}}`, 201, Prefix + "/gauges/a%2Fb%20c+d%3B%C3%A9"},
		{"/gauges", `{"id": "a/b c+d;é"}`, 409, "A metric with name [a/b c+d;é] already exists"},
		{"/counters", `{"id": "a/b c+d;é"}`, 201, Prefix + "/counters/a%2Fb%20c+d%3B%C3%A9"},
		{"/availability/", `{"id": "up", "type": "availability"}`, 201, Prefix + "/availability/up"},
		{"/m", `{"id": "text", "type": "string", "dataRetention": "3"}`, 201, Prefix + "/strings/text"},
		{"/gauges", `{"id": "seen", "tags": {"x": "y"}, "dataRetention": 2}`, 201, Prefix + "/gauges/seen"},
		{"/gauges", `{"id": "seen"}`, 409, "already exists"},
		{"/gauges?overwrite=true", `{"id": "seen", "tags": {"z": "1"}}`, 201, Prefix + "/gauges/seen"},
		{"/gauges?overwrite=yes", `{"id": "seen"}`, 400, "overwrite"},
		{"/gauges", `{"id": "cpu{host=\"n1\"}", "tags": {"host": "n1", "rack": "r1"}}`, 201, Prefix + "/gauges/cpu%7Bhost=%22n1%22%7D"},
		{"/gauges?overwrite=true", `{"id": "cpu{host=\"n1\"}", "tags": {"host": "n2"}}`, 409, `tag \"host\" is part of the identity`},
		{"/gauges", `{"id": "bad", "tags": {"x": null}}`, 400, `the tag \"x\" has the value null`},
		{"/gauges", `{"id": "bad", "tags": {"x": {"y": 1}}}`, 400, `the tag \"x\": an object cannot stand here`},
		{"/gauges", `{"id": "bad", "tags": {"x": [1]}}`, 400, `the tag \"x\": a list cannot stand here`},
		{"/gauges", `{"id": "bad", "tags": {" ": "x"}}`, 400, "the name of a tag is blank"},
		{"/gauges", `{"id": "bad", "tags": ["x"]}`, 400, "expected an object of tags, found a list"},
		{"/gauges", `{"id": "bad", "dataRetention": 1.5}`, 400, "is not a whole number of days"},
		{"/gauges", `{"id": "bad", "dataRetention": -1}`, 400, "is not a whole number of days"},
		{"/gauges", `{"id": "bad", "dataRetention": 200000}`, 400, "is not a whole number of days"},
		{"/gauges", `{"id": "bad", "type": "counter"}`, 400, "the type counter does not go with the path"},
		{"/gauges", `{"id": "bad", "type": "nosuch"}`, 400, "nosuch is not a recognized metric type"},
		{"/metrics", `{"id": "bad"}`, 400, "the type of the metric is missing"},
		{"/metrics", `{"id": "bad", "type": "gauge_rate"}`, 400, "Incorrect type param gauge_rate"},
		{"/gauges", `{"tags": {"x": "y"}}`, 400, "the id of the metric is missing"},
		{"/gauges", `{"id": " "}`, 400, "the id of the metric is missing"},
		{"/gauges", `{}`, 400, "the id of the metric is missing"},
		{"/gauges", ``, 400, "the id of the metric is missing"},
		{"/gauges", `{"id": `, 400, "no valid JSON"},
		{"/gauges", `{"id": "` + strings.Repeat("x", 70_000) + `"}`, 400, "longer than"},
	} {
		out := w.ask(t, "POST", c.path, c.body)
		switch {
		case out.Code != c.status:
			t.Errorf("%s %.100s: %d %s", c.path, c.body, out.Code, out.Body)
		case c.status == 201 && out.Header().Get("Location") != c.location:
			t.Errorf("%s %s: Location is %s", c.path, c.body, out.Header().Get("Location"))
		case c.status != 201 && !strings.Contains(out.Body.String(), c.location):
			t.Errorf("%s %.100s: %s", c.path, c.body, out.Body)
		}
	}
	for path, want := range map[string]string{
		"/gauges/a%2Fb%20c+d;%C3%A9":          `{"id":"a/b c+d;é","tags":{"f":"1.50","n":"1","s":"x","t":"true"},"dataRetention":7,"type":"gauge","tenantId":"t1","data":[]}`,
		"/gauges/seen":                        `{"id":"seen","tags":{"z":"1"},"dataRetention":7,"type":"gauge","tenantId":"t1","minTimestamp":1767225600500,"maxTimestamp":1767225600500,"data":[{"timestamp":1767225600500,"value":1.5}]}`,
		"/strings/text":                       `{"id":"text","tags":{},"dataRetention":3,"type":"string","tenantId":"t1","data":[]}`,
		"/gauges/cpu%7Bhost=%22n1%22%7D":      `{"id":"cpu{host=\"n1\"}","tags":{"host":"n1","rack":"r1"},"type":"gauge","tenantId":"t1","minTimestamp":1767225600500,"maxTimestamp":1767225600500,"data":[{"timestamp":1767225600500,"value":2.5}]}`,
		"/gauges/bad":                         "",
		"/counters/seen":                      "",
		"/gauges/cpu":                         "",
		"/gauges/seen/tags":                   `{"z":"1"}`,
		"/gauges/cpu%7Bhost=%22n1%22%7D/tags": `{"host":"n1","rack":"r1"}`,
		"/strings/text/tags":                  `{}`,
		"/strings/none/tags":                  `{}`,
	} {
		out := w.ask(t, "GET", path, "")
		if out.Body.String() != want || want == "" && out.Code != 204 {
			t.Errorf("%s: %d %s\nwant %s", path, out.Code, out.Body, want)
		}
	}
	if got := len(read[[]metric](t, w.must(t, 200, "GET", "/metrics", ""))); got != 6 {
		t.Errorf("there are %d metrics", got)
	}
	if list := w.store.Tenants.All(); len(list) != 1 {
		t.Errorf("tenants %v", list)
	}
}

// TestRefusedCreateMakesNoTenant: what is refused for its form leaves nothing.
func TestRefusedCreateMakesNoTenant(t *testing.T) {
	w := newWorld(t)
	w.must(t, 400, "POST", "/gauges", `{"id": "a", "tags": {"x": null}}`)
	w.must(t, 400, "PUT", "/gauges/a/tags", `{"": "x"}`)
	w.must(t, 400, "PUT", "/gauges/tags", `[{"id": "a", "tags": {"x": "y"}}, {"id": "", "tags": {"x": "y"}}]`)
	w.must(t, 204, "GET", "/gauges/a", "")
	w.must(t, 200, "DELETE", "/gauges/a", "")
	if list := w.store.Tenants.All(); len(list) != 0 {
		t.Errorf("tenants %v", list)
	}
}

// TestKindsOfData lists the newest point of every kind.
func TestKindsOfData(t *testing.T) {
	w := newWorld(t)
	at := testNow.Add(-time.Minute)
	for _, v := range []any{1.25, int64(1<<53 + 1), metricdef.Admin, "hello \"you\""} {
		d := gauge("x")
		switch v.(type) {
		case int64:
			d.Type = metricdef.Counter
		case metricdef.State:
			d.Type = metricdef.Availability
		case string:
			d.Type = metricdef.String
		}
		w.put(t, "t1", d, at.Add(-time.Hour), v)
		w.put(t, "t1", d, at, v)
	}
	inf := gauge("inf")
	inf.Dialect = "influx"
	w.put(t, "t1", inf, at, 1/zero)
	got := w.must(t, 200, "GET", "/m?timestamps=true", "").Body.String()
	for _, want := range []string{
		`{"id":"x","tags":{},"dataRetention":7,"type":"gauge","tenantId":"t1","minTimestamp":1767221940500,"maxTimestamp":1767225540500,"data":[{"timestamp":1767225540500,"value":1.25}]}`,
		`"type":"counter","tenantId":"t1","minTimestamp":1767221940500,"maxTimestamp":1767225540500,"data":[{"timestamp":1767225540500,"value":9007199254740993}]}`,
		`"data":[{"timestamp":1767225540500,"value":"admin"}]`, `"data":[{"timestamp":1767225540500,"value":"hello \"you\""}]`, `"data":[{"timestamp":1767225540500,"value":"Infinity"}]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nhas not %s", got, want)
		}
	}
	// What has expired is not shown, and the definition stays.
	w.clock.Add(int64(8 * 24 * time.Hour))
	for _, m := range read[[]metric](t, w.must(t, 200, "GET", "/metrics?timestamps=true", "")) {
		if m.ID == "x" && (len(m.Data) > 0 || m.Min != nil) {
			t.Errorf("%v", m)
		}
	}
}

var zero float64

func TestLists(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.must(t, 201, "POST", []string{"/gauges", "/counters"}[i%2], fmt.Sprintf(`{"id": "m%d", "tags": {"host": "h%d", "kind": "x.y"}}`, i, i/2))
	}
	cc := metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "load", Tags: []metricdef.Tag{{Name: "host", Value: "h1"}}}, Dialect: "clustercockpit"}
	w.put(t, "t1", cc, testNow, 1.0)
	w.must(t, 201, "POST", "/gauges", `{"id": "x|y"}`)
	for path, want := range map[string]string{
		"/metrics":                                   `m0 m1 m2 m3 m4 m5 load{host="h1"} x|y`,
		"/gauges":                                    `m0 m2 m4 load{host="h1"} x|y`,
		"/metrics?type=counter":                      "m1 m3 m5",
		"/metrics?type=":                             `m0 m1 m2 m3 m4 m5 load{host="h1"} x|y`,
		"/metrics?tags=host:h1":                      `m2 m3 load{host="h1"}`,
		"/gauges?tags=host:h.":                       `m0 m2 m4 load{host="h1"}`, // a lone dot is an expression
		"/gauges?tags=kind:x.y&id=m%5B02%5D":         "m0 m2",
		"/gauges?tags=host:*&id=load.*":              `load{host="h1"}`,
		"/metrics?tags=host%20=%20h1%20OR%20host=h2": `m2 m3 m4 m5 load{host="h1"}`,
		"/metrics?id=m4%7Cm2%7Cm2%7Cnone&type=gauge": "m2 m4",
		"/gauges?id=m0":                              "m0",
		"/strings":                                   "",
		"/metrics?tags=nosuch:*":                     "",
	} {
		var ids []string
		for _, m := range read[[]metric](t, w.must(t, 200, "GET", path, "")) {
			ids = append(ids, m.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"/metrics?tags=a:**":           "tag query",
		"/gauges?tags=a:*&id=%28":      "regular expression",
		"/metrics?id=m0":               "together with a type",
		"/gauges?timestamps=maybe":     "timestamps",
		"/metrics?type=nosuch":         "nosuch is not a recognized metric type",
		"/metrics?tags=%25":            "expected",
		"/metrics/tags/a%20=":          "tag query",
		"/metrics/tags?filter=%28":     "regular expression",
		"/gauges?tags=a%20~%20'(?=x)'": "look-around",
	} {
		if out := w.must(t, 400, "GET", path, ""); !strings.Contains(out.Body.String(), want) {
			t.Errorf("%s: %s", path, out.Body)
		}
	}
	for path, want := range map[string]string{
		"/metrics/tags":                           `["host","kind"]`,
		"/gauges/tags/host:*":                     `{"host":["h0","h1","h2"]}`,
		"/metrics/tags/kind:*,host:h1%7Ch2":       `{"kind":["x.y"],"host":["h1","h2"]}`,
		"/counters/tags/none:*":                   `{}`,
		"/metrics/tags/host:*?type=string":        `{}`,
		"/metrics/tags?type=string":               `[]`,
		"/metrics/tags?filter=k.*":                `["kind"]`,
		"/gauges/tags/kind%20AND%20host%20=%20h1": `{"kind":["x.y"],"host":["h1"]}`,
	} {
		if out := w.must(t, 200, "GET", path, ""); out.Body.String() != want {
			t.Errorf("%s: %s, want %s", path, out.Body, want)
		}
	}
	if out := w.askFor(t, "nobody", "GET", "/metrics/tags/host:*", ""); out.Body.String() != "{}" {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	w.o.Own = true
	if got := w.must(t, 200, "GET", "/gauges?tags=host:h1", "").Body.String(); strings.Contains(got, "load") || !strings.Contains(got, "m2") {
		t.Error(got)
	}
	if got := w.must(t, 200, "GET", "/gauges/tags/host:*", "").Body.String(); got != `{"host":["h0","h1","h2"]}` {
		t.Error(got)
	}
	w.must(t, 200, "GET", "/gauges/load%7Bhost=%22h1%22%7D", "")
}

func TestDeleteMetric(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	log, err := audit.Open(audit.Options{File: file, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	writer := as{identity.InScope("joe", identity.Token, "t", identity.Writer, identity.AllTenants())}
	admin := as{identity.InScope("ann", identity.Token, "t", identity.Admin, identity.AllTenants())}
	w := newWorld(t, func(o *Options) { o.Audit = &edge.Audit{Log: log}; o.Auth = writer })
	w.must(t, 201, "POST", "/gauges", `{"id": "a", "tags": {"x": "y"}}`)
	w.must(t, 200, "PUT", "/gauges/a/tags", `{"z": "y"}`)
	w.must(t, 200, "DELETE", "/gauges/a/tags/z", "")
	w.must(t, 403, "DELETE", "/gauges/a", "")
	w.must(t, 403, "GET", "/gauges", "")
	w.must(t, 403, "GET", "/exports", "")
	w.put(t, "t1", gauge("a"), testNow, 1.0)
	w.o.Auth = admin
	w.must(t, 200, "DELETE", "/gauges/a", "")
	w.must(t, 204, "GET", "/gauges/a", "")
	w.must(t, 200, "DELETE", "/gauges/a", "")
	w.must(t, 200, "DELETE", "/gauges/nope", "")
	w.must(t, 201, "POST", "/gauges", `{"id": "a"}`)
	if m := read[metric](t, w.must(t, 200, "GET", "/gauges/a", "")); len(m.Data) > 0 || len(m.Tags) > 0 {
		t.Errorf("%v", m)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil || bytes.Count(b, []byte(`"detail":{"deleted":1}`)) != 1 || bytes.Count(b, []byte(`"detail":{"deleted":0}`)) != 2 || !bytes.Contains(b, []byte("ann")) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestConcurrentDefinitions makes, lists, tags, searches and deletes at the same time, for the race detector.
func TestConcurrentDefinitions(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var wg sync.WaitGroup
	work := func(n int, fn func(i int)) {
		wg.Go(func() {
			for i := 0; i < n && ctx.Err() == nil; i++ {
				fn(i)
			}
		})
	}
	is := func(out *httptest.ResponseRecorder, statuses ...int) {
		if !slices.Contains(statuses, out.Code) {
			t.Errorf("%d %s", out.Code, out.Body)
		}
	}
	for k := range 2 {
		work(150, func(i int) {
			is(w.ask(t, "POST", "/gauges", fmt.Sprintf(`{"id": "m%d", "tags": {"k": "%d", "i": "%d"}}`, i%20, k, i)), 201, 409)
		})
		work(150, func(i int) {
			is(w.ask(t, "PUT", fmt.Sprintf("/gauges/m%d/tags", (i+k)%20), fmt.Sprintf(`{"t": "%d"}`, i)), 200, 409)
		})
		work(150, func(i int) {
			for _, m := range read[[]metric](t, w.must(t, 200, "GET", "/metrics?tags=t:*", "")) {
				if m.Tenant != "t1" || m.Type != "gauge" { // the tag may be gone by now
					t.Errorf("%v", m)
				}
			}
		})
	}
	work(100, func(i int) { w.must(t, 200, "DELETE", fmt.Sprintf("/gauges/m%d", i%20), "") })
	work(100, func(i int) { w.put(t, "t1", gauge(fmt.Sprint("m", i%20)), testNow.Add(time.Duration(i)), float64(i)) })
	work(100, func(i int) {
		is(w.ask(t, "PUT", "/gauges/tags", fmt.Sprintf(`[{"id": "m%d", "tags": {"many": "1"}}, {"id": "n%d", "tags": {"many": "2"}}]`, i%20, i%5)), 200, 409)
	})
	work(100, func(i int) { is(w.ask(t, "DELETE", fmt.Sprintf("/gauges/m%d/tags/t,many", i%20), ""), 200) })
	work(100, func(int) { w.must(t, 200, "GET", "/metrics/tags/k:*,many:*", "") })
	work(100, func(int) { w.must(t, 200, "GET", "/exports", "") })
	work(50, func(int) { w.must(t, 200, "GET", "/metrics/tags", "") })
	wg.Wait()
}
