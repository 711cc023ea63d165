package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
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
	}{
		{"gauge", `{"name":"NAME",` + node + `,"samples":[[T0,1.5],[T1,2.5]]}`, "", "[1.500,2.500]", "gauge float cluster=c,hostname=h1 [1.5,2.5]"},
		{"counter", `{"name":"NAME","type":"counter",` + node + `,"samples":[[T0,7],[T1,9007199254740993]]}`, "", "[7.000,9007199254740992.000]", "counter int cluster=c,hostname=h1 [7,9007199254740993]"},
		{"string", `{"name":"NAME","type":"string",` + node + `,"samples":[[T0,"a"],[T1,"b"]]}`, "", "", `string text cluster=c,hostname=h1 ["a","b"]`},
		{"availability", `{"name":"NAME","type":"availability",` + node + `,"samples":[[T0,"up"],[T1,"down"]]}`, "", "", `availability state cluster=c,hostname=h1 ["up","down"]`},
		{"more tags", `{"name":"NAME","tags":{"cluster":"c","hostname":"h1","rack":"r1"},"samples":[[T0,3],[T1,4]]}`, "", "[3.000,4.000]", "gauge float cluster=c,hostname=h1,rack=r1 [3,4]"},
		{"no host", `{"name":"NAME","tags":{"cluster":"c"},"samples":[[T0,3],[T1,4]]}`, "", "", "gauge float cluster=c [3,4]"},
		{"other cluster", `{"name":"NAME","tags":{"cluster":"d","hostname":"h1"},"samples":[[T0,3],[T1,4]]}`, "", "", "gauge float cluster=d,hostname=h1 [3,4]"},
		{"host is no word here", `{"name":"NAME","tags":{"cluster":"c","host":"h1"},"samples":[[T0,3],[T1,4]]}`, "", "", "gauge float cluster=c,host=h1 [3,4]"},
		{"line of a node", "", "NAME,hostname=h1,type=node,unit=W value=5 T0\nNAME,hostname=h1,type=node,unit=W value=6 T1", "[5.000,6.000]", "gauge float cluster=c,hostname=h1 [5,6]"},
		{"line of a thread", "", "NAME,host=h1,type=hwthread,type-id=3 value=5 T0\nNAME,hostname=h1,type=hwthread,type-id=3 value=6 T1", "[5.000,6.000]", "gauge float cluster=c,hostname=h1,type-id=3,type=hwthread [5,6]"},
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
		})
	}
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
