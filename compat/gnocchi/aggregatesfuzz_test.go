package gnocchi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"granary/compat/gnocchi/pyjson"
)

// FuzzAggregates: whatever is asked of several metrics is answered, or refused with what is wrong. N stands for the metrics and the
// resources of a fleet in what is asked, by their order.
func FuzzAggregates(f *testing.F) {
	b := newFleet(f)
	names := strings.NewReplacer("1N", b.ids["cpu1"], "2N", b.ids["cpu2"], "3N", b.ids["mem1"], "4N", b.ids["vm1"])
	paths := []string{"/v1/aggregates", "/v1/aggregation/metric", "/v1/aggregation/resource/instance/metric/cpu.util", "/v1/search/metric"}
	for _, s := range []struct {
		path        int
		query, body string
	}{
		{0, "granularity=60&fill=full_ffill&details=1", `{"operations": "(rolling mean 2 (metric (1N mean) (2N max)))"}`},
		{0, "needed_overlap=50&start=-1%20week", `{"operations": ["resample", "rate:last", 90, ["metric", ["1N", "mean"], ["3N", "mean"]]]}`},
		{0, "groupby=host&groupby=started_at&use_history=on&start=0&stop=now", `{"operations": "(aggregate rate:max (metric *[!x]* mean))", "resource_type": "instance", "search": "host like 'c%' or id = 4N"}`},
		{0, "groupby=revision_end&use_history=1&start=0&stop=1e9", `{"operations": ["clip", ["aggregate", "sum", ["metric", "cpu*", "mean"]], 1], "resource_type": "generic", "search": {}}`},
		{0, "", `{"operations": ["^", ["metric", "1N", "mean"], ["%", ["metric", "2N", "mean"], -0.0]]}`},
		{1, "granularity=60&reaggregation=rate:std&resample=7s&fill=bfill", `["1N", "2N", "3N"]`},
		{2, "groupby=flavor&granularity=1h&fill=-inf", `{"!=": {"host": null}}`},
		{3, "metric_id=1N&metric_id=3N&granularity=1m&stop=", `{"or": [{"<": [{"^": 2}, 400]}, {"+": 1e999}]}`},
	} {
		f.Add(s.path, s.query, s.body)
	}
	f.Fuzz(func(t *testing.T, path int, query, body string) {
		r := httptest.NewRequest(http.MethodPost, paths[uint(path)%uint(len(paths))], strings.NewReader(names.Replace(body)))
		r.URL.RawQuery = names.Replace(query)
		r.Header = http.Header{"Authorization": {basic("admin")}, "Accept": {"application/json"}, "Content-Type": {"application/json"}}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if _, err := pyjson.Decode(w.Body.Bytes()); err != nil {
			t.Fatalf("%s?%s %s: %d %s: %v", r.URL.Path, url.PathEscape(query), body, w.Code, w.Body, err)
		}
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound:
		default:
			t.Errorf("%s?%s %s: %d %s", r.URL.Path, url.PathEscape(query), body, w.Code, w.Body)
		}
	})
}
