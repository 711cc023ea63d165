package native

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/journal"
	"granary/metricdef"
	"granary/tenant"
)

// ends shows the samples of a store.
type storeEnds struct{ *measures.Store }

func (e storeEnds) Newest(ref metricdef.Ref) (int64, bool) {
	t, _, ok := e.Store.Newest(ref)
	return t, ok
}

func (e storeEnds) Ends(metricdef.Ref) (first, last int64, ok bool) { return 0, 0, false }

// stored is an API on a store in a folder of its own.
func stored(t testing.TB, change ...func(*measures.Options)) (*API, *measures.Store) {
	t.Helper()
	o := measures.Options{Dir: t.TempDir(), Sync: journal.Never, Now: func() time.Time { return testNow }, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	s, err := measures.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := bare(func(o *Options) {
		o.Store, o.Tenants, o.Definitions, o.Ends, o.Metrics = s, s.Tenants, s.Definitions, storeEnds{s}, s
		o.PolicyOf = func(d *metricdef.Definition) (string, bool) {
			if d.Policy != "" {
				return d.Policy, true
			}
			return "default", false
		}
	})
	return a, s
}

// create makes one metric and returns its id.
func create(t testing.TB, a *API, id, body string) string {
	t.Helper()
	w := ask(a, "POST", "/v2/metrics", body, "Tenant", id)
	m := answerOf[map[string]any](t, w, 201)
	if w.Header().Get("Location") != "/v2/metrics/"+m["id"].(string) {
		t.Errorf("Location %q", w.Header().Get("Location"))
	}
	return m["id"].(string)
}

func TestCreateMetric(t *testing.T) {
	a, _ := stored(t)
	body := `{"name":"net","type":"counter","kind":"float","tags":{"b":"2","a":"1"},"plain_tags":{"p":"x"},"unit":"B","policy":"default"}`
	want := `{"id":"%s","name":"net","type":"counter","kind":"float","tags":{"a":"1","b":"2"},"plain_tags":{"p":"x"},"unit":"B",` +
		`"policy":{"name":"default","explicit":true},"created":"2026-01-31T12:00:00Z","explicit":true,"dialect":"native"}`
	id := create(t, a, "mine", body)
	want = fmt.Sprintf(want, id)
	for _, w := range []*httptest.ResponseRecorder{
		ask(a, "GET", "/v2/metrics/"+id+"?times=rfc3339", "", "Tenant", "mine"),
		ask(a, "POST", "/v2/metrics?times=rfc3339", body, "Tenant", "mine"), // once more
		ask(a, "POST", "/v2/metrics?times=rfc3339", `{"name":"net","type":"counter","tags":{"a":"1","b":"2"},"unit":"other"}`, "Tenant", "mine"),
	} {
		if w.Code != 200 || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%d\n%swant\n%s", w.Code, w.Body, want)
		}
	}
	plain := answerOf[map[string]any](t, ask(a, "POST", "/v2/metrics", `{"name":"x"}`, "Tenant", "mine"), 201)
	if plain["type"] != "gauge" || plain["kind"] != "float" || plain["policy"].(map[string]any)["explicit"] != false {
		t.Errorf("%v", plain)
	}
	if other := create(t, a, "theirs", body); other == id {
		t.Error("two tenants have metrics of the same id")
	}
}

// TestMetricRetention gives a metric a retention of its own, changes it and takes it away.
func TestMetricRetention(t *testing.T) {
	a, s := stored(t)
	const has = `,"retention":"7d","retention_seconds":604800,"created"`
	id := create(t, a, "mine", `{"name":"kept","retention":"1w"}`)
	path := "/v2/metrics/" + id
	for i, step := range []struct{ method, body, want string }{
		{"GET", "", has},
		{"POST", `{"name":"kept","retention":60}`, has}, // it has been made by a call
		{"PATCH", `{"unit":"W"}`, has},
		{"PATCH", `{"retention":90.5}`, `,"retention":"1m30s500ms","retention_seconds":90.5,"created"`},
		{"PATCH", `{"retention":null}`, `"explicit":false},"created"`},
		{"PATCH", `{"retention":"7d"}`, has},
	} {
		to := path
		if step.method == "POST" {
			to = "/v2/metrics"
		}
		w := ask(a, step.method, to, step.body, "Tenant", "mine")
		if w.Code != 200 || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("step %d: %d %s", i, w.Code, w.Body)
		}
	}
	for body, code := range map[string]string{`{"retention":0}`: "request-syntax", `{"retention":"0s"}`: "request-syntax", `{"retention":-1}`: "time-invalid", `{"retention":"forever"}`: "time-invalid", `{"retention":[]}`: "request-syntax"} {
		for method, to := range map[string]string{"PATCH": path, "POST": "/v2/metrics"} {
			if method == "POST" {
				body = `{"name":"kept",` + body[1:]
			}
			w := ask(a, method, to, body, "Tenant", "mine")
			if m := problemOf(t, w); w.Code != 400 || m["path"] != "/retention" || m["code"] != code {
				t.Errorf("%s %s: %d %s", method, body, w.Code, w.Body)
			}
		}
	}
	// One that only data has made takes what the call says.
	num, _ := s.Tenants.Lookup("mine")
	var b measures.Batch
	b.AddDraft(measures.Draft{Def: metricdef.Draft{Identity: metricdef.Identity{Tenant: num.Num, Type: metricdef.Gauge, Name: "by data"}, Dialect: "native"}}, testNow.UnixNano(), 1)
	if err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	w := ask(a, "POST", "/v2/metrics", `{"name":"by data","plain_tags":{"p":"x"},"retention":"7d"}`, "Tenant", "mine")
	if w.Code != 200 || !strings.Contains(w.Body.String(), has) || !strings.Contains(w.Body.String(), `"plain_tags":{"p":"x"}`) || !strings.Contains(w.Body.String(), `"explicit":true,"dialect"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestCreateMetricRefused(t *testing.T) {
	a, s := stored(t)
	for body, want := range map[string][2]string{ // path and code
		`{}`:                                   {"/name", "definition-invalid"},
		`{"name":""}`:                          {"/name", "definition-invalid"},
		`{"nam":"x"}`:                          {"/nam", "request-syntax"},
		`{"name":1}`:                           {"/name", "request-syntax"},
		`{"name":"x","type":"float"}`:          {"/type", "request-syntax"},
		`{"name":"x","kind":"double"}`:         {"/kind", "request-syntax"},
		`{"name":"x","kind":"text"}`:           {"/kind", "definition-invalid"},
		`{"name":"x","tags":{"":"y"}}`:         {"/tags", "definition-invalid"},
		`{"name":"x","tags":{"a":""}}`:         {"/tags", "definition-invalid"},
		`{"name":"x","tags":{"a":1}}`:          {"/tags/a", "request-syntax"},
		`{"name":"x","tags":{"a":"1","a":""}}`: {"/tags/a", "request-syntax"},
		`{"name":"x","tags":{"__name__":"y"}}`: {"/tags", "definition-invalid"},
		`{"name":"x","tags":{"a":"1"},"plain_tags":{"a":"2"}}`: {"/plain_tags", "definition-invalid"},
		`{"name":"x","policy":"nothing"}`:                      {"/policy", "policy-unknown"},
		`"x"`:                                                  {"", "request-syntax"},
		`null`:                                                 {"/name", "definition-invalid"},
	} {
		id := "new"
		if strings.Contains(body, "nothing") {
			id = "known" // only the store knows whether there is such a policy, in the tenant that there is then
		}
		w := ask(a, "POST", "/v2/metrics", body, "Tenant", id)
		if m := problemOf(t, w); w.Code != 400 || m["path"] != want[0] || m["code"] != want[1] {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
		if _, ok := s.Tenants.Lookup("new"); ok {
			t.Fatalf("%s has made a tenant", body)
		}
	}
}

func TestCreateManyMetrics(t *testing.T) {
	a, s := stored(t, func(o *measures.Options) { o.Limits.Series = 3 })
	w := ask(a, "POST", "/v2/metrics", `[{"name":"a"},{"name":""},{"name":"b","tags":{"h":1}},{"name":"c"},{"name":"a"},{"name":"d"},{"name":"e"}]`, "Tenant", "mine")
	got := answerOf[struct {
		Results []struct {
			Status int
			ID     string
			Error  map[string]any
		}
		Created, Existed, Failed int
	}](t, w, 200)
	if got.Created != 3 || got.Existed != 1 || got.Failed != 3 || len(got.Results) != 7 || got.Results[4].ID != got.Results[0].ID {
		t.Fatalf("%s", w.Body)
	}
	for i, want := range []struct {
		status     int
		code, path string
	}{{201, "", ""}, {400, "definition-invalid", "/1/name"}, {400, "request-syntax", "/2/tags/h"}, {201, "", ""}, {200, "", ""}, {201, "", ""}, {429, "tenant-limit", "/6"}} {
		r := got.Results[i]
		if r.Status != want.status || (want.code != "") != (r.Error != nil) || want.code != "" && (r.Error["code"] != want.code || r.Error["path"] != want.path) {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	w = ask(a, "POST", "/v2/metrics", `[{"name":""},{"nam":"x"}]`, "Tenant", "nobody")
	m := problemOf(t, w)
	if errs, _ := m["errors"].([]any); w.Code != 400 || m["code"] != "definition-invalid" || m["path"] != "/0/name" || len(errs) != 2 || errs[1].(map[string]any)["path"] != "/1/nam" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, ok := s.Tenants.Lookup("nobody"); ok {
		t.Error("a tenant was made for nothing")
	}
	if w := ask(a, "POST", "/v2/metrics", `[]`, "Tenant", "nobody"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"results":[],"created":0,"existed":0,"failed":0}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = ask(a, "POST", "/v2/metrics", `[{"name":"x"}`+strings.Repeat(`,{"name":"x"}`, maxItems)+`]`, "Tenant", "mine")
	if m := problemOf(t, w); w.Code != 400 || !strings.Contains(m["detail"].(string), "more than 10000") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(a, "POST", "/v2/metrics", `[{"name":"x"},{"name":"y","name":"z"}]`, "Tenant", "mine"); w.Code != 400 || problemOf(t, w)["path"] != "/1/name" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestTenThousandWithABadOne: one bad metric among 10,000 costs the others nothing.
func TestTenThousandWithABadOne(t *testing.T) {
	a, s := stored(t)
	var b strings.Builder
	for i := range maxItems {
		name := fmt.Sprint("m", i)
		if i == 7777 {
			name = ""
		}
		fmt.Fprintf(&b, `%c{"name":%q,"tags":{"host":"h%d"}}`, "[,"[min(i, 1)], name, i%10)
	}
	got := answerOf[struct{ Created, Failed int }](t, ask(a, "POST", "/v2/metrics", b.String()+"]", "Tenant", "mine"), 200)
	if got.Created != maxItems-1 || got.Failed != 1 || s.Definitions.Len() != maxItems-1 {
		t.Errorf("%+v, %d definitions", got, s.Definitions.Len())
	}
	// They go by a selector, on more than one page of the search.
	if _, err := s.EnsureTenant(t.Context(), "mine"); err != nil {
		t.Fatal(err)
	}
	create(t, a, "mine", `{"name":"one","tags":{"host":"h1"}}`)
	create(t, a, "mine", `{"name":"more","tags":{"host":"other"}}`)
	gone := answerOf[metricsDeleted](t, ask(a, "POST", "/v2/metrics/delete", `{"selector":"host=~\"h.*\""}`, "Tenant", "mine"), 200)
	if gone.Matched != maxItems || gone.Deleted != maxItems || s.Definitions.Len() != 1 {
		t.Errorf("%+v, %d left", gone, s.Definitions.Len())
	}
}

func TestPatchMetric(t *testing.T) {
	a, _ := stored(t)
	id := create(t, a, "mine", `{"name":"m","tags":{"h":"1"},"plain_tags":{"a":"1","b":"2"},"unit":"B"}`)
	for _, c := range []struct{ patch, want string }{
		{`{}`, `{"a":"1","b":"2"} "B" default false`},
		{`{"unit":"kB","plain_tags":{"a":null,"c":"3","none":null}}`, `{"b":"2","c":"3"} "kB" default false`},
		{`{"unit":null,"policy":"default"}`, `{"b":"2","c":"3"} "" default true`},
		{`{"policy":null,"name":"m","type":"gauge","kind":"float","tags":{"h":"1","i":null}}`, `{"b":"2","c":"3"} "" default false`},
	} {
		m := answerOf[struct {
			PlainTags json.RawMessage `json:"plain_tags"`
			Unit      string
			Policy    struct {
				Name     string
				Explicit bool
			}
		}](t, ask(a, "PATCH", "/v2/metrics/"+id, c.patch, "Tenant", "mine", "Content-Type", "application/merge-patch+json"), 200)
		if got := fmt.Sprintf("%s %q %s %v", m.PlainTags, m.Unit, m.Policy.Name, m.Policy.Explicit); got != c.want {
			t.Errorf("%s: %s, want %s", c.patch, got, c.want)
		}
	}
	for patch, want := range map[string]struct {
		status     int
		path, code string
	}{
		`{"name":"n"}`:         {409, "/name", "identity-tag"},
		`{"type":"counter"}`:   {409, "/type", "identity-tag"},
		`{"kind":"int"}`:       {409, "/kind", "identity-tag"},
		`{"tags":{"h":"2"}}`:   {409, "/tags/h", "identity-tag"},
		`{"tags":{"h":null}}`:  {409, "/tags/h", "identity-tag"},
		`{"tags":{"n/w":"1"}}`: {409, "/tags/n~1w", "identity-tag"},
		// Of several that are wrong it is always the same that is named.
		`{"tags":{"z":"1","h":"2","y":"","b":"3"}}`: {409, "/tags/b", "identity-tag"},
		`{"plain_tags":{"h":"2"}}`:                  {409, "/plain_tags/h", "identity-tag"},
		`{"plain_tags":{"h":null}}`:                 {409, "/plain_tags/h", "identity-tag"},
		`{"plain_tags":{"x":""}}`:                   {400, "/plain_tags", "definition-invalid"},
		`{"policy":"nothing"}`:                      {400, "/policy", "policy-unknown"},
		`{"unit":1}`:                                {400, "/unit", "request-syntax"},
		`{"id":"x"}`:                                {400, "/id", "request-syntax"},
		`[]`:                                        {400, "", "request-syntax"},
	} {
		w := ask(a, "PATCH", "/v2/metrics/"+id, patch, "Tenant", "mine")
		if m := problemOf(t, w); w.Code != want.status || m["path"] != want.path || m["code"] != want.code {
			t.Errorf("%s: %d %s", patch, w.Code, w.Body)
		}
	}
}

func TestDeleteMetrics(t *testing.T) {
	a, s := stored(t)
	var ids []string
	for i := range 6 {
		ids = append(ids, create(t, a, "mine", fmt.Sprintf(`{"name":"m%d","tags":{"h":"%d"}}`, i, i%2)))
	}
	if w := ask(a, "DELETE", "/v2/metrics/"+ids[0], "", "Tenant", "mine"); w.Code != 204 || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, method := range []string{"DELETE", "GET"} {
		if w := ask(a, method, "/v2/metrics/"+ids[0], "", "Tenant", "mine"); w.Code != 404 || problemOf(t, w)["code"] != "metric-unknown" {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	for _, c := range []struct{ body, want string }{
		{`{"ids":["` + ids[0] + `","` + ids[1] + `","` + strings.ToUpper(ids[1]) + `"],"dry_run":true}`, `{"matched":1,"deleted":0,"unknown":["` + ids[0] + `"]}`},
		{`{"ids":["` + ids[0] + `","` + ids[1] + `","` + ids[1] + `"]}`, `{"matched":1,"deleted":1,"unknown":["` + ids[0] + `"]}`},
		{`{"ids":[]}`, `{"matched":0,"deleted":0,"unknown":[]}`},
		{`{"selector":"h=\"1\"","dry_run":true}`, `{"matched":2,"deleted":0}`},
		{`{"name":"m3","type":"gauge"}`, `{"matched":1,"deleted":1}`},
		{`{"idle_for":"1h"}`, `{"matched":0,"deleted":0}`},
		{`{"active_within":"1h"}`, `{"matched":0,"deleted":0}`},
		{`{"selector":{"and":[]}}`, `{"matched":3,"deleted":3}`},
	} {
		w := ask(a, "POST", "/v2/metrics/delete", c.body, "Tenant", "mine")
		if w.Code != 200 || strings.TrimSpace(w.Body.String()) != c.want {
			t.Errorf("%s: %d %s, want %s", c.body, w.Code, w.Body, c.want)
		}
	}
	if s.Definitions.Len() != 0 {
		t.Errorf("%d are left", s.Definitions.Len())
	}
	for body, want := range map[string][2]string{
		`{}`:                           {"", "request-syntax"},
		`{"dry_run":true}`:             {"", "request-syntax"},
		`{"ids":[],"selector":"a"}`:    {"", "request-syntax"},
		`{"ids":["x"]}`:                {"/ids/0", "request-syntax"},
		`{"ids":["{` + ids[0] + `}"]}`: {"/ids/0", "request-syntax"},
		`{"ids":[1]}`:                  {"/ids/0", "request-syntax"},
		`{"selector":"a="}`:            {"/selector", "selector-invalid"},
		`{"type":"x"}`:                 {"/type", "request-syntax"},
		`{"limit":1}`:                  {"/limit", "request-syntax"},
		`{"ids":["` + ids[0] + `"` + strings.Repeat(`,"`+ids[0]+`"`, maxItems) + `]}`: {"/ids", "request-syntax"},
	} {
		w := ask(a, "POST", "/v2/metrics/delete", body, "Tenant", "mine")
		m := problemOf(t, w)
		path, _ := m["path"].(string)
		if w.Code != 400 || path != want[0] || m["code"] != want[1] {
			t.Errorf("%.100s: %d %s", body, w.Code, w.Body)
		}
	}
}

// TestWritesKeepTenantsApart: what belongs to another tenant cannot be changed or deleted, and is answered like what does
// not exist.
func TestWritesKeepTenantsApart(t *testing.T) {
	a, s := stored(t)
	theirs := create(t, a, "theirs", `{"name":"secret","tags":{"h":"1"}}`)
	create(t, a, "mine", `{"name":"own"}`)
	const unknown = "00000000-0000-4000-8000-000000000000"
	for _, id := range []string{"mine", "nobody"} {
		for _, c := range [][2]string{{"PATCH", `{"unit":"x"}`}, {"PATCH", `{"name":"other"}`}, {"PATCH", `{"bad`}, {"DELETE", ""}} {
			x := ask(a, c[0], "/v2/metrics/"+theirs, c[1], "Tenant", id)
			y := ask(a, c[0], "/v2/metrics/"+unknown, c[1], "Tenant", id)
			if x.Code != 404 || y.Code != 404 || strings.ReplaceAll(x.Body.String(), theirs, unknown) != y.Body.String() {
				t.Errorf("%s of %s: %d %s and %d %s", c[0], id, x.Code, x.Body, y.Code, y.Body)
			}
		}
		w := ask(a, "POST", "/v2/metrics/delete", `{"ids":["`+theirs+`"]}`, "Tenant", id)
		if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"matched":0,"deleted":0,"unknown":["`+theirs+`"]}` {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		for _, body := range []string{`{"selector":{"and":[]}}`, `{"name":"secret"}`, `{"idle_for":0}`} {
			if w := ask(a, "POST", "/v2/metrics/delete", body, "Tenant", id); w.Code != 200 {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
		}
	}
	if _, ok := s.Tenants.Lookup("nobody"); ok {
		t.Error("a delete has made a tenant")
	}
	if w := ask(a, "GET", "/v2/metrics/"+theirs, "", "Tenant", "theirs"); w.Code != 200 || s.Definitions.Len() != 1 {
		t.Errorf("%d %s, %d definitions", w.Code, w.Body, s.Definitions.Len())
	}
	a.o.Auth = user([]tenant.ID{"mine"})
	for _, c := range [][3]string{{"POST", "/v2/metrics", `{"name":"x"}`}, {"POST", "/v2/metrics/delete", `{"name":"secret"}`}, {"DELETE", "/v2/metrics/" + theirs, ""}, {"PATCH", "/v2/metrics/" + theirs, `{}`}} {
		if w := ask(a, c[0], c[1], c[2], "Tenant", "theirs"); w.Code != 403 {
			t.Errorf("%s %s: %d %s", c[0], c[1], w.Code, w.Body)
		}
	}
}

func FuzzMetricBodies(f *testing.F) {
	f.Add([]byte(`{"name":"net","type":"counter","kind":"float","tags":{"b":"2"},"plain_tags":{"p":"x"},"unit":"B","policy":"default"}`))
	f.Add([]byte(`[{"name":"a"},{"tags":null},7]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m metricBodies
		if err := decodeJSON(b, &m); err != nil {
			return
		}
		for i := range m.list {
			if d, err := m.list[i].draft(); err == nil && m.errs[i] == nil {
				name, tags, err := metricdef.ParseKey(string(metricdef.AppendKey(nil, d.Name, d.Tags)))
				if err != nil || name != d.Name || len(tags) != len(d.Tags) {
					t.Fatalf("%v: %q %v (%v)", d, name, tags, err)
				}
			}
		}
	})
}
