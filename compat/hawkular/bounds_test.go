package hawkular

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"granary/measures"
	"granary/measures/query"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
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

// TestBatchFindsNoMore: metrics that the tag queries of a batch find are counted together, and what is too much is refused before they are
// looked at one by one.
func TestBatchFindsNoMore(t *testing.T) {
	for _, strict := range []bool{false, true} {
		b := newBed(t, strict, func(o *Options) {
			o.Queries = query.New(o.Store.(*measures.Store), query.Options{Definitions: o.Definitions, MaxSeries: 2500})
		})
		num, err := b.store.EnsureTenant(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		drafts := make([]metricdef.Draft, 1000)
		for i := range drafts {
			drafts[i] = metricdef.Draft{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: fmt.Sprint("m", i)},
				Dialect: Name, Plain: []metricdef.Tag{{Name: "a", Value: "b"}}}
		}
		b.store.CreateDefinitions(t.Context(), drafts)
		body := func(n int) string {
			one := make([]string, n)
			for i := range one {
				one[i] = fmt.Sprintf(`"q%02d":{"tags":"a:b","types":["gauge"],"buckets":1}`, i)
			}
			return "{" + strings.Join(one, ",") + "}"
		}
		if w := b.ask("/m/stats/batch/query", body(2)); w.Code != 200 || strings.Count(w.Body.String(), `"empty":true`) != 2000 {
			t.Errorf("strict %v: %d %.200s", strict, w.Code, w.Body)
		}
		w := b.ask("/m/stats/batch/query", body(3))
		if want := "q02: query: the answer would read 3000 series, the limit is 2500"; w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("strict %v: %d %.200s, want %s", strict, w.Code, w.Body, want)
		}
		b.ask("/m/stats/batch/query", body(100)) // the texts that are made once are there
		took := testing.AllocsPerRun(3, func() {
			if w := b.ask("/m/stats/batch/query", body(100)); w.Code != 400 {
				t.Errorf("%d", w.Code)
			}
		})
		// Two questions of a thousand metrics are looked at, of a hundred.
		if took > 20_000 {
			t.Errorf("strict %v: %g allocations", strict, took)
		}
	}
}

// searches counts the searches that requests make.
type searches struct {
	Definitions
	n int
}

func (s *searches) Select(ctx context.Context, t tenant.Num, e match.Expr) ([]metricdef.Ref, error) {
	s.n++
	return s.Definitions.Select(ctx, t, e)
}

// TestOneSearch: the tag query of a question is searched for once, however many types and rates the question is about.
func TestOneSearch(t *testing.T) {
	for _, strict := range []bool{false, true} {
		counted := &searches{}
		b := newBed(t, strict, func(o *Options) { counted.Definitions, o.Definitions = o.Definitions, counted })
		at := testNow.UnixMilli() - 1000
		for _, typ := range []metricdef.Type{metricdef.Gauge, metricdef.Counter, metricdef.Availability} {
			b.put("t", typ, "a", []string{"k=v"}, point{at, 1, ""}, point{at - 60_000, 0, ""})
		}
		b.put("t", metricdef.String, "a", []string{"k=v"})
		b.want("/m/stats/query", `{"tags":"k:v","buckets":1,"types":["gauge","gauge_rate","counter","counter_rate","availability"]}`, 200,
			`~{"gauge":{"a":[{"samples":2}]},"gauge_rate":{"a":[{"samples":1}]},"counter":{"a":[{"samples":2}]},"counter_rate":{"a":[{"samples":1}]},"availability":{"a":[{"samples":2}]}}`)
		b.want("/m/stats/batch/query", `{"x":{"tags":"k:v","buckets":1},"y":{"tags":"k = v","buckets":1,"types":["counter"]}}`, 200,
			`~{"x":{"gauge":{"a":[{"samples":2}]},"counter":{"a":[{"samples":2}]},"availability":{"a":[{"samples":2}]}},"y":{"counter":{"a":[{"samples":2}]}}}`)
		if counted.n != 3 {
			t.Errorf("strict %v: %d searches for 3 questions", strict, counted.n)
		}
	}
}
