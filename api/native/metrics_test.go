package native

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant/queue"
)

// keysOf names the metrics of an answer: "cpu h00".
func keysOf(m metricsOf) string {
	var keys []string
	for _, d := range m.Metrics {
		keys = append(keys, d.Name+" "+d.Tags["host"])
	}
	return strings.Join(keys, ",")
}

func TestReadMetric(t *testing.T) {
	w := newWorld()
	d := w.put(t, "mine", metricdef.Draft{
		Identity: metricdef.Identity{Name: "net \"in\"", Type: metricdef.Counter, Tags: []metricdef.Tag{{Name: "a", Value: "1"}, {Name: "b", Value: "ä"}}},
		Plain:    []metricdef.Tag{{Name: "p", Value: "x"}}, Unit: "B/s",
	}, 0)
	const form = `{"id":"%s","name":"net \"in\"","type":"counter","kind":"int","tags":{"a":"1","b":"ä"},"plain_tags":{"p":"x"},"unit":"B/s",` +
		`"policy":{"name":"default","explicit":false},"created":%s,"explicit":false,"dialect":"native"%s}` + "\n"
	for query, want := range map[string][2]string{
		"":                             {"1769774400000", ""},
		"?samples=true":                {"1769774400000", `,"samples":{"first":1769857200000,"last":1769860800000}`},
		"?samples&times=s":             {"1769774400", `,"samples":{"first":1769857200,"last":1769860800}`},
		"?time_format=rfc3339":         {`"2026-01-30T12:00:00Z"`, ""},
		"?samples=false&times=rfc3339": {`"2026-01-30T12:00:00Z"`, ""},
	} {
		got := ask(w, "GET", "/v2/metrics/"+d.ID.String()+query, "", "Tenant", "mine")
		if want := fmt.Sprintf(form, d.ID, want[0], want[1]); got.Code != 200 || got.Body.String() != want {
			t.Errorf("%s: %d\n%s want\n%s", query, got.Code, got.Body, want)
		}
	}
	if got := ask(w, "GET", "/v2/metrics/"+strings.ToUpper(d.ID.String()), "", "Tenant", "mine"); got.Code != 200 {
		t.Errorf("an id in capitals: %d", got.Code)
	}
	empty := w.put(t, "mine", metricdef.Draft{Identity: metricdef.Identity{Name: "empty"}}, -1)
	if got := ask(w, "GET", "/v2/metrics/"+empty.ID.String()+"?samples", "", "Tenant", "mine"); !strings.Contains(got.Body.String(), `"samples":null`) {
		t.Errorf("without samples: %s", got.Body)
	}
}

func TestListMetrics(t *testing.T) {
	w := newWorld()
	w.hosts(t, "mine", 8)
	w.hosts(t, "theirs", 20)
	w.put(t, "mine", metricdef.Draft{Identity: metricdef.Identity{Name: "new"}}, -1)
	for _, c := range []struct {
		query, want string
		total       int // -1: none
	}{
		{"", "cpu h00,mem h00,cpu h01,mem h01,cpu h02,mem h02,cpu h03,mem h03,new ", -1},
		{"selector=" + url.QueryEscape(`cpu{host=~"h0[12]"}`), "cpu h01,cpu h02", -1},
		{"name=mem&name=new", "mem h00,mem h01,mem h02,mem h03,new ", -1},
		{"name=", "", -1},
		{"type=counter", "mem h00,mem h01,mem h02,mem h03", -1},
		{"type=counter,gauge&type=gauge&name=cpu", "cpu h00,cpu h01,cpu h02,cpu h03", -1},
		{"type=string&count", "", 0},
		{"tag=host&tag=rack%3Dr1", "cpu h02,mem h02,cpu h03,mem h03", -1},
		{"tag=host=~h0[01]&tag=__name__!=cpu", "mem h00,mem h01", -1},
		{"tag=host!~h.*", "new ", -1},
		{"tag=rack=r1&selector=mem", "mem h02,mem h03", -1},
		{"sort=name&limit=3&count=true", "cpu h00,cpu h01,cpu h02", 9},
		{"sort=name&order=desc&limit=2", "new ,mem h03", -1},
		{"sort=created&order=desc&limit=2", "new ,mem h03", -1},
		{"sort=ref&order=asc&limit=1", "cpu h00", -1},
		{"active_within=2m", "cpu h00,mem h00,cpu h01", -1},
		{"idle_for=5m&count", "mem h02,cpu h03,mem h03,new ", 4},
		{"idle_for=1d", "", -1},
		{"idle_for=1m&active_within=3m", "mem h00,cpu h01,mem h01", -1},
		{"active_within=300", "cpu h00,mem h00,cpu h01,mem h01,cpu h02,mem h02", -1},
	} {
		got := answerOf[metricsOf](t, ask(w, "GET", "/v2/metrics?"+c.query, "", "Tenant", "mine"), 200)
		total := -1
		if got.Total != nil {
			total = *got.Total
		}
		if keysOf(got) != c.want || total != c.total {
			t.Errorf("%s: %s (%d), want %s (%d)", c.query, keysOf(got), total, c.want, c.total)
		}
	}
}

// TestListMetricsPages follows the links from page to page, in every order.
func TestListMetricsPages(t *testing.T) {
	w := newWorld()
	w.hosts(t, "mine", 23)
	w.hosts(t, "theirs", 23)
	for _, order := range []string{"", "sort=ref&order=desc", "sort=name", "sort=name&order=desc", "sort=created", "sort=id", "sort=id&order=desc"} {
		seen := map[string]bool{}
		at := "/v2/metrics?limit=4&tag=host=~h.*&" + order
		pages := 0
		for ; at != ""; pages++ {
			answer := ask(w, "GET", at, "", "Tenant", "mine")
			got := answerOf[metricsOf](t, answer, 200)
			for _, d := range got.Metrics {
				seen[d.ID.String()] = true
			}
			link := answer.Header().Get("Link")
			if (link == "") != (got.Next == "") {
				t.Fatalf("%s: Link %q, next %q", at, link, got.Next)
			}
			at = ""
			if link != "" {
				target, rel, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
				if rel != `; rel="next"` || !strings.HasPrefix(target, "/v2/metrics?") {
					t.Fatalf("Link %q", link)
				}
				at = target
			}
		}
		if len(seen) != 23 || pages != 6 {
			t.Errorf("%s: %d metrics on %d pages", order, len(seen), pages)
		}
	}
}

func TestListMetricsRefused(t *testing.T) {
	w := newWorld()
	w.hosts(t, "mine", 8)
	next := answerOf[metricsOf](t, ask(w, "GET", "/v2/metrics?limit=1", "", "Tenant", "mine"), 200).Next
	for query, want := range map[string][3]string{ // parameter, code, part of the text
		"selector=cpu{":             {"selector", "selector-invalid", "at byte 4"},
		"selector=":                 {"selector", "selector-invalid", "expected a name"},
		"selector=a=~%22(%3F=x)%22": {"selector", "regexp-invalid", "look-around"},
		"selector=a&selector=b":     {"selector", "parameter-invalid", "2 times"},
		"tag==x":                    {"tag", "parameter-invalid", "without the name"},
		"tag=a!b":                   {"tag", "parameter-invalid", "expected ="},
		"tag=a=~(":                  {"tag", "regexp-invalid", "missing closing"},
		"type=float":                {"type", "parameter-invalid", `"gauge"`},
		"sort=size":                 {"sort", "parameter-invalid", `"created"`},
		"order=up":                  {"order", "parameter-invalid", `"asc"`},
		"limit=0":                   {"limit", "parameter-invalid", "from 1 to 10000"},
		"limit=10001":               {"limit", "parameter-invalid", "from 1 to 10000"},
		"cursor=xyz":                {"cursor", "cursor-invalid", "earlier answer"},
		"sort=name&cursor=" + next:  {"cursor", "cursor-invalid", "another order"},
		"active_within=soon":        {"active_within", "parameter-invalid", "duration"},
		"idle_for=-5m":              {"idle_for", "parameter-invalid", "duration"},
		"count=yes":                 {"count", "parameter-invalid", "neither true nor false"},
		"selctor=a":                 {"selctor", "parameter-invalid", "not one of this request"},
	} {
		for _, id := range []string{"mine", "nobody"} {
			got := ask(w, "GET", "/v2/metrics?"+query, "", "Tenant", id)
			m := problemOf(t, got)
			if got.Code != 400 || m["parameter"] != want[0] || m["code"] != want[1] || !strings.Contains(m["detail"].(string), want[2]) || m["tenant"] != id {
				t.Errorf("%s: %d %s", query, got.Code, got.Body)
			}
		}
	}
}

func TestSearchMetrics(t *testing.T) {
	w := newWorld()
	w.hosts(t, "mine", 8)
	w.hosts(t, "theirs", 20)
	for body, want := range map[string]string{
		`{}`: "cpu h00,mem h00,cpu h01,mem h01,cpu h02,mem h02,cpu h03,mem h03",
		`{"selector":{"and":[{"tag":"host","op":"=~","value":"h.*"},{"not":{"tag":"__name__","value":"cpu"}},{"tag":"rack","op":"in","values":["r0"]}]}}`: "mem h00,mem h01",
		`{"selector":"cpu{rack=\"r0\"}","type":"gauge"}`:                 "cpu h00,cpu h01",
		`{"name":["cpu","x"],"sort":"name","order":"desc","limit":2}`:    "cpu h03,cpu h02",
		`{"type":["counter"],"active_within":"3m"}`:                      "mem h00,mem h01",
		`{"idle_for":360,"samples":true,"time_format":"s","count":true}`: "cpu h03,mem h03",
	} {
		got := answerOf[metricsOf](t, ask(w, "POST", "/v2/metrics/search", body, "Tenant", "mine"), 200)
		if keysOf(got) != want {
			t.Errorf("%s: %s, want %s", body, keysOf(got), want)
		}
	}
	body, pages := `{"limit":3}`, 0
	seen := map[string]bool{}
	for body != "" {
		got := answerOf[metricsOf](t, ask(w, "POST", "/v2/metrics/search", body, "Tenant", "mine"), 200)
		for _, d := range got.Metrics {
			seen[d.ID.String()] = true
		}
		pages++
		body = ""
		if got.Next != "" {
			body = `{"limit":3,"cursor":"` + got.Next + `"}`
		}
	}
	if len(seen) != 8 || pages != 3 {
		t.Errorf("%d metrics on %d pages", len(seen), pages)
	}
	for body, want := range map[string][2]string{ // path and code
		`{"selector":{"and":[{"tag":"a","op":"=~","value":"("}]}}`: {"/selector/and/0/value", "regexp-invalid"},
		`{"selector":"{"}`:         {"/selector", "selector-invalid"},
		`{"match":{}}`:             {"/match", "request-syntax"},
		`{"limit":0}`:              {"/limit", "request-syntax"},
		`{"limit":1e9}`:            {"/limit", "request-syntax"},
		`{"type":"float"}`:         {"/type", "request-syntax"},
		`{"type":[1]}`:             {"/type/0", "request-syntax"},
		`{"type":1}`:               {"/type", "request-syntax"},
		`{"sort":"x"}`:             {"/sort", "request-syntax"},
		`{"order":"x"}`:            {"/order", "request-syntax"},
		`{"cursor":"x"}`:           {"/cursor", "cursor-invalid"},
		`{"time_format":"x"}`:      {"/time_format", "time-invalid"},
		`{"active_within":"x"}`:    {"/active_within", "time-invalid"},
		`{"active_within":-1}`:     {"/active_within", "time-invalid"},
		`{"active_within":[]}`:     {"/active_within", "request-syntax"},
		`{"idle_for":"99999999w"}`: {"/idle_for", "time-invalid"},
	} {
		got := ask(w, "POST", "/v2/metrics/search", body, "Tenant", "mine")
		if m := problemOf(t, got); got.Code != 400 || m["path"] != want[0] || m["code"] != want[1] {
			t.Errorf("%s: %d %s", body, got.Code, got.Body)
		}
	}
	if got := ask(w, "POST", "/v2/metrics/search?limit=1", `{}`); got.Code != 400 {
		t.Errorf("a parameter beside a body: %d", got.Code)
	}
}

// TestReadsKeepTenantsApart: no read shows what belongs to another tenant, or makes one.
func TestReadsKeepTenantsApart(t *testing.T) {
	w := newWorld()
	theirs := w.put(t, "theirs", metricdef.Draft{Identity: metricdef.Identity{Name: "secret", Tags: []metricdef.Tag{{Name: "sekret", Value: "classified"}}}}, 0)
	cursor := answerOf[metricsOf](t, ask(w, "GET", "/v2/metrics?limit=1&sort=name", "", "Tenant", "theirs"), 200)
	if keysOf(cursor) != "secret " {
		t.Fatal(cursor)
	}
	w.put(t, "mine", metricdef.Draft{Identity: metricdef.Identity{Name: "own"}}, 0)
	unknown := "00000000-0000-4000-8000-000000000000"
	for _, id := range []string{"mine", "nobody"} {
		a := ask(w, "GET", "/v2/metrics/"+theirs.ID.String(), "", "Tenant", id)
		b := ask(w, "GET", "/v2/metrics/"+unknown, "", "Tenant", id)
		if a.Code != 404 || b.Code != 404 || strings.ReplaceAll(a.Body.String(), theirs.ID.String(), unknown) != b.Body.String() || problemOf(t, a)["code"] != "metric-unknown" {
			t.Errorf("%s: another's %d %s\nunknown %d %s", id, a.Code, a.Body, b.Code, b.Body)
		}
		for _, path := range []string{"/v2/metrics", "/v2/metrics?selector=secret&count", "/v2/metrics?tag=sekret&samples", "/v2/metrics?name=secret&sort=id", "/v2/metrics?idle_for=0&sort=name",
			"/v2/tags", "/v2/tags?regex=s.*&count", "/v2/tags?selector=secret", "/v2/tags/sekret", "/v2/tags/__name__", "/v2/tags/sekret?prefix=c&count", "/v2/cardinality", "/v2/cardinality?top=1000&tag=sekret"} {
			got := ask(w, "GET", path, "", "Tenant", id)
			if got.Code != 200 || strings.Contains(got.Body.String(), "classified") || strings.Contains(got.Body.String(), "secret") || strings.Contains(got.Body.String(), theirs.ID.String()) {
				t.Errorf("%s of %s: %d %s", path, id, got.Code, got.Body)
			}
		}
		got := ask(w, "POST", "/v2/metrics/search", `{"selector":"secret","count":true}`, "Tenant", id)
		if got.Code != 200 || strings.TrimSpace(got.Body.String()) != `{"metrics":[],"total":0}` {
			t.Errorf("search of %s: %d %s", id, got.Code, got.Body)
		}
	}
	if _, ok := w.tenants.Lookup("nobody"); ok {
		t.Error("a read has made a tenant")
	}
	plain := newWorld(func(o *Options) { o.Auth = user{"mine"} })
	for _, path := range []string{"/v2/metrics", "/v2/metrics/" + unknown, "/v2/tags", "/v2/tags/a", "/v2/cardinality"} {
		if got := ask(plain, "GET", path, "", "Tenant", "theirs"); got.Code != http.StatusForbidden {
			t.Errorf("%s in a tenant that is not the caller's: %d %s", path, got.Code, got.Body)
		}
	}
}

// TestSearchGate: what may look at much waits for its turn like a query, and gives it back.
func TestSearchGate(t *testing.T) {
	gate := queue.NewFair(queue.FairOptions{Kind: queue.Queries, Units: 1})
	w := newWorld(func(o *Options) { o.Reads = gate })
	w.hosts(t, "mine", 4)
	var ticket queue.Ticket
	requests := [][3]string{
		{"GET", "/v2/metrics", ""}, {"POST", "/v2/metrics/search", "{}"}, {"GET", "/v2/tags", ""}, {"GET", "/v2/tags/host", ""}, {"GET", "/v2/cardinality", ""},
		{"POST", "/v2/metrics/delete", `{"name":"cpu","dry_run":true}`},
	}
	for range 2 {
		if err := gate.Queue("mine").Enter(t.Context(), &ticket, 1); err != nil {
			t.Fatal(err)
		}
		for _, c := range requests {
			got := ask(w, c[0], c[1], c[2], "Tenant", "mine")
			if m := problemOf(t, got); got.Code != http.StatusTooManyRequests || m["code"] != "queries-in-work" || got.Header().Get("Retry-After") == "" {
				t.Errorf("%s %s: %d %s", c[0], c[1], got.Code, got.Body)
			}
		}
		ticket.Leave()
		for _, c := range requests {
			if got := ask(w, c[0], c[1], c[2], "Tenant", "mine"); got.Code != http.StatusOK {
				t.Errorf("%s %s: %d %s", c[0], c[1], got.Code, got.Body)
			}
		}
	}
}

// FuzzTagShorthand: no text panics, and what was read is a condition that a selector can say.
func FuzzTagShorthand(f *testing.F) {
	for _, s := range []string{"host", "host=", "host=~n.*", "a!=b=c", "!", "=", "a b!~(x", "ä=\xff", "\"=\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := tagShorthand(text)
		if err != nil {
			return
		}
		again, err := match.Parse(m.String())
		if got, ok := again.(*match.Matcher); err != nil || !ok || got.String() != m.String() || got.Name() != m.Name() {
			t.Fatalf("%q: %v, then %v (%v)", text, m, again, err)
		}
	})
}
