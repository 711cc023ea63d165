package gnocchi

import (
	"net/http"
	"strings"
	"testing"

	"granary/metricdef/resource"
)

// TestAggregatesRights: a metric of a customer's resource, which a service has made, is read by the customer through every route, and by
// nobody else but those whose roles reach everywhere.
func TestAggregatesRights(t *testing.T) {
	f := newFleet(t)
	f.instance("theirs", "customer", "ceilometer:service", map[string]resource.Value{"host": resource.TextValue("compute9")})
	f.in("cpu9", "customer", "ceilometer:service", "theirs", "cpu.util", "minutes", [2]float64{0, 7})
	f.in("bare9", "customer", "somebody:customer", "", "", "minutes", [2]float64{0, 8})
	const series = `[[0, 60.0, 7.0]]`
	routes := []struct{ method, path, body, want string }{
		{"POST", "/v1/aggregates", `{"operations": "(metric $cpu9 mean)"}`, `{"measures": {"$cpu9": {"mean": ` + series + `}}}`},
		{"POST", "/v1/aggregates", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": "host = compute9"}`, `{"measures": {"$theirs": {"cpu.util": {"mean": ` + series + `}}}}`},
		{"GET", "/v1/aggregation/metric?metric=$cpu9", ``, series},
		{"POST", "/v1/aggregation/resource/instance/metric/cpu.util?filter=host%3Dcompute9", ``, series},
		{"POST", "/v1/search/metric?metric_id=$cpu9", `{">": 0}`, `{"$cpu9": ` + series + `}`},
	}
	who := func(user, project, roles string) []string {
		return []string{"X-User-Id", user, "X-Project-Id", project, "X-Roles", roles}
	}
	for _, c := range routes {
		f.check(c.method, c.path, c.body, http.StatusOK, c.want, who("u", "customer", "member")...)
		f.check(c.method, c.path, c.body, http.StatusOK, c.want, who("root", "admins", "admin")...)
		search := strings.Contains(c.path, "/search/metric")
		switch w := f.ask(c.method, f.fill(c.path), f.fill(c.body), who("heat", "services", "service")...); {
		case search && w.Code != http.StatusForbidden:
			t.Errorf("%s of a service: %d %s", c.path, w.Code, w.Body)
		case !search && f.empty(w.Body.String()) != c.want:
			t.Errorf("%s of a service: %d %s", c.path, w.Code, w.Body)
		}
		w := f.ask(c.method, f.fill(c.path), f.fill(c.body), who("u", "_ops", "member")...)
		if got := f.empty(w.Body.String()); w.Code == http.StatusOK && got != "[]" && got != "{}" || w.Code == http.StatusForbidden || strings.Contains(got, "7.0") {
			t.Errorf("%s of another project: %d %s", c.path, w.Code, got)
		}
	}
	// Everybody of the project of who made a metric is as who made it; a name without a project is not.
	f.check("POST", "/v1/aggregates", `{"operations": "(metric $bare9 mean)"}`, http.StatusOK, `{"measures": {"$bare9": {"mean": [[0, 60.0, 8.0]]}}}`, who("u", "customer", "member")...)
	f.check("POST", "/v1/aggregates", `{"operations": "(metric $cpu1 mean)"}`, http.StatusForbidden, `""`, "Authorization", basic("bob"))
	// Searches see what the caller may see, and no more.
	f.check("POST", "/v1/aggregates", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {}}`, http.StatusNotFound, `"Metric ['cpu.util'] does not exist"`,
		"Authorization", basic("bob"))
	f.check("POST", "/v1/aggregates?groupby=host", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {}}`, http.StatusOK,
		`[{"group": {"host": "compute9"}, "measures": {"measures": {"$theirs": {"cpu.util": {"mean": `+series+`}}}}}]`, who("u", "customer", "member")...)
	f.check("POST", "/v1/aggregation/resource/instance/metric/cpu.util?groupby=host", ``, http.StatusOK, `[{"group": {"host": "compute9"}, "measures": `+series+`}]`, who("u", "customer", "member")...)
}

// TestAggregatesLimits: what a request costs is held against the limits before anything is read.
func TestAggregatesLimits(t *testing.T) {
	f := newFleet(t, func(o *Options) { o.Queries = limited(o, 5) })
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v1/aggregates?granularity=60", `{"operations": "(metric ($cpu1 mean) ($cpu2 mean))"}`},
		{"POST", "/v1/aggregates?granularity=60&groupby=id", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {}}`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$cpu2&granularity=60", ``},
		{"POST", "/v1/search/metric?metric_id=$cpu1&metric_id=$cpu2&granularity=60", `{"=": 1}`},
	} {
		if w := f.ask(c.method, f.fill(c.path), f.fill(c.body)); w.Header().Get(ErrorHeader) != "answer-too-large" || !strings.Contains(w.Body.String(), "points") {
			t.Errorf("%s: %d %v %s", c.path, w.Code, w.Header(), w.Body)
		}
	}
	// Few points may make many: these are two of three each, side by side.
	f.of("a", "", "", "minutes", [2]float64{0, 1}, [2]float64{60, 1})
	f.of("b", "", "", "minutes", [2]float64{120, 1}, [2]float64{180, 1})
	if w := f.ask("POST", "/v1/aggregates", f.fill(`{"operations": "(metric ($a mean) ($b mean))"}`)); w.Header().Get(ErrorHeader) != "answer-too-large" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
