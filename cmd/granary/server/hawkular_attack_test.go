package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
	"granary/compat/hawkular"
)

// hawkularModes runs a test in both modes of the dialect.
func hawkularModes(t *testing.T, test func(t *testing.T, s *Server)) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict %v", strict), func(t *testing.T) {
			test(t, running(t, configured(t, fmt.Sprintf("granary: {compat: {hawkular: {strict: %v, admin-token: {token: %s}}}}", strict, ofAdmins))))
		})
	}
}

const ofAdmins = "of-the-administrators"

// speak asks the dialect for a tenant, as its clients do.
func speak(s *Server, tenant, method, path, body string, header ...string) *httptest.ResponseRecorder {
	return ask(s, here, method, hawkular.Prefix+path, body, append([]string{"Hawkular-Tenant", tenant, "Content-Type", "application/json"}, header...)...)
}

// spelt are the paths of a route in which its variables have a value each.
func spelt(r edge.Route, id, tags string) (paths []string) {
	paths = []string{r.Path}
	put := func(name string, values ...string) {
		var next []string
		for _, p := range paths {
			if !strings.Contains(p, "{"+name+"}") {
				next = append(next, p)
				continue
			}
			for _, v := range values {
				next = append(next, strings.ReplaceAll(p, "{"+name+"}", v))
			}
		}
		paths = next
	}
	for name, form := range r.Variables {
		put(name, strings.Split(form, "|")...)
	}
	put("id", id)
	put("tags", tags)
	put("tenant", "other")
	return paths
}

// everywhere calls f for each operation of the dialect.
func everywhere(t *testing.T, s *Server, id, tags string, f func(method, path string)) {
	t.Helper()
	n := 0
	for _, r := range s.http.Handler.(*edge.Dispatcher).Routes() {
		if r.Dialect != hawkular.Name {
			continue
		}
		for _, path := range spelt(r.Route, id, tags) {
			for _, method := range r.Methods {
				f(method, path)
				n++
			}
		}
	}
	if n == 0 {
		t.Error("the dialect has no routes")
	}
}

// sampled says whether a case is one of those that a run tries: one of so many, and fewer if it has to be short. Every value and every
// place comes up in some pair.
func sampled(n *int, of int) bool {
	if testing.Short() {
		of *= 8
	}
	*n++
	return *n%of == 0
}

// sane says what is wrong with an answer to whatever was asked: it is no failure of the service, and an error says what is wrong.
func sane(w *httptest.ResponseRecorder, method string) string {
	switch {
	case w.Code >= 500:
		return "the service has failed"
	case w.Code >= 400 && method != http.MethodHead && !json.Valid(w.Body.Bytes()):
		return "the error is no JSON"
	case w.Code >= 400 && method != http.MethodHead && !strings.Contains(w.Body.String(), `"errorMsg":"`):
		return "the error says nothing"
	case w.Code >= 400 && w.Header().Get(hawkular.ErrorHeader) == "":
		return "the error has no code"
	case w.Code >= 400 && w.Body.Len() > 4096:
		return "the error repeats all that was sent"
	}
	return ""
}

// TestHawkularOddIDs: whatever stands where an id or a query over tags does, the answer is an answer.
func TestHawkularOddIDs(t *testing.T) {
	odd := []string{
		"%00", "%0A", "%2F", "%2F%2F", "..", "%2e%2e", ".", "%ff%fe", "%C3%28", "%F0%9F%92%A9", "%E2%80%AE", "a%7Bb%3D%22c%22%7D", "%7B%7D", "%7B", "a%7Bb%3D", "%22", "'", "+", "%2B", "*", "raw", "tags", "stats",
		"query", ",", ":", "%3A%2C", "!", "()", "%5B", "a:(", "a:*,", "a:%28a%2B%29%2B%24", "NOT", "a%20AND", "a%20IN%20%5B", "%25", "%2525", strings.Repeat("x", 64<<10), strings.Repeat("%28", 5000),
		strings.Repeat("NOT%20", 5000) + "a", strings.Repeat("a%20OR%20", 5000) + "a", strings.Repeat("a:b,", 5000) + "a:b", "a:" + strings.Repeat("%28a%2A%29%2A", 500),
	}
	bodies := []string{"", "null", "[]", "{}", `[{"timestamp":1,"value":1}]`, `{"a":"b"}`}
	hawkularModes(t, func(t *testing.T, s *Server) {
		n := 0
		for _, o := range odd {
			everywhere(t, s, o, o, func(method, path string) {
				if strings.HasPrefix(path, hawkular.Prefix+"/tenants/") || !strings.Contains(path, o) || !sampled(&n, 5) {
					return
				}
				body := bodies[len(path)%len(bodies)]
				w := ask(s, here, method, path, body, "Hawkular-Tenant", "odd", "Content-Type", "application/json")
				if why := sane(w, method); why != "" {
					t.Errorf("%s %.200s %s: %s: %d %.300s", method, path, body, why, w.Code, w.Body)
				}
			})
		}
	})
}

// TestHawkularOddQueries: so it is with whatever stands in the query string, and in bodies of queries.
func TestHawkularOddQueries(t *testing.T) {
	const huge, tiny, beyond = "9223372036854775807", "-9223372036854775808", "99999999999999999999999999"
	values := []string{
		"", "0", "-1", "1", huge, tiny, beyond, "4611686018427387904", "2147483647", "2147483648", "1e9", "1.5", "NaN", "-" + huge + "ms", "+" + huge + "d", "-106751d", "+106752d", "-1d", huge + "d", "1ms", "0ms", "-1ms", "1w", "true", "TRUE", "yes",
		"null", "%00", "%ff", "(", "a:(", "a:*", ".*", "x", "50,101", "50,,", "1e400", strings.Repeat("9,", 3000) + "9", strings.Repeat("x", 20000),
	}
	names := []string{"start", "end", "buckets", "bucketDuration", "limit", "order", "percentiles", "tags", "metrics", "fromEarliest", "distinct", "stacked", "timestamps", "type", "id", "filter", "threshold", "op", "overwrite", "state"}
	hawkularModes(t, func(t *testing.T, s *Server) {
		if w := speak(s, "odd", "POST", "/gauges/raw", fmt.Sprintf(`[{"id":"x","data":[{"timestamp":%d,"value":1}],"tags":{"a":"b"}}]`, time.Now().UnixMilli())); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		n, begin := 0, time.Now()
		check := func(method, path, body string) {
			w := ask(s, here, method, path, body, "Hawkular-Tenant", "odd", "Content-Type", "application/json")
			if why := sane(w, method); why != "" {
				t.Errorf("%s %.200s %.200s: %s: %d %.300s", method, path, body, why, w.Code, w.Body)
			}
		}
		everywhere(t, s, "x", "a:b", func(method, path string) {
			switch method {
			case http.MethodGet:
				for i, v := range values {
					for k, name := range names {
						if !sampled(&n, 7) {
							continue
						}
						more := ""
						switch (i + k) % 5 {
						case 0:
							more = "&buckets=10"
						case 1:
							more = "&bucketDuration=1mn&metrics=x"
						case 2:
							more = "&start=1&end=" + huge
						case 3:
							more = "&start=-1h&tags=a:b"
						}
						check(method, path+"?"+name+"="+strings.ReplaceAll(v, "+", "%2B")+more, "")
					}
				}
			case http.MethodPost:
				if !strings.HasSuffix(path, "/query") {
					return
				}
				for i, v := range values {
					quoted := strconv.Quote(v)
					if i%2 == 0 && json.Valid([]byte(v)) {
						quoted = v
					}
					for _, name := range []string{"start", "end", "buckets", "bucketDuration", "limit", "order", "percentiles", "tags", "ids", "metrics", "types", "fromEarliest", "stacked"} {
						for _, with := range []string{`"ids":["x"]`, `"tags":"a:b","buckets":3`, `"metrics":["x"],"bucketDuration":"1mn","start":1`, `"metrics":{"gauge":["x"]},"buckets":2`} {
							if !sampled(&n, 7) {
								continue
							}
							check(method, path, "{"+with+`,"`+name+`":`+quoted+"}")
						}
					}
				}
			}
		})
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("it takes %v", took)
		}
	})
}

// TestHawkularBrokenBodies: what is no JSON, or JSON of another form, is an error and nothing else, however deep it is.
func TestHawkularBrokenBodies(t *testing.T) {
	hawkularModes(t, func(t *testing.T, s *Server) {
		for _, c := range []struct{ path, body string }{
			{"/gauges/raw", strings.Repeat("[", 100000)}, {"/gauges/raw", `[{"id":"x","data":` + strings.Repeat("[", 100000)}, {"/gauges/raw", `[{"id":"x","data":[{"timestamp":1,"value":1,"more":` + strings.Repeat(`{"a":`, 100000) + "1" + strings.Repeat("}", 100000) + `}]}]`},
			{"/gauges", strings.Repeat(`{"tags":`, 100000)}, {"/gauges/x/tags", `{"a":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`}, {"/metrics/stats/query", strings.Repeat(`{"metrics":`, 100000)},
			{"/gauges/raw", "\xff\xfe"}, {"/gauges/raw", "[{'id"}, {"/gauges/raw", `[{"id":"x` + "\x00" + `","data":[{"timestamp":1,"value":1}]`}, {"/gauges/raw", `[{"id":"","data":[{"timestamp":1,"value":1}]}]`}, {"/gauges/raw", `[{"data":[{"timestamp":1,"value":1}]}]`},
			{"/gauges/raw", `[{"id":7,"data":{}}]`}, {"/gauges/raw", `[{"id":"x","data":[{"timestamp":1,"value":1}]}]]`},
		} {
			w := speak(s, "deep", map[bool]string{true: "PUT", false: "POST"}[strings.HasSuffix(c.path, "/tags")], c.path, c.body)
			if why := sane(w, "POST"); w.Code < 400 || why != "" {
				t.Errorf("%s %.100q: %d %.300s %s", c.path, c.body, w.Code, w.Body, why)
			}
		}
	})
}

// TestHawkularLargeBody: a body of a megabyte and ten thousand points is taken at once, and comes back.
func TestHawkularLargeBody(t *testing.T) {
	hawkularModes(t, func(t *testing.T, s *Server) {
		var b strings.Builder
		b.WriteString("[")
		for m := range 100 {
			fmt.Fprintf(&b, `%s{"id":"machine/%d/%s","data":[`, map[bool]string{true: ",", false: ""}[m > 0], m, strings.Repeat("x", 100))
			for p := range 100 {
				fmt.Fprintf(&b, `%s{"timestamp":%d,"value":%d.25,"tags":{"why":"%s"}}`, map[bool]string{true: ",", false: ""}[p > 0], 1_700_000_000_000+p*1000, p, strings.Repeat("y", 60))
			}
			b.WriteString("]}")
		}
		b.WriteString("]")
		w := speak(s, "large", "POST", "/gauges/raw", b.String())
		if w.Code != 200 || b.Len() < 1e6 {
			t.Fatalf("%d bytes: %d %.300s", b.Len(), w.Code, w.Body)
		}
		w = speak(s, "large", "GET", "/gauges/machine%2F99%2F"+strings.Repeat("x", 100)+"/raw?start=1&end=1800000000000&order=asc", "")
		var points []struct {
			Timestamp int64
			Value     float64
			Tags      map[string]string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &points); err != nil || len(points) != 100 || points[99].Timestamp != 1_700_000_099_000 || points[99].Value != 99.25 || len(points[99].Tags["why"]) != 60 {
			t.Errorf("%v %d %.300s", err, len(points), w.Body)
		}
	})
}

// TestHawkularTenantsNeverMeet: no operation opens a tenant to a credential of another, or to two names at once.
func TestHawkularTenantsNeverMeet(t *testing.T) {
	const mark = "zebra-of-a"
	for _, strict := range []bool{false, true} {
		s := running(t, configured(t, fmt.Sprintf(`
granary:
  compat: {hawkular: {strict: %v, admin-token: {token: %s}}}
  identity:
    failures: {allowed: 0}
    tokens:
      - {name: a, token: the-admin-of-tenant-a, roles: [admin], tenants: [a]}
      - {name: b, token: the-admin-of-tenant-b, roles: [admin], tenants: [b]}`, strict, ofAdmins)))
		body := fmt.Sprintf(`[{"name":%q,"tags":{"x":%q},"samples":[["now",1]]}]`, mark, mark)
		for tenant, token := range map[string]string{"a": "the-admin-of-tenant-a", "b": "the-admin-of-tenant-b"} {
			if w := ask(s, here, "POST", "/v2/measures", strings.ReplaceAll(body, "-of-a", "-of-"+tenant), "Tenant", tenant, "Authorization", "Bearer "+token); w.Code != 200 {
				t.Fatal(w.Body)
			}
		}
		bodies := []string{`{"ids":["` + mark + `"],"start":"-1h"}`, `{"tags":"x:*","buckets":1}`, `{"metrics":{"gauge":["` + mark + `"]},"buckets":1}`, `[{"id":"` + mark + `","data":[{"timestamp":1,"value":1}]}]`, `{"id":"` + mark + `"}`}
		before := ask(s, here, "GET", "/v2/metrics?samples", "", "Tenant", "a", "Authorization", "Bearer the-admin-of-tenant-a").Body.String()
		everywhere(t, s, mark+"%7Bx%3D%22"+mark+"%22%7D", "x:*", func(method, path string) {
			for _, body := range bodies {
				for name, header := range map[string][]string{
					"of another":    {"Hawkular-Tenant", "a", "Authorization", "Bearer the-admin-of-tenant-b"},
					"of nobody":     {"Hawkular-Tenant", "a", "Authorization", "Bearer the-admin-of-nobody-"},
					"without":       {"Hawkular-Tenant", "a"},
					"two tenants":   {"Hawkular-Tenant", "a", "Tenant", "b", "Authorization", "Bearer the-admin-of-tenant-a"},
					"two others":    {"Hawkular-Tenant", "b", "X-Scope-OrgID", "a", "Authorization", "Bearer the-admin-of-tenant-b"},
					"an admin":      {"Hawkular-Tenant", "a", "Hawkular-Admin-Token", "of-the-administrators-", "Authorization", "Bearer the-admin-of-tenant-b"},
					"its own token": {"Hawkular-Tenant", "b", "Authorization", "Bearer the-admin-of-tenant-b"},
				} {
					w := ask(s, here, method, path, body, append([]string{"Content-Type", "application/json"}, header...)...)
					if strings.Contains(w.Body.String(), mark) && !strings.Contains(w.Body.String(), "errorMsg") && !strings.Contains(path+body, "/tenants") && name != "its own token" {
						t.Errorf("%s %s %s, with a token %s: %d %s", method, path, body, name, w.Code, w.Body)
					}
					if why := sane(w, method); why != "" {
						t.Errorf("%s %s %s, with a token %s: %d %s %s", method, path, body, name, w.Code, w.Body, why)
					}
				}
			}
		})
		if after := ask(s, here, "GET", "/v2/metrics?samples", "", "Tenant", "a", "Authorization", "Bearer the-admin-of-tenant-a").Body.String(); after != before {
			t.Errorf("tenant a was\n%s\nand is\n%s", before, after)
		}
		// One field twice is two tenants too.
		r := httptest.NewRequestWithContext(t.Context(), "GET", hawkular.Prefix+"/metrics", nil)
		r.RemoteAddr, r.Host = here, "localhost:8082"
		r.Header = http.Header{"Hawkular-Tenant": {"a", "b"}, "Authorization": {"Bearer the-admin-of-tenant-a"}}
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if w.Code != 400 && w.Code != 404 {
			t.Errorf("two values: %d %s", w.Code, w.Body)
		}
	}
}
