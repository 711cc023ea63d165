package gnocchi

import (
	"strings"
	"testing"
)

// TestResourceMetrics checks the list of a resource's metrics, and the metrics that it gets.
func TestResourceMetrics(t *testing.T) {
	b := withVMs(t)
	b.must(201, "POST", "/resource/vm", `{"id": "`+id1+`", "host": "a", "metrics": {"cpu": {"unit": "s"}}}`)
	const list = "/resource/generic/" + id1 + "/metric"
	invalid := func(reason, detail string) string {
		return `{"cause": "Invalid input", "reason": "` + reason + `", "detail": [` + detail + `]}`
	}
	cpu := `{"id": "uuid", "creator": "admin", "name": "cpu", "unit": "s", "resource_id": "` + id1 + `", "archive_policy": {"name": "low", …}, "created_by_user_id": "admin", "created_by_project_id": ""}`
	b.play(
		step{"", "GET", list, "", 200, "[" + cpu + "]", nil},
		step{"", "POST", list, `{"mem": {"archive_policy_name": "high"}}`, 200, `[{"id": "uuid", …}, {"id": "uuid", …}]`, nil},
		step{"", "POST", list, `{}`, 200, `[{"id": "uuid", …}, {"id": "uuid", …}]`, nil},
		step{"", "GET", list + "/mem", "", 200, `{…"resource": {"creator": "admin", …"id": "` + id1 + `", …}, "archive_policy": {"name": "high"…`, nil},
		step{"", "DELETE", list + "/mem", "", 204, "", nil},
		step{"", "GET", list + "/mem", "", 404, `"Metric mem does not exist"`, nil},
		step{"", "DELETE", list + "/mem", "", 404, `"Metric mem does not exist"`, nil},
		step{"", "GET", list + "/c%2Fpu", "", 404, `"Metric c/pu does not exist"`, nil},

		step{"", "POST", list, `{"cpu": {}}`, 409, `"Named metric cpu already exists"`, nil},
		step{"", "POST", list, `{"new": {}, "cpu": {}}`, 409, `"Named metric cpu already exists"`, nil},
		step{"", "GET", list, "", 200, "[" + cpu + "]", nil},
		step{"", "POST", list, `{`, 400, `{"cause": "Unable to decode body", …`, nil},
		step{"", "POST", list, `{}`, 415, `""`, []string{"Content-Type", "text/plain"}},
		step{"", "POST", list, `[]`, 400, invalid("expected a dictionary", ""), nil},
		step{"", "POST", list, `{"x": 5}`, 400, invalid("not a valid value"+dataName+"['x']", `"x"`), nil},
		step{"", "POST", list, `{"x": {"archive_policy_name": "nope"}}`, 400, `"Archive policy nope does not exist"`, nil},
		step{"", "POST", list, `{"x": "` + id3 + `"}`, 400, `"Metric ` + id3 + ` does not exist"`, nil},
		step{"", "GET", "/resource/nope/" + id1 + "/metric", "", 404, `"Resource type nope does not exist"`, nil},
		step{"", "GET", "/resource/vm/" + id2 + "/metric", "", 404, `"Resource ` + id2 + ` does not exist"`, nil},
		step{"", "POST", "/resource/vm/" + id2 + "/metric", "{}", 404, `"Resource ` + id2 + ` does not exist"`, nil},
		step{"", "GET", "/resource/vm/" + id2 + "/metric/cpu", "", 404, `"Resource ` + id2 + ` does not exist"`, nil},
	)
}

// TestResourceMetricsSight checks who sees and changes the metrics of a resource.
func TestResourceMetricsSight(t *testing.T) {
	b := withVMs(t)
	const path = "/resource/vm/" + id2 + "/metric"
	gone := `"Resource ` + id2 + ` does not exist"`
	b.play(
		step{"ceilometer/service/service", "POST", "/resource/vm", `{"id": "` + id2 + `", "host": "x", "project_id": "A", "metrics": {"cpu": {}}}`, 201, `…`, nil},
		step{"u/A", "GET", path, "", 200, `[{"id": "uuid", "creator": "ceilometer:service", …}]`, nil},
		step{"u/A", "GET", path + "/cpu", "", 200, `…`, nil},
		step{"u/A", "POST", path, `{"m": {}}`, 403, `""`, nil},
		step{"u/A", "DELETE", path + "/cpu", ``, 403, `""`, nil},
		step{"u/B", "GET", path, "", 404, gone, nil},
		step{"u/B", "POST", path, "{}", 404, gone, nil},
		step{"u/B", "GET", path + "/cpu", "", 404, gone, nil},
		step{"u/B", "DELETE", path + "/cpu", "", 404, gone, nil},
		step{"ceilometer/service/service", "POST", path, `{"mem": {}}`, 200, `[{…}, {…}]`, nil},
		step{"ceilometer/service", "DELETE", path + "/cpu", ``, 404, gone, nil},
		step{"ceilometer/service/service", "DELETE", path + "/cpu", ``, 204, ``, nil},
	)
}

// TestResourceMetricsMove checks the metrics that resources take from each other.
func TestResourceMetricsMove(t *testing.T) {
	b := withVMs(t)
	metric := func(who, body string) string {
		w := b.as(who, "POST", "/metric", body)
		id := anyUUID.FindString(w.Body.String())
		if w.Code != 201 || id == "" {
			t.Fatal(w.Code, w.Body)
		}
		return id
	}
	mine, others := metric("bob", `{"name": "m"}`), metric("eve", `{"name": "m"}`)
	b.play(
		step{"bob", "POST", "/resource/generic", `{"id": "r", "metrics": {"x": "` + others + `"}}`, 400, `"Metric uuid does not exist"`, nil},
		step{"bob", "GET", "/resource/generic/r", ``, 404, `…`, nil},
		step{"bob", "POST", "/resource/generic", `{"id": "r", "metrics": {"x": "` + mine + `", "y": "` + mine + `"}}`, 409, `"Named metric y already exists"`, nil},
		step{"bob", "POST", "/resource/generic", `{"id": "r", "metrics": {"x": "` + strings.ToUpper(mine) + `", "y": {}}}`, 201, `…"metrics": {"x": "uuid", "y": "uuid"}…`, nil},
		step{"bob", "GET", "/metric/" + mine, ``, 200, `…"name": "x"…`, nil},
		step{"bob", "PATCH", "/resource/generic/r", `{"metrics": {"z": "` + mine + `"}}`, 200, `…"metrics": {"z": "uuid"}…`, nil},
		step{"bob", "GET", "/resource/generic/r/metric/x", ``, 404, `"Metric x does not exist"`, nil},
		step{"bob", "POST", "/resource/generic/r/metric", `{"z": {}}`, 409, `"Named metric z already exists"`, nil},
		step{"bob", "POST", "/resource/generic", `{"id": "s", "metrics": {"x": "` + mine + `"}}`, 201, `…"metrics": {"x": "uuid"}…`, nil},
		step{"bob", "GET", "/resource/generic/r", ``, 200, `…"metrics": {}…`, nil},
		step{"bob", "GET", "/resource/generic/r/history", ``, 200, `[{…}]`, nil},
		step{"bob", "DELETE", "/resource/generic/s", ``, 204, ``, nil},
		step{"bob", "GET", "/metric/" + mine, ``, 404, `…`, nil},
	)
}
