package hawkular

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"granary/measures"
	"granary/measures/query"
	"granary/metricdef"
)

// FuzzStatsQueries sends bodies to all routes of statistics and rates: whatever they hold, the answer is valid JSON or none, never a fault
// of ours, and never the figure of another tenant.
func FuzzStatsQueries(f *testing.F) {
	for _, body := range []string{
		`{"metrics":["g"],"buckets":2,"start":200,"end":500,"percentiles":"50,90.0"}`,
		`{"ids":["g","none"],"tags":"k:v","start":"-1h","end":"+1h","bucketDuration":"5mn","limit":null}`,
		`{"metrics":{"gauge":["g"],"counter":["c"],"availability":["a"]},"types":["gauge","gauge_rate"],"bucketDuration":60000}`,
		`{"q":{"tags":"k = 'v' AND NOT x","buckets":1},"r":{"metrics":{"gauge":["g"]},"bucketDuration":"1d","fromEarliest":true}}`,
		`{"tags":"k:v","stacked":"true","buckets":"3","percentiles":[0,100,"99.999"],"order":"desc"}`,
		`{"ids":[],"buckets":9223372036854775807,"start":0,"end":9223372036854775807}`,
		`{"metrics":null,"tags":"!k:*,x:a|b","fromEarliest":true,"buckets":1}`,
		`[1,2]`, `{`, `null`, `{"":{}}`, "\x00\xff",
	} {
		f.Add(body)
	}
	const foreign = "777777"
	beds := map[bool]*bed{}
	for _, strict := range []bool{false, true} {
		b := newBed(f, strict, func(o *Options) {
			s := o.Store.(*measures.Store)
			o.Queries = query.New(s, query.Options{Definitions: s.Definitions, MaxPoints: 10_000})
		})
		b.put("t", metricdef.Gauge, "g", []string{"k=v"}, point{now - 60000, 1.5, ""}, point{now - 1000, 0, ""})
		b.put("t", metricdef.Counter, "c", []string{"k=v"}, point{now - 60000, 7, ""}, point{now - 1000, 3, ""})
		b.put("t", metricdef.Availability, "a", []string{"k=v"}, point{now - 60000, 1, ""})
		b.put("other", metricdef.Gauge, "g", []string{"k=v"}, point{now - 60000, 777777, ""})
		beds[strict] = b
	}
	f.Fuzz(func(t *testing.T, body string) {
		if body == "" {
			return
		}
		for strict, b := range beds {
			for _, path := range []string{"/gauges/stats/query", "/counters/stats/query", "/m/stats/query", "/metrics/stats/batch/query", "/gauges/rate/query", "/counters/rate/query", "/gauges/raw/query"} {
				w := b.ask(path, body)
				switch {
				case w.Code == http.StatusNoContent && w.Body.Len() == 0 && strict:
				case w.Code >= 500 || !json.Valid(w.Body.Bytes()):
					t.Errorf("%s %q: %d %.500s", path, body, w.Code, w.Body)
				case w.Code == http.StatusOK && !strings.Contains(body, foreign) && strings.Contains(w.Body.String(), foreign):
					t.Errorf("%s %q: another tenant's %.500s", path, body, w.Body)
				}
			}
		}
	})
}
