package hawkular

import (
	"testing"

	"granary/metricdef"
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
		b.want("/counters/rate/query", `{"start":0}`, 400, "")
		if w := b.ask("/counters/rate?start=60000&end=480000&buckets=1&metrics=C1", ""); w.Body.String() != b.ask("/counters/C1/rate/stats?start=60000&end=480000&buckets=1", "").Body.String() {
			t.Error(w.Body)
		}
	})
}
