package gnocchi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
)

// fleet is a bed with two instances and metrics of theirs, as the published documentation has them.
type fleet struct {
	*bed
	ids map[string]string // of metrics and resources by the names that tests give them: $NAME in what is asked stands for it
}

func newFleet(tb testing.TB, change ...func(*Options)) *fleet {
	f := &fleet{newBed(tb, change...), make(map[string]string)}
	f.policies(
		window(tb, "fine", 0, "mean max count", policy.Tier{Granularity: time.Minute, Points: 1000}, policy.Tier{Granularity: time.Hour, Points: 100}),
		window(tb, "minutes", 0, "mean", policy.Tier{Granularity: time.Minute, Points: 1000}),
		window(tb, "days", 0, "mean", policy.Tier{Granularity: 24 * time.Hour, Points: 1000}),
		policy.FallBack(policy.Retention{Length: policy.Forever}),
	)
	err := f.store.CreateResourceType(tb.Context(), resource.Type{Name: "instance", Attributes: []resource.Attribute{
		{Name: "flavor", Kind: resource.Number}, {Name: "host", Kind: resource.String, MaxLength: 255}}})
	if err != nil {
		tb.Fatal(err)
	}
	f.instance("vm1", "_ops", "admin", map[string]resource.Value{"host": resource.TextValue("compute1"), "flavor": resource.NumberValue(2)})
	f.instance("vm2", "_ops", "admin", map[string]resource.Value{"host": resource.TextValue("compute2"), "flavor": resource.NumberValue(2)})
	f.instance("vm3", "_ops", "admin", map[string]resource.Value{"host": resource.TextValue("compute2")})
	f.of("cpu1", "vm1", "cpu.util", "fine", [2]float64{0, 10}, [2]float64{60, 20}, [2]float64{120, 30})
	f.of("cpu2", "vm2", "cpu.util", "fine", [2]float64{60, 40}, [2]float64{120, 60}, [2]float64{180, 80})
	f.of("mem1", "vm1", "memory", "minutes", [2]float64{0, 1}, [2]float64{60, 2})
	f.of("disk1", "vm1", "disk", "days", [2]float64{0, 5})
	f.of("empty2", "vm2", "memory", "minutes")
	f.foreign("load", [2]float64{0, 1}, [2]float64{30, 3}, [2]float64{61, 5})
	return f
}

// instance makes a resource.
func (f *fleet) instance(name string, owner tenant.ID, creator string, attributes map[string]resource.Value) {
	f.tb.Helper()
	id := uuid.UUID{byte(len(f.ids) + 1), 6: 0x40, 8: 0x80} // in this order they are found
	f.ids[name] = id.String()
	project := string(owner)
	_, _, err := f.store.ChangeResource(f.tb.Context(), &measures.ResourceChange{Tenant: f.tenant(owner), ID: id, Create: &resource.Draft{
		Original: name, Type: "instance", Creator: creator, Project: &project, Attributes: attributes,
	}})
	if err != nil {
		f.tb.Fatal(err)
	}
}

// of makes a metric of a resource, or of none for "", that admin has made.
func (f *fleet) of(name, of, label, policy string, points ...[2]float64) {
	f.tb.Helper()
	f.in(name, "_ops", "admin", of, label, policy, points...)
}

// in makes a metric of a tenant.
func (f *fleet) in(name string, owner tenant.ID, creator, of, label, policy string, points ...[2]float64) {
	f.tb.Helper()
	d := metricdef.Draft{Policy: policy, Creator: creator, Label: label}
	if of != "" {
		d.Resource = uuid.MustParse(f.ids[of])
	}
	id := f.metric(owner, d)
	f.ids[name] = id.String()
	if len(points) > 0 {
		f.post(id, points...)
	}
}

// foreign makes a metric as another dialect does, which keeps raw samples and no buckets.
func (f *fleet) foreign(name string, points ...[2]float64) {
	f.tb.Helper()
	d := metricdef.Draft{Identity: metricdef.Identity{Tenant: f.tenant("_ops"), Type: metricdef.Gauge, Name: "load", Tags: []metricdef.Tag{{Name: "host", Value: "a"}}}, Dialect: policy.Hawkular}
	made := f.store.CreateDefinitions(f.tb.Context(), []metricdef.Draft{d})[0]
	if made.Err != nil {
		f.tb.Fatal(made.Err)
	}
	found, _ := f.store.Definitions.Get(made.Ref)
	f.ids[name] = found.ID.String()
	f.post(found.ID, points...)
}

// fill puts ids for names.
func (f *fleet) fill(text string) string {
	for name, id := range f.ids {
		text = strings.ReplaceAll(text, "$"+name, id)
	}
	return text
}

// empty puts names for ids, and takes away what all points have: a point is [SECOND, GRANULARITY, VALUE].
func (f *fleet) empty(text string) string {
	for name, id := range f.ids {
		text = strings.ReplaceAll(text, id, "$"+name)
	}
	for s := range 100 {
		text = strings.ReplaceAll(text, time.Unix(int64(s)*60, 0).UTC().Format(`"2006-01-02T15:04:05+00:00"`), fmt.Sprint(s*60))
	}
	return strings.TrimSpace(text)
}

// check asks, and compares the status and the body, of errors the description.
func (f *fleet) check(method, path, body string, status int, want string, header ...string) {
	f.tb.Helper()
	w := f.ask(method, f.fill(path), f.fill(body), header...)
	got := f.empty(w.Body.String())
	if w.Code != http.StatusOK {
		_, got, _ = strings.Cut(got, `"description": `)
		got = strings.TrimSuffix(got, "}")
	}
	if w.Code != status || got != want {
		f.tb.Errorf("%s %s %s: %d\n%s\nwant %d\n%s", method, path, body, w.Code, got, status, want)
	}
}

func TestAggregates(t *testing.T) {
	f := newFleet(t)
	for _, c := range []struct{ query, body, want string }{
		{"", `{"operations": ["metric", "$cpu1", "mean"]}`, `{"measures": {"$cpu1": {"mean": [[0, 3600.0, 20.0], [0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]}}}`},
		{"granularity=60", `{"operations": "(metric ($cpu1 mean) ($cpu2 max) ($cpu1 count))"}`,
			`{"measures": {"$cpu1": {"mean": [[0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]], "count": [[0, 60.0, 1.0], [60, 60.0, 1.0], [120, 60.0, 1.0]]}, "$cpu2": {"max": [[60, 60.0, 40.0], [120, 60.0, 60.0], [180, 60.0, 80.0]]}}}`},
		{"", `{"operations": ["*", ["aggregate", "mean", ["metric", ["$cpu1", "mean"], ["$cpu2", "mean"]]], 4]}`,
			`{"measures": {"aggregated": [[0, 3600.0, 160.0], [0, 60.0, 40.0], [60, 60.0, 120.0], [120, 60.0, 180.0], [180, 60.0, 320.0]]}}`},
		{"needed_overlap=100&granularity=60", `{"operations": ["aggregate", "mean", ["metric", ["$cpu1", "mean"], ["$cpu2", "mean"]]]}`, `{"measures": {"aggregated": [[60, 60.0, 30.0], [120, 60.0, 45.0]]}}`},
		{"fill=0&granularity=60&start=60&stop=180", `{"operations": ["aggregate", "mean", ["metric", ["$cpu1", "mean"], ["$mem1", "mean"]]]}`, `{"measures": {"aggregated": [[60, 60.0, 11.0], [120, 60.0, 15.0]]}}`},
		{"granularity=1m&start=90", `{"operations": ["metric", "$cpu1", "mean"]}`, `{"measures": {"$cpu1": {"mean": [[60, 60.0, 20.0], [120, 60.0, 30.0]]}}}`},
		{"granularity=60&start=", `{"operations": ["metric", "$cpu1", "mean"]}`, `{"measures": {"$cpu1": {"mean": []}}}`},
		{"granularity=60&fill=null", `{"operations": "(/ (metric ($mem1 mean) ($cpu2 mean)) 0)"}`,
			`{"measures": {"$mem1": {"mean": [[0, 60.0, Infinity], [60, 60.0, Infinity], [120, 60.0, NaN], [180, 60.0, NaN]]}, "$cpu2": {"mean": [[0, 60.0, NaN], [60, 60.0, Infinity], [120, 60.0, Infinity], [180, 60.0, Infinity]]}}}`},
		{"granularity=60", `{"operations": "(aggregate count (metric $mem1 mean))"}`, `{"measures": {"aggregated": [[0, 60.0, 1.0], [60, 60.0, 1.0]]}}`},
		{"", `{"operations": ["metric", "$empty2", "mean"]}`, `{"measures": {"$empty2": {"mean": []}}}`},
		{"granularity=60", `{"operations": "(resample max 120 (metric $cpu1 mean))"}`, `{"measures": {"$cpu1": {"mean": [[0, 120.0, 20.0], [120, 120.0, 30.0]]}}}`},
		{"", `{"operations": "(+ (metric $load mean) (metric $mem1 mean))"}`, `{"measures": {"aggregated": [[0, 60.0, 3.0], [60, 60.0, 7.0]]}}`},
		{"granularity=60", `{"operations": "(metric $load 95pct)"}`, `{"measures": {"$load": {"95pct": [[0, 60.0, 2.8999999999999995], [60, 60.0, 5.0]]}}}`},
		{"granularity=60", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {}}`,
			`{"measures": {"$vm1": {"cpu.util": {"mean": [[0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]}}, "$vm2": {"cpu.util": {"mean": [[60, 60.0, 40.0], [120, 60.0, 60.0], [180, 60.0, 80.0]]}}}}`},
		{"granularity=60", `{"operations": "(metric (cpu* mean) (*m* mean))", "resource_type": "generic", "search": "original_resource_id = vm1"}`,
			`{"measures": {"$vm1": {"cpu.util": {"mean": [[0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]}, "memory": {"mean": [[0, 60.0, 1.0], [60, 60.0, 2.0]]}}}}`},
		{"granularity=60", `{"operations": "(aggregate mean (metric cpu* mean))", "resource_type": "instance", "search": {"=": {"flavor": 2}}}`,
			`{"measures": {"aggregated": [[0, 60.0, 10.0], [60, 60.0, 30.0], [120, 60.0, 45.0], [180, 60.0, 80.0]]}}`},
		{"granularity=60&groupby=host&groupby=flavor&groupby=host", `{"operations": "(* (aggregate mean (metric cpu.util mean)) 4)", "resource_type": "instance", "search": {"like": {"host": "compute%"}}}`,
			`[{"group": {"flavor": 2.0, "host": "compute1"}, "measures": {"measures": {"aggregated": [[0, 60.0, 40.0], [60, 60.0, 80.0], [120, 60.0, 120.0]]}}}, ` +
				`{"group": {"flavor": 2.0, "host": "compute2"}, "measures": {"measures": {"aggregated": [[60, 60.0, 160.0], [120, 60.0, 240.0], [180, 60.0, 320.0]]}}}]`},
		{"granularity=60&groupby=id&stop=60", `{"operations": "(metric memory mean)", "resource_type": "instance", "search": {"=": {"original_resource_id": "vm1"}}}`,
			`[{"group": {"id": "$vm1"}, "measures": {"measures": {"$vm1": {"memory": {"mean": [[0, 60.0, 1.0]]}}}}}]`},
		{"granularity=60&groupby=host", `{"operations": "(metric $mem1 mean)"}`, `{"measures": {"$mem1": {"mean": [[0, 60.0, 1.0], [60, 60.0, 2.0]]}}}`},
	} {
		f.check(http.MethodPost, "/v1/aggregates?"+c.query, c.body, http.StatusOK, c.want)
	}
}

func TestAggregatesDetails(t *testing.T) {
	f := newFleet(t)
	const point = `[[0, 60.0, 1.0], [60, 60.0, 2.0]]`
	common := func(name string) string {
		return `"creator": "admin", "started_at": 0, "revision_start": "2026-11-28T12:00:00+00:00", "ended_at": null, "user_id": null, "project_id": "_ops", ` +
			`"original_resource_id": "` + name + `", "id": "$` + name + `", "type": "instance", `
	}
	const creator = `"created_by_user_id": "admin", "created_by_project_id": ""}`
	f.check(http.MethodPost, "/v1/aggregates?details=true", `{"operations": "(metric $mem1 mean)"}`, http.StatusOK,
		`{"measures": {"$mem1": {"mean": `+point+`}}, "references": [{"id": "$mem1", "creator": "admin", "name": "memory", "unit": null, "resource": {`+common("vm1")+`"revision_end": null, `+creator+
			`, "archive_policy": {"name": "minutes", "back_window": 0, "definition": [{"timespan": "16:40:00", "granularity": "0:01:00", "points": 1000}], "aggregation_methods": ["mean"]}, `+creator+`]}`)
	f.check(http.MethodPost, "/v1/aggregates?details=1", `{"operations": "(metric (memory mean) (mem* mean))", "resource_type": "instance", "search": {"=": {"original_resource_id": "vm1"}}}`, http.StatusOK,
		`{"measures": {"$vm1": {"memory": {"mean": `+point+`}}}, "references": [{`+common("vm1")+`"flavor": 2.0, "host": "compute1", "revision_end": null, `+
			`"metrics": {"cpu.util": "$cpu1", "disk": "$disk1", "memory": "$mem1"}, `+creator+`]}`)
}

func TestAggregatesErrors(t *testing.T) {
	f := newFleet(t)
	const nobody = "6868da77-fa82-4e67-aba9-270c5ae8cbca"
	const whole = `for dictionary value @ data['operations']", "detail": ["operations"]}`
	for _, c := range []struct {
		query, body string
		status      int
		want        string
	}{
		{"needed_overlap=x", `{}`, 400, `{"cause": "Argument value error", "detail": "needed_overlap", "reason": "Must be a number"}`},
		{"start=x", `{}`, 400, `{"cause": "Argument value error", "detail": "start", "reason": "Must be a datetime or a timestamp"}`},
		{"stop=x", `{}`, 400, `{"cause": "Argument value error", "detail": "stop", "reason": "Must be a datetime or a timestamp"}`},
		{"granularity=x", `{}`, 400, `{"cause": "Argument value error", "detail": "granularity", "reason": "Unable to parse timespan"}`},
		{"granularity=-1", `{}`, 400, `{"cause": "Argument value error", "detail": "granularity", "reason": "Timespan must be positive"}`},
		{"granularity=1&granularity=2", `{}`, 400, `"granularity: it is given 2 times, once is possible"`},
		{"fill=x", `{}`, 400, `{"cause": "Argument value error", "detail": "fill", "reason": "Must be a float, 'dropna', 'null', 'ffill', 'bfill', 'full_ffill' or 'full_bfill'"}`},
		{"details=x", `{}`, 400, "\"Unable to parse `details': Unrecognized value 'x', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'\""},
		{"", `{}`, 400, `{"cause": "Invalid input", "reason": "required key not provided @ data['operations']", "detail": ["operations"]}`},
		{"", `[]`, 400, `{"cause": "Invalid input", "reason": "expected a dictionary", "detail": []}`},
		{"", `{"operations": ["metric", "a", "mean"], "x": 1}`, 400, `{"cause": "Invalid input", "reason": "extra keys not allowed @ data['x']", "detail": ["x"]}`},
		{"", `{"operations": []}`, 400, `{"cause": "Invalid input", "reason": "Operation must not be empty ` + whole},
		{"", `{"operations": "(metric)"}`, 400, `{"cause": "Invalid input", "reason": "Operation need at least one argument ` + whole},
		{"", `{"operations": "(foo bar)"}`, 400, `{"cause": "Invalid input", "reason": "'foo' operation invalid ` + whole},
		{"", `{"operations": 5}`, 400, `{"cause": "Invalid input", "reason": "Expected a tuple/list, got a <class 'int'> ` + whole},
		{"", `{"operations": ["metric", ["a"]]}`, 400, `{"cause": "Invalid input", "reason": "None @ data['operations'][0]", "detail": ["operations", "0"]}`},
		{"", `{"operations": ""}`, 400, `{"cause": "Invalid operations", "reason": "Fail to parse the operations string", "detail": "Expected '('  (at char 0), (line:1, col:1)"}`},
		{"", `{"operations": "(metric foo bar"}`, 400, `{"cause": "Invalid operations", "reason": "Fail to parse the operations string", "detail": "Expected ')', found end of text  (at char 15), (line:1, col:16)"}`},
		{"", `{"operations": ["+", 1, 2]}`, 400, `{"cause": "Operations is invalid", "reason": "At least one 'metric' is required", "detail": ["+", 1.0, 2.0]}`},
		{"", `{"operations": "` + strings.Repeat("(abs ", 100) + `"}`, 400, `"operations have at most 64 levels"`},
		{"", `{"operations": "(metric foo mean)"}`, 400, `{"cause": "Invalid metric references", "reason": "badly formed hexadecimal UUID string", "detail": [["foo", "mean"]]}`},
		{"", `{"operations": "(metric ($cpu1 mean) (` + nobody + ` mean))"}`, 404, `{"cause": "Unknown metrics", "reason": "Provided metrics don't exists", "detail": ["` + nobody + `"]}`},
		{"", `{"operations": "(metric ($cpu1 mean) ($mem1 max))"}`, 404, `{"cause": "Metrics with unknown aggregation", "detail": [["$mem1", "max"]]}`},
		{"", `{"operations": "(metric $cpu1 foo)"}`, 404, `{"cause": "Metrics with unknown aggregation", "detail": [["$cpu1", "foo"]]}`},
		{"granularity=60", `{"operations": "(metric ($cpu1 mean) ($disk1 mean))"}`, 400, `{"cause": "Metrics cannot be aggregated", "reason": "Granularities are missing", "detail": [["$disk1", "mean", 60.0]]}`},
		{"", `{"operations": "(metric ($mem1 mean) ($disk1 mean))"}`, 400, `{"cause": "Metrics cannot be aggregated", "reason": "No granularity match", "detail": [["$mem1", "mean"], ["$disk1", "mean"]]}`},
		{"granularity=60&needed_overlap=50.0", `{"operations": "(metric ($mem1 mean) ($empty2 mean))"}`, 400, `{"cause": "Metrics cannot be aggregated", "reason": "No overlap", "detail": [["$mem1", "mean"], ["$empty2", "mean"]]}`},
		{"granularity=60&needed_overlap=100&start=0&stop=1000", `{"operations": "(metric ($cpu1 mean) ($cpu2 mean))"}`, 400,
			`{"cause": "Metrics cannot be aggregated", "reason": "Less than 100.000000% of datapoints overlap in this timespan (50.00%)", "detail": [["$cpu1", "mean"], ["$cpu2", "mean"]]}`},
		{"granularity=60", `{"operations": "(rolling mean 10 (metric $cpu1 mean))"}`, 400, `{"cause": "Metrics cannot be aggregated", "reason": "Rolling window '10' is greater than serie length '3'", "detail": [["$cpu1", "mean"]]}`},
		{"granularity=60", `{"operations": "(- (metric $cpu1 mean) (rateofchange (metric $cpu1 mean)))"}`, 400,
			`{"cause": "Metrics cannot be aggregated", "reason": "Can't compute timeseries with different granularity ['metric', '$cpu1', 'mean'] <> ['rateofchange', ['metric', '$cpu1', 'mean']]", "detail": [["$cpu1", "mean"]]}`},
		{"", `{"operations": "(metric $cpu1 mean)", "resource_type": "nope", "search": {}}`, 400, `{"cause": "Resource type does not exist", "detail": "nope"}`},
		{"", `{"operations": "(metric $cpu1 mean)", "resource_type": "instance"}`, 400, `{"cause": "Invalid input", "reason": "required key not provided @ data['search']", "detail": ["search"]}`},
		{"", `{"operations": "(metric $cpu1 mean)", "search": {}}`, 400, `{"cause": "Invalid input", "reason": "required key not provided @ data['resource_type']", "detail": ["resource_type"]}`},
		{"", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {"foo": 1}}`, 400, `{"cause": "Invalid input", "reason": "extra keys not allowed @ data['search']['foo']", "detail": ["search", "foo"]}`},
		{"", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": "a AND b"}`, 400, `"Invalid filter: Expected operator, found 'AND'  (at char 2), (line:1, col:3)"`},
		{"", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {"=": {"nope": 1}}}`, 400, `"Resource type instance has no nope attribute"`},
		{"", `{"operations": "(metric (nope mean) (no* max) (nope max))", "resource_type": "instance", "search": {}}`, 404, `"Metric ['nope', 'no*'] does not exist"`},
		{"groupby=host", `{"operations": "(metric nope mean)", "resource_type": "instance", "search": {}}`, 404, `"Metric ['nope'] does not exist"`},
		{"groupby=nope", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {}}`, 400, "\"Invalid pagination: `Sort key supplied is invalid: nope'\""},
		{"", `{"operations": "(metric (cpu.util mean) (memory max))", "resource_type": "instance", "search": "host = compute1"}`, 404, `{"cause": "Metrics with unknown aggregation", "detail": [["$mem1", "max"]]}`},
		{"granularity=3600", `{"operations": "(metric (cpu.util mean) (memory mean))", "resource_type": "instance", "search": "host = compute1"}`, 400,
			`{"cause": "Metrics cannot be aggregated", "reason": "Granularities are missing", "detail": [["memory", "mean", 3600.0]]}`},
		{"granularity=60", `{"operations": "(+ (metric cpu* mean) (metric memory mean))", "resource_type": "instance", "search": "host = compute1"}`, 200,
			`{"measures": {"aggregated": [[0, 60.0, 11.0], [60, 60.0, 22.0]]}}`},
		{"use_history=true", `{"operations": "(metric $cpu1 mean)"}`, 400, `"use_history: metrics that are named by their ids have no history, only those of resources have"`},
		{"use_history=true", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {}}`, 400, `"use_history: it needs groupby"`},
		{"use_history=true&groupby=flavor", `{"operations": "(aggregate mean (metric cpu.util mean))", "resource_type": "instance", "search": {}}`, 400,
			`"use_history: it needs start and stop where several resources are in one group"`},
		{"use_history=true&groupby=id", `{"operations": "(metric cpu.util mean)", "resource_type": "instance", "search": {}}`, 400,
			`"use_history: it needs operations that make one series of all, such as aggregate"`},
	} {
		f.check(http.MethodPost, "/v1/aggregates?"+c.query, c.body, c.status, c.want)
	}
	f.check(http.MethodPost, "/v1/aggregates", `{"operations": "(metric $cpu1 mean)"}`, 415, `""`, "Content-Type", "text/plain")
	f.check(http.MethodPost, "/v1/aggregates", `{`, 400, `{"cause": "Unable to decode body", "reason": "the name of a member is expected, in quotes at byte 1", "detail": []}`)
	f.check(http.MethodPost, "/v1/aggregates", `{"operations": "(metric $cpu1 mean)"}`, 403, `""`, "Authorization", basic("bob"))
	f.check(http.MethodPost, "/v1/aggregates", `{"operations": "(metric $cpu1 mean)"}`, 401, `""`, "Authorization", "")
	f.check(http.MethodPost, "/v1/aggregates", `{"operations": "(metric $cpu1 mean)"}`, 404, `{"cause": "Unknown metrics", "reason": "Provided metrics don't exists", "detail": ["$cpu1"]}`,
		"X-User-Id", "u", "X-Project-Id", "other")
	f.check(http.MethodGet, "/v1/aggregates", "", 405, `""`)
}
