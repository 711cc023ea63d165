package gnocchi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
)

// the header fields of who asks in these tests
var (
	bob     = []string{"X-User-Id", "bob", "X-Project-Id", "p1"}
	eve     = []string{"X-User-Id", "eve", "X-Project-Id", "p2"}
	service = []string{"X-User-Id", "ceilometer", "X-Project-Id", "service", "X-Roles", "service"}
)

func (b *bed) postAs(who []string, path, body string) (status int, answer string) {
	w := b.ask(http.MethodPost, path, body, who...)
	return w.Code, w.Body.String()
}

// values are the sums and counts of a metric in the buckets of a minute.
func (b *bed) values(id uuid.UUID) string {
	b.tb.Helper()
	w := b.get("/v1/metric/" + id.String() + "/measures?granularity=60&aggregation=sum")
	if w.Code != http.StatusOK {
		b.tb.Fatal(w.Code, w.Body)
	}
	return compact(w.Body.String())
}

// written is a bed with a policy of minutes.
func written(tb testing.TB, change ...func(*Options)) *bed {
	b := newBed(tb, change...)
	b.policies(window(tb, "m", 0, "mean sum count", policy.Tier{Granularity: time.Minute, Points: 1000}))
	return b
}

func (b *bed) of(id tenant.ID, creator string) uuid.UUID {
	return b.metric(id, metricdef.Draft{Policy: "m", Creator: creator})
}

func TestPostMeasures(t *testing.T) {
	b := written(t)
	id := b.of("p1", "bob:p1")
	path := "/v1/metric/" + id.String() + "/measures"
	w := b.ask("POST", path, `[{"timestamp": "2020-01-01T00:00:00", "value": 3}, {"timestamp": 1577836801, "value": "2.5"}]`, bob...)
	if w.Code != http.StatusAccepted || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Length") != "0" || w.Header().Get("X-Granary-Ignored") != "" {
		t.Fatal(w.Code, w.Header(), w.Body)
	}
	if got := b.values(id); got != `[["T00:00", 60.0, 5.5]]` {
		t.Error("it is not there when it is acknowledged:", got)
	}
	// Of equal times the smallest of a batch, then the later batch.
	b.postAs(bob, path, `[{"timestamp": 1577836860, "value": 9}, {"timestamp": 1577836860, "value": 7}, {"timestamp": 1577836860, "value": 8}]`)
	if got := b.values(id); got != `[["T00:00", 60.0, 5.5], ["T01:00", 60.0, 7.0]]` {
		t.Error(got)
	}
	b.postAs(bob, path, `[{"timestamp": 1577836860, "value": 8}]`)
	if got := b.values(id); got != `[["T00:00", 60.0, 5.5], ["T01:00", 60.0, 8.0]]` {
		t.Error(got)
	}
	// What the window does not take.
	w = b.ask("POST", path, `[{"timestamp": 1577836801, "value": 1}]`, bob...)
	if w.Code != http.StatusAccepted || w.Header().Get("X-Granary-Ignored") != "window=1" {
		t.Error(w.Code, w.Header(), w.Body)
	}
	for _, c := range []struct {
		who    []string
		path   string
		body   string
		status int
		answer string
	}{
		{bob, path, `[]`, 202, ``},
		{bob, path, `[`, 400, `{"code": 400, "title": "Bad Request", "description": {"cause": "Unable to decode body", "reason": "a value is expected, and the text ends at byte 1", "detail": []}}`},
		{bob, path, `[5]`, 400, `{"code": 400, "title": "Bad Request", "description": {"cause": "Invalid input", "reason": "unexpected measures format", "detail": []}}`},
		{bob, path, `[{"timestamp": -5, "value": 1}]`, 400, `{"code": 400, "title": "Bad Request", "description": {"cause": "Invalid input", "reason": "unexpected timestamp 'Timestamp must be after Epoch'", "detail": []}}`},
		{bob, "/v1/metric/" + strings.ToUpper(id.String()) + "/measures", `[]`, 202, ``},
		{bob, "/v1/metric/00000000-0000-0000-0000-000000000000/measures", `[]`, 404, `{"code": 404, "title": "Not Found", "description": "Metric 00000000-0000-0000-0000-000000000000 does not exist"}`},
		{eve, path, `[]`, 404, `{"code": 404, "title": "Not Found", "description": "Metric ` + id.String() + ` does not exist"}`},
		{[]string{"X-User-Id", "ann", "X-Project-Id", "p1"}, path, `[]`, 202, ``}, // of the same project
		{service, path, `[]`, 202, ``},
		{nil, path, `[]`, 202, ``}, // the admin
		{append(bob[:4:4], "Content-Type", "text/plain"), path, `[]`, 415, `{"code": 415, "title": "Unsupported Media Type", "description": ""}`},
		{append(bob[:4:4], "Accept", "text/plain"), path, `[]`, 406, "406 Not Acceptable\n\nThe resource could not be generated that was acceptable to your browser (content of type text/plain. \n\n "},
	} {
		if status, answer := b.postAs(c.who, c.path, c.body); status != c.status || c.answer != "" && answer != c.answer || status == 202 && answer != "" {
			t.Errorf("%s %s by %v: %d %s", c.path, c.body, c.who, status, answer)
		}
	}
	// In the default tenant it is by creator.
	own := b.of("_ops", "bob")
	for user, want := range map[string]int{"bob": 202, "eve": 403, "admin": 202} {
		if w := b.ask("POST", "/v1/metric/"+own.String()+"/measures", `[]`, "Authorization", basic(user)); w.Code != want {
			t.Error(user, w.Code, w.Body)
		}
	}
}

func TestPostByMetric(t *testing.T) {
	b := written(t)
	const path = "/v1/batch/metrics/measures"
	one, two, foreign, others := b.of("p1", "bob:p1"), b.of("p1", "bob:p1"), b.of("p2", "eve:p2"), b.of("p1", "x:p9")
	list := func(v int) string { return fmt.Sprintf(`[{"timestamp": 1577836800, "value": %d}]`, v) }
	// Of one metric in two spellings all is one batch.
	if status, answer := b.postAs(bob, path, fmt.Sprintf(`{"%s": %s, "%s": %s, "%s": %s}`, one, list(3), two, list(5), strings.ToUpper(one.String()), list(2))); status != 202 {
		t.Fatal(status, answer)
	}
	if a, c := b.values(one), b.values(two); a != `[["T00:00", 60.0, 2.0]]` || c != `[["T00:00", 60.0, 5.0]]` {
		t.Error(a, c)
	}
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{fmt.Sprintf(`{"%s": %s, "%s": %s}`, one, list(1), foreign, list(1)), 400, "Unknown metrics: " + foreign.String()},
		{fmt.Sprintf(`{"%s": %s, "00000000-0000-0000-0000-000000000000": []}`, one, list(1)), 400, "Unknown metrics: 00000000-0000-0000-0000-000000000000"},
		{fmt.Sprintf(`{"%s": %s, "%s": %s}`, one, list(1), others, list(1)), 403, `"description": ""`},
		{fmt.Sprintf(`{"%s": %s, "foo": []}`, one, list(1)), 400, `"reason": "extra keys not allowed @ data['foo']", "detail": ["foo"]`},
		{fmt.Sprintf(`{"%s": %s, "%s": [{"timestamp": "x", "value": 1}]}`, one, list(1), two), 400, `"reason": "unexpected timestamp 'Unable to convert timestamps' for dictionary value @ data['` + two.String() + `']", "detail": ["` + two.String() + `"]`},
		{`{}`, 202, ""},
	} {
		if status, answer := b.postAs(bob, path, c.body); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s", c.body, status, answer)
		}
	}
	if a := b.values(one); a != `[["T00:00", 60.0, 2.0]]` {
		t.Error("a body that was refused has left something:", a)
	}
	// Over several tenants.
	if status, answer := b.postAs(service, path, fmt.Sprintf(`{"%s": %s, "%s": %s, "%s": %s}`, one, list(7), foreign, list(8), two, list(9))); status != 202 {
		t.Fatal(status, answer)
	}
	if a, c, d := b.values(one), b.values(two), b.values(foreign); a != `[["T00:00", 60.0, 7.0]]` || c != `[["T00:00", 60.0, 9.0]]` || d != `[["T00:00", 60.0, 8.0]]` {
		t.Error(a, c, d)
	}
}

func TestPostToOtherDialects(t *testing.T) {
	b := written(t)
	num := b.tenant("p1")
	made := b.store.CreateDefinitions(t.Context(), []metricdef.Draft{
		{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Counter, Name: "requests"}, Dialect: "hawkular", Policy: "m"},
		{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: "load"}, Dialect: "native", Policy: "m"},
		{Identity: metricdef.Identity{Tenant: num, Type: metricdef.String, Name: "state"}, Dialect: "hawkular"},
	})
	id := func(i int) string {
		d, ok := b.store.Definitions.Get(made[i].Ref)
		if made[i].Err != nil || !ok {
			t.Fatal(made[i].Err)
		}
		return d.ID.String()
	}
	for _, c := range []struct {
		of     int
		body   string
		status int
		want   string
	}{
		{0, `[{"timestamp": 1577836800, "value": 9007199254740992}]`, 202, ""},
		{0, `[{"timestamp": 1577836800, "value": 1}, {"timestamp": 1577836801, "value": 1.5}]`, 400, "data[1]: 1.5 is not a whole number of 64 bits, which the metric " + id(0) + " keeps"},
		{0, `[{"timestamp": 1577836800, "value": NaN}]`, 400, "NaN is not a whole number"},
		{1, `[{"timestamp": 1577836800, "value": 1.5}]`, 202, ""},
		{2, `[{"timestamp": 1577836800, "value": 1.5}]`, 404, "does not exist"},
	} {
		if status, answer := b.postAs(bob, "/v1/metric/"+id(c.of)+"/measures", c.body); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%d %s: %d %s", c.of, c.body, status, answer)
		}
	}
	if got := b.values(uuid.MustParse(id(0))); got != `[["T00:00", 60.0, 9007199254740992.0]]` {
		t.Error(got)
	}
}

// failing is a store that fails for one tenant.
type failing struct {
	*measures.Store
	tenant tenant.Num
	before func()
}

var errFull = errors.New("the disk is full")

func (f *failing) Commit(ctx context.Context, b *measures.Batch) error {
	if f.before != nil {
		f.before()
	}
	if b.Tenant == f.tenant {
		return errFull
	}
	return f.Store.Commit(ctx, b)
}

func TestPostPartly(t *testing.T) {
	f := &failing{}
	b := written(t, func(o *Options) { f.Store = o.Store.(*measures.Store); o.Store = f })
	one, two := b.of("p1", "bob:p1"), b.of("p2", "eve:p2")
	f.tenant = b.tenant("p2")
	body := fmt.Sprintf(`{"%s": [{"timestamp": 1577836800, "value": 1}], "%s": [{"timestamp": 1577836800, "value": 1}, {"timestamp": 1577836801, "value": 1}]}`, one, two)
	status, answer := b.postAs(service, "/v1/batch/metrics/measures", body)
	if status != 500 {
		t.Error(status, answer)
	}
	if got := b.values(one); got != `[["T00:00", 60.0, 1.0]]` {
		t.Error(got)
	}
	// A metric that is deleted between the look and the commit is not made anew, and the others have theirs.
	f.tenant = 0
	ref, _ := b.store.Definitions.ByID(two)
	f.before = func() {
		f.before = nil
		if _, err := b.store.DeleteDefinitions(t.Context(), []metricdef.Ref{ref}); err != nil {
			t.Error(err)
		}
	}
	three := b.of("p2", "eve:p2")
	body = fmt.Sprintf(`{"%s": [{"timestamp": 1577836800, "value": 1}], "%s": [{"timestamp": 1577836800, "value": 1}, {"timestamp": 1577836801, "value": 1}]}`, three, two)
	if status, answer = b.postAs(eve, "/v1/batch/metrics/measures", body); status != 400 || !strings.Contains(answer, "Unknown metrics: "+two.String()+"; 1 measures of the body were stored, 2 were not") {
		t.Error(status, answer)
	}
	if got := b.values(three); got != `[["T00:00", 60.0, 1.0]]` {
		t.Error(got)
	}
}

// resource makes a resource by the dialect.
func (b *bed) resource(who []string, body string) {
	b.tb.Helper()
	if w := b.ask("POST", "/v1/resource/generic", body, who...); w.Code != http.StatusCreated {
		b.tb.Fatal(w.Code, w.Body)
	}
}

const resA = "75c44741-cc60-4033-804e-2d3098c7d2e9"

func TestPostByResource(t *testing.T) {
	b := written(t)
	const path = "/v1/batch/resources/metrics/measures"
	b.resource(bob, `{"id": "`+resA+`", "project_id": "p1", "metrics": {"cpu": {"archive_policy_name": "m"}}}`)
	b.resource(bob, `{"id": "web 1"}`)
	b.resource(eve, `{"id": "web 1"}`)
	id := func(r, name string) uuid.UUID {
		rid := uuid.MustParse(r)
		ref, ok := b.store.Definitions.LinkedAs(b.tenant("p1"), rid, name)
		d, _ := b.store.Definitions.Get(ref)
		if !ok {
			t.Fatal("there is no metric", name)
		}
		return d.ID
	}
	web, err := resourceID("web 1", "bob:p1")
	if err != nil {
		t.Fatal(err)
	}
	one := `[{"timestamp": 1577836800, "value": 1}]`
	long := strings.Repeat("u", 32)
	for _, c := range []struct {
		who         []string
		query, body string
		status      int
		want        string
	}{
		{bob, "", `{"` + resA + `": {"cpu": ` + one + `}}`, 202, ""},
		{bob, "", `{"` + resA + `": {"cpu": {"measures": []}}, "nope": {}}`, 202, ""},
		{bob, "", `{"` + resA + `": {"cpu": [], "mem": []}, "web 1": {"x": []}}`, 400, `"Unknown metrics: ` + web.String() + `/x, ` + resA + `/mem"`},
		{bob, "", `{"nope": {"x": []}}`, 400, `Unknown metrics: `},
		{bob, "?create_metrics=maybe", `{}`, 400, "Unable to parse `create_metrics': Unrecognized value 'maybe'"},
		{bob, "?create_metrics=false", `{"` + resA + `": {"mem": []}}`, 400, "Unknown metrics"},
		{bob, "?create_metrics=true", `{"nope": {"x": []}}`, 400, `{"cause": "Unknown resources", "detail": [{"resource_id": "`},
		{bob, "?create_metrics=true", `{"` + resA + `": {"mem": ` + one + `}, "nope": {"x": []}}`, 400, `"original_resource_id": "nope"}]}`},
		{bob, "?create_metrics=true", `{"` + resA + `": {"mem": {"archive_policy_name": "nope", "measures": ` + one + `}}}`, 400, "Archive policy nope does not exist"},
		{bob, "?create_metrics=true", `{"` + resA + `": {"mem": {"unit": "` + long + `", "measures": ` + one + `}}}`, 400, "length of value must be at most 31 for dictionary value @ data['" + resA + "']['mem']['unit']"},
		{bob, "?create_metrics=true", `{"` + resA + `": {"a/b": []}}`, 400, "'/' is not supported in metric name"},
		{bob, "?create_metrics=true", `{"a/b": {"x": []}}`, 400, "not supported in resource id @ data['a/b']"},
		{bob, "?create_metrics=true", `{"` + resA + `": {"mem": []}}`, 400, "No archive policy name specified and no archive policy rule found matching the metric name mem"},
		{eve, "?create_metrics=true", `{"` + resA + `": {"mem": []}}`, 400, "Unknown resources"},
		{bob, "?create_metrics=true", `{"` + resA + `": {"mem": {"archive_policy_name": "m", "unit": "B", "measures": ` + one + `}, "cpu": ` + one + `}, "web 1": {"mem": {"archive_policy_name": "m", "measures": []}}}`, 202, ""},
		{bob, "", `{"` + strings.ToUpper(resA) + `": {"mem": [{"timestamp": 1577836860, "value": 5}]}, "` + resA + `": {"mem": [{"timestamp": 1577836860, "value": 4}]}}`, 202, ""},
		{service, "?create_metrics=1", `{"` + resA + `": {"disk": {"archive_policy_name": "m", "measures": ` + one + `}}}`, 202, ""},
	} {
		if status, answer := b.postAs(c.who, path+c.query, c.body); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s %s: %d %s", c.query, c.body, status, answer)
		}
	}
	if got := b.values(id(resA, "mem")); got != `[["T00:00", 60.0, 1.0], ["T01:00", 60.0, 4.0]]` {
		t.Error(got)
	}
	ref, _ := b.store.Definitions.ByID(id(resA, "mem"))
	if d, _ := b.store.Definitions.Get(ref); d.Unit != "B" || d.Policy != "m" || d.Creator != "bob:p1" || !d.Explicit {
		t.Error(d)
	}
	ref, _ = b.store.Definitions.ByID(id(resA, "disk"))
	if d, _ := b.store.Definitions.Get(ref); d.Creator != "ceilometer:service" {
		t.Error(d)
	}
	// By the path.
	for _, c := range []struct {
		who    []string
		path   string
		status int
		want   string
	}{
		{bob, "/v1/resource/generic/web%201/metric/mem/measures", 202, ""},
		{bob, "/v1/resource/generic/" + resA + "/metric/nope/measures", 404, "Metric nope does not exist"},
		{bob, "/v1/resource/generic/nope/metric/mem/measures", 404, "Resource "},
		{bob, "/v1/resource/nope/" + resA + "/metric/mem/measures", 404, "Resource type nope does not exist"},
		{eve, "/v1/resource/generic/" + resA + "/metric/mem/measures", 404, "Resource " + resA + " does not exist"},
	} {
		if status, answer := b.postAs(c.who, c.path, one); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s", c.path, status, answer)
		}
	}
}

func TestPostBehindTheEnd(t *testing.T) {
	b := written(t)
	b.resource(bob, `{"id": "`+resA+`", "started_at": "2019-01-01", "metrics": {"cpu": {"archive_policy_name": "m"}}}`)
	if w := b.ask("PATCH", "/v1/resource/generic/"+resA, `{"ended_at": "2020-01-01T00:00:00"}`, bob...); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	ended := func() bool {
		r, _ := b.store.Resources.Get(b.tenant("p1"), uuid.MustParse(resA))
		return r.Ended != 0
	}
	path := "/v1/resource/generic/" + resA + "/metric/cpu/measures"
	for _, c := range []struct {
		at    string
		ended bool
	}{{"2019-12-31T23:59:59", true}, {"2020-01-01T00:00:00", true}, {"2020-01-01T00:00:00.000000001", false}} {
		if status, answer := b.postAs(bob, path, `[{"timestamp": "`+c.at+`", "value": 1}]`); status != 202 || ended() != c.ended {
			t.Error(c.at, status, answer, ended())
		}
	}
}

// A body for several tenants is stored for none of them if one has sent more than its rate allows.
func TestPostBeyondARate(t *testing.T) {
	b := written(t, func(o *Options) {
		o.CheckRate = func(id tenant.ID) error {
			if id == "p2" {
				return &tenant.RateError{Tenant: id, Wait: time.Second}
			}
			return nil
		}
	})
	one, two := b.of("p1", "bob:p1"), b.of("p2", "eve:p2")
	body := fmt.Sprintf(`{"%s": [{"timestamp": 1577836800, "value": 1}], "%s": [{"timestamp": 1577836800, "value": 1}]}`, one, two)
	if status, answer := b.postAs(service, "/v1/batch/metrics/measures", body); status != http.StatusTooManyRequests {
		t.Error(status, answer)
	}
	if got := b.values(one); got != `[]` {
		t.Error(got)
	}
}

// Writers that make the same metrics at the same time all have their measures in them.
func TestMakeAtOnce(t *testing.T) {
	b := ruled(t)
	b.resource(bob, `{"id": "`+resA+`"}`)
	if err := b.store.CreateResourceType(t.Context(), resource.Type{Name: "influxdb"}); err != nil {
		t.Fatal(err)
	}
	const writers, metrics = 6, 20
	var wg sync.WaitGroup
	for w := range writers {
		var lines, lists []string
		for m := range metrics {
			lines = append(lines, fmt.Sprintf("cpu,host=h f%d=%d %d", m, 1<<w, int64(1577836800+w)*int64(time.Second)))
			lists = append(lists, fmt.Sprintf(`"m%d": [{"timestamp": %d, "value": %d}]`, m, 1577836800+w, 1<<w))
		}
		wg.Go(func() {
			for _, c := range []struct {
				path, body string
				status     int
			}{
				{"/v1/batch/resources/metrics/measures?create_metrics=true", `{"` + resA + `": {` + strings.Join(lists, ", ") + `}}`, 202},
				{"/v1/influxdb/write", strings.Join(lines, "\n"), 204},
			} {
				if status, answer := b.postAs(bob, c.path, c.body); status != c.status {
					t.Error(c.path, status, answer)
				}
			}
		})
	}
	wg.Wait()
	for _, original := range []string{resA, "h"} {
		_, list := b.metricsOf("p1", "bob:p1", original)
		for _, text := range list {
			if len(list) != metrics || !strings.HasSuffix(text, `[["T00:00", 60.0, 63.0]]`) {
				t.Error(original, len(list), text)
			}
		}
	}
}
