package hawkular

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"granary/metricdef"
	"granary/tenant"
)

const now = testMilli

// both runs a test in the default mode and in the strict one.
func both(t *testing.T, run func(t *testing.T, b *bed)) {
	for name, strict := range map[string]bool{"default": false, "strict": true} {
		t.Run(name, func(t *testing.T) { run(t, newBed(t, strict)) })
	}
}

func TestStatsParameters(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		b.put("t", metricdef.Gauge, "test", nil, point{now - 3600000, 1, ""})
		for _, c := range []struct {
			path, body string
			status     int
			answer     string
		}{
			{"/gauges/test/stats?buckets=0", "", 400, ""},
			{"/gauges/test/stats?buckets=-1", "", 400, ""},
			{"/gauges/test/stats?buckets=999999999999999999999999", "", 400, ""},
			{"/gauges/test/stats?buckets=2147483647", "", 400, ""},
			{"/gauges/test/stats?buckets=2147483648", "", 400, ""},
			{"/gauges/test/stats?bucketDuration=1w", "", 400, ""},
			{"/gauges/test/stats?bucketDuration=0s", "", 400, ""},
			{"/gauges/test/stats?bucketDuration=-1s", "", 400, ""},
			{"/gauges/test/stats?start=0&end=9223372036854775807&bucketDuration=1ms", "", 400, ""},
			{"/gauges/test/stats?start=1&end=9223372036854775807&bucketDuration=1ms", "", 400, ""},
			{"/gauges/test/stats?buckets=1&bucketDuration=1d", "", 400, `~{"errorMsg":"Both buckets and bucketDuration parameters are specified"}`},
			{"/gauges/test/stats", "", 400, `~{"errorMsg":"Either the buckets or bucketDuration parameter must be used"}`},
			{"/gauges/test/stats?buckets=1&start=-99999d", "", 400, ""},
			{"/gauges/test/stats/tags/x=1,y=2", "", 400, ""},
			{"/gauges/stats/query", `{"metrics":["test"],"buckets":1,"bucketDuration":"1d"}`, 400, ""},
			{"/gauges/stats/query", `{"metrics":["test"],"buckets":1,"percentiles":"101"}`, 400, ""},
			{"/gauges/stats/query", `{"metrics":["test"],"tags":"a:b","buckets":1}`, 400, ""},
			{"/gauges/stats/query", `{"buckets":1}`, 400, ""},
			{"/gauges/stats?buckets=1", "", 400, ""},
			{"/gauges/stats?buckets=1&tags=a:b&metrics=G2", "", 400, ""},
			{"/gauges/stats?tags=a:b", "", 400, ""},
			{"/gauges/test/stats?buckets=1&percentiles=x", "", 400, ""},
			{"/gauges/test/stats?buckets=1&percentiles=50,,90", "", 400, ""},
			{"/gauges/test/stats?buckets=1&percentiles=NaN", "", 400, ""},
			{"/gauges/test/stats?fromEarliest=true&start=1&buckets=1", "", 400, ""},
			{"/metrics/stats/query", `{"metrics":{"counter":["C2"]},"start":200,"end":500}`, 400, ""},
			{"/metrics/stats/query", `{"buckets":1}`, 400, ""},
			{"/metrics/stats/query", `{"metrics":{"gauge":["a"]},"buckets":1,"types":["nosuch"]}`, 400, ""},
			{"/metrics/stats/query", `{"metrics":{"string":["a"]},"buckets":1}`, 400, ""},
			{"/metrics/stats/batch/query", `{"q":{"metrics":{"gauge":["a"]}}}`, 400, ""},
			{"/gauges/none/stats?start=1&bucketDuration=1000d", "", 200, `~[{"empty":true,"start":1,"end":86400000001}]`},
			{"/gauges/data?buckets=1&metrics=test&limit=1", "", 400, `~{"errorMsg":"Limit and order cannot be used with bucketed results"}`},
			// Times that no sample can have.
			{"/gauges/test/stats?start=9000000000000000&end=9223372036854775807&buckets=2", "", 200, `~[{"empty":true},{"empty":true}]`},
			{"/gauges/test/stats?start=1&end=9223372036854775807&buckets=1", "", 200, `~[{"empty":false,"end":9223372036854775807}]`},
			{"/gauges/test/stats?bucketDuration=1ms", "", 400, ""}, // 28,800,000 buckets, which one answer does not have
		} {
			b.want(c.path, c.body, c.status, c.answer)
		}
		if w := b.ask("/gauges/test/stats?bucketDuration=1ms", ""); b.o.Strict && w.Body.String() !=
			`{"errorMsg":"query: the answer would hold 28800000 points, the limit is 1000000 (setting granary.limits.query-points)"}` || w.Header().Get(ErrorHeader) != "answer-too-large" {
			t.Error(w.Header(), w.Body)
		}
	})
}

func TestBuckets(t *testing.T) {
	for _, c := range []struct {
		from, to, count, width int64 // one of count and width
		step, n                int64 // 0: an error
	}{
		{3600000, 7200000, 10, 0, 360000, 10},
		{0, 10, 3, 0, 4, 3}, // 2*4 < 10, so the last one is shorter
		{0, 10, 4, 0, 3, 4}, // 3*3 < 10
		{0, 10, 6, 0, 1, 6}, // 5*2 is not below 10: the buckets end at 6
		{0, 10, 10, 0, 1, 10},
		{0, 10, 11, 0, 0, 0},
		{200, 500, 2, 0, 150, 2},
		{60000, 480000, 0, 60000, 60000, 7},
		{60000, 480001, 0, 60000, 60000, 8},
		{0, 10, 0, 100, 100, 1},
		{1, 1 << 62, 0, 1, 0, 0},
		{0, mostBuckets, 0, 1, 1, mostBuckets},
		{0, mostBuckets + 1, 0, 1, 0, 0},
	} {
		b, err := byCount(c.from, c.to, c.count)
		if c.width > 0 {
			b, err = byWidth(c.from, c.to, c.width)
		}
		if b.step != c.step || b.count != c.n || (err != nil) != (c.n == 0) {
			t.Errorf("%+v: %+v, %v", c, b, err)
		}
	}
}

func TestStatsOfOne(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		b.put("t", metricdef.Gauge, "n1", nil, point{3600000, 12.22, ""}, point{3610000, 15.37, ""}, point{5040000, 25, ""}, point{5055000, 25, ""})
		b.put("t", metricdef.Counter, "C1", nil, point{60000, 0, ""}, point{90000, 200, ""}, point{210000, 400, ""}, point{300000, 550, ""}, point{420000, 950, ""}, point{450000, 1000, ""})
		b.put("t", metricdef.Gauge, "empty", nil)
		median := map[bool]string{true: "12.22", false: "13.795"}[b.o.Strict]
		b.want("/gauges/n1/stats?start=3600000&end=7200000&buckets=10", "", 200, `~[{"start":3600000,"end":3960000,"min":12.22,"max":15.37,"avg":13.795,"median":`+median+`,
			"sum":27.59,"samples":2,"empty":false,"percentiles":null},{"start":3960000,"end":4320000,"empty":true,"min":null,"samples":null,"percentiles":null},{},{},{"avg":25,"samples":2,"sum":50},
			{},{},{},{},{"empty":true,"end":7200000}]`)
		if b.o.Strict {
			b.want("/counters/C1/stats?start=60000&end=480000&bucketDuration=1mn", "", 200, `[{"start":60000,"end":120000,"min":0,"avg":100,"median":0,"max":200,"sum":200,"samples":2,"empty":false},
				{"start":120000,"end":180000,"empty":true},{"start":180000,"end":240000,"min":400,"avg":400,"median":400,"max":400,"sum":400,"samples":1,"empty":false},
				{"start":240000,"end":300000,"empty":true},{"start":300000,"end":360000,"min":550,"avg":550,"median":550,"max":550,"sum":550,"samples":1,"empty":false},{"start":360000,"end":420000,"empty":true},
				{"start":420000,"end":480000,"min":950,"avg":975,"median":950,"max":1000,"sum":1950,"samples":2,"empty":false}]`)
			b.want("/counters/C1/stats?start=60000&end=480000&buckets=1&percentiles=50.0,90.0,99.9", "", 200, `~[{"samples":6,"percentiles":[
				{"quantile":50,"value":400,"originalQuantile":"50.0"},{"quantile":90,"originalQuantile":"90.0"},{"quantile":99.9,"originalQuantile":"99.9"}]}]`)
			b.want("/gauges/n1/stats?start=0&end=1000&buckets=1", "", 400, "")
			b.want("/gauges/n1/stats?start=3600000&end=7200000&buckets=1&limit=3&order=asc", "", 200, "") // it does not know them there
			b.want("/gauges/n1/stats?start=3600000&end=7200000&bucketDuration=3600000", "", 400, "")
		} else {
			b.want("/counters/C1/stats?start=60000&end=480000&bucketDuration=1mn", "", 200, `[{"start":60000,"end":120000,"min":0,"avg":100,"median":100,"max":200,"sum":200,"samples":2,"first":0,"last":200,"std":141.421,"empty":false},
				{"start":120000,"end":180000,"empty":true},{"start":180000,"end":240000,"min":400,"avg":400,"median":400,"max":400,"sum":400,"samples":1,"first":400,"last":400,"empty":false},
				{"start":240000,"end":300000,"empty":true},{"start":300000,"end":360000,"min":550,"avg":550,"median":550,"max":550,"sum":550,"samples":1,"first":550,"last":550,"empty":false},{"start":360000,"end":420000,"empty":true},
				{"start":420000,"end":480000,"min":950,"avg":975,"median":975,"max":1000,"sum":1950,"samples":2,"first":950,"last":1000,"std":35.355,"empty":false}]`)
			b.want("/counters/C1/stats?start=60000&end=480000&buckets=1&percentiles=50.0,90.0,99.999,0,100", "", 200, `~[{"median":475,"percentiles":[
				{"quantile":50,"value":475,"originalQuantile":"50.0"},{"quantile":90,"value":975},{"quantile":99.999,"value":999.9975,"originalQuantile":"99.999"},{"value":0},{"value":1000}]}]`)
			b.want("/gauges/n1/stats?start=0&end=7200000&buckets=1", "", 200, `~[{"start":0,"samples":4}]`)
			b.want("/gauges/n1/stats?start=3600000&end=7200000&bucketDuration=3600000", "", 200, `~[{"samples":4}]`)
			b.want("/gauges/n1/stats?start=3600000&end=7200000&bucketDuration=%2B1h", "", 200, `~[{"samples":4}]`)
			b.want("/gauges/n1/stats?start=3600000&end=7200000&bucketDuration=+1h", "", 200, `~[{"samples":4}]`)
			b.want("/gauges/n1/stats?start=3600000&end=7200000&buckets=1&limit=3", "", 400, "")
			b.want("/gauges/n1/stats?start=3600000&end=7200000&buckets=1&order=asc", "", 400, "")
			b.want("/gauges/n1/stats?start=3600000&end=7200000&bucketDuration=600s", "", 200, `~[{"first":12.22,"last":15.37,"std":2.22739},{"empty":true,"std":null}]`)
		}
		for _, id := range []string{"empty", "none"} {
			b.want("/gauges/"+id+"/stats?start=1&end=21&buckets=2", "", 200, `[{"start":1,"end":11,"empty":true},{"start":11,"end":21,"empty":true}]`)
			status := map[bool]int{true: 204, false: 200}[b.o.Strict]
			b.want("/gauges/"+id+"/stats?fromEarliest=true&bucketDuration=1h", "", status, "")
		}
		// A bucket without all of its range: the duration reaches behind the end, a number of buckets may not reach it.
		b.want("/gauges/n1/stats?start=3600000&end=5050000&bucketDuration=1h", "", 200, `~[{"end":7200000,"samples":3}]`)
		b.want("/gauges/n1/stats?start=3600000&end=3600010&buckets=6", "", 200, `~[{"samples":1},{},{},{},{},{"end":3600006}]`)
	})
}

func TestRates(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		b.put("t", metricdef.Gauge, "G1", nil, point{60000, 321.8, ""}, point{90000, 475.3, ""}, point{210000, 125.1, ""}, point{300000, 123.6, ""}, point{420000, 468.8, ""}, point{450000, 568.1, ""})
		b.put("t", metricdef.Counter, "C1", nil, point{60000, 0, ""}, point{90000, 200, ""}, point{210000, 400, ""}, point{300000, 550, ""}, point{420000, 950, ""}, point{450000, 1000, ""})
		b.put("t", metricdef.Counter, "reset", nil, point{60000, 50, ""}, point{120000, 60, ""}, point{180000, 5, ""}, point{240000, 25, ""})
		b.want("/gauges/G1/rate?start=0&order=asc", "", 200, `[{"timestamp":90000,"value":307},{"timestamp":210000,"value":-175.1},{"timestamp":300000,"value":-1},{"timestamp":420000,"value":172.6},{"timestamp":450000,"value":198.6}]`)
		b.want("/gauges/G1/rate?start=0&order=desc&limit=2", "", 200, `[{"timestamp":450000,"value":198.6},{"timestamp":420000,"value":172.6}]`)
		b.want("/gauges/G1/rate?start=90000&end=300001&order=asc", "", 200, `[{"timestamp":210000,"value":-175.1},{"timestamp":300000,"value":-1}]`)
		b.want("/gauges/G1/rate?start=0", "", 200, `~[{"timestamp":450000,"value":198.6}]`)
		median := map[bool]string{true: "172.6", false: "185.6"}[b.o.Strict]
		b.want("/gauges/G1/rate/stats?start=60000&end=480000&bucketDuration=1mn", "", 200, `~[{"avg":307},{"empty":true},{"min":-175.1},{},{},{},{"min":172.6,"max":198.6,"avg":185.6,"median":`+median+`,"sum":371.2,"samples":2}]`)
		b.want("/counters/C1/rate?start=0&order=asc", "", 200, `[{"timestamp":90000,"value":400},{"timestamp":210000,"value":100},{"timestamp":300000,"value":100},{"timestamp":420000,"value":200},{"timestamp":450000,"value":100}]`)
		median = map[bool]string{true: "100", false: "150"}[b.o.Strict]
		b.want("/counters/C1/rate/stats?start=60000&end=480000&bucketDuration=1mn", "", 200, `~[{"avg":400},{},{},{},{},{},{"min":100,"max":200,"avg":150,"median":`+median+`,"sum":300}]`)
		b.want("/counters/reset/rate?start=0&order=asc", "", 200, `[{"timestamp":120000,"value":10},{"timestamp":240000,"value":20}]`)
		b.want("/counters/rate/query", `{"ids":["reset","C1","none"],"start":0,"end":100000,"order":"asc"}`, 200, `[{"id":"C1","data":[{"timestamp":90000,"value":400}]}]`)
		for _, path := range []string{"/gauges/none/rate", "/gauges/G1/rate", "/gauges/G1/rate?start=1&end=80000"} {
			b.want(path, "", map[bool]int{true: 204, false: 200}[b.o.Strict], map[bool]string{false: "[]"}[b.o.Strict])
		}
		b.want("/counters/rate/query", `{"ids":["none"]}`, map[bool]int{true: 204, false: 200}[b.o.Strict], map[bool]string{false: "[]"}[b.o.Strict])
		b.want("/counters/rate/query", `{"start":0}`, map[bool]int{true: 400, false: 200}[b.o.Strict], map[bool]string{false: "[]"}[b.o.Strict])
		b.want("/counters/rate/query", `{"ids":["none"],"tags":"k:v"}`, map[bool]int{true: 400, false: 200}[b.o.Strict], map[bool]string{false: "[]"}[b.o.Strict])
		if w := b.ask("/counters/rate?start=60000&end=480000&buckets=1&metrics=C1", ""); w.Body.String() != b.ask("/counters/C1/rate/stats?start=60000&end=480000&buckets=1", "").Body.String() {
			t.Error(w.Body)
		}
	})
}

func TestStatsOfSeveral(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		add := func(name string, tags []string, values ...float64) {
			var points []point
			for i, v := range values {
				points = append(points, point{now - 600000 + int64(i)*60000, v, ""})
			}
			b.put("t", metricdef.Gauge, name, tags, points...)
		}
		add("G1", []string{"env=stage", "host=server1", "type=cpu_usage"}, 37.45, 37.609, 39.11, 44.07, 99)
		add("G2", []string{"env=dev", "host=server2", "type=cpu_usage"}, 36.94, 37.64, 41.18, 42.63, 99)
		add("G3", []string{"env=stage", "host=server3", "type=cpu_usage"}, 1, 2, 3, 4, 5)
		span := "start=" + digits(now-600000) + "&end=" + digits(now-360000)
		body := `"start":` + digits(now-600000) + `,"end":"` + digits(now-360000) + `"`
		pooled := `~[{"min":36.94,"max":44.07,"sum":316.629,"samples":8,"avg":39.578625,"start":` + digits(now-600000) + `}]`
		b.want("/gauges/stats?"+span+"&buckets=1&tags=type:cpu_usage,host:server1%7Cserver2", "", 200, pooled)
		b.want("/gauges/data?"+span+"&buckets=1&metrics=G1&metrics=G2", "", 200, pooled)
		b.want("/gauges/stats/query", `{`+body+`,"buckets":1,"metrics":["G1","G2","none"]}`, 200, pooled)
		b.want("/gauges/stats/query", `{`+body+`,"buckets":1,"tags":"type:cpu_usage,host:server1|server2"}`, 200, pooled)
		// min and max are sums of those of each: 37.45 + 36.94 and 44.07 + 42.63.
		stacked := `~[{"min":74.39,"max":86.7,"sum":316.629,"avg":79.15725,"samples":2,"first":null,"std":null}]`
		b.want("/gauges/stats?"+span+"&buckets=1&tags=type:cpu_usage,host:server1%7Cserver2&stacked=true", "", 200, stacked)
		b.want("/gauges/stats?"+span+"&buckets=1&metrics=G1&metrics=G2&stacked=true", "", 200, stacked)
		b.want("/gauges/stats/query", `{`+body+`,"buckets":1,"tags":"type:cpu_usage,host:server1|server2","stacked":true}`, 200, stacked)
		b.want("/gauges/stats/query", `{`+body+`,"buckets":1,"metrics":["G1","G2"],"stacked":true,"percentiles":"100,0"}`, 200, `~[{"percentiles":[{"value":86.7},{"value":74.39}]}]`)
		zeros := map[bool]string{true: `{"empty":true,"min":0,"max":0,"avg":0,"median":0,"sum":0,"samples":null}`, false: `{"empty":true,"min":null,"samples":null}`}[b.o.Strict]
		b.want("/gauges/stats?start="+digits(now-660000)+"&end="+digits(now-540000)+"&bucketDuration=1mn&metrics=G1&metrics=G2&stacked=true", "", 200, `~[`+zeros+`,{"samples":2,"sum":74.39}]`)
		b.want("/gauges/stats?start="+digits(now-660000)+"&end="+digits(now-540000)+"&bucketDuration=1mn&metrics=no&stacked=true", "", 200, `~[`+zeros+`,`+zeros+`]`)
		b.want("/gauges/stats?fromEarliest=true&buckets=1&metrics=G1&metrics=G3", "", 200, `~[{"samples":10}]`)
		b.want("/gauges/stats?buckets=1&tags=nosuch:x", "", 200, `~[{"empty":true}]`)
		b.want("/counters/stats?buckets=1&tags=type:cpu_usage", "", 200, `~[{"empty":true}]`)
		b.want("/gauges/rate/stats?"+span+"&buckets=1&metrics=G1&metrics=G2", "", 200, `~[{"samples":6,"max":4.96}]`)
		b.want("/gauges/rate/stats?"+span+"&buckets=1&metrics=G1&metrics=G2&stacked=true", "", 200, `~[{"samples":2}]`)
	})
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }

// TestGenericStats has the figures of Hawkular's own test.
func TestGenericStats(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		add := func(typ metricdef.Type, name string, tags string, values ...float64) {
			var points []point
			for i, v := range values {
				points = append(points, point{int64(i+1) * 100, v, ""})
			}
			b.put("t", typ, name, strings.Split(tags, " "), points...)
		}
		add(metricdef.Gauge, "G1", "x=1 y=1 z=1", 1.23, 3.45, 5.34, 2.22, 5.22)
		add(metricdef.Gauge, "G2", "x=1 y=2 z=2", 1.45, 2.36, 3.62, 2.63, 3.99)
		add(metricdef.Gauge, "G3", "x=2 y=3 z=1", 4.45, 5.55, 4.44, 3.33, 3.77)
		add(metricdef.Counter, "C1", "x=1 y=1 z=3", 12, 17, 19, 26, 37)
		add(metricdef.Counter, "C2", "x=1 y=2 z=1", 41, 49, 64, 71, 95)
		add(metricdef.Counter, "C3", "x=2 y=3 z=1", 28, 35, 42, 49, 59)
		median := map[bool]string{true: "3.45", false: "4.395"}[b.o.Strict]
		b.want("/metrics/stats/query", `{"metrics":{"gauge":["G1","G3"],"counter":["C2"]},"buckets":2,"start":200,"end":500}`, 200,
			`~{"gauge":{"G1":[{"max":5.34,"min":3.45,"sum":8.79,"median":`+median+`},{"avg":2.22}],"G3":[{},{}]},"counter":{"C2":[{"sum":113},{}]},"availability":null,"gauge_rate":null}`)
		b.want("/m/stats/query", `{"metrics":{"gauge":["G1"]},"bucketDuration":"150ms","start":200,"end":500}`, 200, `~{"gauge":{"G1":[{"end":350},{"end":500}]}}`)
		b.want("/m/stats/query", `{"tags":"z:1","buckets":2,"start":200,"end":500}`, 200, `~{"gauge":{"G1":[],"G3":[],"G2":null},"counter":{"C2":[],"C3":[],"C1":null}}`)
		b.want("/m/stats/query", `{"tags":"z:1","buckets":2,"start":200,"end":500,"types":["gauge","counter_rate"]}`, 200, `~{"gauge":{"G1":[],"G3":[]},"counter_rate":{"C2":[],"C3":[]},"counter":null,"gauge_rate":null}`)
		b.want("/metrics/stats/query", `{"metrics":{"gauge":["G1","G3"]},"types":["gauge","gauge_rate"],"buckets":2,"start":200,"end":500}`, 200,
			`~{"gauge_rate":{"G1":[{"avg":1134},{"avg":-1872}],"G3":[{"avg":-666}]},"gauge":{"G1":[{"max":5.34}]}}`)
		b.want("/metrics/stats/query", `{"metrics":{"gauge":["G1","G3"],"counter":["C1"]},"types":["gauge_rate"],"buckets":2,"start":200,"end":500}`, 200, `~{"gauge_rate":{},"gauge":null,"counter":null}`)
		b.want("/metrics/stats/batch/query", `{"q1":{"metrics":{"gauge":["G1"]},"buckets":2,"start":200,"end":500},"q2":{"tags":"z = 1","types":["counter_rate"],"buckets":2,"start":200,"end":500},
			"q3":{"tags":"z:nosuch","buckets":2}}`, 200, `~{"q1":{"gauge":{"G1":[{"max":5.34},{}]}},"q2":{"counter_rate":{"C2":[{"avg":9000},{"avg":4200}],"C3":[]}},"q3":{}}`)
		b.want("/metrics/stats/query", `{"tags":"z:1","buckets":1,"bucketDuration":null,"start":null,"end":null}`, 200, `~{"gauge":{"G1":[{"empty":true}]}}`)
		b.want("/metrics/stats/query", `{"tags":"z:nosuch","buckets":1}`, map[bool]int{true: 204, false: 200}[b.o.Strict], map[bool]string{false: "{}"}[b.o.Strict])
		b.want("/metrics/stats/query", `{"metrics":{"gauge":["no","G1","no"]},"buckets":1,"start":100,"end":101}`, 200, `{"gauge":{"G1":[`+
			map[bool]string{true: `{"start":100,"end":101,"empty":false,"samples":1,"min":1.23,"avg":1.23,"median":1.23,"max":1.23,"sum":1.23}`,
				false: `{"start":100,"end":101,"empty":false,"samples":1,"min":1.23,"avg":1.23,"median":1.23,"max":1.23,"sum":1.23,"first":1.23,"last":1.23}`}[b.o.Strict]+
			`],"no":[{"start":100,"end":101,"empty":true}]}}`)
		b.want("/metrics/stats/query", `{"metrics":{"gauge":["no","G1"]},"buckets":1,"fromEarliest":true}`, 200, `~{"gauge":{"G1":[{"samples":5}],"no":[]}}`)
		if w := b.ask("/metrics/stats/batch/query", `{"good":{"metrics":{"gauge":["G1"]},"buckets":1},"bad":{"metrics":{"gauge":["G1"]},"buckets":0}}`); w.Code != 400 || !strings.Contains(w.Body.String(), "bad: buckets: 0") {
			t.Error(w.Code, w.Body)
		}
		// Together they are too much.
		if w := b.ask("/metrics/stats/batch/query", `{"one":{"metrics":{"gauge":["G1"]},"buckets":600000},"two":{"metrics":{"gauge":["G1"]},"buckets":600000}}`); w.Code != 400 || !strings.Contains(w.Body.String(), "hold 1200000 points") {
			t.Error(w.Code, w.Body)
		}
	})
}

// TestMohawkQueries has the forms of queries that Mohawk takes.
func TestMohawkQueries(t *testing.T) {
	b := newBed(t, false)
	b.put("t", metricdef.Gauge, "a", []string{"name=free_memory"}, point{1000, 0, ""}, point{2999, 4, ""}, point{5499, -1, ""}, point{5500, 7, ""})
	b.put("t", metricdef.Gauge, "b", nil, point{1000, 1, ""})
	b.put("t", metricdef.Counter, "c", []string{"name=free_memory"}, point{5000, 1, ""})
	list := `[{"start":1000,"end":3000,"empty":false,"samples":2,"min":0,"avg":2,"median":2,"max":4,"sum":4,"first":0,"last":4,"std":2.828},{"start":3000,"end":5000,"empty":true},
		{"start":5000,"end":7000,"empty":false,"samples":1,"min":-1,"avg":-1,"median":-1,"max":-1,"sum":-1,"first":-1,"last":-1}]`
	span := `"start":1000,"end":5500,"bucketDuration":"2s"`
	b.want("/gauges/stats/query", `{"ids":["a"],`+span+`}`, 200, `[{"id":"a","data":`+list+`}]`)
	b.want("/gauges/stats/query", `{"tags":"name:free.*",`+span+`}`, 200, `[{"id":"a","data":`+list+`}]`)
	b.want("/gauges/stats/query", `{"tags":"name:free.*","ids":["b","a"],`+span+`}`, 200, `~[{"id":"a","data":`+list+`},{"id":"b"}]`)
	b.want("/gauges/stats/query", `{"tags":"name:free.*","stacked":true,`+span+`}`, 200, `~[{"start":1000},{},{}]`)
	b.want("/gauges/stats/query", `{"ids":[],`+span+`}`, 200, `[]`)
	b.want("/gauges/stats/query", `{`+span+`}`, 400, "")
	b.want("/gauges/stats/query", `{"ids":["no"],`+span+`}`, 200, `[{"id":"no","data":[{"start":1000,"end":3000,"empty":true},{"start":3000,"end":5000,"empty":true},{"start":5000,"end":7000,"empty":true}]}]`)
	b.want("/counters/stats/query", `{"ids":["c"],`+span+`}`, 200, `~[{"id":"c","data":[{"empty":true},{},{"sum":1}]}]`)
	b.want("/m/stats/query", `{"ids":["a"],`+span+`}`, 200, `{"gauge":{"a":`+list+`}}`)
	b.want("/m/stats/query", `{"ids":["a"],"start":1000,"end":5500,"bucketDuration":2000}`, 200, `{"gauge":{"a":`+list+`}}`)
	b.want("/m/stats/query", `{"ids":[],`+span+`}`, 200, `{"gauge":{}}`)
	b.want("/m/stats/query", `{"tags":"name:free_memory",`+span+`}`, 200, `~{"gauge":{"a":[]},"counter":{"c":[]}}`)
	b.want("/m/stats/query", `{"tags":"name:free_memory","start":1000}`, 200, `{"gauge":{"a":[{"timestamp":1000,"value":0},{"timestamp":2999,"value":4},{"timestamp":5499,"value":-1},{"timestamp":5500,"value":7}]},
		"counter":{"c":[{"timestamp":5000,"value":1}]}}`)
	b.want("/m/stats/query", `{"ids":["a"],"start":1000,"limit":1,"order":"DESC"}`, 200, `{"gauge":{"a":[{"timestamp":5500,"value":7}]}}`)
	b.want("/gauges/stats/query", `{"ids":["a"],`+span+`,"limit":1}`, 400, `~{"errorMsg":"Limit and order cannot be used with bucketed results"}`)
	b.want("/m/stats/query", `{"ids":["a"],`+span+`,"order":"ASC"}`, 400, "")
	// Points as buckets.
	b.want("/gauges/a/raw?start=1000&end=5500&bucketDuration=2s", "", 200, `~[{"start":5000,"end":7000,"avg":-1,"empty":false},{"start":1000,"end":3000,"min":0,"first":0,"last":4,"samples":2}]`)
	b.want("/gauges/a/raw?start=1000&end=5500&bucketDuration=2s&limit=1", "", 200, `~[{"start":5000,"end":7000}]`)
	b.want("/gauges/a/raw?start=1000&end=5500&bucketDuration=2s&limit=1&order=ASC", "", 200, `[{"start":1000,"end":3000,"empty":false,"samples":2,"min":0,"avg":2,"median":2,"max":4,"sum":4,"first":0,"last":4,"std":2.828}]`)
	b.want("/gauges/a/raw?start=1000&end=5500&bucketDuration=0", "", 200, `[{"timestamp":5499,"value":-1},{"timestamp":2999,"value":4},{"timestamp":1000,"value":0}]`)
	b.want("/gauges/a/raw?start=1000&end=5500&bucketDuration=2w", "", 400, "")
	b.want("/gauges/a/raw?start=6000&end=9000&bucketDuration=2s", "", 200, "[]")
	b.want("/gauges/none/raw?bucketDuration=2s", "", 200, "[]")
	if w := b.ask("/gauges/raw/query", `{"ids":["a","a"],"tags":"name:free_memory",`+span+`}`); strings.Count(w.Body.String(), `"id"`) != 1 {
		t.Errorf("a metric that is named and found comes more than once: %s", w.Body)
	}
	b.want("/gauges/raw/query", `{"ids":["a","none"],`+span+`}`, 200, `~[{"id":"a","data":[{"start":1000},{"start":5000}]}]`)
	b.want("/gauges/raw/query", `{"ids":["a","none"],"limit":"1","order":"desc",`+span+`}`, 200, `~[{"id":"a","data":[{"start":5000}]}]`)
}

func TestTaggedStats(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		b.put("t", metricdef.Gauge, "g", nil, point{100, 1, `{"x":"1","y":"2"}`}, point{200, 3, `{"x":"1"}`}, point{300, 7, `{"x":"2","y":"2"}`}, point{400, 9, ""}, point{500, 11, `{"z":"1"}`}, point{600, 5, `{"x":"1","y":"2"}`})
		b.put("t", metricdef.Counter, "c", nil, point{100, 1, `{"x":"1"}`}, point{200, 3, `{"x":"1"}`})
		b.want("/gauges/g/stats/tags/x:*?start=0&end=500", "", 200, `~{"x:1":{"tags":{"x":"1"},"samples":2,"min":1,"max":3,"sum":4,"avg":2},"x:2":{"tags":{"x":"2"},"samples":1,"median":7}}`)
		median := map[bool]string{true: "1", false: "3"}[b.o.Strict]
		b.want("/gauges/g/stats/tags/y:2,x:1?start=0&end=700&percentiles=100", "", 200, `~{"x:1,y:2":{"tags":{"x":"1","y":"2"},"samples":2,"median":`+median+`,"percentiles":[{"quantile":100,"value":5,"originalQuantile":"100"}]}}`)
		b.want("/gauges/g/stats/tags/x:1%7C2,y:*?start=0&end=700", "", 200, `~{"x:1,y:2":{"samples":2},"x:2,y:2":{"samples":1}}`)
		b.want("/counters/c/stats/tags/x:1?start=0&end=700", "", 200, `~{"x:1":{"sum":4}}`)
		for _, path := range []string{"/gauges/g/stats/tags/q:*?start=0", "/gauges/none/stats/tags/x:*?start=0", "/gauges/g/stats/tags/x:*?start=400&end=500"} {
			b.want(path, "", map[bool]int{true: 204, false: 200}[b.o.Strict], map[bool]string{false: "{}"}[b.o.Strict])
		}
		b.want("/gauges/g/stats/tags/x:*?start=0&percentiles=200", "", 400, "")
		b.want("/gauges/g/stats/tags/x?start=0&end=500", "", 200, "")
	})
}

func TestGenericAvailability(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		b.put("t", metricdef.Availability, "a", []string{"k=v"}, point{1000, float64(metricdef.Up), ""}, point{1500, float64(metricdef.Down), ""})
		b.put("t", metricdef.Gauge, "g", []string{"k=v"}, point{1000, 1, ""})
		one := `[{"start":1000,"end":2000,"upDuration":500,"downDuration":500,"empty":false},{"start":2000,"end":3000,"empty":true}]`
		b.want("/m/stats/query", `{"metrics":{"availability":["a"]},"start":1000,"end":3000,"bucketDuration":"1s"}`, 200, `~{"availability":{"a":`+one+`},"gauge":null}`)
		b.want("/m/stats/query", `{"tags":"k:v","start":1000,"end":3000,"bucketDuration":"1s"}`, 200, `~{"availability":{"a":`+one+`},"gauge":{"g":[{"sum":1},{}]}}`)
		b.want("/m/stats/query", `{"tags":"k:v","types":["availability"],"start":1000,"end":3000,"bucketDuration":"1s"}`, 200, `~{"availability":{"a":`+one+`},"gauge":null}`)
		b.want("/m/stats/query", `{"metrics":{"availability":["a","no"]},"fromEarliest":true,"bucketDuration":"1mn"}`, 400, "") // from 1970 on, they are too many
		b.want("/m/stats/query", `{"metrics":{"availability":["no"]},"start":1000,"end":3000,"bucketDuration":"1s"}`, 200, `{"availability":{"no":[{"start":1000,"end":2000,"empty":true},{"start":2000,"end":3000,"empty":true}]}}`)
	})
}

// TestStatsOfTwoTenants has metrics of the same ids and tags in two tenants, which never meet.
func TestStatsOfTwoTenants(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		for id, value := range map[tenant.ID]float64{"t": 1, "other": 777_000} {
			b.put(id, metricdef.Gauge, "g", []string{"k=v"}, point{1000, value, `{"x":"1"}`}, point{61000, 2 * value, `{"x":"1"}`})
			b.put(id, metricdef.Counter, "g", []string{"k=v"}, point{1000, value, ""}, point{61000, 2 * value, ""})
		}
		b.put("other", metricdef.Gauge, "own", []string{"k=v", "only=here"}, point{1000, 777_000, ""})
		const span = "start=1000&end=100000&buckets=1"
		for _, c := range []struct{ path, body string }{
			{"/gauges/g/stats?" + span, ""},
			{"/gauges/own/stats?" + span, ""},
			{"/gauges/stats?tags=k:v&" + span, ""},
			{"/gauges/stats?metrics=own&metrics=g&" + span, ""},
			{"/gauges/data?tags=k:v&" + span, ""},
			{"/counters/g/rate?start=0", ""},
			{"/counters/g/rate/stats?" + span, ""},
			{"/counters/rate?tags=k:v&" + span, ""},
			{"/gauges/rate/stats?tags=k:v&" + span, ""},
			{"/gauges/g/stats/tags/x:*?start=0", ""},
			{"/gauges/stats/query", `{"tags":"k:v","buckets":1,"start":1000,"end":100000}`},
			{"/counters/rate/query", `{"tags":"k:v","start":1000,"end":100000}`},
			{"/m/stats/query", `{"tags":"k:v","types":["gauge","gauge_rate","counter","counter_rate"],"buckets":1,"start":1000,"end":100000}`},
			{"/m/stats/batch/query", `{"q":{"tags":"k:v","buckets":1,"start":1000,"end":100000},"r":{"metrics":{"gauge":["own"]},"buckets":1,"start":1000,"end":100000}}`},
			{"/gauges/own/raw?start=0&bucketDuration=1h", ""},
			{"/m/stats/query", `{"tags":"only:here","buckets":1,"start":1000,"end":100000}`},
		} {
			of := func(id string) string { return b.ask(c.path, c.body, "Hawkular-Tenant", id).Body.String() }
			// The figures of the other tenant have these digits, and no others have.
			if own, other, nobody := of("t"), of("other"), of("nobody"); strings.Contains(own, "777") || !strings.Contains(other, "777") || strings.Contains(nobody, "777") || strings.Contains(nobody, `"samples"`) {
				t.Errorf("%s %s:\n%s of one tenant\n%s of the other\n%s of one that is not there", c.path, c.body, own, other, nobody)
			}
		}
	})
}

// TestStatsAreStreamed sends a long answer in parts, so that it is never in memory as a whole: of many buckets of one metric, and of many
// metrics.
func TestStatsAreStreamed(t *testing.T) {
	b := newBed(t, false)
	var ids []string
	for i := range 200 {
		name := "m" + strconv.Itoa(i)
		ids = append(ids, `"`+name+`"`)
		b.put("t", metricdef.Gauge, name, nil, point{1000, 1, ""}, point{2000, 2, ""})
	}
	for _, c := range []struct{ path, body string }{
		{"/gauges/m1/stats?start=1&end=100000&bucketDuration=1ms", ""},
		{"/m/stats/query", `{"ids":[` + strings.Join(ids, ",") + `],"start":1000,"end":3000,"bucketDuration":"5ms"}`},
	} {
		w := &parts{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodGet, Prefix+c.path, nil)
		if c.body != "" {
			r = httptest.NewRequest(http.MethodPost, Prefix+c.path, strings.NewReader(c.body))
		}
		r.Header.Set("Hawkular-Tenant", "t")
		b.ServeHTTP(w, r)
		if n := w.Body.Len(); n < 1<<20 || w.longest > 300_000 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d bytes, up to %d in a part", c.path, n, w.longest)
		}
	}
}

// TestStatsFromEarliest lets buckets begin with the oldest point, or in the strict mode as far back as points are kept; what is empty
// before the first point is left out.
func TestStatsFromEarliest(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		const hour = 3600_000
		ref := b.put("t", metricdef.Gauge, "g", nil, point{now - 5*hour - 600_000, 1, ""}, point{now - 3*hour, 2, ""})
		week := 7 * 24 * time.Hour
		if err := b.store.UpdateDefinition(t.Context(), ref, metricdef.Update{Retention: &week}); err != nil {
			t.Fatal(err)
		}
		start := int64(now - 5*hour - 600_000)
		buckets := "6"
		if b.o.Strict {
			start, buckets = now-6*hour+slack.Milliseconds(), "168" // they end with the range
		}
		want := `~[{"start":` + digits(start) + `,"end":` + digits(start+hour) + `,"samples":1,"max":1},{"empty":true},{"samples":1,"max":2}`
		b.want("/gauges/g/stats?fromEarliest=true&bucketDuration=1h", "", 200, want+`]`)
		b.want("/m/stats/query", `{"metrics":{"gauge":["g","none"]},"fromEarliest":true,"bucketDuration":"1h"}`, 200, `~{"gauge":{"g":`+want[1:]+`],"none":[]}}`)
		b.want("/gauges/g/stats?fromEarliest=true&buckets="+buckets, "", 200, `~[{"samples":1}]`)

		// What was measured before all that Hawkular looks at is kept since it was written late.
		b.want("/gauges", `{"id":"old","dataRetention":7}`, 201, "")
		b.put("t", metricdef.Gauge, "old", nil, point{60_000, 1, ""})
		if b.o.Strict {
			b.want("/gauges/old/stats?fromEarliest=true&bucketDuration=1d", "", 204, "")
		} else {
			b.want("/gauges/old/stats?fromEarliest=true&buckets=1", "", 200, `~[{"samples":1}]`)
		}
	})
}

// TestStatsOfNaN leaves out statistics that JSON has no number for, and has points and rates of that kind as texts.
func TestStatsOfNaN(t *testing.T) {
	both(t, func(t *testing.T, b *bed) {
		b.put("t", metricdef.Gauge, "g", nil, point{1000, 1.5, ""}, point{2000, math.Inf(1), ""}, point{3000, math.NaN(), ""})
		b.want("/gauges/g/rate?start=1&end=9000&order=asc", "", 200, `[{"timestamp":2000,"value":"Infinity"},{"timestamp":3000,"value":"NaN"}]`)
		b.want("/gauges/g/stats?start=3000&end=3001&buckets=1&percentiles=50", "", 200, `[{"start":3000,"end":3001,"empty":false,"samples":1}]`)
		if b.o.Strict {
			return
		}
		b.want("/m/stats/query", `{"ids":["g"],"start":1,"end":9000}`, 200,
			`{"gauge":{"g":[{"timestamp":1000,"value":1.5},{"timestamp":2000,"value":"Infinity"},{"timestamp":3000,"value":"NaN"}]}}`)
	})
}
