package native

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/api/edge"
	"granary/measures"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/identity"
)

// onStore is an API on a store with policies. Who sends the header Operator is one, nobody else.
func onStore(t testing.TB) (*API, *measures.Store) {
	t.Helper()
	a, s := stored(t)
	set, err := policy.FromClusterCockpit([]policy.ClusterCockpitMetric{{Name: "load", Frequency: time.Minute, Across: policy.Mean}}, policy.Retention{Length: 48 * time.Hour}, true)
	if err == nil {
		set, err = set.With(policy.BuiltIn(), nil)
	}
	if err == nil {
		err = s.SetPolicies(t.Context(), set)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.o.Policies, a.o.Auth = storePolicies{s}, byHeader{}
	return a, s
}

type storePolicies struct{ *measures.Store }

func (p storePolicies) For(n tenant.Num) *policy.View { return p.Policies.For(n) }

type byHeader struct{}

func (byHeader) Authenticate(r *http.Request) (*identity.Identity, error) {
	if r.Header.Get("Operator") != "" {
		return identity.Open(), nil
	}
	return identity.New("client", identity.Token, "client", identity.Reader|identity.Writer|identity.Admin), nil
}

func TestPolicyLife(t *testing.T) {
	a, s := onStore(t)
	const body = `{"name":"a/b c","raw":{"retention":"30d","clock":"sample"},"grid":"10s","duplicates":"smallest",
		"tiers":[{"granularity":"1h"},{"granularity":"1m","timespan":"7d"},{"points":3600,"timespan":3600}],"methods":["mean","95pct","rate:last"],"back_window":2}`
	w := ask(a, "POST", "/v2/policies", body, "Tenant", "one")
	if got, want := w.Header().Get("Location"), "/v2/policies/a%2Fb%20c"; got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	made := answerOf[map[string]any](t, w, http.StatusCreated)
	tier := func(text string, seconds float64, points, span, spanSeconds any) map[string]any {
		return map[string]any{"granularity": text, "granularity_seconds": seconds, "points": points, "timespan": span, "timespan_seconds": spanSeconds}
	}
	want := map[string]any{
		"name": "a/b c", "scope": "tenant", "raw": map[string]any{"retention": "30d", "retention_seconds": 2592000., "clock": "sample"},
		"grid": "10s", "grid_seconds": 10., "duplicates": "smallest", "back_window": 2.,
		"tiers":   []any{tier("1s", 1, 3600., "1h", 3600.), tier("1m", 60, 10080., "7d", 604800.), tier("1h", 3600, nil, nil, nil)},
		"methods": []any{"mean", "rate:last", "95pct"},
	}
	if d := cmp.Diff(want, made); d != "" {
		t.Error(d)
	}

	read := answerOf[map[string]any](t, ask(a, "GET", "/v2/policies/a%2Fb%20c", "", "Tenant", "one"), http.StatusOK)
	want["metrics"] = 0.
	if d := cmp.Diff(want, read); d != "" {
		t.Error(d)
	}
	one, _ := s.Tenants.Lookup("one")
	defs := s.CreateDefinitions(t.Context(), []metricdef.Draft{{Identity: metricdef.Identity{Tenant: one.Num, Type: metricdef.Gauge, Name: "m"}, Dialect: Name, Policy: "a/b c"},
		{Identity: metricdef.Identity{Tenant: one.Num, Type: metricdef.Gauge, Name: "other"}, Dialect: Name}})
	if defs[0].Err != nil {
		t.Fatal(defs[0].Err)
	}
	if read = answerOf[map[string]any](t, ask(a, "GET", "/v2/policies/a%2Fb%20c", "", "Tenant", "one"), http.StatusOK); read["metrics"] != 1. {
		t.Errorf("%v metrics", read["metrics"])
	}

	changed := answerOf[policyAnswer](t, ask(a, "PATCH", "/v2/policies/a%2Fb%20c",
		`{"raw":{"retention":"forever"},"tiers":[{"granularity":"1h"},{"granularity":"1m","points":20000},{"granularity":"1s","points":60}],"duplicates":"last","back_window":0}`, "Tenant", "one"), http.StatusOK)
	if changed.Raw.Retention != "forever" || changed.Raw.Clock != "sample" || *changed.Tiers[1].Points != 20000 || *changed.Grid != "10s" || changed.Duplicates != "last" ||
		changed.BackWindow != 0 || len(changed.Notes) != 4 || !strings.Contains(strings.Join(changed.Notes, "\n"), "nothing is computed anew") {
		t.Errorf("%+v", changed)
	}
	m := problemOf(t, ask(a, "DELETE", "/v2/policies/a%2Fb%20c", "", "Tenant", "one"))
	if m["code"] != "policy-in-use" || m["status"] != 409. || m["metrics"] != 1. || m["rules"] != 0. || m["tenant"] != "one" {
		t.Errorf("%v", m)
	}
	if _, err := s.DeleteDefinitions(t.Context(), []metricdef.Ref{defs[0].Ref}); err != nil {
		t.Fatal(err)
	}
	if w := ask(a, "DELETE", "/v2/policies/a%2Fb%20c", "", "Tenant", "one"); w.Code != http.StatusNoContent {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if m := problemOf(t, ask(a, "GET", "/v2/policies/a%2Fb%20c", "", "Tenant", "one")); m["code"] != "policy-unknown" || m["status"] != 404. {
		t.Errorf("%v", m)
	}
}

// TestPolicyDefaults: a policy that says nothing keeps raw samples for ever; one with tiers gets the usual methods.
func TestPolicyDefaults(t *testing.T) {
	a, _ := onStore(t)
	p := answerOf[policyAnswer](t, ask(a, "POST", "/v2/policies", `{"name":"p"}`), http.StatusCreated)
	if p.Raw != (rawAnswer{"forever", nil, "write"}) || p.Grid != nil || p.Duplicates != "last" || len(p.Tiers)+len(p.Methods) != 0 {
		t.Errorf("%+v", p)
	}
	p = answerOf[policyAnswer](t, ask(a, "POST", "/v2/policies", `{"name":"q","raw":{"retention":"window","clock":"newest"},"tiers":[{"granularity":0.5,"points":10,"timespan":5}]}`), http.StatusCreated)
	if p.Raw.Retention != "window" || p.Tiers[0].Granularity != "500ms" || p.Tiers[0].GranularitySecs != 0.5 || *p.Tiers[0].Timespan != "5s" ||
		fmt.Sprint(p.Methods) != "[sum mean min max count std]" {
		t.Errorf("%+v", p)
	}
	p = answerOf[policyAnswer](t, ask(a, "PATCH", "/v2/policies/q", `{"methods":["*","-mean"]}`), http.StatusOK)
	if len(p.Methods) != 219 || len(p.Notes) != 2 {
		t.Errorf("%d methods, %q", len(p.Methods), p.Notes)
	}
}

// TestPolicyScopes: a tenant's policies are its own; what operators make is seen by all, and changed by them alone.
func TestPolicyScopes(t *testing.T) {
	a, s := onStore(t)
	names := func(tenant, query string) string {
		list := answerOf[struct{ Policies []policyAnswer }](t, ask(a, "GET", "/v2/policies"+query, "", "Tenant", tenant), http.StatusOK)
		var out []string
		for _, p := range list.Policies {
			if p.Scope != "configuration" {
				out = append(out, p.Name+"="+p.Scope)
			}
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		method, path, body, tenant string
		operator                   bool
		status                     int
		code                       string
	}{
		{"POST", "/v2/policies?scope=service", `{"name":"shared"}`, "one", false, 403, "right-missing"},
		{"POST", "/v2/policies?scope=service", `{"name":"shared"}`, "one", true, 201, ""},
		{"POST", "/v2/policies", `{"name":"mine"}`, "one", false, 201, ""},
		{"POST", "/v2/policies", `{"name":"medium"}`, "one", false, 201, ""}, // in the place of the configuration's
		{"GET", "/v2/policies/mine", "", "one", false, 200, ""},
		{"GET", "/v2/policies/mine", "", "two", false, 404, "policy-unknown"},
		{"PATCH", "/v2/policies/mine", `{}`, "two", false, 404, "policy-unknown"},
		{"DELETE", "/v2/policies/mine", "", "two", false, 404, "policy-unknown"},
		{"GET", "/v2/policies/mine?scope=service", "", "one", true, 404, "policy-unknown"},
		{"POST", "/v2/rules", `{"name":"r","pattern":"x","policy":"mine"}`, "two", false, 400, "rule-invalid"},
		{"POST", "/v2/rules?scope=service", `{"name":"r","pattern":"x","policy":"mine"}`, "one", true, 400, "rule-invalid"},
		{"GET", "/v2/policies/shared", "", "two", false, 200, ""},
		{"PATCH", "/v2/policies/shared", `{}`, "two", false, 409, "policy-read-only"},
		{"PATCH", "/v2/policies/shared", `{}`, "one", false, 409, "policy-read-only"},
		{"PATCH", "/v2/policies/shared?scope=service", `{}`, "one", false, 403, "right-missing"},
		{"PATCH", "/v2/policies/shared?scope=service", `{"raw":{"retention":"1d"}}`, "one", true, 200, ""},
		{"PATCH", "/v2/policies/low", `{}`, "one", false, 409, "policy-read-only"},
		{"PATCH", "/v2/policies/low", `{}`, "nobody", false, 409, "policy-read-only"},
		{"DELETE", "/v2/policies/low?scope=service", "", "one", true, 409, "policy-read-only"},
		{"DELETE", "/v2/policies/nope", "", "one", false, 404, "policy-unknown"},
		{"DELETE", "/v2/rules/load", "", "one", false, 409, "policy-read-only"},
		{"DELETE", "/v2/rules/nope", "", "nobody", false, 404, "rule-unknown"},
		{"PATCH", "/v2/rules/load", `{}`, "nobody", false, 409, "policy-read-only"},
		{"GET", "/v2/policies?scope=all", "", "one", false, 400, "parameter-invalid"},
		{"GET", "/v2/policies?x=1", "", "one", false, 400, "parameter-invalid"},
		{"POST", "/v2/policies", `{"name":"mine"}`, "one", false, 409, "policy-exists"},
		{"DELETE", "/v2/policies/shared?scope=service", "", "one", false, 403, "right-missing"},
	} {
		header := []string{"Tenant", c.tenant}
		if c.operator {
			header = append(header, "Operator", "1")
		}
		w := ask(a, c.method, c.path, c.body, header...)
		code := ""
		if w.Code >= 400 {
			code, _ = problemOf(t, w)["code"].(string)
		}
		if w.Code != c.status || code != c.code {
			t.Errorf("%s %s of %s: %d %s, want %d %s", c.method, c.path, c.tenant, w.Code, w.Body, c.status, c.code)
		}
	}
	if _, ok := s.Tenants.Lookup("nobody"); ok {
		t.Error("a change of nothing has made a tenant")
	}
	for _, c := range [][3]string{{"one", "", "medium=tenant mine=tenant shared=service"}, {"two", "", "shared=service"}, {"nobody", "", "shared=service"},
		{"one", "?scope=service", "shared=service"}} {
		if got := names(c[0], c[1]); got != c[2] {
			t.Errorf("%s%s sees %q", c[0], c[1], got)
		}
	}
	if w := ask(a, "DELETE", "/v2/policies/shared?scope=service", "", "Operator", "1"); w.Code != http.StatusNoContent {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w := ask(a, "POST", "/v2/policies?scope=service", `{"name":"s"}`, "Operator", "1")
	if at := w.Header().Get("Location"); at != "/v2/policies/s?scope=service" || ask(a, "GET", at, "").Code != http.StatusOK {
		t.Errorf("Location %q", at)
	}
}

// TestPolicyRefused: every fault is named with its member.
func TestPolicyRefused(t *testing.T) {
	a, _ := onStore(t)
	if w := ask(a, "POST", "/v2/policies", `{"name":"p","grid":"1s","tiers":[{"granularity":"1m"},{"granularity":"1h","points":5}]}`); w.Code != http.StatusCreated {
		t.Fatal(w.Body)
	}
	tiers := func(list string) string { return `{"name":"x","tiers":[` + list + `]}` }
	many := strings.Repeat(`{"granularity":"1m"},`, 32) + `{"granularity":"1m"}`
	for _, c := range []struct{ method, path, body, code, pointer string }{
		{"POST", "", ``, "request-syntax", ""},
		{"POST", "", `{}`, "request-syntax", "/name"},
		{"POST", "", `{"name":""}`, "policy-invalid", "/name"},
		{"POST", "", `{"name":"cc-x"}`, "policy-invalid", "/name"},
		{"POST", "", `{"name":"` + strings.Repeat("x", 256) + `"}`, "policy-invalid", "/name"},
		{"POST", "", `{"name":5}`, "request-syntax", "/name"},
		{"POST", "", `{"name":"x","name":"y"}`, "request-syntax", "/name"},
		{"POST", "", `{"name":"x","points":1}`, "request-syntax", "/points"},
		{"POST", "", `{"name":"x","raw":{"length":1}}`, "request-syntax", "/raw/length"},
		{"POST", "", `{"name":"x","raw":{"retention":"soon"}}`, "time-invalid", "/raw/retention"},
		{"POST", "", `{"name":"x","raw":{"retention":"0s"}}`, "request-syntax", "/raw/retention"},
		{"POST", "", `{"name":"x","raw":{"retention":0}}`, "policy-invalid", "/raw/retention"},
		{"POST", "", `{"name":"x","raw":{"retention":-5}}`, "time-invalid", "/raw/retention"},
		{"POST", "", `{"name":"x","raw":{"retention":1e300}}`, "time-invalid", "/raw/retention"},
		{"POST", "", `{"name":"x","raw":{"retention":[]}}`, "request-syntax", "/raw/retention"},
		{"POST", "", `{"name":"x","raw":{"retention":"window"}}`, "policy-invalid", "/raw/retention"},
		{"POST", "", `{"name":"x","raw":{"clock":"wall"}}`, "request-syntax", "/raw/clock"},
		{"POST", "", `{"name":"x","grid":"-1s"}`, "time-invalid", "/grid"},
		{"POST", "", `{"name":"x","grid":"200000d"}`, "time-invalid", "/grid"},
		{"POST", "", `{"name":"x","grid":"40000d"}`, "policy-invalid", "/grid"},
		{"POST", "", `{"name":"x","duplicates":"first"}`, "request-syntax", "/duplicates"},
		{"POST", "", `{"name":"x","methods":["mean"]}`, "policy-invalid", "/methods"},
		{"POST", "", `{"name":"x","back_window":1}`, "policy-invalid", "/back_window"},
		{"POST", "", `{"name":"x","back_window":1.5}`, "request-syntax", "/back_window"},
		{"POST", "", `{"name":"x","tiers":[{"granularity":"1m"}],"methods":["mean","avg"]}`, "method-unknown", "/methods/1"},
		{"POST", "", `{"name":"x","tiers":[{"granularity":"1m"}],"methods":["-mean","+"]}`, "method-unknown", "/methods/1"},
		{"POST", "", `{"name":"x","tiers":[{"granularity":"1m"}],"methods":["mean","-mean"]}`, "policy-invalid", "/methods"},
		{"POST", "", `{"name":"x","tiers":[{"granularity":"1m"}],"methods":[` + strings.Repeat(`"mean",`, 1000) + `"mean"]}`, "policy-invalid", "/methods"},
		{"POST", "", `{"name":"x","tiers":[{"granularity":"1d"}],"back_window":36501}`, "policy-invalid", "/back_window"},
		{"POST", "", tiers(many), "request-syntax", "/tiers"},
		{"POST", "", tiers(`{}`), "policy-invalid", "/tiers/0"},
		{"POST", "", tiers(`{"granularity":"1m"},{"points":5}`), "policy-invalid", "/tiers/1"},
		{"POST", "", tiers(`{"granularity":"1h","points":2,"timespan":"1h"}`), "policy-invalid", "/tiers/0"},
		{"POST", "", tiers(`{"granularity":"1h","timespan":"1m"}`), "policy-invalid", "/tiers/0"},
		{"POST", "", tiers(`{"points":7,"timespan":"1h"}`), "policy-invalid", "/tiers/0"},
		{"POST", "", tiers(`{"granularity":"1h","points":9223372036854775807}`), "policy-invalid", "/tiers/0"},
		{"POST", "", tiers(`{"granularity":"1h","points":9223372036854775808}`), "request-syntax", "/tiers/0/points"},
		{"POST", "", tiers(`{"granularity":"1h","points":0}`), "request-syntax", "/tiers/0/points"},
		{"POST", "", tiers(`{"granularity":0,"points":1}`), "request-syntax", "/tiers/0/granularity"},
		{"POST", "", tiers(`{"granularity":"1h","timespan":"0s"}`), "request-syntax", "/tiers/0/timespan"},
		{"POST", "", tiers(`{"granularity":0.0000000001}`), "time-invalid", "/tiers/0/granularity"},
		{"POST", "", tiers(`{"granularity":"1h"},{"granularity":"1m"},{"granularity":"60m","points":1}`), "policy-invalid", "/tiers/2/granularity"},
		{"PATCH", "/p", `{"name":"q"}`, "request-syntax", "/name"},
		{"PATCH", "/p", `{"grid":"2s"}`, "policy-change", "/grid"},
		{"PATCH", "/p", `{"tiers":[]}`, "request-syntax", "/tiers"},
		{"PATCH", "/p", `{"tiers":[{"granularity":"1m"}]}`, "policy-change", "/tiers"},
		{"PATCH", "/p", `{"tiers":[{"granularity":"2h"},{"granularity":"1m"}]}`, "policy-change", "/tiers/0/granularity"},
		{"PATCH", "/p", `{"methods":["-mean","-min","-max","-sum","-std","-count"]}`, "request-syntax", "/methods"},
		{"PATCH", "/p", `{"raw":{"clock":"x"}}`, "request-syntax", "/raw/clock"},
		{"PATCH", "/p", `{"duplicates":"x"}`, "request-syntax", "/duplicates"},
	} {
		m := problemOf(t, ask(a, c.method, "/v2/policies"+c.path, c.body))
		at, _ := m["path"].(string)
		if status := map[bool]float64{true: 409, false: 400}[c.code == "policy-change"]; m["code"] != c.code || at != c.pointer || m["status"] != status {
			t.Errorf("%s %.120s: %v", c.method, c.body, m)
		}
	}
}

func TestRules(t *testing.T) {
	a, s := onStore(t)
	made := answerOf[ruleAnswer](t, ask(a, "POST", "/v2/rules", `{"name":"db","pattern":"db.*","policy":"low","dialects":["native","influx"]}`, "Tenant", "one"), http.StatusCreated)
	if d := cmp.Diff(ruleAnswer{"db", "tenant", "db.*", true, "low", []string{"native", "influx"}}, made); d != "" {
		t.Error(d)
	}
	one, _ := s.Tenants.Lookup("one")
	if p, _ := s.Policies.For(one.Num).Resolve("native", "db.x", ""); p.Name != "low" {
		t.Errorf("%q", p.Name)
	}
	if r := answerOf[ruleAnswer](t, ask(a, "PATCH", "/v2/rules/db", `{"name":"d/b","pattern":"db.*","glob":false,"dialects":[]}`, "Tenant", "one"), http.StatusOK); r.Glob || r.Name != "d/b" || len(r.Dialects) != 0 {
		t.Errorf("%+v", r)
	}
	if r := answerOf[ruleAnswer](t, ask(a, "GET", "/v2/rules/d%2Fb", "", "Tenant", "one"), http.StatusOK); r.Policy != "low" || r.Scope != "tenant" {
		t.Errorf("%+v", r)
	}
	list := answerOf[struct{ Rules []ruleAnswer }](t, ask(a, "GET", "/v2/rules", "", "Tenant", "one"), http.StatusOK)
	if len(list.Rules) != 3 || list.Rules[0].Name != "d/b" || list.Rules[2].Scope != "configuration" {
		t.Errorf("%+v", list)
	}
	for _, c := range []struct{ method, path, body, code, pointer string }{
		{"POST", "", `{"pattern":"a","policy":"low"}`, "request-syntax", "/name"},
		{"POST", "", `{"name":"a","policy":"low"}`, "request-syntax", "/pattern"},
		{"POST", "", `{"name":"a","pattern":"a"}`, "request-syntax", "/policy"},
		{"POST", "", `{"name":"a","pattern":"","policy":"low"}`, "rule-invalid", "/pattern"},
		{"POST", "", `{"name":"a","pattern":"a","policy":"nope"}`, "rule-invalid", "/policy"},
		{"POST", "", `{"name":"a","pattern":"a","policy":"low","dialects":["clustercockpit"]}`, "rule-invalid", "/dialects/0"},
		{"POST", "", `{"name":"d/b","pattern":"a","policy":"low"}`, "rule-exists", "/name"},
		{"POST", "", `{"name":"a","pattern":"db.*","glob":false,"policy":"low"}`, "rule-invalid", "/pattern"},
		{"POST", "", `{"name":"a","pattern":"a","policy":"low","x":1}`, "request-syntax", "/x"},
		{"PATCH", "/d%2Fb", `{"policy":"nope"}`, "rule-invalid", "/policy"},
		{"PATCH", "/nope", `{}`, "rule-unknown", ""},
		{"DELETE", "/nope", ``, "rule-unknown", ""},
	} {
		m := problemOf(t, ask(a, c.method, "/v2/rules"+c.path, c.body, "Tenant", "one"))
		if at, _ := m["path"].(string); m["code"] != c.code || at != c.pointer {
			t.Errorf("%s %s: %v", c.method, c.body, m)
		}
	}
	if w := ask(a, "DELETE", "/v2/rules/d%2Fb", "", "Tenant", "one"); w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var rules []string
	for i := range policy.MaxGlobs {
		rules = append(rules, fmt.Sprint("r", i))
		if w := ask(a, "POST", "/v2/rules", fmt.Sprintf(`{"name":"r%d","pattern":"r%d*","policy":"low"}`, i, i), "Tenant", "one"); w.Code != http.StatusCreated {
			t.Fatal(w.Body)
		}
	}
	m := problemOf(t, ask(a, "POST", "/v2/rules", `{"name":"more","pattern":"more*","policy":"low"}`, "Tenant", "one"))
	if m["code"] != "policy-limit" || m["status"] != 409. || m["limit"] != float64(len(rules)) {
		t.Errorf("%v", m)
	}
}

func TestDurationText(t *testing.T) {
	for _, want := range []string{"0s", "7d", "1h30m", "500ms", "1s500ms", "36500d", "1ns", "1us", "90d1m"} {
		d, err := edge.ParseDuration(want)
		if err != nil || durationText(d) != want {
			t.Errorf("%s: %v, %s", want, err, durationText(d))
		}
	}
}
