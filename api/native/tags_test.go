package native

import (
	"net/url"
	"strings"
	"testing"

	"granary/metricdef"
)

func TestTags(t *testing.T) {
	w := newWorld()
	w.hosts(t, "mine", 8)
	w.put(t, "mine", metricdef.Draft{Identity: metricdef.Identity{Name: "disk", Tags: []metricdef.Tag{{Name: "a/b c", Value: "x/y"}}}}, 0)
	for path, want := range map[string]string{
		"/v2/tags":                              `{"tags":[{"name":"a/b c","values":1,"metrics":1},{"name":"host","values":4,"metrics":8},{"name":"rack","values":2,"metrics":8}]}`,
		"/v2/tags?prefix=h&count":               `{"tags":[{"name":"host","values":4,"metrics":8}],"total":1}`,
		"/v2/tags?regex=.*a.*&prefix=r":         `{"tags":[{"name":"rack","values":2,"metrics":8}]}`,
		"/v2/tags?tag=host=h01":                 `{"tags":[{"name":"host","values":1,"metrics":2},{"name":"rack","values":1,"metrics":2}]}`,
		"/v2/tags?name=disk":                    `{"tags":[{"name":"a/b c","values":1,"metrics":1}]}`,
		"/v2/tags?name=nothing&count=true":      `{"tags":[],"total":0}`,
		"/v2/tags/host":                         `{"name":"host","values":[{"value":"h00","metrics":2},{"value":"h01","metrics":2},{"value":"h02","metrics":2},{"value":"h03","metrics":2}]}`,
		"/v2/tags/host?selector=cpu&prefix=h03": `{"name":"host","values":[{"value":"h03","metrics":1}]}`,
		"/v2/tags/host?regex=h0[12]&count":      `{"name":"host","values":[{"value":"h01","metrics":2},{"value":"h02","metrics":2}],"total":2}`,
		"/v2/tags/a%2Fb%20c":                    `{"name":"a/b c","values":[{"value":"x/y","metrics":1}]}`,
		"/v2/tags/__name__?tag=rack=r0":         `{"name":"__name__","values":[{"value":"cpu","metrics":2},{"value":"mem","metrics":2}]}`,
		"/v2/tags/nothing":                      `{"name":"nothing","values":[]}`,
		"/v2/cardinality?top=2":                 `{"metrics":9,"names":3,"tags":3,"pairs":7,"top_names":[{"name":"cpu","metrics":4},{"name":"mem","metrics":4}],"top_tags":[{"name":"host","values":4,"metrics":8},{"name":"rack","values":2,"metrics":8}],"top_pairs":[{"name":"rack","value":"r0","metrics":4},{"name":"rack","value":"r1","metrics":4}]}`,
		"/v2/cardinality?tag=host=h00&top=1":    `{"metrics":2,"names":2,"tags":2,"pairs":2,"top_names":[{"name":"cpu","metrics":1}],"top_tags":[{"name":"host","values":1,"metrics":2}],"top_pairs":[{"name":"host","value":"h00","metrics":2}]}`,
	} {
		got := ask(w, "GET", path, "", "Tenant", "mine")
		if got.Code != 200 || strings.TrimSpace(got.Body.String()) != want {
			t.Errorf("%s: %d\n%swant\n%s", path, got.Code, got.Body, want)
		}
	}
	got := ask(w, "GET", "/v2/tags/host?limit=3&count", "", "Tenant", "mine")
	first := answerOf[struct {
		Next   string
		Total  int
		Values []any
	}](t, got, 200)
	if len(first.Values) != 3 || first.Total != 4 || got.Header().Get("Link") != `</v2/tags/host?count=&cursor=`+url.QueryEscape(first.Next)+`&limit=3>; rel="next"` {
		t.Errorf("%v %s", got.Header(), got.Body)
	}
	if got := ask(w, "GET", "/v2/tags/host?limit=3&cursor="+first.Next, "", "Tenant", "mine"); strings.TrimSpace(got.Body.String()) != `{"name":"host","values":[{"value":"h03","metrics":2}]}` {
		t.Errorf("the last page: %s", got.Body)
	}
	for path, want := range map[string][2]string{
		"/v2/tags?regex=(":              {"regex", "regexp-invalid"},
		"/v2/tags?cursor=" + first.Next: {"cursor", "cursor-invalid"},
		"/v2/tags/host?limit=0":         {"limit", "parameter-invalid"},
		"/v2/tags/host?selector=%7B":    {"selector", "selector-invalid"},
		"/v2/cardinality?top=1001":      {"top", "parameter-invalid"},
		"/v2/cardinality?limit=3":       {"limit", "parameter-invalid"},
	} {
		got := ask(w, "GET", path, "", "Tenant", "mine")
		if m := problemOf(t, got); got.Code != 400 || m["parameter"] != want[0] || m["code"] != want[1] {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
}
