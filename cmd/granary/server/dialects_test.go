package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/metricdef"
)

// TestAcrossDialects: what one dialect writes others read, as far as their words reach. A row is a metric as one of them writes
// it, and what each of them shows of it.
func TestAcrossDialects(t *testing.T) {
	s := running(t, configured(t, "{}"))
	now := time.Now().Unix()/60*60 - 600
	const node = `"tags":{"cluster":"c","hostname":"h1"}`
	for _, row := range []struct {
		name           string
		native         string // an item of POST /v2/measures, NAME and TIMES being put in
		line           string // or a line of POST /api/write?cluster=c
		clustercockpit string // data of /api/query for host h1; "" for nothing
		shown          string // what /v2/query shows: type, kind, tags, values
		hawkular       string // what Hawkular shows below the key text: points as time since T0 in seconds and value
	}{
		{"gauge", `{"name":"NAME",` + node + `,"samples":[[T0,1.5],[T1,2.5]]}`, "", "[1.500,2.500]", "gauge float cluster=c,hostname=h1 [1.5,2.5]", "0=1.5 60=2.5"},
		{"counter", `{"name":"NAME","type":"counter",` + node + `,"samples":[[T0,7],[T1,9007199254740993]]}`, "", "[7.000,9007199254740992.000]", "counter int cluster=c,hostname=h1 [7,9007199254740993]", "0=7 60=9007199254740993"},
		{"string", `{"name":"NAME","type":"string",` + node + `,"samples":[[T0,"a"],[T1,"b"]]}`, "", "", `string text cluster=c,hostname=h1 ["a","b"]`, "0=a 60=b"},
		{"availability", `{"name":"NAME","type":"availability",` + node + `,"samples":[[T0,"up"],[T1,"down"]]}`, "", "", `availability state cluster=c,hostname=h1 ["up","down"]`, "0=up 60=down"},
		{"more tags", `{"name":"NAME","tags":{"cluster":"c","hostname":"h1","rack":"r1"},"samples":[[T0,3],[T1,4]]}`, "", "[3.000,4.000]", "gauge float cluster=c,hostname=h1,rack=r1 [3,4]", "0=3 60=4"},
		{"no host", `{"name":"NAME","tags":{"cluster":"c"},"samples":[[T0,3],[T1,4]]}`, "", "", "gauge float cluster=c [3,4]", "0=3 60=4"},
		{"other cluster", `{"name":"NAME","tags":{"cluster":"d","hostname":"h1"},"samples":[[T0,3],[T1,4]]}`, "", "", "gauge float cluster=d,hostname=h1 [3,4]", "0=3 60=4"},
		{"host is no word here", `{"name":"NAME","tags":{"cluster":"c","host":"h1"},"samples":[[T0,3],[T1,4]]}`, "", "", "gauge float cluster=c,host=h1 [3,4]", "0=3 60=4"},
		{"line of a node", "", "NAME,hostname=h1,type=node,unit=W value=5 T0\nNAME,hostname=h1,type=node,unit=W value=6 T1", "[5.000,6.000]", "gauge float cluster=c,hostname=h1 [5,6]", "0=5 60=6"},
		{"line of a thread", "", "NAME,host=h1,type=hwthread,type-id=3 value=5 T0\nNAME,hostname=h1,type=hwthread,type-id=3 value=6 T1", "[5.000,6.000]", "gauge float cluster=c,hostname=h1,type-id=3,type=hwthread [5,6]", "0=5 60=6"},
	} {
		t.Run(row.name, func(t *testing.T) {
			name := strings.ReplaceAll(row.name, " ", "_")
			put := strings.NewReplacer("NAME", name, "T0", fmt.Sprint(now), "T1", fmt.Sprint(now+60))
			w := ask(s, here, http.MethodPost, "/v2/measures", put.Replace("["+row.native+"]"))
			if row.line != "" {
				w = ask(s, here, http.MethodPost, "/api/write?cluster=c", put.Replace(row.line))
			}
			if w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			w = ask(s, here, http.MethodPost, "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[{"metric":%q,"host":"h1"}]}`, now, now+120, name))
			var results struct {
				Results [][]struct{ Data json.RawMessage }
			}
			got := ""
			if err := json.Unmarshal(w.Body.Bytes(), &results); err != nil || w.Code != http.StatusOK || len(results.Results) != 1 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			for _, column := range results.Results[0] {
				got += string(column.Data)
			}
			if got != row.clustercockpit {
				t.Errorf("ClusterCockpit shows %s, want %s", w.Body, row.clustercockpit)
			}
			w = ask(s, here, http.MethodPost, "/v2/query", fmt.Sprintf(`{"names":[%q],"start":%d,"end":%d}`, name, now, now+120))
			var native struct {
				Frames []struct {
					Type, Kind string
					Tags       map[string]string
					Values     json.RawMessage
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &native); err != nil || w.Code != http.StatusOK || len(native.Frames) != 1 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			f := native.Frames[0]
			var tags []string
			for k, v := range f.Tags {
				tags = append(tags, k+"="+v)
			}
			slices.Sort(tags)
			if got := fmt.Sprint(f.Type, " ", f.Kind, " ", strings.Join(tags, ","), " ", string(f.Values)); got != row.shown {
				t.Errorf("native shows %s, want %s", got, row.shown)
			}
			acrossToHawkular(t, s, f.Type, name, f.Tags, now, row.hawkular)
		})
	}
	acrossFromHawkular(t, s, now)
	// A delete through one is a delete for all, and a metric of both is one.
	line := fmt.Sprintf("shared,hostname=h1 value=1 %d", now)
	item := fmt.Sprintf(`[{"name":"shared","tags":{"cluster":"c","hostname":"h1"},"samples":[[%d,2]]}]`, now+60)
	ask(s, here, http.MethodPost, "/api/write?cluster=c", line)
	ask(s, here, http.MethodPost, "/v2/measures", item)
	question := fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[{"metric":"shared","host":"h1"}]}`, now, now+120)
	if w := ask(s, here, http.MethodPost, "/api/query", question); !strings.Contains(w.Body.String(), `"data":[1.000,2.000]`) {
		t.Errorf("shared: %s", w.Body)
	}
	if w := ask(s, here, http.MethodPost, "/v2/metrics/delete", `{"name":"shared"}`); !strings.Contains(w.Body.String(), `"deleted":1`) {
		t.Errorf("shared, deleted: %s", w.Body)
	}
	if w := ask(s, here, http.MethodPost, "/api/query", question); strings.Contains(w.Body.String(), "data") {
		t.Errorf("shared, behind its deletion: %s", w.Body)
	}
	// Another tenant has none of it, and is not made by asking.
	if w := ask(s, here, http.MethodPost, "/v2/query", `{"selector":{"and":[]},"start":0}`, "Tenant", "other"); !strings.Contains(w.Body.String(), `"frames":[]`) {
		t.Errorf("another tenant: %s", w.Body)
	}
}

// element is a type as Hawkular's paths name it.
func element(typ string) string {
	if typ == "availability" {
		return typ
	}
	return typ + "s"
}

// acrossToHawkular looks at a metric that another dialect has written through Hawkular: it is listed with all of its tags, read, and tagged
// under its key text; what it is by cannot be changed there; and it is deleted there for all.
func acrossToHawkular(t *testing.T, s *Server, typ, name string, tags map[string]string, now int64, points string) {
	t.Helper()
	var list []metricdef.Tag
	for k, v := range tags {
		list = append(list, metricdef.Tag{Name: k, Value: v})
	}
	slices.SortFunc(list, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	key := string(metricdef.AppendKey(nil, name, list))
	at := "/hawkular/metrics/" + element(typ) + "/" + url.PathEscape(key)
	hawkular := func(method, path, body string, status int) []byte {
		t.Helper()
		w := ask(s, here, method, path, body)
		if w.Code != status {
			t.Errorf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
		return w.Body.Bytes()
	}
	var listed []struct {
		ID, Type string
		Tags     map[string]string
	}
	search := "/hawkular/metrics/metrics?tags=" + url.QueryEscape("cluster = '"+tags["cluster"]+"'")
	if err := json.Unmarshal(hawkular("GET", search, "", 200), &listed); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range listed {
		delete(m.Tags, "unit") // which is plain
		if m.ID == key && m.Type == typ && maps.Equal(m.Tags, tags) {
			found++
		}
	}
	if found != 1 {
		t.Errorf("Hawkular lists %d of %s in %v", found, key, listed)
	}
	var read []struct {
		Timestamp int64
		Value     json.RawMessage
	}
	if err := json.Unmarshal(hawkular("GET", at+fmt.Sprintf("/raw?start=%d&end=%d&order=asc", now*1000, (now+120)*1000), "", 200), &read); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range read {
		texts = append(texts, fmt.Sprint(p.Timestamp/1000-now, "=", strings.Trim(string(p.Value), `"`)))
	}
	if got := strings.Join(texts, " "); got != points {
		t.Errorf("Hawkular shows %s, want %s", got, points)
	}
	hawkular("PUT", at+"/tags", `{"cluster":"elsewhere"}`, 409)
	hawkular("DELETE", at+"/tags/cluster", "", 409)
	hawkular("PUT", at+"/tags", `{"owner":"me"}`, 200)
	if w := ask(s, here, "POST", "/v2/metrics/search", fmt.Sprintf(`{"selector":%q}`, name+`{owner="me"}`)); strings.Count(w.Body.String(), `"owner":"me"`) != 1 {
		t.Errorf("native does not see the tag: %s", w.Body)
	}
	hawkular("DELETE", at+"/tags/owner", "", 200)
	if w := ask(s, here, "POST", "/v2/metrics/search", fmt.Sprintf(`{"selector":%q}`, name+`{owner="me"}`)); strings.Contains(w.Body.String(), "owner") {
		t.Errorf("native sees a tag that is gone: %s", w.Body)
	}
	hawkular("DELETE", at, "", 200)
	if w := ask(s, here, "POST", "/v2/query", fmt.Sprintf(`{"names":[%q],"start":%d,"end":%d}`, name, now, now+120)); strings.Contains(w.Body.String(), `"values"`) {
		t.Errorf("native sees what Hawkular has deleted: %s", w.Body)
	}
	w := ask(s, here, http.MethodPost, "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[{"metric":%q,"host":"h1"}]}`, now, now+120, name))
	if strings.Contains(w.Body.String(), `"data"`) {
		t.Errorf("ClusterCockpit sees what Hawkular has deleted: %s", w.Body)
	}
}

// acrossFromHawkular: what Hawkular has written is a metric without identity tags everywhere, with plain ones.
func acrossFromHawkular(t *testing.T, s *Server, now int64) {
	for _, row := range []struct{ typ, values, shown, clustercockpit string }{
		{"gauge", `1.5 2.5`, "gauge float [1.5,2.5]", "[1.500,2.500]"}, {"counter", `7 9007199254740993`, "counter int [7,9007199254740993]", "[7.000,9007199254740992.000]"},
		{"string", `"a" "b"`, `string text ["a","b"]`, ""}, {"availability", `"up" "admin"`, `availability state ["up","admin"]`, ""},
	} {
		name := "machine/1/" + row.typ
		values := strings.Fields(row.values)
		body := fmt.Sprintf(`[{"id":%q,"data":[{"timestamp":%d,"value":%s},{"timestamp":%d,"value":%s}]}]`, name, now*1000, values[0], (now+60)*1000, values[1])
		if w := ask(s, here, "POST", "/hawkular/metrics/"+element(row.typ)+"/raw", body); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w := ask(s, here, "PUT", "/hawkular/metrics/"+element(row.typ)+"/"+url.PathEscape(name)+"/tags", `{"cluster":"c","hostname":"h1"}`); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		w := ask(s, here, "POST", "/v2/query", fmt.Sprintf(`{"names":[%q],"start":%d,"end":%d}`, name, now, now+120))
		var native struct {
			Frames []struct {
				Type, Kind string
				Tags       map[string]string
				Values     json.RawMessage
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &native); err != nil || len(native.Frames) != 1 || len(native.Frames[0].Tags) != 0 {
			t.Fatalf("%v: %s", err, w.Body)
		}
		f := native.Frames[0]
		if got := fmt.Sprint(f.Type, " ", f.Kind, " ", string(f.Values)); got != row.shown {
			t.Errorf("native shows %s, want %s", got, row.shown)
		}
		w = ask(s, here, "GET", "/v2/metrics?name="+url.QueryEscape(name), "")
		for _, part := range []string{`"hostname":"h1"`, `"cluster":"c"`, `"hawkular"`} {
			if !strings.Contains(w.Body.String(), part) {
				t.Errorf("native shows no %s: %s", part, w.Body)
			}
		}
		// ClusterCockpit sees numbers that have a cluster and a hostname among their tags.
		w = ask(s, here, "POST", "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[{"metric":%q,"host":"h1"}]}`, now, now+120, name))
		if shows := strings.Contains(w.Body.String(), `"data":`+row.clustercockpit); shows != (row.clustercockpit != "") {
			t.Errorf("ClusterCockpit shows %s, want %s", w.Body, row.clustercockpit)
		}
		// More of it may come through the native API, and it goes there for all.
		w = ask(s, here, "POST", "/v2/measures", fmt.Sprintf(`[{"name":%q,"type":%q,"samples":[[%d,%s]]}]`, name, row.typ, now+30, values[0]))
		if w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		at := "/hawkular/metrics/" + element(row.typ) + "/" + url.PathEscape(name)
		if w := ask(s, here, "GET", at+fmt.Sprintf("/raw?start=%d&end=%d", now*1000, (now+120)*1000), ""); strings.Count(w.Body.String(), "timestamp") != 3 {
			t.Errorf("Hawkular shows %s", w.Body)
		}
		if w := ask(s, here, "POST", "/v2/metrics/delete", fmt.Sprintf(`{"name":%q}`, name)); !strings.Contains(w.Body.String(), `"deleted":1`) {
			t.Errorf("deleted: %s", w.Body)
		}
		if w := ask(s, here, "GET", at, ""); w.Code != 204 {
			t.Errorf("Hawkular shows what is deleted: %d %s", w.Code, w.Body)
		}
	}
}
