package clustercockpit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"granary/tenant"
	"granary/tenant/identity"
)

const t0 = 1735689600 // 2025-01-01, a whole multiple of all steps

// lines makes samples of a series from t0 on, one a step; "-" leaves a hole.
func lines(series string, step, from int64, values ...string) string {
	var b strings.Builder
	for i, v := range values {
		if v != "-" {
			fmt.Fprintf(&b, "%s value=%s %d\n", series, v, from+int64(i)*step)
		}
	}
	return b.String()
}

// results asks a query over [from, to) and returns what stands in "results".
func results(t *testing.T, d *Dialect, from, to int64, members string) string {
	t.Helper()
	w := ask(d, http.MethodPost, "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,%s}`, from, to, members))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", members, w.Code, w.Body)
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Fatalf("%s: not JSON: %s", members, w.Body)
	}
	_, out, _ := strings.Cut(strings.TrimSuffix(w.Body.String(), "}\n"), `"results":`)
	return out
}

// TestHierarchy is about which series a selector stands for, and how several become one.
func TestHierarchy(t *testing.T) {
	d, m := newTest(t, nil)
	for i, v := range []string{"1", "2", "4", "8"} {
		for _, metric := range []string{"flops_any", "temp", "mem_used"} {
			m.write(t, lines(fmt.Sprintf("%s,cluster=c,hostname=h,type=core,type-id=%d", metric, i), 60, t0, v, v))
		}
	}
	m.write(t, lines("flops_any,cluster=c,hostname=h,type=socket,type-id=0", 60, t0, "100", "200"))
	m.write(t, lines("mem_bw,cluster=c,hostname=h", 60, t0, "5"))
	m.write(t, lines("mem_bw,cluster=c,hostname=h,type=socket,type-id=0", 60, t0, "70"))
	m.write(t, lines("mem_bw,cluster=c,hostname=h,type=core,type-id=0,stype=cache,stype-id=l1", 60, t0, "3"))
	m.write(t, lines("mem_bw,cluster=c,hostname=h,type=core,type-id=0,stype=cache,stype-id=l2", 60, t0, "4"))
	m.write(t, lines("temp,cluster=c,hostname=h,type=core,type-id=9", 60, t0, "-", "-"))
	one := func(v ...string) string { // an entry with these values at 60 s
		sum, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
		for _, s := range v {
			var f float64
			fmt.Sscan(s, &f)
			sum, lo, hi = sum+f, min(lo, f), max(hi, f)
		}
		return fmt.Sprintf(`{"data":[%s],"from":%d,"to":%d,"resolution":60,"avg":%.2f,"min":%.2f,"max":%.2f}`,
			strings.Join(v, ","), t0, t0+60*len(v), sum/float64(len(v)), lo, hi)
	}
	none := fmt.Sprintf(`{"from":%d,"to":%d,"resolution":60,"avg":null,"min":null,"max":null}`, t0, t0)
	failed := func(text string) string {
		return `{"error":"[METRICSTORE]\u003e ` + text + `","from":0,"to":0,"resolution":0,"avg":0.00,"min":0.00,"max":0.00}`
	}
	for _, c := range []struct{ name, query, want string }{
		{"children are summed, of all kinds", `{"metric":"flops_any","host":"h"}`, one("115.000", "215.000")},
		{"own data hides children", `{"metric":"mem_bw","host":"h"}`, one("5.000")},
		{"one entry an id, in the order asked", `{"metric":"flops_any","host":"h","type":"core","type-ids":["2","0"]}`, one("4.000", "4.000") + "," + one("1.000", "1.000")},
		{"ids are summed", `{"metric":"flops_any","host":"h","type":"core","type-ids":["0","1"],"aggreg":true}`, one("3.000", "3.000")},
		{"an id twice counts twice", `{"metric":"flops_any","host":"h","type":"core","type-ids":["1","1"],"aggreg":true}`, one("4.000", "4.000")},
		{"ids not found are ignored", `{"metric":"flops_any","host":"h","type":"core","type-ids":["0","77"],"aggreg":true}`, one("1.000", "1.000")},
		{"no id found", `{"metric":"flops_any","host":"h","type":"core","type-ids":["76","77"],"aggreg":true}`, ""},
		{"aggreg with one id", `{"metric":"mem_used","host":"h","type":"core","type-ids":["3"],"aggreg":true}`, one("8.000", "8.000")},
		{"no method", `{"metric":"mem_used","host":"h"}`, failed("invalid aggregation")},
		{"no method, two ids", `{"metric":"mem_used","host":"h","type":"core","type-ids":["3","0"],"aggreg":true}`, failed("invalid aggregation")},
		{"type without ids", `{"metric":"flops_any","host":"h","type":"core"}`, ""},
		{"type without ids, aggreg", `{"metric":"flops_any","host":"h","type":"core","aggreg":true}`, ""},
		{"ids without type are ignored", `{"metric":"mem_bw","host":"h","type-ids":["0"],"aggreg":true}`, one("5.000")},
		{"subtypes", `{"metric":"mem_bw","host":"h","type":"core","type-ids":["0"],"subtype":"cache","subtype-ids":["l2","l1"]}`, one("4.000") + "," + one("3.000")},
		{"subtypes summed", `{"metric":"mem_bw","host":"h","type":"core","type-ids":["0"],"subtype":"cache","subtype-ids":["l2","l1"],"aggreg":true}`, one("7.000")},
		{"children of an id", `{"metric":"mem_bw","host":"h","type":"core","type-ids":["0"]}`, one("7.000")},
		{"subtype without ids", `{"metric":"mem_bw","host":"h","type":"core","type-ids":["0"],"subtype":"cache"}`, ""},
		{"an id without series keeps its place", `{"metric":"mem_bw","host":"h","type":"socket","type-ids":["7","0","8"]}`, none + "," + one("70.000") + "," + none},
		{"no id has series", `{"metric":"mem_bw","host":"h","type":"socket","type-ids":["7","8"]}`, ""},
		{"empty names match nothing", `{"metric":"mem_bw","host":"h","type":"","type-ids":[""]}`, ""},
		{"a star is no wildcard", `{"metric":"mem_bw","host":"*"}`, ""},
		{"unknown metric, an error for each id", `{"metric":"x>","host":"h","type":"core","type-ids":["0","1"]}`, failed(`unknown metric: x\u003e`) + "," + failed(`unknown metric: x\u003e`)},
		{"aggreg false of null", `{"metric":"flops_any","host":"h","type":"core","type-ids":["0"],"aggreg":null}`, one("1.000", "1.000")},
		{"hostname", `{"metric":"mem_bw","hostname":"h"}`, one("5.000")},
		{"host wins over hostname", `{"metric":"mem_bw","hostname":"h","host":"other"}`, ""},
	} {
		if got := results(t, d, t0, t0+600, `"queries":[`+c.query+`]`); got != "[["+c.want+"]]" {
			t.Errorf("%s:\n got %s\nwant [[%s]]", c.name, got, c.want)
		}
	}
	mean := results(t, d, t0, t0+600, `"with-stats":false,"queries":[{"metric":"temp","host":"h","type":"core","type-ids":["0","1","2","55"],"aggreg":true}]`)
	if want := `[[{"data":[2.333`; !strings.HasPrefix(mean, want) {
		t.Errorf("mean over the series found: %s", mean)
	}
}

// TestSlotsMeet: series of different phase and length meet by time, whatever their order.
func TestSlotsMeet(t *testing.T) {
	d, m := newTest(t, nil)
	m.write(t, lines("flops_any,cluster=c,hostname=h,type=core,type-id=0", 60, t0, "1", "2", "-", "4"))
	m.write(t, lines("flops_any,cluster=c,hostname=h,type=core,type-id=1", 60, t0+67, "10", "20", "30", "40", "50"))
	want := fmt.Sprintf(`{"data":[null,12.000,null,34.000],"from":%d,"to":%d,"resolution":60,"avg":23.00,"min":12.00,"max":34.00}`, t0+67, t0+67+180)
	for _, ids := range []string{`"0","1"`, `"1","0"`} {
		if got := results(t, d, t0, t0+600, `"queries":[{"metric":"flops_any","host":"h","type":"core","type-ids":[`+ids+`],"aggreg":true}]`); got != "[["+want+"]]" {
			t.Errorf("ids %s:\n got %s\nwant [[%s]]", ids, got, want)
		}
	}
}

// TestEmptied: a series whose samples were freed hides nothing and counts for nothing.
func TestEmptied(t *testing.T) {
	d, m := newTest(t, nil)
	m.write(t, lines("mem_used,cluster=c,hostname=h", 60, t0, "1"))
	m.write(t, lines("mem_used,cluster=c,hostname=gone", 60, t0, "1"))
	if w := ask(d, http.MethodPost, fmt.Sprintf("/api/free?to=%d", t0+3600), `[["c"]]`); w.Body.String() != "buffers freed: 2\n" {
		t.Fatal(w.Body)
	}
	m.write(t, lines("mem_used,cluster=c,hostname=h,type=core,type-id=0", 60, t0, "7"))
	if got := results(t, d, t0, t0+60, `"queries":[{"metric":"mem_used","host":"h"},{"metric":"mem_used","host":"gone"}]`); !strings.HasPrefix(got, `[[{"data":[7.000]`) || !strings.HasSuffix(got, `],[]]`) {
		t.Errorf("got %s", got)
	}
	if got := results(t, d, t0, t0+60, `"for-all-nodes":["mem_used"]`); strings.Count(got, "data") != 1 {
		t.Errorf("hosts without data are listed: %s", got)
	}
	if w := ask(d, http.MethodGet, "/api/debug", ""); strings.Contains(w.Body.String(), "gone") || !json.Valid(w.Body.Bytes()) {
		t.Errorf("debug: %s", w.Body)
	}
}

func TestPaddingAndRange(t *testing.T) {
	d, m := newTest(t, func(o *Options) { o.Padding = 5 })
	m.write(t, lines("cpu_load,cluster=c,hostname=h", 60, t0, "1", "2"))
	q := `"queries":[{"metric":"cpu_load","host":"h"}]`
	for _, c := range []struct {
		name     string
		from, to int64
		want     string // the entry up to "resolution"
	}{
		{"padded", t0 - 120, t0 + 120, fmt.Sprintf(`{"data":[null,null,1.000,2.000],"from":%d,"to":%d`, t0, t0+120)},
		{"the limit itself", t0 - 300, t0 + 60, fmt.Sprintf(`{"data":[null,null,null,null,null,1.000],"from":%d,"to":%d`, t0, t0+60)},
		{"beyond the limit", t0 - 360, t0 + 60, fmt.Sprintf(`{"data":[1.000],"from":%d,"to":%d`, t0, t0+60)},
		{"from 0", 0, t0 + 600, fmt.Sprintf(`{"data":[1.000,2.000],"from":%d,"to":%d`, t0, t0+120)},
		{"all of time", -9e18, 9e18, fmt.Sprintf(`{"data":[1.000,2.000],"from":%d,"to":%d`, t0, t0+120)},
		{"only padding", t0 - 120, t0 - 60, fmt.Sprintf(`{"data":[null,null],"from":%d,"to":%d`, t0, t0)},
		{"nothing", t0 + 600, t0 + 900, fmt.Sprintf(`{"from":%d,"to":%d`, t0+600, t0+600)},
		{"an instant", t0, t0, fmt.Sprintf(`{"from":%d,"to":%d`, t0, t0)},
		{"backwards", t0 + 1, t0, `{"error":"[METRICSTORE]\u003e invalid time range","from":0,"to":0`},
	} {
		if got := results(t, d, c.from, c.to, q); !strings.HasPrefix(got, "[["+c.want+`,"resolution":`) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	if got := results(t, d, t0-60, t0+60, `"with-padding":false,`+q); !strings.HasPrefix(got, `[[{"data":[1.000],`) {
		t.Errorf("without padding: %s", got)
	}
}

func TestScaleAndInfinity(t *testing.T) {
	d, m := newTest(t, nil)
	m.write(t, lines("cpu_load,cluster=c,hostname=h", 60, t0, "1.5e308", "1.5e308", "-2"))
	m.write(t, lines("flops_any,cluster=c,hostname=h,type=core,type-id=0", 60, t0, "1.7e308", "1"))
	m.write(t, lines("flops_any,cluster=c,hostname=h,type=core,type-id=1", 60, t0, "1.7e308", "2"))
	tail := func(s string) string { return s[strings.LastIndex(s, `"avg"`):] }
	if got := results(t, d, t0, t0+120, `"with-data":false,"queries":[{"metric":"cpu_load","host":"h"}]`); !strings.Contains(got, fmt.Sprintf(`"avg":%.2f`, 1.5e308)) {
		t.Errorf("the mean of large numbers is no infinity: %s", got)
	}
	if got := results(t, d, t0, t0+180, `"queries":[{"metric":"cpu_load","host":"h","scale-by":10}]`); !strings.HasPrefix(got, `[[{"data":[null,null,-20.000]`) || !strings.HasSuffix(got, `"min":-20.00,"max":null}]]`) {
		t.Errorf("infinite after scaling: %s", got)
	}
	if got := results(t, d, t0, t0+120, `"queries":[{"metric":"flops_any","host":"h"}]`); !strings.HasPrefix(got, `[[{"data":[null,3.000]`) || tail(got) != `"avg":3.00,"min":3.00,"max":3.00}]]` {
		t.Errorf("infinite sum: %s", got)
	}
	if got := results(t, d, t0+120, t0+180, `"with-stats":false,"queries":[{"metric":"cpu_load","host":"h","scale-by":-1}]`); !strings.HasPrefix(got, `[[{"data":[2.000]`) || tail(got) != `"avg":0.00,"min":0.00,"max":0.00}]]` {
		t.Errorf("without statistics: %s", got)
	}
}

func TestForAllNodes(t *testing.T) {
	d, m := newTest(t, nil)
	for _, h := range []string{"n10", "n2", `n"1`} {
		m.write(t, lines("cpu_load,cluster=c,hostname="+h, 60, t0, "1"))
	}
	w := ask(d, http.MethodGet, "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"with-data":false,"with-stats":false,"for-all-nodes":["cpu_load","x"],"queries":[{"metric":"cpu_load","host":"zz"}]}`, t0, t0+60))
	var got struct {
		Queries []struct{ Metric, Host string }
		Results [][]struct{ Error string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(got.Queries); s != `[{cpu_load n"1} {x n"1} {cpu_load n10} {x n10} {cpu_load n2} {x n2}]` {
		t.Errorf("echo: %s", s)
	}
	if s := fmt.Sprint(got.Results); s != "[[] [{}] [{[METRICSTORE]> unknown metric: x}] [{}] [{[METRICSTORE]> unknown metric: x}] [{}] [{[METRICSTORE]> unknown metric: x}]]" {
		t.Errorf("results: %s", s)
	}
}

// TestScope: a cluster outside of the identity's tenants is as if it were not there, for every selector.
func TestScope(t *testing.T) {
	scope := identity.Only("_ops")
	d, m := newTest(t, func(o *Options) {
		o.Clusters = map[string]tenant.ID{"mapped": "other"}
		o.Auth = authFunc(func(*http.Request) (*identity.Identity, error) {
			return identity.InScope("", identity.ClusterCockpit, "", Roles, scope), nil
		})
	})
	m.put(1, []string{"c", "h"}, "cpu_load", t0*second, 1)
	m.put(2, []string{"mapped", "h"}, "cpu_load", t0*second, 2)
	m.put(2, []string{"c", "h"}, "cpu_load", t0*second, 3)      // a cluster that is not this tenant's
	m.put(1, []string{"mapped", "h"}, "cpu_load", t0*second, 4) // nor this
	read := func(cluster string) string {
		body := ask(d, http.MethodGet, "/api/query", fmt.Sprintf(`{"cluster":%q,"from":%d,"to":%d,"for-all-nodes":["cpu_load"]}`, cluster, t0, t0+60)).Body.String()
		_, data, _ := strings.Cut(body, `"data":`)
		value, _, _ := strings.Cut(data, ",")
		return value
	}
	debug := func() string {
		return strings.Join(strings.Fields(ask(d, http.MethodGet, "/api/debug", "").Body.String()), "")
	}
	for _, c := range []struct {
		scope            identity.Scope
		own, other, tree string
		freed            string
	}{
		{identity.Only("_ops"), "[1.000]", "", "c", "1"},
		{identity.Only("other"), "", "[2.000]", "mapped", "1"},
		{identity.AllTenants(), "[1.000]", "[2.000]", "c,mapped", "2"},
	} {
		scope = c.scope
		if got := read("c"); got != c.own {
			t.Errorf("%v: own cluster %q", c.scope, got)
		}
		if got := read("mapped"); got != c.other {
			t.Errorf("%v: mapped cluster %q", c.scope, got)
		}
		for _, name := range []string{"c", "mapped"} {
			if got := strings.Contains(debug(), `"`+name+`":{"h"`); got != strings.Contains(c.tree, name) {
				t.Errorf("%v: cluster %s in the tree: %v", c.scope, name, got)
			}
		}
	}
	for _, s := range []identity.Scope{identity.Only("other"), identity.AllTenants()} {
		scope = s
		want := map[bool]string{true: "buffers freed: 1\n", false: "buffers freed: 0\n"}[s.All() || s.Contains("other")]
		if w := ask(d, http.MethodPost, fmt.Sprintf("/api/free?to=%d", t0+3600), `[[]]`); w.Body.String() != want {
			t.Errorf("%v: %s, want %s", s, w.Body, want)
		}
	}
}

// TestRightsOfEndpoints: each endpoint asks for its right in the tenant of the cluster, and clusters that the mapping does not name
// lie where the request says.
func TestRightsOfEndpoints(t *testing.T) {
	var who *identity.Identity
	d, m := newTest(t, func(o *Options) {
		o.Clusters = map[string]tenant.ID{"mapped": "other"}
		o.Auth = authFunc(func(*http.Request) (*identity.Identity, error) { return who, nil })
	})
	m.put(1, []string{"c", "h"}, "cpu_load", t0*second, 1)
	m.put(2, []string{"mapped", "h"}, "cpu_load", t0*second, 2)
	requests := map[string][3]string{
		"query":       {http.MethodPost, "/api/query", fmt.Sprintf(`{"cluster":"CLUSTER","from":%d,"to":%d,"for-all-nodes":["cpu_load"]}`, t0, t0+60)},
		"debug":       {http.MethodGet, "/api/debug?selector=CLUSTER", ""},
		"healthcheck": {http.MethodGet, "/api/healthcheck", `{"cluster":"CLUSTER","nodes":["h"],"metric-names":["cpu_load"]}`},
		"free":        {http.MethodPost, "/api/free?to=1", `[["CLUSTER"]]`},
		"write":       {http.MethodPost, "/api/write?cluster=CLUSTER", "cpu_load,hostname=h value=1"},
	}
	of := func(r identity.Roles, ids ...tenant.ID) *identity.Identity {
		return identity.InScope("somebody", identity.Token, "", r, identity.Only(ids...))
	}
	for _, c := range []struct {
		who     *identity.Identity
		cluster string
		allowed string // the endpoints that are not refused
	}{
		{of(identity.Reader, "_ops"), "c", "query debug healthcheck"},
		{of(identity.Writer, "_ops"), "c", "write"},
		{of(identity.Admin, "_ops"), "c", "query debug healthcheck write free"},
		{identity.New("s", identity.Token, "", identity.Operator), "c", "query debug healthcheck write free"},
		{of(0, "_ops"), "c", ""},
	} {
		who = c.who
		for name, request := range requests {
			w := ask(d, request[0], strings.ReplaceAll(request[1], "CLUSTER", c.cluster), strings.ReplaceAll(request[2], "CLUSTER", c.cluster))
			allowed := slices.Contains(strings.Fields(c.allowed), name)
			if (w.Code == http.StatusForbidden) == allowed || !allowed && !strings.Contains(w.Body.String(), `"granary":{"code":"right-missing"}`) {
				t.Errorf("%v, %s: %d %s", c.who.Grants(), name, w.Code, w.Body)
			}
		}
	}

	read := func(cluster string, header ...string) string {
		request := requests["query"]
		w := ask(d, request[0], request[1], strings.ReplaceAll(request[2], "CLUSTER", cluster), header...)
		if w.Code != http.StatusOK {
			return fmt.Sprint(w.Code)
		}
		_, data, _ := strings.Cut(w.Body.String(), `"data":`)
		value, _, _ := strings.Cut(data, ",")
		return value
	}
	const none = ""
	m.put(2, []string{"c", "h"}, "cpu_load", t0*second, 3) // a cluster of the tenant "other" that the mapping does not name
	for _, c := range []struct {
		who     *identity.Identity
		cluster string
		header  []string
		want    string
	}{
		{of(identity.Reader, "_ops", "other"), "c", nil, "[1.000]"},
		{of(identity.Reader, "_ops", "other"), "c", []string{"Tenant", "other"}, "[3.000]"},
		{of(identity.Reader, "_ops", "other"), "mapped", []string{"Tenant", "_ops"}, "[2.000]"},
		{of(identity.Reader, "other"), "c", nil, "[3.000]"},
		{of(identity.Reader, "_ops"), "mapped", nil, none},
		{of(identity.Reader, "_ops"), "c", []string{"Tenant", "other"}, "403"},
		{of(identity.Reader, "other", "third"), "c", nil, none}, // several and no choice
		{of(identity.Reader, "other", "third"), "mapped", nil, "[2.000]"},
		{identity.New("s", identity.Token, "", 0, identity.Grant{Tenant: "_ops", Roles: identity.Reader}, identity.Grant{Tenant: "other", Roles: identity.Writer}), "mapped", nil, none},
		// A token of ClusterCockpit knows no tenants, so its request chooses none.
		{identity.InScope("", identity.ClusterCockpit, "", Roles, identity.Only("_ops", "other")), "c", []string{"Tenant", "other"}, "[1.000]"},
	} {
		who = c.who
		if got := read(c.cluster, c.header...); got != c.want {
			t.Errorf("%v, cluster %s, %q: %q, want %q", c.who.Scope(), c.cluster, c.header, got, c.want)
		}
	}
}

type authFunc func(*http.Request) (*identity.Identity, error)

func (f authFunc) Authenticate(r *http.Request) (*identity.Identity, error) { return f(r) }

func TestLimitsAndFailures(t *testing.T) {
	d, m := newTest(t, func(o *Options) { o.Queries, o.Answer = 3, 4096 })
	m.write(t, lines("cpu_load,cluster=c,hostname=h", 60, t0, "1"))
	four := `{"queries":[{},{},{},{}]}`
	if w := ask(d, http.MethodGet, "/api/query", four); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "the limit is 3 (setting granary.compat.clustercockpit.max-queries)") {
		t.Errorf("too many queries: %d %s", w.Code, w.Body)
	}
	all := `{"cluster":"c","for-all-nodes":["cpu_load"` + strings.Repeat(`,"x"`, 100) + `]}`
	if w := ask(d, http.MethodGet, "/api/query", all); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("too many rows: %d %s", w.Code, w.Body)
	}
	padded := fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[{"metric":"cpu_load","host":"h"}]}`, t0-60*1000, t0+60)
	if w := ask(d, http.MethodGet, "/api/query", padded); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "answer exceeds the limit of 4096 bytes (setting granary.compat.clustercockpit.max-answer)") {
		t.Errorf("answer too large: %d %s", w.Code, w.Body)
	}
	good := fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[{"metric":"cpu_load","host":"h"}]}`, t0, t0+60)
	for _, c := range []struct {
		err   error
		code  int
		text  string
		retry string
	}{
		{errors.New("secret detail"), 500, `{"status":"Internal Server Error","error":"internal error"}`, ""},
		{kindError("unavailable"), 503, `{"status":"Service Unavailable","error":"it is unavailable"}`, "1"},
		{context.Canceled, 500, `{"status":"Internal Server Error","error":"internal error"}`, ""},
	} {
		m.fail = c.err
		for _, path := range []string{"/api/query", "/api/write", "/api/free?to=1"} {
			body := good
			if path != "/api/query" {
				body = `[["c"]]`
			}
			w := ask(d, http.MethodPost, path, body)
			if w.Code != c.code || strings.TrimSpace(w.Body.String()) != c.text || w.Header().Get("Retry-After") != c.retry {
				t.Errorf("%s with %v: %d %s", path, c.err, w.Code, w.Body)
			}
		}
	}
	m.fail = kindError("over limit")
	if w := ask(d, http.MethodGet, "/api/query", good); w.Code != 200 || !strings.Contains(w.Body.String(), `{"error":"[METRICSTORE]\u003e it is over limit","from":0`) {
		t.Errorf("one entry over a limit: %d %s", w.Code, w.Body)
	}
}

type kindError string

func (e kindError) Error() string { return "it is " + string(e) }
func (e kindError) Kind() string  { return string(e) }

func TestStats(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		x    []float64
		want stats
	}{
		{nil, noStats},
		{[]float64{nan, inf, -inf}, noStats},
		{[]float64{3, 1, 2}, stats{2, 1, 3}},
		{[]float64{nan, 3, nan, 1, inf}, stats{2, 1, 3}},
		{[]float64{1e308, 1e308, 1e308, nan}, stats{1e308, 1e308, 1e308}},
		{[]float64{-5}, stats{-5, -5, -5}},
	} {
		got := statsOf(c.x)
		if !sameBits([]float64{got.mean, got.min, got.max}, []float64{c.want.mean, c.want.min, c.want.max}) && math.Abs(got.mean/c.want.mean-1) > 1e-15 {
			t.Errorf("%v: %v, want %v", c.x, got, c.want)
		}
	}
}

func BenchmarkStats(b *testing.B) {
	x := make([]float64, 360)
	for i := range x {
		x[i] = float64(i*7919%360) / 7
	}
	var s stats
	for range b.N {
		s = statsOf(x)
	}
	_ = s
}

// own are limits that somebody has set for a tenant.
type own struct {
	tenant.Limits
	standing tenant.Standing
}

func (o *own) OwnLimits(tenant.Num) tenant.Limits   { return o.Limits }
func (o *own) Standing(tenant.Num) *tenant.Standing { return &o.standing }

// TestLimitsOfTenant: a request may read what its tenant may, whatever rows it takes.
func TestLimitsOfTenant(t *testing.T) {
	limits := &own{}
	d, m := newTest(t, func(o *Options) { o.Limits = limits })
	m.write(t, lines("cpu_load,cluster=c,hostname=h", 60, t0, "1", "2", "3"))
	m.write(t, lines("cpu_load,cluster=c,hostname=i", 60, t0, "1", "2", "3"))
	body := fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"for-all-nodes":["cpu_load"]}`, t0, t0+180)
	for _, c := range []struct {
		limits tenant.Limits
		status int
		text   string
	}{
		{tenant.Limits{}, 200, ""},
		{tenant.Limits{QuerySeries: 2, QuerySamples: 6}, 200, ""},
		{tenant.Limits{QuerySeries: 1}, 413, "would read 2 series, the limit is 1 (setting granary.limits.query-series)"},
		{tenant.Limits{QuerySamples: 5}, 413, "would read 6 samples, the limit is 5 (setting granary.limits.query-samples)"},
	} {
		limits.Limits = c.limits
		w := ask(d, http.MethodGet, "/api/query", body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) || c.status == 413 && w.Header().Get("Retry-After") != "" {
			t.Errorf("%+v: %d %s", c.limits, w.Code, w.Body)
		}
	}
	if a, b := limits.standing.Refused(tenant.LimitQuerySeries), limits.standing.Refused(tenant.LimitQuerySamples); a != 1 || b != 1 {
		t.Errorf("counted %d and %d", a, b)
	}
}
