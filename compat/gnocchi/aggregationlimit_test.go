package gnocchi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/query"
	"granary/policy"
)

// TestGroupsAreBoundedTogether: groups of one metric each are read one by one, and count as one request all the same.
func TestGroupsAreBoundedTogether(t *testing.T) {
	b := newBed(t, func(o *Options) {
		s := o.Store.(*measures.Store)
		o.Queries = query.New(s, query.Options{Definitions: s.Definitions, MaxSeries: 2})
	})
	b.policies(policy.GnocchiPolicy("low", 0, policy.DefaultMethods(), policy.Tier{Granularity: time.Minute, Points: 60}))
	ask := func() (int, string) {
		w := b.ask("POST", "/v1/aggregation/resource/generic/metric/m?groupby=id", "")
		return w.Code, w.Body.String()
	}
	for i, id := range []string{"a", "b", "c"} {
		if w := b.ask("POST", "/v1/resource/generic", `{"id": "`+id+`", "metrics": {"m": {"archive_policy_name": "low"}}}`); w.Code != 201 {
			t.Fatal(w.Code, w.Body)
		}
		status, answer := ask()
		if i < 2 && status != 200 || i == 2 && (status != 400 || !strings.Contains(answer, query.SettingSeries)) {
			t.Errorf("%d groups: %d %s", i+1, status, answer)
		}
	}
}

// TestPointsOfGroupsAreBoundedTogether: what groups of one metric each read counts as one answer.
func TestPointsOfGroupsAreBoundedTogether(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Queries = limited(o, 5) })
	b.policies(policy.GnocchiPolicy("low", 0, policy.DefaultMethods(), policy.Tier{Granularity: time.Minute, Points: 60}))
	measures := `[{"timestamp": 1577836800, "value": 1}, {"timestamp": 1577836860, "value": 2}]`
	for i, id := range []string{"a", "b", "c"} {
		if w := b.ask("POST", "/v1/resource/generic", `{"id": "`+id+`", "metrics": {"m": {"archive_policy_name": "low"}}}`); w.Code != 201 {
			t.Fatal(w.Code, w.Body)
		}
		if w := b.ask("POST", "/v1/resource/generic/"+id+"/metric/m/measures", measures); w.Code != 202 {
			t.Fatal(w.Code, w.Body)
		}
		w := b.ask("POST", "/v1/aggregation/resource/generic/metric/m?groupby=id&start=1577836800&stop=1577836920", "")
		if ok := w.Code == 200; ok != (i < 2) || !ok && !strings.Contains(w.Body.String(), query.Setting) {
			t.Errorf("%d groups of two points each: %d %s", i+1, w.Code, w.Body)
		}
	}
}

// TestGroupsOfNothing: resources that have no such metric cost nothing where they are no group of the answer, and where each is one they are
// bounded as series are.
func TestGroupsOfNothing(t *testing.T) {
	b := newBed(t, func(o *Options) {
		s := o.Store.(*measures.Store)
		o.Queries = query.New(s, query.Options{Definitions: s.Definitions, MaxSeries: 3})
	})
	b.policies(policy.GnocchiPolicy("low", 0, policy.DefaultMethods(), policy.Tier{Granularity: time.Minute, Points: 60}))
	for i, metrics := range []string{`{"m": {"archive_policy_name": "low"}}`, `{}`, `{}`, `{}`, `{}`} {
		if w := b.ask("POST", "/v1/resource/generic", fmt.Sprintf(`{"id": "r%d", "user_id": "u%d", "metrics": %s}`, i, i%2, metrics)); w.Code != 201 {
			t.Fatal(w.Code, w.Body)
		}
	}
	const aggregates = `{"operations": "(aggregate mean (metric m mean))", "resource_type": "generic", "search": {}}`
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/v1/aggregates", aggregates, 200, `{"measures": `},
		{"/v1/aggregates?groupby=id", aggregates, 200, `[{"group": `},
		{"/v1/aggregates", strings.Replace(aggregates, "metric m", "metric n", 1), 404, "Metric ['n'] does not exist"},
		{"/v1/aggregation/resource/generic/metric/m", "", 200, "[]"},
		{"/v1/aggregation/resource/generic/metric/m?groupby=user_id", "", 200, `[{"group": {"user_id": "u0"}, "measures": []}, {"group": {"user_id": "u1"}, "measures": []}]`},
		{"/v1/aggregation/resource/generic/metric/m?groupby=id", "", 400, query.SettingSeries},
	} {
		if w := b.ask("POST", c.path, c.body); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
}
