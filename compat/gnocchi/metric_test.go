package gnocchi

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// admins are the header fields of a trusted proxy for an administrator of a project.
var admins = []string{"X-User-Id", "root", "X-Project-Id", "ops", "X-Roles", "admin"}

// made asks for a metric and returns its id.
func (b *bed) made(body string, header ...string) string {
	b.tb.Helper()
	w := b.ask(http.MethodPost, "/v1/metric", body, header...)
	if w.Code != http.StatusCreated {
		b.tb.Fatalf("%s: %d %s", body, w.Code, w.Body)
	}
	v, err := pyjson.Decode(w.Body.Bytes())
	if err != nil {
		b.tb.Fatal(err)
	}
	id := text(v.(*pyjson.Object), "id")
	if at := w.Header().Get("Location"); at != "http://example.com/v1/metric/"+id {
		b.tb.Errorf("it is at %q", at)
	}
	return id
}

// listed are the members of that name of a list.
func listed(tb testing.TB, w *httptest.ResponseRecorder, member string) []string {
	tb.Helper()
	v, err := pyjson.Decode(w.Body.Bytes())
	list, ok := v.([]any)
	if w.Code != http.StatusOK || err != nil || !ok {
		tb.Fatalf("%d %s", w.Code, w.Body)
	}
	out := []string{}
	for _, e := range list {
		m, _ := e.(*pyjson.Object).Get(member)
		s, ok := m.(string)
		if !ok {
			s = "-"
		}
		out = append(out, s)
	}
	return out
}

func TestMetrics(t *testing.T) {
	b := seeded(t)
	const invalid = `~{"cause": "Invalid input", "reason": "`
	b.check([]askedFor{
		{"POST", "/metric", `{"name": "a/b"}`, 400, `~"description": "'/' is not supported in metric name"`, asBob},
		{"POST", "/metric", `{"name": "x", "unit": "` + strings.Repeat("é", 32) + `"}`, 400, invalid + "length of value must be at most 31 for dictionary value @ data['unit']", asBob},
		{"POST", "/metric", `{"name": "` + strings.Repeat("n", 256) + `"}`, 400, "~at most 255", asBob},
		{"POST", "/metric", `{"archive_policy_name": "nope"}`, 400, `~"Archive policy nope does not exist"`, asBob},
		{"POST", "/metric", `{"archive_policy_name": null}`, 400, invalid + "expected str for dictionary value @ data['archive_policy_name']", asBob},
		{"POST", "/metric", `{"id": "6868DA77-FA82-4E67-ABA9-270C5AE8CBCA"}`, 400, invalid + "extra keys not allowed @ data['id']", asBob},
		{"POST", "/metric", `[]`, 400, invalid + `expected a dictionary", "detail": []`, asBob},
		{"POST", "/metric", `{}`, 401, `~`, []string{"Authorization", ""}},
		{"POST", "/metric", `{"resource_id": "r1"}`, 400, `~{"cause": "Attribute value error", "detail": "name", "reason": "Name cannot be null if resource_id is not null"}`, asBob},
		{"POST", "/metric", `{"resource_id": "r1", "name": "z"}`, 400, `~{"cause": "Attribute value error", "detail": "resource_id", "reason": "Resource c8cf9798-46b1-55c1-a77e-2d81642144d7 does not exist"}`, asBob},
		{"POST", "/metric", `{"resource_id": "a/b", "name": "z"}`, 400, invalid + "'/' is not supported in resource id for dictionary value @ data['resource_id']", asBob},
		{"POST", "/metric", `{"resource_id": "` + strings.Repeat("r", 290) + `", "name": "z"}`, 400, invalid + "transformable resource id >289 max allowed characters for dictionary value", asBob},
		{"POST", "/metric", `{"resource_id": 5, "name": "z"}`, 400, invalid + "expected str for dictionary value @ data['resource_id']", asBob},
		{"GET", "/metric/foobar", "", 404, `~"Metric foobar does not exist"`, []string{"Authorization", ""}},
		{"GET", "/metric/00000000-0000-0000-0000-000000000000", "", 404, `~"Metric 00000000-0000-0000-0000-000000000000 does not exist"`, asBob},
	})
	cpu := b.made(`{"name": "cpu", "unit": "%", "archive_policy_name": "bool"}`, asBob...)
	const low = `{"name": "low", "back_window": 0, "definition": [{"timespan": "30 days, 0:00:00", "granularity": "0:05:00", "points": 8640}], ` + basics
	bare := b.made(`{}`, asBob...)
	b.check([]askedFor{
		{"GET", "/metric/" + bare, "", 200, `{"id": "` + bare + `", "creator": "bob", "name": null, "unit": null, "resource": null, "archive_policy": ` + low + `, "created_by_user_id": "bob", "created_by_project_id": ""}`, asBob},
		{"GET", "/metric/" + strings.ToUpper(cpu), "", 200, `~"name": "cpu", "unit": "%", "resource": null, "archive_policy": {"name": "bool"`, asBob},
		{"GET", "/metric/" + strings.ReplaceAll(cpu, "-", ""), "", 200, `~"` + cpu, nil},
		{"GET", "/metric/" + cpu, "", 403, `~"description": ""`, []string{"Authorization", basic("eve")}},
		{"GET", "/metric/" + cpu, "", 401, `~`, []string{"Authorization", ""}},
		{"PATCH", "/metric/" + cpu, `{}`, 405, `~`, asBob},
		{"DELETE", "/metric/" + cpu, "", 403, `~`, []string{"Authorization", basic("eve")}},
		{"DELETE", "/archive_policy/bool", "", 400, `~"Archive policy bool is still in use"`, nil},
		{"DELETE", "/metric/" + cpu, "", 204, ``, asBob},
		{"DELETE", "/metric/" + cpu, "", 404, `~"Metric ` + cpu + ` does not exist"`, asBob},
		{"GET", "/metric/" + cpu, "", 404, `~`, asBob},
		{"DELETE", "/archive_policy/bool", "", 204, ``, nil},
		{"POST", "/resource/generic", `{"id": "r1", "metrics": {"m.x": {"archive_policy_name": "high"}}}`, 201, `~`, asBob},
		{"POST", "/metric", `{"resource_id": "r1", "name": "m.z"}`, 201, `~"resource_id": "c8cf9798-46b1-55c1-a77e-2d81642144d7", "archive_policy_name": "low", "created_by_user_id": "bob"`, asBob},
		{"POST", "/metric", `{"resource_id": "r1", "name": "m.z"}`, 400, `~{"cause": "Named metric already exists", "detail": "m.z"}`, asBob},
		{"POST", "/metric", `{"resource_id": "c8cf9798-46b1-55c1-a77e-2d81642144d7", "name": "m.w"}`, 403, `~`, []string{"Authorization", basic("eve")}},
		{"GET", "/resource/generic/r1", "", 200, `~"m.z": "`, asBob},
		{"DELETE", "/archive_policy_rule/default", "", 204, ``, nil},
		{"POST", "/metric", `{"name": "zzz"}`, 400, `~"No archive policy name specified and no archive policy rule found matching the metric name zzz"`, asBob},
		{"POST", "/metric", `{}`, 400, `~matching the metric name None"`, asBob},
	})
	on := listed(t, b.get("/v1/metric?name=m.z", asBob...), "id")
	if len(on) != 1 {
		t.Fatalf("%q", on)
	}
	got := regexp.MustCompile(`"\d{4}-[^"]*"`).ReplaceAllString(b.get("/v1/metric/"+on[0], asBob...).Body.String(), `"T"`)
	if want := `{"id": "` + on[0] + `", "creator": "bob", "name": "m.z", "unit": null, "resource": {"creator": "bob", "started_at": "T", "revision_start": "T", "ended_at": null, "user_id": null, "project_id": null, "original_resource_id": "r1", "id": "c8cf9798-46b1-55c1-a77e-2d81642144d7", "type": "generic", "revision_end": null, "created_by_user_id": "bob", "created_by_project_id": ""}, "archive_policy": ` + low + `, "created_by_user_id": "bob", "created_by_project_id": ""}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestMetricsOfOthers shows series of other dialects as metrics, and hides what has no numbers.
func TestMetricsOfOthers(t *testing.T) {
	b := seeded(t)
	b.policies(policy.Policy{Name: "slots", Raw: policy.Retention{Length: time.Hour}, Grid: 10 * time.Second})
	num := b.tenant("_ops")
	drafts := []metricdef.Draft{
		{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: "disk/io", Tags: []metricdef.Tag{{Name: "dev", Value: "sda/1"}, {Name: "host", Value: "h1"}}}, Dialect: "influx", Policy: "slots", Unit: "B"},
		{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Counter, Name: "net/rx"}, Dialect: "hawkular", Plain: []metricdef.Tag{{Name: "a", Value: "b"}}},
		{Identity: metricdef.Identity{Tenant: num, Type: metricdef.String, Name: "text"}, Dialect: "native"},
		{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Availability, Name: "up"}, Dialect: "native"},
	}
	var ids []string
	for _, made := range b.store.CreateDefinitions(t.Context(), drafts) {
		d, _ := b.store.Definitions.Get(made.Ref)
		ids = append(ids, d.ID.String())
	}
	if names := listed(t, b.get("/v1/metric?sort=name", asBob...), "name"); !slices.Equal(names, []string{"disk_io@dev=sda_1,host=h1", "net_rx"}) {
		t.Errorf("%q", names)
	}
	b.check([]askedFor{
		{"GET", "/metric?name=" + url.QueryEscape("disk_io@dev=sda_1,host=h1"), "", 200, `~"name": "disk_io@dev=sda_1,host=h1", "unit": "B", "resource_id": null, "archive_policy": {"name": "slots", "back_window": 0, "definition": [{"timespan": "1:00:00", "granularity": "0:00:10", "points": 360}], "aggregation_methods": ["sum", "mean"`, asBob},
		{"GET", "/metric?name=net_rx", "", 200, `~{"id": "` + ids[1] + `", "creator": null, "name": "net_rx", "unit": null, "resource_id": null, "archive_policy": {"name": "default", "back_window": 0, "definition": [{"timespan": null, "granularity": "0:01:00", "points": null}]`, asBob},
		{"GET", "/metric?name=net%2Frx", "", 200, `[]`, asBob},
		{"GET", "/metric?name=%FF", "", 400, `{"code": 400, "title": "Bad Request", "description": "name: \"\\xff\" is not UTF-8"}`, asBob},
		{"GET", "/metric?name=disk_io", "", 200, `[]`, asBob},
		{"GET", "/metric?name=text", "", 200, `[]`, asBob},
		{"GET", "/metric?archive_policy_name=slots&unit=B", "", 200, `~"slots"`, asBob},
		{"GET", "/metric/" + ids[2], "", 404, `~`, asBob},
		{"GET", "/metric/" + ids[3], "", 404, `~`, nil},
		{"GET", "/metric/" + ids[1], "", 200, `~"net_rx"`, asBob},
		{"DELETE", "/metric/" + ids[0], "", 204, ``, asBob}, // on an open service everybody may
		{"GET", "/metric", "", 200, `[]`, []string{"X-User-Id", "u", "X-Project-Id", "p"}},
		{"GET", "/metric", "", 200, `[]`, []string{"Authorization", ""}}, // who is nobody has made nothing
	})
}

// TestMetricSight: in lists everybody sees what the rules say, also what belongs to no resource; of other tenants nothing, but for the
// roles that reach so far.
func TestMetricSight(t *testing.T) {
	b := seeded(t)
	u1, u2 := []string{"X-User-Id", "u1", "X-Project-Id", "p1"}, []string{"X-User-Id", "u2", "X-Project-Id", "p1"}
	other := []string{"X-User-Id", "u1", "X-Project-Id", "p2"}
	b.made(`{"name": "bare"}`, u1...)
	b.made(`{"name": "foreign"}`, other...)
	b.check([]askedFor{
		{"POST", "/resource/generic", `{"id": "vm", "project_id": "p1", "metrics": {"cpu": {}}}`, 201, `~`, service},
		{"POST", "/resource/generic", `{"id": "vm2", "metrics": {"own": {}}}`, 201, `~`, service},
	})
	if _, err := b.store.EnsureTenant(t.Context(), "p2"); err != nil {
		t.Fatal(err)
	}
	hawk := metricdef.Draft{Identity: metricdef.Identity{Tenant: b.tenant("p2"), Type: metricdef.Gauge, Name: "hawk"}, Dialect: "hawkular"}
	if made := b.store.CreateDefinitions(t.Context(), []metricdef.Draft{hawk})[0]; made.Err != nil {
		t.Fatal(made.Err)
	}
	for _, c := range []struct {
		who  []string
		want string
	}{
		{u1, "[bare cpu]"}, {u2, "[bare cpu]"}, {other, "[foreign hawk]"}, {admins, "[bare cpu foreign hawk own]"},
		{service, "[cpu own]"}, // what it made, wherever that is
		{[]string{"X-User-Id", "u1"}, "[]"}, {[]string{"X-User-Id", "u", "X-Project-Id", "nobody"}, "[]"}, {asBob, "[]"}, {[]string{"Authorization", basic("admin")}, "[bare cpu foreign hawk own]"},
	} {
		for _, sort := range []string{"name", "id", "id:desc"} {
			names := listed(t, b.get("/v1/metric?sort="+sort, c.who...), "name")
			slices.Sort(names)
			if got := fmt.Sprint(names); got != c.want {
				t.Errorf("%q, sorted by %s: %s, want %s", c.who, sort, got, c.want)
			}
		}
		cpu := strings.Count(b.get("/v1/metric?name=cpu", c.who...).Body.String(), `"name": "cpu"`)
		if cpu != strings.Count(c.want, "cpu") {
			t.Errorf("%q: %d are called cpu", c.who, cpu)
		}
	}
	// What one does not see is no marker either.
	theirs := listed(t, b.get("/v1/metric?name=foreign", other...), "id")[0]
	b.check([]askedFor{
		{"GET", "/metric?marker=" + theirs, "", 400, "~Invalid pagination: `Invalid marker: `" + theirs + "''", u1},
		{"GET", "/metric/" + theirs, "", 404, `~`, u1},
		{"GET", "/metric?id=" + theirs, "", 200, `[]`, u1},
		{"GET", "/metric?id=" + theirs, "", 200, `~"foreign"`, admins},
		{"DELETE", "/metric/" + theirs, "", 404, `~`, u1},
		{"DELETE", "/metric/" + theirs, "", 403, `~`, service},
	})
}

func TestMetricListParameters(t *testing.T) {
	b := seeded(t)
	b.check([]askedFor{
		{"GET", "/metric?limit=0", "", 400, `~{"cause": "Argument value error", "reason": "value must be at least 1 for dictionary value @ data['limit']"}`, asBob},
		{"GET", "/metric?limit=1.5", "", 400, `~"expected int for dictionary value @ data['limit']"`, asBob},
		{"GET", "/metric?sort=foo", "", 400, "~Invalid pagination: `Sort key supplied is invalid: foo'", asBob},
		{"GET", "/metric?sort=name:sideways", "", 400, "~Invalid pagination: `Unknown sort direction, must be one of: asc-nullsfirst, asc-nullslast, desc-nullsfirst, desc-nullslast'", asBob},
		{"GET", "/metric?marker=foo", "", 400, "~Invalid pagination: `Invalid marker: `foo''", asBob},
		{"GET", "/metric?id=foo", "", 400, "~Invalid input: not a valid value for dictionary value @ data['id']", asBob},
		{"GET", "/metric?status=foo", "", 400, "~Invalid input: not a valid value for dictionary value @ data['status']", asBob},
		{"GET", "/metric?status=delete", "", 200, "[]", asBob},
		{"GET", "/metric?name=a&name=b", "", 400, "~Invalid input: expected str for dictionary value @ data['name']", asBob},
		{"GET", "/metric?name=", "", 200, "[]", asBob},
		{"GET", "/metric?name=" + url.QueryEscape(strings.Repeat("_", 20000)), "", 200, "[]", asBob},
		{"GET", "/metric?foo=bar", "", 200, "[]", asBob},
	})
	cpu := b.made(`{"name": "cpu", "unit": "%"}`, asBob...)
	b.made(`{"name": "mem"}`, asBob...)
	for query, want := range map[string]string{
		"name=cpu": "[cpu]", "unit=%25": "[cpu]", "unit=": "[]", "creator=bob&sort=name": "[cpu mem]", "creator=eve": "[]", "user_id=bob": "[]", "archive_policy_name=low&sort=name:desc": "[mem cpu]",
		"archive_policy_name=high": "[]", "status=active&sort=unit": "[cpu mem]", "sort=unit:desc": "[mem cpu]", "sort=unit:desc-nullslast": "[cpu mem]", "sort=unit:asc-nullsfirst": "[mem cpu]",
		"id=" + cpu: "[cpu]", "id=" + cpu + "&name=mem": "[]", "sort=status&sort=name:desc": "[mem cpu]", "sort=creator&sort=archive_policy_name&sort=resource_id&sort=name": "[cpu mem]",
	} {
		if got := fmt.Sprint(listed(t, b.get("/v1/metric?"+query, asBob...), "name")); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if w := b.get("/v1/metric?limit=1&foo=b%20r&name=cpu&sort=id", asBob...); w.Header().Get("Link") != `<http://example.com/v1/metric?foo=b+r&limit=1&marker=`+cpu+`&name=cpu&sort=id>; rel="next"` {
		t.Errorf("%q", w.Header().Get("Link"))
	}
	if w := b.get("/v1/metric?limit=3", asBob...); w.Header().Get("Link") != "" {
		t.Errorf("%q", w.Header().Get("Link"))
	}
	b = seeded(t, func(o *Options) { o.MaxLimit = 2 })
	for range 3 {
		b.made(`{}`, asBob...)
	}
	if w := b.get("/v1/metric?limit=100", asBob...); len(listed(t, w, "id")) != 2 || !strings.Contains(w.Header().Get("Link"), "limit=2&marker=") || !strings.Contains(w.Header().Get("Link"), "sort=id%3Aasc") {
		t.Errorf("%q", w.Header().Get("Link"))
	}
}

// TestMetricPages follows Link through lists in many orders, and finds each metric once, sorted as a sort of all of them would.
func TestMetricPages(t *testing.T) {
	b := seeded(t)
	for i := range 60 {
		name := fmt.Sprintf(`"name": "n%d", `, i%7)
		if i%5 == 0 {
			name = ""
		}
		who := []string{"X-User-Id", "u", "X-Project-Id", fmt.Sprint("p", i%3)}
		b.made(fmt.Sprintf(`{%s"archive_policy_name": "%s"}`, name, []string{"low", "high"}[i%2]), who...)
	}
	for _, who := range [][]string{admins, {"X-User-Id", "u", "X-Project-Id", "p1"}} {
		for _, sort := range []string{"", "sort=id", "sort=id:desc", "sort=name", "sort=name:desc", "sort=name:desc-nullslast&sort=archive_policy_name:desc", "sort=archive_policy_name&sort=creator&sort=name", "name=n3", "name=n3&sort=id:desc"} {
			all := listed(t, b.get("/v1/metric?"+sort, who...), "id")
			path, got := "/v1/metric?limit=4&"+sort, []string{}
			for path != "" {
				w := b.get(path, who...)
				got = append(got, listed(t, w, "id")...)
				_, path, _ = strings.Cut(w.Header().Get("Link"), "example.com")
				path, _, _ = strings.Cut(path, ">")
			}
			if !slices.Equal(all, got) || len(all) == 0 || len(got) != len(slices.Compact(slices.Sorted(slices.Values(got)))) {
				t.Errorf("%q %s: %d on pages, %d in one", who, sort, len(got), len(all))
			}
			if sort == "" && !slices.IsSorted(all) {
				t.Errorf("%q: not in the order of ids", who)
			}
		}
	}
}

// BenchmarkMetricPage asks for pages of 1,000 out of 100,000 metrics of one tenant among twenty. The seed of the ids is that of the library.
func BenchmarkMetricPage(b *testing.B) {
	d := seeded(b)
	const n, small = 100_000, 1000
	var middle string
	for t := range 20 {
		num := d.tenant(tenant.ID(fmt.Sprint("p", t)))
		count := small
		if t == 0 {
			count = n
		}
		drafts := make([]metricdef.Draft, count)
		for i := range drafts {
			drafts[i] = metricdef.Draft{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: uuid.NewString()}, ByID: true,
				Label: fmt.Sprintf("metric.%d", i%1000), Policy: "low", Creator: "u:" + fmt.Sprint("p", t), Dialect: Name, Explicit: true}
		}
		if t == 0 {
			names := slices.SortedFunc(slices.Values(drafts), func(a, b metricdef.Draft) int { return cmp.Compare(a.Name, b.Name) })
			middle = names[n/2].Name
		}
		for _, made := range d.store.CreateDefinitions(b.Context(), drafts) {
			if made.Err != nil {
				b.Fatal(made.Err)
			}
		}
	}
	own := []string{"X-User-Id", "u", "X-Project-Id", "p0"}
	few := []string{"X-User-Id", "u", "X-Project-Id", "p7"}
	for _, c := range []struct {
		name, query string
		who         []string
		want        int
	}{
		{"first", "", own, 1000}, {"marker", "marker=" + middle, own, 1000}, {"admin/marker", "marker=" + middle, admins, 1000}, {"few", "", few, 1000},
		{"name", "name=metric.7", own, 100}, {"admin/name", "name=metric.7", admins, 119}, {"by name", "sort=name&marker=" + middle, own, 1000}, {"unit", "unit=B", own, 0},
		{"limit 100/marker", "limit=100&marker=" + middle, own, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := d.get("/v1/metric?"+c.query, c.who...)
				if got := strings.Count(w.Body.String(), `"id": `); w.Code != http.StatusOK || got != c.want {
					b.Fatalf("%d, %d metrics", w.Code, got)
				}
			}
		})
	}
}
