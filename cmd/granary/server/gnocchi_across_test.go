package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/resource"
)

// TestAcrossFromGnocchi: what was made as Gnocchi makes it is one metric everywhere. It is found by what its resource says, which is
// read-only; ClusterCockpit does not see it, whatever the resource says; and what one dialect deletes is gone for all.
func TestAcrossFromGnocchi(t *testing.T) {
	s := running(t, configured(t, "{}"))
	num, err := s.store.EnsureTenant(t.Context(), "_ops")
	if err != nil {
		t.Fatal(err)
	}
	text := func(name string) resource.Attribute {
		return resource.Attribute{Name: name, Kind: resource.String, MaxLength: 255}
	}
	if err := s.store.CreateResourceType(t.Context(), resource.Type{Name: "node", Attributes: []resource.Attribute{text("cluster"), text("hostname")}}); err != nil {
		t.Fatal(err)
	}
	value := func(v string) resource.Value { return resource.Value{Kind: resource.String, Text: v} }
	res := uuid.New()
	ids := [2]string{uuid.NewString(), uuid.NewString()}
	change := &measures.ResourceChange{Tenant: num, ID: res, Create: &resource.Draft{Original: res.String(), Type: "node", Creator: "admin",
		Attributes: map[string]resource.Value{"cluster": value("c"), "hostname": value("h1")}}}
	for i, label := range []string{"cpu", "mem"} {
		change.Metrics = append(change.Metrics, measures.ResourceMetric{Label: label, Draft: &metricdef.Draft{
			Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: ids[i]}, ByID: true, Creator: "admin", Policy: "low", Dialect: "gnocchi", Explicit: true,
		}})
	}
	if _, _, err := s.store.ChangeResource(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()/300*300 - 300
	asAdmin := []string{"Authorization", "Basic YWRtaW46", "Content-Type", "application/json"}
	to := func(method, path, body string, status int, parts ...string) string {
		t.Helper()
		header := asAdmin
		if !strings.HasPrefix(path, "/v1/") {
			header = nil
		}
		w := ask(s, here, method, path, body, header...)
		if w.Code != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, w.Code, w.Body, status)
		}
		for _, part := range parts {
			if !strings.Contains(w.Body.String(), part) {
				t.Errorf("%s %s: %s has no %s", method, path, w.Body, part)
			}
		}
		return w.Body.String()
	}
	for _, id := range ids {
		to("POST", "/v1/metric/"+id+"/measures", fmt.Sprintf(`[{"timestamp":%d,"value":1.5},{"timestamp":%d,"value":2.5}]`, now, now+60), 202)
	}

	to("GET", "/v2/metrics/"+ids[0], "", 200, `"label":"cpu","creator":"admin","resource":{"id":"`+res.String()+`","type":"node"}`)
	to("POST", "/v2/metrics/search", `{"selector":"{hostname=\"h1\",metric_name=\"cpu\"}"}`, 200, `"id":"`+ids[0]+`"`)
	to("POST", "/v2/metrics/search", `{"selector":"{hostname=\"h1\"}","count":true}`, 200, `"total":2`)
	to("GET", "/v2/tags/hostname", "", 200, `"h1"`)
	to("POST", "/v2/query", fmt.Sprintf(`{"selector":"{resource_type=\"node\"}","start":%d,"end":%d,"bucket":"5m","method":"mean","across":"sum","group_by":["hostname"]}`, now, now+300), 200, `"hostname":"h1"`, `"values":[4]`)
	to("POST", "/v2/query", fmt.Sprintf(`{"selector":"{metric_name=\"mem\"}","start":%d,"end":%d}`, now, now+300), 200, `"name":"`+ids[1]+`"`, `"label":"mem"`, `"values":[1.5,2.5]`)
	to("PATCH", "/v2/metrics/"+ids[0], `{"plain_tags":{"hostname":"h2"}}`, 409, "derived-tag")

	at := "/hawkular/metrics/gauges/" + ids[0]
	to("GET", "/hawkular/metrics/metrics?tags=hostname%3Dh1", "", 200, ids[0], ids[1])
	to("GET", at+fmt.Sprintf("/raw?start=%d&end=%d", now*1000, (now+120)*1000), "", 200, `"value":1.5`, `"value":2.5`)
	to("PUT", at+"/tags", `{"hostname":"h2"}`, 409)
	to("DELETE", at+"/tags/resource_type", "", 409)

	for _, metric := range []string{ids[0], "cpu"} {
		body := to("POST", "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[{"metric":%q,"host":"h1"}]}`, now, now+120, metric), 200)
		if strings.Contains(body, `"data"`) {
			t.Errorf("ClusterCockpit shows %s", body)
		}
	}

	// A change of the resource is one of the tags.
	host := value("h9")
	if _, _, err := s.store.ChangeResource(t.Context(), &measures.ResourceChange{Tenant: num, ID: res, Update: &resource.Update{Attributes: map[string]*resource.Value{"hostname": &host}}}); err != nil {
		t.Fatal(err)
	}
	to("POST", "/v2/metrics/search", `{"selector":"{hostname=\"h9\"}","count":true}`, 200, `"total":2`)
	to("POST", "/v2/metrics/search", `{"selector":"{hostname=\"h1\"}","count":true}`, 200, `"total":0`)

	to("DELETE", at, "", 200)
	to("GET", "/v1/metric/"+ids[0]+"/measures", "", 404)
	to("GET", "/v2/metrics/"+ids[0], "", 404)
	to("DELETE", "/v2/metrics/"+ids[1], "", 204)
	to("GET", "/v1/metric/"+ids[1]+"/measures", "", 404)
	var found struct{ Metrics []any }
	if err := json.Unmarshal([]byte(to("POST", "/v2/metrics/search", `{"selector":"{resource_type=\"node\"}"}`, 200)), &found); err != nil || len(found.Metrics) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	if got := s.store.Definitions.Linked(num, res); len(got) != 0 {
		t.Errorf("the resource has %v", got)
	}
}
