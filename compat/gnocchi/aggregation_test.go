package gnocchi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/predicate"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
)

func TestAggregation(t *testing.T) {
	f := newFleet(t)
	const byName = "/v1/aggregation/resource/instance/metric/cpu.util?granularity=60&"
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$cpu2", "", `[[0, 3600.0, 40.0], [60, 60.0, 30.0], [120, 60.0, 45.0]]`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$cpu2&reaggregation=min&granularity=60", "", `[[60, 60.0, 20.0], [120, 60.0, 30.0]]`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$cpu2&aggregation=max&granularity=60&fill=0", "", `[[0, 60.0, 10.0], [60, 60.0, 40.0], [120, 60.0, 60.0], [180, 60.0, 80.0]]`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$cpu2&granularity=60&fill=null", "", `[[0, 60.0, 10.0], [60, 60.0, 30.0], [120, 60.0, 45.0], [180, 60.0, 80.0]]`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$cpu2&granularity=60&resample=120&fill=dropna", "", `[[0, 120.0, 15.0], [120, 120.0, 70.0]]`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$cpu2&granularity=60&needed_overlap=50&start=0&stop=1000", "", `[[0, 60.0, 10.0], [60, 60.0, 30.0], [120, 60.0, 45.0], [180, 60.0, 80.0]]`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$cpu1&granularity=60", "", `[[0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&reaggregation=nonsense&granularity=60&refresh=true", "", `[[0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]`},
		{"GET", "/v1/aggregation/metric", "", `[]`},
		{"POST", "/v1/aggregation/metric?granularity=60", `["$cpu1", "$cpu2"]`, `[[60, 60.0, 30.0], [120, 60.0, 45.0]]`},
		{"POST", "/v1/aggregation/metric", `[]`, `[]`},
		{"POST", byName, `{"=": {"flavor": 2}}`, `[[60, 60.0, 30.0], [120, 60.0, 45.0]]`},
		{"POST", byName + "filter=host%20%3D%20compute1", ``, `[[0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]`},
		{"POST", byName + "filter=host%20%3D%20nope", ``, `[]`},
		{"POST", byName + "groupby=host&groupby=flavor", `{}`,
			`[{"group": {"flavor": 2.0, "host": "compute1"}, "measures": [[0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]}, ` +
				`{"group": {"flavor": 2.0, "host": "compute2"}, "measures": [[60, 60.0, 40.0], [120, 60.0, 60.0], [180, 60.0, 80.0]]}, ` +
				`{"group": {"flavor": null, "host": "compute2"}, "measures": []}]`},
		{"POST", byName + "groupby=host&reaggregation=max&fill=0", ``,
			`[{"group": {"host": "compute1"}, "measures": [[0, 60.0, 10.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]}, ` +
				`{"group": {"host": "compute2"}, "measures": [[60, 60.0, 40.0], [120, 60.0, 60.0], [180, 60.0, 80.0]]}]`},
		{"POST", byName + "groupby=host", `{"=": {"host": "nope"}}`, `[]`},
	} {
		f.check(c.method, c.path, c.body, http.StatusOK, c.want)
	}
}

func TestAggregationErrors(t *testing.T) {
	f := newFleet(t)
	const nobody = "6868da77-fa82-4e67-aba9-270c5ae8cbca"
	const both = "/v1/aggregation/metric?metric=$cpu1&metric=$cpu2&"
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/aggregation/metric?metric=foo", "", 400, `"Invalid input: not a valid value @ data[0]"`},
		{"POST", "/v1/aggregation/metric", `["$cpu1", "foo"]`, 400, `{"cause": "Invalid input", "reason": "not a valid value @ data[1]", "detail": ["1"]}`},
		{"POST", "/v1/aggregation/metric", `{}`, 400, `{"cause": "Invalid input", "reason": "expected a list", "detail": []}`},
		{"GET", "/v1/aggregation/metric?metric=" + nobody, "", 404, `"Metric ` + nobody + ` does not exist"`},
		{"GET", both + "start=x", "", 400, `{"cause": "Argument value error", "detail": "start", "reason": "Must be a datetime or a timestamp"}`},
		{"GET", both + "granularity=x", "", 400, `{"cause": "Argument value error", "detail": "granularity", "reason": "Unable to parse timespan"}`},
		{"GET", both + "needed_overlap=x", "", 400, `{"cause": "Argument value error", "detail": "needed_overlap", "reason": "Must be a number"}`},
		{"GET", both + "fill=x", "", 400, `{"cause": "Argument value error", "detail": "fill", "reason": "Must be a float, 'dropna', 'null', 'ffill', 'bfill', 'full_ffill' or 'full_bfill'"}`},
		{"GET", both + "resample=60", "", 400, `"A granularity must be specified to resample"`},
		{"GET", both + "resample=x&granularity=60", "", 400, `"Unable to parse timespan"`},
		{"GET", both + "resample=-5&granularity=60", "", 400, `"Timespan must be positive"`},
		{"GET", both + "refresh=x", "", 400, "\"Unable to parse `refresh': Unrecognized value 'x', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'\""},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&metric=$disk1&granularity=60", "", 404, `"Aggregation method 'mean' at granularity '60.0' for metric $disk1 does not exist"`},
		{"GET", "/v1/aggregation/metric?metric=$mem1&metric=$disk1", "", 400, `{"cause": "Metrics cannot be aggregated", "reason": "No granularity match", "detail": [["$mem1", "mean"], ["$disk1", "mean"]]}`},
		{"GET", both + "aggregation=last", "", 400, "\"reaggregation: operations: \\\"last\\\" is no method that makes one series of several: mean, median, sum, min, max, std, var, count, and these with rate: in front\""},
		{"GET", both + "aggregation=nonsense&reaggregation=max", "", 404, `"Aggregation method 'nonsense' at granularity '60.0' for metric $cpu1 does not exist"`},
		{"GET", both + "aggregation=last&reaggregation=max", "", 404, `"Aggregation method 'last' at granularity '60.0' for metric $cpu1 does not exist"`},
		{"GET", "/v1/aggregation/metric?metric=$cpu1&aggregation=last", "", 404, `{"cause": "Aggregation method does not exist for this metric", "detail": {"metric": "$cpu1", "aggregation_method": "last"}}`},
		{"GET", "/v1/aggregation/metric?metric=$mem1&metric=$empty2", "", 400, `{"cause": "Metrics cannot be aggregated", "reason": "No overlap", "detail": [["$mem1", "mean"], ["$empty2", "mean"]]}`},
		{"GET", both + "granularity=60&start=0&stop=1000", "", 400,
			`{"cause": "Metrics cannot be aggregated", "reason": "Less than 100.000000% of datapoints overlap in this timespan (50.00%)", "detail": [["$cpu1", "mean"], ["$cpu2", "mean"]]}`},
		{"POST", "/v1/aggregation/resource/nope/metric/cpu.util", ``, 404, `"Resource type nope does not exist"`},
		{"POST", "/v1/aggregation/resource/instance/metric/cpu.util?groupby=nope", ``, 400, `"Invalid groupby attribute"`},
		{"POST", "/v1/aggregation/resource/instance/metric/cpu.util", `{"=": {"nope": 1}}`, 400, `"Resource type instance has no nope attribute"`},
		{"POST", "/v1/aggregation/resource/instance/metric/cpu.util", `{"=": 1}`, 400, `{"cause": "Invalid input", "reason": "expected a dictionary for dictionary value @ data['=']", "detail": ["="]}`},
		{"POST", "/v1/aggregation/resource/instance/metric/cpu.util?filter=x", ``, 400, `"Invalid filter: Expected operator, found end of text  (at char 1), (line:1, col:2)"`},
		{"GET", "/v1/aggregation/resource/instance/metric/cpu.util", ``, 405, `""`},
	} {
		f.check(c.method, c.path, c.body, c.status, c.want)
	}
	f.check("GET", both, "", 403, `""`, "Authorization", basic("bob"))
	f.check("GET", both, "", 401, `""`, "Authorization", "")
	f.check("GET", both, "", 404, `"Metric $cpu1 does not exist"`, "X-User-Id", "u", "X-Project-Id", "other")
}

func TestSearchValues(t *testing.T) {
	f := newFleet(t)
	for _, c := range []struct{ query, body, want string }{
		{"metric_id=$cpu1", `{"and": [{">=": [{"+": 23}, 43]}, {"!=": 55}]}`, `{"$cpu1": [[0, 3600.0, 20.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]}`},
		{"metric_id=$cpu1&metric_id=$cpu2&granularity=60&granularity=1m", `{"=": 20}`, `{"$cpu1": [[60, 60.0, 20.0]], "$cpu2": []}`},
		{"metric_id=$cpu1&granularity=60&granularity=1+hour&aggregation=max", `{">": 10}`, `{"$cpu1": [[0, 3600.0, 30.0], [60, 60.0, 20.0], [120, 60.0, 30.0]]}`},
		{"metric_id=$cpu1&granularity=60&start=60&stop=120", `{">": 0}`, `{"$cpu1": [[60, 60.0, 20.0]]}`},
		{"metric_id=6868da77-fa82-4e67-aba9-270c5ae8cbca", `{">": 0}`, `{}`},
		{"metric_id=$cpu1&start=", `{">": 0}`, `{"$cpu1": []}`},
	} {
		f.check(http.MethodPost, "/v1/search/metric?"+c.query, c.body, http.StatusOK, c.want)
	}
	for _, c := range []struct {
		query, body string
		status      int
		want        string
	}{
		{"metric_id=$cpu1", ``, 400, `"No query specified in body"`},
		{"", `{"=": 1}`, 400, `{"cause": "Argument value error", "detail": "metric_id", "reason": "It is required"}`},
		{"metric_id=foo", `{"=": 1}`, 400, `{"cause": "Argument value error", "detail": "metric_id", "reason": "Must be a UUID"}`},
		{"metric_id=$cpu1&start=x", `{"=": 1}`, 400, `"Invalid value for start"`},
		{"metric_id=$cpu1&stop=x", `{"=": 1}`, 400, `"Invalid value for stop"`},
		{"metric_id=$cpu1&granularity=x", `{"=": 1}`, 400, `{"cause": "Argument value error", "detail": "granularity", "reason": "Unable to parse timespan"}`},
		{"metric_id=$cpu1&granularity=2", `{"=": 1}`, 400, `{"cause": "Aggregation does not exist", "detail": {"granularity": 2.0, "aggregation_method": "mean"}}`},
		{"metric_id=$cpu1", `{"not": {"=": 1}}`, 400, `"Unknown operator not"`},
		{"metric_id=$cpu1", `{"foo": 1}`, 400, `{"cause": "Invalid input", "reason": "extra keys not allowed @ data['foo']", "detail": ["foo"]}`},
		{"metric_id=$cpu1", `{}`, 400, `{"cause": "Invalid input", "reason": "length of value must be at least 1", "detail": []}`},
		{"metric_id=$cpu1", `{"=": "x"}`, 400, `{"cause": "Invalid input", "reason": "expected a list for dictionary value @ data['=']", "detail": ["="]}`},
	} {
		f.check(http.MethodPost, "/v1/search/metric?"+c.query, c.body, c.status, c.want)
	}
	const memory = `{"id": "%s", "creator": "admin", "name": "memory", "unit": null, "resource_id": "%s", "archive_policy": {"name": "minutes", "back_window": 0, ` +
		`"definition": [{"timespan": "16:40:00", "granularity": "0:01:00", "points": 1000}], "aggregation_methods": ["mean"]}, "created_by_user_id": "admin", "created_by_project_id": ""}`
	none := func(metric, resource string) string {
		return `{"cause": "Metric does not exist", "detail": {"metric": ` + fmt.Sprintf(memory, metric, resource) + `}}`
	}
	f.check(http.MethodPost, "/v1/search/metric?metric_id=$mem1&aggregation=max", `{"=": 1}`, 400, none("$mem1", "$vm1"))
	f.check(http.MethodPost, "/v1/search/metric?metric_id=$empty2", `{"=": 1}`, 400, none("$empty2", "$vm2"))
	f.check(http.MethodPost, "/v1/search/metric?metric_id=$empty2&start=0", `{"=": 1}`, 400, none("$empty2", "$vm2"))
	f.check(http.MethodPost, "/v1/search/metric?metric_id=$mem1&start=2000", `{"=": 1}`, 200, `{"$mem1": []}`)
	f.check(http.MethodPost, "/v1/search/metric?metric_id=$cpu1", `{"=": 1}`, 403, `""`, "Authorization", basic("bob"))
	f.check(http.MethodPost, "/v1/search/metric?metric_id=$cpu1", `{"=": 1}`, 200, `{}`, "X-User-Id", "u", "X-Project-Id", "other")
}

// TestSearchValuesWork: what would take too long is refused before it begins, and what nobody waits for is broken off.
func TestSearchValuesWork(t *testing.T) {
	p, err := predicate.Parse(&pyjson.Object{Names: []string{">"}, Values: []any{pyjson.Number("1")}})
	if err != nil {
		t.Fatal(err)
	}
	long := series.Column{Times: make([]int64, 1_000_000), Values: make([]float64, 1_000_000)}
	c := &call{d: newBed(t).Dialect, ctx: t.Context()}
	var work *operations.WorkError
	if _, err := c.matching(p, slices.Repeat([]series.Column{long}, 600)); !errors.As(err, &work) {
		t.Error(err)
	}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := c.matching(p, []series.Column{long}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
