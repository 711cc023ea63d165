package native

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"granary/metricdef"
	"granary/tenant"
)

// TestLinkedMetric: what Gnocchi's API made says who made it, what people call it and where it belongs, and is found by that.
func TestLinkedMetric(t *testing.T) {
	res := uuid.UUID{0xab, 15: 1}
	w := newWorld(func(o *Options) {
		o.ResourceType = func(_ tenant.Num, id uuid.UUID) string { return map[uuid.UUID]string{res: "instance"}[id] }
	})
	const id = "01020304-0506-4708-890a-0b0c0d0e0f10"
	linked := metricdef.Draft{Identity: metricdef.Identity{Name: id}, ByID: true, Label: "cpu", Creator: "u:p", Resource: res}
	w.put(t, "mine", linked, -1)
	lost := linked
	lost.Name, lost.Resource, lost.Creator = strings.Replace(id, "01", "02", 1), uuid.UUID{9}, ""
	w.put(t, "mine", lost, -1)
	w.put(t, "mine", metricdef.Draft{Identity: metricdef.Identity{Name: "plain"}}, -1)

	for path, want := range map[string][]string{
		"/v2/metrics/" + id:                                    {`"id":"` + id + `","name":"` + id + `",`, `"plain_tags":{},`, `,"label":"cpu","creator":"u:p","resource":{"id":"` + res.String() + `","type":"instance"}}`},
		"/v2/metrics/" + lost.Name:                             {`,"label":"cpu","resource":{"id":"09000000-0000-0000-0000-000000000000"}}`},
		"/v2/metrics?name=plain":                               {`"dialect":"native"}]`},
		"/v2/metrics?tag=metric_name%3Dcpu&count=true":         {`"total":2}`},
		"/v2/metrics?tag=resource_id%3D" + res.String():        {id, `"label":"cpu"`},
		"/v2/metrics?selector=resource_id%20exists&count=true": {`"total":2}`},
		"/v2/tags": {`metric_name`, `resource_id`},
		"/v2/tags/resource_id?selector=metric_name%3D%22cpu%22": {res.String()},
	} {
		got := ask(w.API, "GET", path, "", "Tenant", "mine")
		for _, part := range want {
			if got.Code != 200 || !strings.Contains(got.Body.String(), part) {
				t.Errorf("%s: %d %s, want %s", path, got.Code, got.Body, part)
			}
		}
	}
}

// TestDerivedTagsAreReadOnly: what comes from the label or the resource is not to be changed, nor may a request say it.
func TestDerivedTagsAreReadOnly(t *testing.T) {
	a, s := stored(t)
	num, err := s.EnsureTenant(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	const id = "01020304-0506-4708-890a-0b0c0d0e0f10"
	made := s.CreateDefinitions(t.Context(), []metricdef.Draft{{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: id}, ByID: true, Label: "cpu", Explicit: true}})
	if made[0].Err != nil {
		t.Fatal(made[0].Err)
	}
	for body, want := range map[string]struct {
		status     int
		code, path string
	}{
		`{"plain_tags":{"metric_name":"x"}}`:  {409, "derived-tag", "/plain_tags/metric_name"},
		`{"plain_tags":{"metric_name":null}}`: {409, "derived-tag", "/plain_tags/metric_name"},
		`{"label":"x"}`:                       {400, "request-syntax", "/label"},
		`{"resource":null}`:                   {400, "request-syntax", "/resource"},
		`{"creator":"x"}`:                     {400, "request-syntax", "/creator"},
	} {
		got := problemOf(t, ask(a, "PATCH", "/v2/metrics/"+id, body, "Tenant", "mine"))
		if got["status"] != float64(want.status) || got["code"] != want.code || got["path"] != want.path {
			t.Errorf("%s: %v", body, got)
		}
	}
	for _, body := range []string{`{"name":"` + id + `","by_id":true}`, `{"name":"x","label":"y"}`, `{"name":"x","creator":"y"}`, `{"name":"x","resource":{"id":"` + id + `"}}`} {
		if got := problemOf(t, ask(a, "POST", "/v2/metrics", body, "Tenant", "mine")); got["status"] != 400.0 || got["code"] != "request-syntax" {
			t.Errorf("%s: %v", body, got)
		}
	}
	// The name of the metric is its identity here as it is elsewhere.
	if got := answerOf[map[string]any](t, ask(a, "POST", "/v2/metrics", `{"name":"`+id+`"}`, "Tenant", "mine"), 200); got["label"] != "cpu" || got["id"] != id {
		t.Errorf("%v", got)
	}
	if got := answerOf[map[string]any](t, ask(a, "PATCH", "/v2/metrics/"+id, `{"plain_tags":{"mine":"x"},"unit":"W"}`, "Tenant", "mine"), 200); got["unit"] != "W" || got["label"] != "cpu" {
		t.Errorf("%v", got)
	}
	if got := ask(a, "DELETE", "/v2/metrics/"+id, "", "Tenant", "mine"); got.Code != 204 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if _, ok := s.Definitions.Get(made[0].Ref); ok {
		t.Error("it is there after it was deleted")
	}
}
