package native

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"granary/metricdef"
	"granary/tenant"
)

func TestDeleteMeasures(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	const body = `[{"name":"x","tags":{"host":"a"},"samples":[[1,1],[2,2],[3,3],[4,4]]},{"name":"x","tags":{"host":"b"},"samples":[[1,1],[2,2]]}]`
	s.write(t, body)
	s.write(t, body, "Tenant", "other")
	ref := func(who tenant.ID, host string) metricdef.Ref {
		return s.ref(t, who, metricdef.Gauge, "x", metricdef.Tag{Name: "host", Value: host})
	}
	has := func(who tenant.ID, host string, want ...int64) {
		t.Helper()
		times, _ := s.read(t, ref(who, host))
		for i := range want {
			want[i] *= 1e9
		}
		if !slices.Equal(times, want) {
			t.Errorf("%s of %s: %v, want %v", host, who, times, want)
		}
	}
	do := func(method, path, body string, status int, answer string) {
		t.Helper()
		w := ask(s, method, path, body)
		if w.Code != status || status == 200 && w.Body.String() != answer+"\n" {
			t.Errorf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
	}
	d, _ := s.store.Definitions.Get(ref("_ops", "a"))
	do("DELETE", "/v2/measures?start=2&end=4&id="+d.ID.String(), "", 200, `{"metrics":1,"unknown":[]}`)
	has("_ops", "a", 1, 4)
	has("_ops", "b", 1, 2)
	do("POST", "/v2/measures/delete", `{"selector":"host=~\"a|b\"","end":2}`, 200, `{"metrics":2}`)
	has("_ops", "a", 4)
	has("_ops", "b", 2)
	do("DELETE", "/v2/measures?start=0&selector="+url.QueryEscape(`host="b"`), "", 200, `{"metrics":1}`)
	has("_ops", "b")
	has("other", "a", 1, 2, 3, 4)
	// The metrics of another tenant are not there.
	o, _ := s.store.Definitions.Get(ref("other", "a"))
	do("POST", "/v2/measures/delete", fmt.Sprintf(`{"ids":["%s"],"start":"1970-01-01T00:00:00Z"}`, o.ID), 200, fmt.Sprintf(`{"metrics":0,"unknown":["%s"]}`, o.ID))
	has("other", "a", 1, 2, 3, 4)
	for _, c := range []struct{ method, path, body string }{
		{"DELETE", "/v2/measures?name=x", ""}, {"DELETE", "/v2/measures?start=1", ""}, {"DELETE", "/v2/measures?start=2&end=2&name=x", ""}, {"DELETE", "/v2/measures?start=x&name=x", ""},
		{"DELETE", "/v2/measures?start=1&id=x", ""}, {"DELETE", "/v2/measures?start=1&name=x&id=" + d.ID.String(), ""},
		{"POST", "/v2/measures/delete", `{"start":1}`}, {"POST", "/v2/measures/delete", `{"name":"x"}`}, {"POST", "/v2/measures/delete", `{"name":"x","start":true}`}, {"POST", "/v2/measures/delete", `{"ids":["x"],"start":1}`},
	} {
		do(c.method, c.path, c.body, 400, "")
	}
	has("_ops", "a", 4)
}
