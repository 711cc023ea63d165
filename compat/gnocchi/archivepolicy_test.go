package gnocchi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"granary/policy"
)

// seeded is a bed whose store has what a new one begins with.
func seeded(tb testing.TB, change ...func(*Options)) *bed {
	tb.Helper()
	b := newBed(tb, change...)
	policies, rules := policy.GnocchiDefaults()
	if err := b.store.SeedPolicies(tb.Context(), policies, rules); err != nil {
		tb.Fatal(err)
	}
	return b
}

// askedFor is a request and what its answer has to be: a status, and the whole body or, behind a "~", a part of it.
type askedFor struct {
	method, path, body string
	status             int
	want               string
	header             []string
}

func (b *bed) check(list []askedFor) {
	b.tb.Helper()
	for _, a := range list {
		w := b.ask(a.method, "/v1"+a.path, a.body, a.header...)
		got := w.Body.String()
		part, isPart := strings.CutPrefix(a.want, "~")
		if w.Code != a.status || isPart && !strings.Contains(got, part) || !isPart && got != a.want {
			b.tb.Errorf("%s %s %.300s: %d %.900s\nwant %d %s", a.method, a.path, a.body, w.Code, got, a.status, a.want)
		}
	}
}

var asBob = []string{"Authorization", basic("bob")}

const basics = `"aggregation_methods": ["sum", "mean", "min", "max", "count", "std"]}`

func TestArchivePolicies(t *testing.T) {
	b := seeded(t)
	const low = `{"name": "low", "back_window": 0, "definition": [{"timespan": "30 days, 0:00:00", "granularity": "0:05:00", "points": 8640}], ` + basics
	b.check([]askedFor{
		{"GET", "/archive_policy/low", "", 200, low, asBob},
		{"GET", "/archive_policy/bool", "", 200, `{"name": "bool", "back_window": 3600, "definition": [{"timespan": "365 days, 0:00:00", "granularity": "0:00:01", "points": 31536000}], "aggregation_methods": ["last"]}`, asBob},
		{"GET", "/archive_policy", "", 200, `~[{"name": "bool", `, asBob},
		{"GET", "/archive_policy", "", 401, "~", []string{"Authorization", ""}},
		{"GET", "/archive_policy/nope", "", 404, `{"code": 404, "title": "Not Found", "description": "Archive policy nope does not exist"}`, asBob},
		{"POST", "/archive_policy", `{"name": "o", "back_window": 2, "definition": [{"granularity": "1m", "points": 10}, {"granularity": "1s", "points": 20}, {"granularity": "7s", "timespan": "1m"}]}`, 201,
			`{"name": "o", "back_window": 2, "definition": [{"timespan": "0:10:00", "granularity": "0:01:00", "points": 10}, {"timespan": "0:00:20", "granularity": "0:00:01", "points": 20}, {"timespan": "0:00:56", "granularity": "0:00:07", "points": 8}], ` + basics, nil},
		{"GET", "/archive_policy/o", "", 200, `~[{"timespan": "0:10:00", "granularity": "0:01:00", "points": 10}, {"timespan": "0:00:20", "granularity": "0:00:01", "points": 20}, {"timespan": "0:00:56"`, nil},
		{"POST", "/archive_policy", `{"name": "o", "definition": [{"granularity": "1m"}]}`, 409, `~"Archive policy o already exists"`, nil},
		{"POST", "/archive_policy", `{"name": "default", "definition": [{"granularity": "1m"}]}`, 409, `~"Archive policy default already exists"`, nil},
		{"POST", "/archive_policy", `{"name": "x", "definition": [{"granularity": "1m"}]}`, 403, `{"code": 403, "title": "Forbidden", "description": ""}`, asBob},
		{"POST", "/archive_policy", `{"name": "mine", "definition": [{"granularity": "1m"}]}`, 201, `~"timespan": null, "granularity": "0:01:00", "points": null`, []string{"X-User-Id", "u", "X-Project-Id", "p", "X-Roles", "service"}},
		{"POST", "/archive_policy", `{"name": "é/ ", "definition": [{"granularity": true, "points": 2}]}`, 201, `~"name": "\u00e9/ ", "back_window": 0, "definition": [{"timespan": "0:00:02"`, nil},
		{"GET", "/archive_policy/%C3%A9%2F%20", "", 200, `~"\u00e9/ "`, asBob},
		{"PATCH", "/archive_policy/nope", `{"definition": []}`, 404, `~Archive policy nope`, asBob},
		{"PATCH", "/archive_policy/o", `{"x": 1}`, 403, `~`, asBob},
		{"PATCH", "/archive_policy/o", `{"definition": [{"granularity": "1m", "points": 10}]}`, 400, `~"Archive policy o does not support change: Cannot add or drop granularities"`, nil},
		{"PATCH", "/archive_policy/o", `{"definition": [{"granularity": "2m"}, {"granularity": "1s"}, {"granularity": "7s"}]}`, 400, `~"Archive policy o does not support change: 60.0 granularity interval was changed"`, nil},
		{"PATCH", "/archive_policy/o", `{"back_window": 1}`, 400, `~"required key not provided @ data['definition']", "detail": ["definition"]`, nil},
		{"PATCH", "/archive_policy/o", `{"definition": [{"granularity": "7s"}, {"granularity": "1m", "points": 3}, {"granularity": "1s", "points": 4}], "back_window": "1"}`, 200,
			`{"name": "o", "back_window": 1, "definition": [{"timespan": null, "granularity": "0:00:07", "points": null}, {"timespan": "0:03:00", "granularity": "0:01:00", "points": 3}, {"timespan": "0:00:04", "granularity": "0:00:01", "points": 4}], ` + basics, nil},
		{"PATCH", "/archive_policy/default", `{"definition": [{"granularity": "1m"}]}`, 409, `~belongs to the configuration`, nil},
		{"DELETE", "/archive_policy/low", "", 400, `~"Archive policy low is still in use"`, nil},
		{"DELETE", "/archive_policy/nope", "", 403, `~`, asBob},
		{"DELETE", "/archive_policy/nope", "", 404, `~Archive policy nope does not exist`, nil},
		{"DELETE", "/archive_policy/o", "", 204, ``, nil},
		{"DELETE", "/archive_policy/bool", "", 204, ``, nil},
		{"GET", "/archive_policy/bool", "", 404, `~`, nil},
		{"PUT", "/archive_policy/low", "{}", 405, `~`, nil},
	})
	if list := b.get("/v1/archive_policy").Body.String(); strings.Contains(list, `"default"`) {
		t.Errorf("a policy without tiers is listed: %s", list)
	}
	if one := b.get("/v1/archive_policy/default").Body.String(); one != `{"name": "default", "back_window": 0, "definition": [{"timespan": null, "granularity": "0:01:00", "points": null}], "aggregation_methods": ["sum", "mean", "min", "max", "first", "last", "count", "std", "median"]}` {
		t.Errorf("a policy without tiers is %s", one)
	}
}

func TestArchivePolicyBodies(t *testing.T) {
	b := seeded(t)
	bad := func(description string) string {
		return `{"code": 400, "title": "Bad Request", "description": ` + description + `}`
	}
	invalid := func(reason string, detail ...string) string {
		return bad(fmt.Sprintf(`{"cause": "Invalid input", "reason": "%s", "detail": [%s]}`, reason, strings.Join(detail, ", ")))
	}
	const d, of = `"definition"`, " for dictionary value @ data['definition']"
	list := []askedFor{}
	for body, want := range map[string]string{
		`"definition": [{"points": 5}]`: bad(`"At least two of granularity/points/timespan must be provided"`),
		`"definition": [{}]`:            bad(`"At least two of granularity/points/timespan must be provided"`),
		`"definition": [{"granularity": "1s", "points": 60, "timespan": "2 minute"}]`: bad(`"timespan \u2260 granularity \u00d7 points"`),
		`"definition": [{"granularity": "2h", "timespan": "1h"}]`:                     bad(`"Calculated number of points is < 0"`),
		`"definition": [{"granularity": 1, "points": 1}, {"granularity": "1 s"}]`:     bad("\"More than one archive policy uses granularity `1.0'\""),
		`"definition": [{"points": 7, "timespan": "1h"}]`:                             `~timespan / points is no whole number of nanoseconds`,
		`"definition": [{"granularity": "1s", "points": 100000000000}]`:               `~definition[0]: tier {granularity 1s, points 100000000000`,
		`"definition": [{"granularity": "90000w"}]`:                                   `~Timespan \"90000w\" is longer than a timespan can be`,
		`"back_window": 1e300, "definition": [{"granularity": 1}]`:                    invalid("expected int for dictionary value @ data['back_window']", `"back_window"`),
		`"back_window": 9223372036854775807, "definition": [{"granularity": 1}]`:      `~back_window: 9223372036854775807 x 1s is more than`,
		`"definition": []`:                                                               invalid("length of value must be at least 1"+of, d),
		`"definition": "x"`:                                                              invalid("expected a list"+of, d),
		`"definition": ["1s"]`:                                                           invalid("expected a dictionary @ data['definition'][0]", d, `"0"`),
		`"definition": [{"foo": 1}]`:                                                     invalid("extra keys not allowed @ data['definition'][0]['foo']", d, `"0"`, `"foo"`),
		`"definition": [{"granularity": 0, "points": 1}]`:                                invalid("Timespan must be positive"+of+"[0]['granularity']", d, `"0"`, `"granularity"`),
		`"definition": [{"granularity": "1 month", "points": 1}]`:                        invalid("Unable to parse timespan"+of+"[0]['granularity']", d, `"0"`, `"granularity"`),
		`"definition": [{"granularity": [], "points": 1}]`:                               invalid("Unable to parse timespan"+of+"[0]['granularity']", d, `"0"`, `"granularity"`),
		`"definition": [{"granularity": null, "points": 1}]`:                             invalid("Invalid timespan"+of+"[0]['granularity']", d, `"0"`, `"granularity"`),
		`"definition": [{"granularity": "1s", "points": 0}]`:                             invalid("value must be at least 1"+of+"[0]['points']", d, `"0"`, `"points"`),
		`"definition": [{"granularity": "1s", "points": null}]`:                          invalid("expected int"+of+"[0]['points']", d, `"0"`, `"points"`),
		`"back_window": -1, "definition": [{"granularity": 1}]`:                          invalid("value must be at least 0 for dictionary value @ data['back_window']", `"back_window"`),
		`"aggregation_methods": "mean", "definition": [{"granularity": 1}]`:              invalid("expected a list for dictionary value @ data['aggregation_methods']", `"aggregation_methods"`),
		`"aggregation_methods": ["wrong"], "definition": [{"granularity": 1}]`:           invalid("not a valid value @ data['aggregation_methods'][0]", `"aggregation_methods"`, `"0"`),
		`"aggregation_methods": ["mean", 5], "definition": [{"granularity": 1}]`:         invalid("not a valid value @ data['aggregation_methods'][1]", `"aggregation_methods"`, `"1"`),
		`"aggregation_methods": ["nunique"], "definition": [{"granularity": 1}]`:         invalid("not a valid value @ data['aggregation_methods'][0]", `"aggregation_methods"`, `"0"`),
		`"aggregation_methods": ["+99.9pct"], "definition": [{"granularity": 1}]`:        invalid("not a valid value @ data['aggregation_methods'][0]", `"aggregation_methods"`, `"0"`),
		`"aggregation_methods": ["+-mean"], "definition": [{"granularity": 1}]`:          invalid("not a valid value @ data['aggregation_methods'][0]", `"aggregation_methods"`, `"0"`),
		`"aggregation_methods": ["mean", "-mean"], "definition": [{"granularity": 1}]`:   bad(`"aggregation_methods: no method is left of mean, -mean"`),
		`"zzz": 1, "definition": [{"granularity": 1}]`:                                   invalid("extra keys not allowed @ data['zzz']", `"zzz"`),
		`"definition": [{"granularity": 1}], "back_window": "x"`:                         invalid("expected int for dictionary value @ data['back_window']", `"back_window"`),
		`"definition": [{"granularity": 1}], "name": "` + strings.Repeat("x", 256) + `"`: `~length of value must be at most 255 for dictionary value @ data['name']`,
		`"definition": [{"granularity": 1}], "name": null`:                               invalid("expected str for dictionary value @ data['name']", `"name"`),
		`"definition": [{"granularity": 1}], "name": "cc-x"`:                             `~belong to the metrics of ClusterCockpit`,
		`"back_window": 0`: invalid("required key not provided @ data['definition']", d),
	} {
		list = append(list, askedFor{"POST", "/archive_policy", `{"name": "n", ` + body + `}`, 400, want, nil})
	}
	for body, want := range map[string]string{
		`"definition": [{"granularity": "0.5", "points": 10.7}]`:                              `~[{"timespan": "0:00:05", "granularity": "0:00:00.500000", "points": 10}]`,
		`"definition": [{"granularity": "1d12h", "points": "2"}], "back_window": 1.9`:         `~"back_window": 1, "definition": [{"timespan": "3 days, 0:00:00", "granularity": "1 day, 12:00:00", "points": 2}]`,
		`"definition": [{"points": 60, "timespan": "1h"}]`:                                    `~[{"timespan": "1:00:00", "granularity": "0:01:00", "points": 60}]`,
		`"definition": [{"granularity": 1}], "aggregation_methods": []`:                       `~` + basics,
		`"definition": [{"granularity": 1}], "aggregation_methods": ["-mean"]`:                `~["sum", "min", "max", "count", "std"]`,
		`"definition": [{"granularity": 1}], "aggregation_methods": ["+95pct", "-mean"]`:      `~["sum", "min", "max", "count", "std", "95pct"]`,
		`"definition": [{"granularity": 1}], "aggregation_methods": ["rate:mean", "99pct"]`:   `~["rate:mean", "99pct"]`,
		`"definition": [{"granularity": 1}], "aggregation_methods": ["mean", "mean"]`:         `~["mean"]`,
		`"definition": [{"granularity": 1}], "aggregation_methods": ["*", "-rate:median"]`:    `~"rate:99pct"]`,
		`"definition": [{"granularity": 1}], "aggregation_methods": ["mean", "-mean", "max"]`: `~["max"]`,
	} {
		list = append(list, askedFor{"POST", "/archive_policy", fmt.Sprintf(`{"name": "made%d", %s}`, len(list), body), 201, want, nil})
	}
	b.check(list)
	if n := strings.Count(b.get("/v1/capabilities").Body.String(), `"`)/2 - 1; n != 216 {
		t.Errorf("%d methods", n)
	}
}

func TestArchivePolicyRules(t *testing.T) {
	b := seeded(t)
	rule := func(name, pattern, of string) string {
		return fmt.Sprintf(`{"name": "%s", "metric_pattern": "%s", "archive_policy_name": "%s"}`, name, pattern, of)
	}
	b.check([]askedFor{
		{"POST", "/archive_policy_rule", rule("r1", "disk.*", "high"), 201, `{"name": "r1", "archive_policy_name": "high", "metric_pattern": "disk.*"}`, nil},
		{"POST", "/archive_policy_rule", rule("r1", "x", "low"), 409, `~"Archive policy rule r1 already exists"`, nil},
		{"POST", "/archive_policy_rule", rule("r9", "x", "low"), 403, `~`, asBob},
		{"POST", "/archive_policy_rule", rule("r9", "x", "nope"), 400, `~{"cause": "Archive policy does not exist", "detail": "nope"}`, nil},
		{"POST", "/archive_policy_rule", `{"name": "r3"}`, 400, `~"required key not provided @ data['metric_pattern']"`, nil},
		{"POST", "/archive_policy_rule", rule("r9", strings.Repeat("x", 256), "low"), 400, `~pattern`, nil},
		{"POST", "/archive_policy_rule", rule("r0", "disk.*", "low"), 201, `~`, nil},
		{"POST", "/archive_policy_rule", rule("r4", "disk.io.*", "medium"), 201, `~`, nil},
		{"POST", "/archive_policy_rule", rule("r5", "net.?x[ab]", "medium"), 201, `~`, nil},
		{"POST", "/archive_policy_rule", rule("r6", "", "low"), 201, `~`, nil},
		{"GET", "/archive_policy_rule", "", 200, `[{"name": "r5", "archive_policy_name": "medium", "metric_pattern": "net.?x[ab]"}, {"name": "r4", "archive_policy_name": "medium", "metric_pattern": "disk.io.*"}, ` +
			`{"name": "r0", "archive_policy_name": "low", "metric_pattern": "disk.*"}, {"name": "r1", "archive_policy_name": "high", "metric_pattern": "disk.*"}, {"name": "default", "archive_policy_name": "low", "metric_pattern": "*"}, {"name": "r6", "archive_policy_name": "low", "metric_pattern": ""}]`, asBob},
		{"GET", "/archive_policy_rule/r1", "", 200, `~"disk.*"`, asBob},
		{"GET", "/archive_policy_rule/zz", "", 404, `~"Archive policy rule zz does not exist"`, asBob},
		{"PATCH", "/archive_policy_rule/zz", `{"name": "r1"}`, 404, `~`, nil},
		{"PATCH", "/archive_policy_rule/r4", `{"x": "r1"}`, 400, `~extra keys not allowed @ data['x']`, asBob},
		{"PATCH", "/archive_policy_rule/r4", `{"name": "r7"}`, 403, `~`, asBob},
		{"PATCH", "/archive_policy_rule/r4", `{"name": "r1"}`, 400, `~"Archive policy rule r4 does not support change: Archive policy rule r1 already exists."`, nil},
		{"PATCH", "/archive_policy_rule/r4", `{"name": "r/4"}`, 200, `{"name": "r/4", "archive_policy_name": "medium", "metric_pattern": "disk.io.*"}`, nil},
		{"GET", "/archive_policy_rule/r%2F4", "", 200, `~r/4`, asBob},
		{"DELETE", "/archive_policy_rule/zz", "", 404, `~`, asBob},
		{"DELETE", "/archive_policy_rule/r1", "", 403, `~`, asBob},
		{"DELETE", "/archive_policy_rule/r1", "", 204, ``, nil},
		{"DELETE", "/archive_policy_rule/default", "", 204, ``, nil},
		{"GET", "/archive_policy_rule/default", "", 404, `~`, nil},
	})
}

// TestRulesOfOthers: what other dialects made is seen where it holds for Gnocchi's metrics, and changed where the service owns it.
func TestRulesOfOthers(t *testing.T) {
	b := seeded(t)
	own := policy.OfTenant(b.tenant("_ops"))
	for _, r := range []struct {
		scope policy.Scope
		rule  policy.Rule
	}{
		{policy.Service, policy.Rule{Name: "all", Pattern: "cpu", Policy: "high"}},
		{policy.Service, policy.Rule{Name: "hawk", Pattern: "h*", Glob: true, Dialects: []string{policy.Hawkular}, Policy: "high"}},
		{own, policy.Rule{Name: "own", Pattern: "o*", Glob: true, Policy: "medium"}},
	} {
		if err := b.store.CreateRule(t.Context(), r.scope, r.rule); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.store.CreatePolicy(t.Context(), own, policy.GnocchiPolicy("ours", 0, policy.DefaultMethods(), policy.Tier{Granularity: 1e9})); err != nil {
		t.Fatal(err)
	}
	b.check([]askedFor{
		{"GET", "/archive_policy_rule", "", 200, `[{"name": "own", "archive_policy_name": "medium", "metric_pattern": "o*"}, {"name": "all", "archive_policy_name": "high", "metric_pattern": "cpu"}, {"name": "default", "archive_policy_name": "low", "metric_pattern": "*"}]`, asBob},
		{"DELETE", "/archive_policy_rule/hawk", "", 404, `~`, nil},
		{"DELETE", "/archive_policy_rule/own", "", 409, `~belongs to the tenant alone`, nil},
		{"PATCH", "/archive_policy_rule/own", `{"name": "x"}`, 409, `~belongs to the tenant alone`, nil},
		{"DELETE", "/archive_policy_rule/all", "", 204, ``, nil},
		{"GET", "/archive_policy/ours", "", 200, `~"ours"`, asBob},
		{"DELETE", "/archive_policy/ours", "", 409, `~belongs to the tenant alone`, nil},
		{"GET", "/archive_policy/ours", "", 404, `~`, []string{"X-User-Id", "u", "X-Project-Id", "p"}},
		{"POST", "/archive_policy_rule", `{"name": "t", "metric_pattern": "t*", "archive_policy_name": "ours"}`, 400, `~"detail": "ours"`, nil},
	})
}

func TestStatus(t *testing.T) {
	b := newBed(t)
	b.check([]askedFor{
		{"GET", "/status", "", 403, `~"description": ""`, asBob},
		{"GET", "/status?details=false", "", 200, `{"storage": {"summary": {"metrics": 0, "measures": 0}}, "metricd": {"processors": ["granary"], "statistics": {}}}`, nil},
		{"GET", "/status", "", 200, `~"measures_to_process": {}`, nil},
		{"GET", "/status?details=maybe", "", 400, "~Unable to parse `details': Unrecognized value 'maybe'", nil},
		{"GET", "/capabilities", "", 200, `~"rate:99pct"`, []string{"Authorization", ""}},
	})
	if w := b.ask(http.MethodGet, "/v1/capabilities", "", "Accept", "text/plain"); w.Code != http.StatusNotAcceptable {
		t.Errorf("%d", w.Code)
	}
}
