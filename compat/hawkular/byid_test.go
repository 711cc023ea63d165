package hawkular

import (
	"net/http"
	"strings"
	"testing"

	"granary/metricdef"
)

// TestMetricsByID: the id of a metric that Gnocchi's API made is its UUID, for everything; its label is a tag that searches find and nobody
// changes here.
func TestMetricsByID(t *testing.T) {
	bothModes(t, func(s *stored) {
		const id, other = "01020304-0506-4708-890a-0b0c0d0e0f10", "02020304-0506-4708-890a-0b0c0d0e0f10"
		made := func(name string, points ...sample) metricdef.Ref {
			return s.writeAs("t", metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: name}, ByID: true, Label: "cpu", Creator: "u:p", Dialect: "gnocchi", Explicit: true}, points...)
		}
		ref := made(id, sample{testMilli - 2000, 1.5, ""}, sample{testMilli - 1000, 2.5, ""})
		made(other)
		s.write(metricdef.Gauge, "mine", []metricdef.Tag{{Name: "metric_name", Value: "own"}})

		newest, oldest := pt(1000, "2.5"), pt(2000, "1.5")
		s.expect("/gauges/"+id+"/raw?start=NOW-5000", list(newest, oldest))
		for _, c := range []struct {
			method, path, body string
			status             int
			part               string
		}{
			{"GET", "/gauges/" + id, "", 200, `"id":"` + id + `"`},
			{"GET", "/metrics", "", 200, `"id":"` + other + `"`},
			{"GET", "/metrics?type=gauge&tags=metric_name:cpu", "", 200, `"id":"` + id + `"`},
			{"GET", "/gauges?tags=metric_name%20=%20cpu", "", 200, `"id":"` + other + `"`},
			{"GET", "/gauges/tags/metric_name:*", "", 200, `"cpu"`},
			{"GET", "/gauges/tags/metric_name:*", "", 200, `"own"`},
			{"GET", "/metrics/tags", "", 200, `metric_name`},
			{"GET", "/gauges/stats?tags=metric_name:cpu&buckets=1", "", 200, `"max":2.5`},
			{"GET", "/gauges/" + id + "/stats?buckets=1", "", 200, `"min":1.5`},
			{"POST", "/gauges/raw/query", `{"ids":["` + id + `"]}`, 200, `"value":2.5`},
			{"POST", "/gauges/raw", `[{"id":"` + id + `","data":[{"timestamp":1,"value":9}]}]`, 200, ""},
			{"PUT", "/gauges/" + id + "/tags", `{"metric_name":"x"}`, 409, `tag \"metric_name\" comes from the resource or the label`},
			{"PUT", "/gauges/" + id + "/tags", `{"metric_name":""}`, 409, `read-only`},
			{"PUT", "/gauges/tags", `[{"id":"mine","tags":{"a":"b"}},{"id":"` + id + `","tags":{"metric_name":"x"}}]`, 409, `element 1`},
			{"DELETE", "/gauges/" + id + "/tags/metric_name", "", 409, `read-only`},
			{"DELETE", "/gauges/" + id + "/tags/nosuch", "", 200, ""},
			{"PUT", "/gauges/" + id + "/tags", `{"a":"b"}`, 200, ""},
			{"GET", "/gauges/" + id + "/tags", "", 200, `{"a":"b"}`},
			{"PUT", "/gauges/mine/tags", `{"metric_name":"x"}`, 200, ""},
			{"POST", "/gauges", `{"id":"` + id + `"}`, 409, ""},
			{"POST", "/gauges?overwrite=true", `{"id":"` + id + `","tags":{"metric_name":"x"}}`, 409, "read-only"},
			{"POST", "/gauges?overwrite=true", `{"id":"` + id + `","tags":{"b":"c"}}`, 201, ""},
			{"GET", "/gauges/" + id + "/tags", "", 200, `{"b":"c"}`},
		} {
			if s.o.Strict && c.path == "/gauges/tags" {
				continue // it has no such call
			}
			got := s.request(c.method, c.path, c.body)
			if got.Code != c.status || !strings.Contains(got.Body.String(), c.part) {
				t.Errorf("%s %s %s: %d %s, want %d with %s", c.method, c.path, c.body, got.Code, got.Body, c.status, c.part)
			}
			if c.status == http.StatusConflict && c.part != "" && got.Header().Get("X-Granary-Error") != "derived-tag" {
				t.Errorf("%s %s: code %q", c.method, c.path, got.Header().Get("X-Granary-Error"))
			}
		}
		if d, ok := s.store.Definitions.Get(ref); !ok || d.Label != "cpu" || d.Creator != "u:p" || d.ID.String() != id {
			t.Errorf("%+v", d)
		}
		if got := s.request("DELETE", "/gauges/"+id, ""); got.Code != 200 {
			t.Errorf("delete: %d %s", got.Code, got.Body)
		}
		if _, ok := s.store.Definitions.Get(ref); ok {
			t.Error("what was deleted here is there for others")
		}
	})
}
