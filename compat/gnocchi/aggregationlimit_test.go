package gnocchi

import (
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
