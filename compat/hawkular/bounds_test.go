package hawkular

import (
	"strconv"
	"strings"
	"testing"

	"granary/metricdef"
)

// TestBodiesStaySmall holds lists in bodies against their bounds: an element of a few bytes would else become one of hundreds.
func TestBodiesStaySmall(t *testing.T) {
	many := func(front, one string, n int, last string) string { return front + strings.Repeat(one+",", n) + last }
	questions := ""
	for i := range mostBatch {
		questions += `"q` + strconv.Itoa(i) + `":{},`
	}
	for _, strict := range []bool{false, true} {
		b := newBed(t, strict)
		b.put("t", metricdef.Gauge, "a", nil, point{testNow.UnixMilli() - 1000, 1, ""})
		for _, test := range []struct{ path, body, want string }{
			{"/gauges/stats/query", many(`{"buckets":1,"metrics":[`, `"a"`, mostIDs, `"a"]}`), "/metrics: more than 100000 ids"},
			{"/gauges/raw/query", many(`{"ids":[`, `"a"`, mostIDs, `"a"]}`), "/ids: more than 100000 ids"},
			{"/m/stats/query", many(`{"buckets":1,"metrics":{"gauge":[`, `"a"`, mostIDs, `"a"]}}`), "/metrics/gauge: more than 100000 ids"},
			{"/m/stats/batch/query", "{" + questions + `"q":{}}`, "more than 100 questions"},
			{"/gauges/stats/query", many(`{"buckets":1,"metrics":["a"],"percentiles":[`, `1`, mostPercentiles, `1]}`), "more than 100 of them"},
			{"/gauges/stats/query", many(`{"buckets":1,"metrics":["a"],"percentiles":"`, `1`, mostPercentiles, `1"}`), "more than 100 of them"},
			{"/gauges/stats/query", many(`{"buckets":1,"metrics":["a"],"percentiles":"`, ``, 1<<20, `"}`), "more than 100 of them"},
			{"/m/stats/query", `{"metrics":{"` + strings.Repeat("x", 1<<20) + `":5}}`, "cannot stand here"},
		} {
			w := b.ask(test.path, test.body)
			if w.Code != 400 || w.Body.Len() > 1000 || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("strict %v %s: %d, %d bytes, %.200s", strict, test.path, w.Code, w.Body.Len(), w.Body)
			}
		}
		if w := b.ask("/gauges/stats/query", many(`{"buckets":1,"metrics":[`, `"a"`, mostIDs-1, `"a"],"percentiles":[`)+many("", `1`, mostPercentiles-1, `"1"]}`)); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}
