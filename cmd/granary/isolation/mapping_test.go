package isolation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"

	"granary/measures/ingest/remoteout"
)

// TestMappingKeepsTenantsApart: series of the same names and labels of two tenants come in turns, by both ways on which the mapping takes them. What is made of
// them, rates and sums, is of each tenant's own alone.
func TestMappingKeepsTenantsApart(t *testing.T) {
	w := newWorld(t, "1", newClock(), false)
	began := w.clock.now().Unix()/60*60 - 600
	send := func(letter string, r *request) *answer {
		r.set("Tenant", "tenant-"+letter)
		r.set("X-Api-Key", static("admin-"+letter))
		a := w.send(r)
		if a.status >= 300 {
			t.Fatalf("%s\n%s", r.text(), a.text())
		}
		return a
	}
	// In each minute a counter of A's grows by 60, one of B's by 600; each tenant has two.
	for minute := range int64(4) {
		for _, letter := range []string{"a", "b"} {
			at, v := began+60*minute, float64(60*minute)
			if letter == "b" {
				v *= 10
			}
			series := remoteout.Series{Labels: []string{"__name__", "requests", "cluster", "c", "instance", "h1"}, Samples: []remoteout.Sample{{Time: at * 1000, Value: v}}}
			r := &request{method: "POST", target: "/api/v1/write", body: string(snappy.Encode(nil, remoteout.AppendV1(nil, []remoteout.Series{series})))}
			r.set("Content-Type", "application/x-protobuf")
			r.set("Content-Encoding", "snappy")
			send(letter, r)
			r = &request{method: "POST", target: "/write?precision=s", body: fmt.Sprintf("requests,cluster=c,host=h2 value=%g %d\nload,host=h1 value=%g %d\ncpu,host=h2 value=1 %d\n", v, at, v, at, at)}
			send(letter, r)
		}
	}
	for _, c := range []struct{ letter, name, want string }{
		{"a", "requests_total", "[2,2,2]"}, {"b", "requests_total", "[20,20,20]"},
		{"a", "load_left", "[-1,59,119,179]"}, {"b", "load_left", "[-1,599,1199,1799]"},
	} {
		r := &request{method: "POST", target: "/v2/query", body: fmt.Sprintf(`{"names":[%q],"start":%d,"end":%d}`, c.name, began, began+600)}
		r.set("Content-Type", "application/json")
		if a := send(c.letter, r); strings.Count(string(a.body), `"values"`) != 1 || !strings.Contains(string(a.body), `"values":`+c.want) {
			t.Errorf("%s of %s is %s, want %s", c.name, c.letter, a.body, c.want)
		}
	}
}
