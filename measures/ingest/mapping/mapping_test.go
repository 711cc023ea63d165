package mapping

import (
	"errors"
	"strings"
	"testing"
	"time"

	"granary/measures"
)

func TestCombine(t *testing.T) {
	sum := Rule{Name: "out", Combine: Sum, By: []string{"host"}, From: []Match{{Metric: "a"}}}
	difference := Rule{Name: "used", Combine: Sum, By: []string{"host"}, From: []Match{{Metric: "total", Scale: 0.5}, {Metric: "free", Scale: -0.5}}}
	with := func(r Rule, change func(*Rule)) Rule { change(&r); return r }
	rate := func(r *Rule) { r.From = []Match{{Metric: "a", Rate: true}} }
	for name, c := range map[string]struct {
		rule   Rule
		bodies []string // series are separated by ";"
		want   string
	}{
		"rename and scale": {Rule{Name: "out", From: []Match{{Metric: "a", Scale: 2}}, Rename: map[string]string{"instance": "hostname"}, Tags: map[string]string{"cluster": "c"}},
			[]string{"a{instance=n1:9100,type=node} 3@10 4@20"}, `1:out{cluster="c",hostname="n1"} 6@10 8@20`},
		"sum":             {sum, []string{"a{host=x,cpu=0} 1@10;a{host=x,cpu=1} 2@10;a{host=y} 5@10"}, `1:out{host="x"} 3@10|1:out{host="y"} 5@10`},
		"sum, two bodies": {sum, []string{"a{host=x,cpu=0} 1@10", "a{host=x,cpu=1} 2@10"}, `1:out{host="x"} 3@10`},
		"average":         {with(sum, func(r *Rule) { r.Combine = Avg }), []string{"a{host=x,cpu=0} 1@10;a{host=x,cpu=1} 2@10"}, `1:out{host="x"} 1.5@10`},
		"least":           {with(sum, func(r *Rule) { r.Combine = Min }), []string{"a{host=x,cpu=0} 3@10;a{host=x,cpu=1} 2@10"}, `1:out{host="x"} 2@10`},
		"greatest":        {with(sum, func(r *Rule) { r.Combine = Max }), []string{"a{host=x,cpu=0} 3@10;a{host=x,cpu=1} 2@10"}, `1:out{host="x"} 3@10`},
		"slot":            {with(sum, func(r *Rule) { r.Slot = time.Minute }), []string{"a{host=x,cpu=0} 1@61 4@119;a{host=x,cpu=1} 10@70"}, `1:out{host="x"} 14@60`},
		"slot, late":      {with(sum, func(r *Rule) { r.Slot = time.Minute }), []string{"a{host=x,cpu=0} 4@119", "a{host=x,cpu=0} 1@61"}, `1:out{host="x"} 4@60`},
		"before 1970":     {with(sum, func(r *Rule) { r.Slot = time.Minute }), []string{"a{host=x} 4@-1"}, `1:out{host="x"} 4@-60`},
		"difference":      {difference, []string{"total{host=x} 10@10 10@20", "free{host=x} 4@10"}, `1:used{host="x"} 3@10`},
		"rate":            {with(sum, rate), []string{"a{host=x} 1@10 21@20 31@30"}, `1:out{host="x"} 2@20 1@30`},
		"rate, bodies":    {with(sum, rate), []string{"a{host=x} 1@10", "a{host=x} 21@20", "a{host=x} 31@30"}, `1:out{host="x"} 2@20 1@30`},
		"rate, reset":     {with(sum, rate), []string{"a{host=x} 1000@10 20@20"}, `1:out{host="x"} 2@20`},
		"rate, gap":       {with(sum, rate), []string{"a{host=x} 1@0 2@300 1000@601 1001@602"}, `1:out{host="x"} 0.0033333333333333335@300 1@602`},
		"rate, stale":     {with(sum, rate), []string{"a{host=x} 1@10 NaN@15 3@20 5@21"}, `1:out{host="x"} 2@21`},
		"rate of two":     {with(sum, rate), []string{"a{host=x,dev=0} 1@10 11@20;a{host=x,dev=1} 1@10 31@20"}, `1:out{host="x"} 4@20`},
		"lacks a tag":     {with(sum, func(r *Rule) { r.By = nil; r.From[0].Labels = nil }), nil, ``},
	} {
		table, store := mustCompile(t, Options{}, c.rule), newStore()
		for _, again := range []bool{false, true} { // as a whole
			for _, b := range c.bodies {
				for range 2 { // and each, at once
					if _, err := body(t, table, store, strings.Split(b, ";")...); err != nil {
						t.Fatal(name, err)
					}
				}
			}
			if got := strings.ReplaceAll(strings.TrimSuffix(store.String(), "\n"), "\n", "|"); got != c.want {
				t.Errorf("%s, again %v: got\n%s\ninstead of\n%s", name, again, got, c.want)
			}
		}
	}
}

func TestStoreFails(t *testing.T) {
	rules := []Rule{
		{Name: "sum", Combine: Sum, By: []string{"host"}, From: []Match{{Metric: "a", Rate: true}}},
		{Name: "one", From: []Match{{Metric: "a", Rate: true}}},
	}
	table, store := mustCompile(t, Options{}, rules...), newStore()
	broken := errors.New("broken")
	for _, samples := range [][]string{{"a{host=x,dev=0} 1@10"}, {"a{host=x,dev=0} 11@20", "a{host=x,dev=1} 0@20"}, {"a{host=x,dev=0} 31@30", "a{host=x,dev=1} 10@30"}} {
		store.fail = func(*measures.Batch) error { return broken }
		for range 2 {
			if _, err := body(t, table, store, samples...); err != nil && !errors.Is(err, broken) {
				t.Fatal(err)
			}
		}
		store.fail = nil
		if _, err := body(t, table, store, samples...); err != nil {
			t.Fatal(err)
		}
	}
	const want = "1:one{dev=\"0\",host=\"x\"} 1@20 2@30\n1:one{dev=\"1\",host=\"x\"} 1@30\n1:sum{host=\"x\"} 1@20 3@30\n"
	if got := store.String(); got != want {
		t.Errorf("got\n%s\ninstead of\n%s", got, want)
	}
	// A series that was removed comes again.
	store.remove(`1:sum{host="x"}`)
	if c, err := body(t, table, store, "a{host=x,dev=0} 41@40", "a{host=x,dev=1} 20@40"); err != nil || c.Stored != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	if got := store.values[`1:sum{host="x"}`][40e9]; got != 2 {
		t.Errorf("%v", got)
	}
}
