package isolation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestWritesReachNobodyElse: whatever a write of what other monitoring sends says of its tenant, it reaches another tenant in none of these ways, and is
// answered as if that one were not there.
func TestWritesReachNobodyElse(t *testing.T) {
	d := readDocument(t)
	w := newWorld(t, "1", newClock(), false)
	a := newParty("tenant-a", "ca", "zqa", 1, 1e6)
	g := &gen{d: d, p: a, now: w.clock.now()}
	of := func(letter string) []string { return []string{"X-Api-Key", static("admin-" + letter)} }
	has := func() string {
		r := &request{op: "all", method: "GET", target: "/v2/metrics?limit=10000&samples"}
		r.set("X-Api-Key", static("admin-b"))
		r.set("Tenant", "tenant-b")
		return string(w.send(r).body)
	}
	for _, id := range []string{"writeMeasures"} { // both tenants are there
		for _, letter := range []string{"a", "b"} {
			r := &request{op: id, method: "POST", target: "/v2/measures", body: `[{"name":"mine","samples":[["now",1]]}]`}
			r.set("Tenant", "tenant-"+letter)
			r.set("Content-Type", "application/json")
			r.set("X-Api-Key", static("admin-"+letter))
			if x := w.send(r); x.status != 200 {
				t.Fatal(x.text())
			}
		}
	}
	before := has()
	for _, id := range foreignWrites {
		op := d.find(id)
		if op == nil {
			t.Fatalf("there is no operation %s", id)
		}
		for _, way := range []struct {
			name   string
			header []string // NAME is the tenant
			query  string
		}{
			{"Tenant", []string{"Tenant", "NAME"}, ""},
			{"X-Scope-OrgID", []string{"X-Scope-OrgID", "NAME"}, ""},
			{"Hawkular-Tenant", []string{"Hawkular-Tenant", "NAME"}, ""},
			{"two fields", []string{"Tenant", "tenant-a", "X-Scope-OrgID", "NAME"}, ""},
			{"two of one field", []string{"X-Scope-OrgID", "tenant-a", "X-Scope-OrgID", "NAME"}, ""},
			{"a list", []string{"X-Scope-OrgID", "tenant-a|NAME"}, ""},
			{"another list", []string{"Tenant", "tenant-a,NAME"}, ""},
			{"what a proxy says", []string{"Tenant", "tenant-a", "X-Project-Id", "NAME"}, ""},
		} {
			var texts [2]string
			for i, name := range []string{"tenant-b", "tenant-x"} {
				a.rng = rand.New(rand.NewPCG(1, 1))
				a.pools, a.made = map[string][]string{}, 0
				r := g.valid(op)
				for k := 0; k < len(way.header); k += 2 {
					r.set(way.header[k], strings.ReplaceAll(way.header[k+1], "NAME", name))
				}
				r.set(of("a")[0], of("a")[1])
				x := w.send(r)
				if x.status < 400 || x.status >= 500 {
					t.Errorf("%s by %s is answered %s\n%s", id, way.name, x.text(), r.text())
				}
				texts[i] = strings.ReplaceAll(x.text(), name, "NAME")
			}
			if texts[0] != texts[1] {
				t.Errorf("%s by %s: a tenant that is there is answered otherwise than one that is not:\n%s\n%s", id, way.name, texts[0], texts[1])
			}
		}
	}
	if after := has(); after != before {
		t.Errorf("B has %s, and had %s", after, before)
	}
	r := &request{op: "tenants", method: "GET", target: "/v2/tenants"}
	r.set("X-Api-Key", operator.secret)
	if x := w.send(r); x.status != 200 || strings.Contains(string(x.body), "tenant-x") {
		t.Error(fmt.Sprint("the tenants are ", x.text()))
	}
}

// foreignWrites are the operations by which other monitoring writes.
var foreignWrites = []string{"remoteWrite", "influxWrite", "influxWriteV2"}
