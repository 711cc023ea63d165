package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"granary/api/edge"
	"granary/compat/gnocchi"
)

// ofProject are the fields by which a proxy says who its client is.
func ofProject(project, user, roles string) []string {
	return []string{"X-User-Id", user, "X-Project-Id", project, "X-Roles", roles}
}

// eachGnocchi calls f for each operation of the dialect, with its variables filled in.
func eachGnocchi(t *testing.T, s *Server, vars map[string]string, f func(method, path string)) {
	t.Helper()
	n := 0
	for _, r := range s.http.Handler.(*edge.Dispatcher).Routes() {
		if r.Dialect != gnocchi.Name || strings.HasPrefix(r.Path, gnocchi.PrefixOther) {
			continue
		}
		path := r.Path
		for name, v := range vars {
			path = strings.ReplaceAll(path, "{"+name+"}", v)
		}
		for _, method := range r.Methods {
			f(method, path)
			n++
		}
	}
	if n < 20 {
		t.Errorf("the dialect has only %d operations", n)
	}
}

// saneGnocchi says what is wrong with an answer to whatever was asked.
func saneGnocchi(w *httptest.ResponseRecorder, method string) string {
	switch {
	case w.Code >= 500 && w.Code != http.StatusNotImplemented:
		return "the service has failed"
	case w.Code >= 400 && method != http.MethodHead && !json.Valid(w.Body.Bytes()):
		return "the error is no JSON"
	case w.Code >= 400 && w.Header().Get(gnocchi.ErrorHeader) == "":
		return "the error has no code"
	case w.Code >= 400 && w.Body.Len() > 4096:
		return "the error repeats all that was sent"
	}
	return ""
}

// TestGnocchiOddIDs: whatever stands where an id or a name does, or in the body, the answer is an answer.
func TestGnocchiOddIDs(t *testing.T) {
	s := running(t, configured(t, ""))
	odd := []string{
		"%00", "%0A", "%2F", "..", "%2e%2e", ".", "%ff%fe", "%C3%28", "%F0%9F%92%A9", "%E2%80%AE", "%7B%7D", "%22", "'", "+", "*", "%25", "%2525", "generic", "metric", "measures", "history", strings.Repeat("x", 64<<10),
		"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "urn:uuid:00000000-0000-4000-8000-000000000000", "%7B00000000-0000-4000-8000-000000000000%7D", strings.Repeat("%28", 5000), "@-1", "x@1",
	}
	bodies := []string{
		"", "null", "[]", "{}", `""`, "1", "NaN", `[{"timestamp":1,"value":1}]`, `{"a":"b"}`, `{"id":"x"}`, `{"name":null}`, strings.Repeat("[", 20000), strings.Repeat(`{"and":[`, 5000), "\xff", `{"=":{"id":"x"}}`,
		`{"operations":` + strings.Repeat(`["+",`, 3000), `{"operations":"` + strings.Repeat("(", 5000) + `"}`, `{"x":{"y":[{"timestamp":1e400,"value":1}]}}`, `[{"op":"add","path":"/attributes/x","value":{"type":"string"}}]`,
	}
	queries := []string{"", "?limit=0", "?limit=x", "?marker=x", "?sort=x:y", "?granularity=-1", "?start=x", "?groupby=x", "?aggregation=x", "?filter=(((", "?filter=" + strings.Repeat("not%20", 3000) + "a=1", "?%zz", "?details=7", "?create_metrics=x"}
	n := 0
	for i, o := range odd {
		eachGnocchi(t, s, map[string]string{"id": o, "type": o, "name": o, "metric": o, "aggregation": o, "method": o}, func(method, path string) {
			for k, body := range bodies {
				if !sampled(&n, 7) {
					continue
				}
				w := askGnocchi(s, here, method, path+queries[(i+k+n)%len(queries)], body, "Authorization", byName("admin"))
				if why := saneGnocchi(w, method); why != "" {
					t.Errorf("%s %.200s %.100s: %s: %d %.300s", method, path, body, why, w.Code, w.Body)
				}
			}
		})
	}
}

// TestGnocchiTenantsNeverMeet: what a project has is for another one as if it were not there, in every operation, and stays as it is; whoever
// squats on an id has it for themselves.
func TestGnocchiTenantsNeverMeet(t *testing.T) {
	const mark = "zebra"
	s := running(t, configured(t, ""))
	admin, a, b := ofProject("ops", "root", "admin"), ofProject("pa", "ua", "member"), ofProject("pb", "ub", "member")
	must := func(want int, who []string, method, path, body string) *httptest.ResponseRecorder {
		t.Helper()
		w := askGnocchi(s, here, method, path, body, who...)
		if w.Code != want {
			t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
		return w
	}
	must(201, admin, "POST", "/v1/archive_policy", `{"name":"p","definition":[{"granularity":"1s","points":100}]}`)
	const shared, own = "5f3c4d5e-1111-4222-8333-444455556666", "5f3c4d5e-1111-4222-8333-444455557777"
	for _, id := range []string{shared, own} {
		must(201, a, "POST", "/v1/resource/generic", `{"id":"`+id+`","user_id":"`+mark+`","metrics":{"`+mark+`.cpu":{"archive_policy_name":"p"}}}`)
	}
	var made struct{ Metrics map[string]string }
	if err := json.Unmarshal(must(200, a, "GET", "/v1/resource/generic/"+own, "").Body.Bytes(), &made); err != nil {
		t.Fatal(err)
	}
	metric := made.Metrics[mark+".cpu"]
	must(202, a, "POST", "/v1/metric/"+metric+"/measures", `[{"timestamp":1000,"value":41.5}]`)
	// The other project has a resource of the same id, and it is another one.
	must(201, b, "POST", "/v1/resource/generic", `{"id":"`+shared+`"}`)
	must(409, b, "POST", "/v1/resource/generic", `{"id":"`+shared+`"}`)
	must(204, b, "DELETE", "/v1/resource/generic/"+shared, "")
	must(200, a, "GET", "/v1/resource/generic/"+shared, "")

	before := must(200, a, "GET", "/v1/resource/generic/"+own, "").Body.String()
	const ghost = "99999999-1111-4222-8333-444455556666"
	bodies := []string{
		"", `{"user_id":"x"}`, `[{"timestamp":2000,"value":1}]`, `{"METRIC":[{"timestamp":2000,"value":1}]}`, `{"RESOURCE":{"zebra.cpu":[{"timestamp":2000,"value":1}]}}`, `{"archive_policy_name":"p","name":"n","resource_id":"RESOURCE"}`,
		`{"n":{"archive_policy_name":"p"}}`, `{"n":"METRIC"}`, `{"=":{"id":"RESOURCE"}}`, `{"in":{"id":["RESOURCE"]}}`, `{"operations":["metric","METRIC","mean"]}`, `{"operations":["metric","zebra.*","mean"],"resource_type":"generic","search":{"=":{"id":"RESOURCE"}}}`,
		`{">=":0}`, `{"project_id":"pb"}`, `{"id":"NEW","metrics":{"n":"METRIC"}}`, `{"id":"NEW","project_id":"pa"}`,
	}
	queries := []string{"", "?metric=METRIC&aggregation=mean", "?filter=id%3D'RESOURCE'", "?create_metrics=true", "?resource_id=RESOURCE&id=METRIC", "?details=true", "?history=true"}
	fill := func(text, resource, metric string) string {
		return strings.NewReplacer("RESOURCE", resource, "METRIC", metric).Replace(text)
	}
	n := 0
	for _, who := range [][]string{b, {"X-User-Id", "ua"}, {"X-User-Id", "ua:pa"}, ofProject("pb", "ua", "member,admins, admin"), {"Authorization", byName("ua:pa")}, {"Authorization", byName("alice")}} {
		eachGnocchi(t, s, map[string]string{"id": "ID", "type": "generic", "name": mark + ".cpu", "metric": mark + ".cpu", "aggregation": "mean", "method": "mean"}, func(method, path string) {
			of := func(resource, metric string) string {
				if strings.HasPrefix(path, "/v1/metric/") {
					return strings.ReplaceAll(path, "ID", metric)
				}
				return strings.ReplaceAll(path, "ID", resource)
			}
			for _, form := range bodies {
				for _, query := range queries {
					if method == "GET" && form != "" || !sampled(&n, 2) {
						continue
					}
					body := strings.ReplaceAll(form, "NEW", fmt.Sprintf("5f3c4d5e-2222-4222-8333-%012d", n))
					w := askGnocchi(s, here, method, of(own, metric)+fill(query, own, metric), fill(body, own, metric), who...)
					like := askGnocchi(s, here, method, of(ghost, ghost)+fill(query, ghost, ghost), fill(strings.ReplaceAll(body, "5f3c4d5e-2222", "5f3c4d5e-3333"), ghost, ghost), who...)
					if text := w.Body.String(); strings.Contains(strings.NewReplacer(own, "", metric, "", mark+".cpu", "", mark+".*", "").Replace(text), mark) || strings.Contains(text, "41.5") {
						t.Errorf("%s %s %s shows %q what is not theirs: %s", method, of(own, metric)+query, body, who, text)
					}
					if method != "POST" || w.Code >= 400 { // what was made has an id of its own
						got, want := strings.NewReplacer(own, ghost, metric, ghost).Replace(w.Body.String()), like.Body.String()
						if w.Code != like.Code || got != want {
							t.Errorf("%s %s %s is not answered as if it were not there: %d %s and %d %s", method, of(own, metric)+fill(query, own, metric), body, w.Code, w.Body, like.Code, like.Body)
						}
					}
				}
			}
		})
	}
	if after := must(200, a, "GET", "/v1/resource/generic/"+own, "").Body.String(); after != before {
		t.Errorf("it was %s and is %s", before, after)
	}
	for _, path := range []string{"/v1/resource/generic", "/v1/search/resource/generic"} {
		method := map[bool]string{true: "POST", false: "GET"}[strings.Contains(path, "search")]
		if w := must(200, a, method, path, ""); strings.Count(w.Body.String(), `"original_resource_id"`) != 2 {
			t.Errorf("others have put something into the project: %s", w.Body)
		}
	}
	if w := must(200, a, "GET", "/v1/metric/"+metric+"/measures", ""); w.Body.String() != `[["1970-01-01T00:16:40+00:00", 1.0, 41.5]]` {
		t.Error(w.Body)
	}
}

// TestGnocchiWideRoles: the service writes for all and reads what it needs; it deletes nothing, lists no more than its own, and neither of the two
// roles comes from an address that is not trusted, or out of a tenant that was chosen for it.
func TestGnocchiWideRoles(t *testing.T) {
	s := running(t, configured(t, ""))
	admin, service, a := ofProject("ops", "root", "Admin"), ofProject("service", "ceilo", "Service"), ofProject("pa", "ua", "member")
	for _, c := range []struct {
		want         int
		who          []string
		method, path string
		body         string
	}{
		{201, service, "POST", "/v1/archive_policy", `{"name":"p","definition":[{"granularity":"1s","points":100}]}`},
		{403, a, "POST", "/v1/archive_policy", `{"name":"q","definition":[{"granularity":"1s","points":100}]}`},
		{403, service, "DELETE", "/v1/archive_policy/p", ""},
		{201, service, "POST", "/v1/resource/generic", `{"id":"5f3c4d5e-1111-4222-8333-444455550001","project_id":"pa","metrics":{"m":{"archive_policy_name":"p"}}}`},
		{403, a, "POST", "/v1/resource/generic", `{"id":"5f3c4d5e-1111-4222-8333-444455550002","project_id":"pb"}`},
		{202, service, "POST", "/v1/batch/resources/metrics/measures", `{"5f3c4d5e-1111-4222-8333-444455550001":{"m":[{"timestamp":1,"value":2}]}}`},
		{200, a, "GET", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550001", ""},
		{200, a, "GET", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550001/metric/m/measures", ""},
		{403, a, "POST", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550001/metric/m/measures", `[{"timestamp":1,"value":2}]`},
		{403, a, "DELETE", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550001", ""},
		{403, service, "GET", "/v1/status", ""},
		{409, service, "PATCH", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550001", `{"project_id":"pb"}`},
		{200, admin, "GET", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550001", ""},
		{403, append(slices.Clone(admin), "Tenant", "pa"), "GET", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550001", ""},
		{404, []string{"Authorization", byName("admin"), "X-Project-Id", "pb"}, "GET", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550001", ""},
		{201, a, "POST", "/v1/resource/generic", `{"id":"5f3c4d5e-1111-4222-8333-444455550003"}`},
		{403, service, "DELETE", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550003", ""},
		{200, service, "PATCH", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550003", `{"user_id":"x"}`},
		{204, admin, "DELETE", "/v1/resource/generic/5f3c4d5e-1111-4222-8333-444455550003", ""},
		{401, []string{"X-Roles", "member"}, "POST", "/v1/resource/generic", `{"id":"5f3c4d5e-1111-4222-8333-444455550004"}`},
	} {
		if w := askGnocchi(s, here, c.method, c.path, c.body, c.who...); w.Code != c.want {
			t.Errorf("%s %s %s by %q: %d %s, want %d", c.method, c.path, c.body, c.who, w.Code, w.Body, c.want)
		}
	}
	for _, path := range []string{"/v1/resource/generic", "/v1/metric"} {
		if w := askGnocchi(s, here, "GET", path, "", a...); w.Code != 200 || strings.Contains(w.Body.String(), "0003") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	strange := running(t, configured(t, "granary: {auth: none}"))
	for _, who := range [][]string{admin, service, a} {
		if got := admitted(strange, there, who...); got != "401 401" {
			t.Errorf("%q from elsewhere: %s", who, got)
		}
	}
}

// TestGnocchiAtOnce: tenants that make, write, read and delete things of the same ids at the same time do not meet.
func TestGnocchiAtOnce(t *testing.T) {
	s := running(t, configured(t, ""))
	if w := askGnocchi(s, here, "POST", "/v1/archive_policy", `{"name":"p","definition":[{"granularity":"1s","points":100}]}`, ofProject("ops", "root", "admin")...); w.Code != 201 {
		t.Fatal(w.Body)
	}
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			who := ofProject(fmt.Sprint("project", p), "u", "member")
			value := fmt.Sprintf("%d.5", p+1000)
			for i := range 20 {
				id := fmt.Sprintf("5f3c4d5e-1111-4222-8333-%012d", i%3)
				step := func(want int, method, path, body string) *httptest.ResponseRecorder {
					w := askGnocchi(s, here, method, path, body, who...)
					if w.Code != want {
						t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, want)
					}
					return w
				}
				step(201, "POST", "/v1/resource/generic", `{"id":"`+id+`","metrics":{"m":{"archive_policy_name":"p"}}}`)
				step(202, "POST", "/v1/batch/resources/metrics/measures", `{"`+id+`":{"m":[{"timestamp":1000,"value":`+value+`}]}}`)
				if w := step(200, "GET", "/v1/resource/generic/"+id+"/metric/m/measures", ""); w.Body.String() != `[["1970-01-01T00:16:40+00:00", 1.0, `+value+`]]` {
					t.Errorf("%s reads %s", who[3], w.Body)
				}
				if w := step(200, "GET", "/v1/resource/generic", ""); strings.Count(w.Body.String(), `"id": "5f3c4d5e`) != 1 {
					t.Errorf("%s lists %s", who[3], w.Body)
				}
				step(204, "DELETE", "/v1/resource/generic/"+id, "")
				step(404, "GET", "/v1/resource/generic/"+id, "")
			}
		})
	}
	wg.Wait()
}
