package isolation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestForeignTakesAsLongAsUnknown asks for what another tenant has and for what nobody has, in turn. The answers are the same but
// for the name, and from the times that they take nobody can tell which is which: the medians of many lie within what the machine does
// by itself.
func TestForeignTakesAsLongAsUnknown(t *testing.T) {
	w := newWorld(t, "1", newClock(), false)
	send := func(letter, method, target, body string) *answer {
		r := &request{method: method, target: target, body: body}
		r.set("Authorization", "Bearer "+static("admin-"+letter))
		r.set("Tenant", "tenant-"+letter)
		if body != "" && !strings.HasPrefix(body, "{") && !strings.HasPrefix(body, "[") {
			r.set("Content-Type", "text/plain")
		}
		return w.send(r)
	}
	// B has much, so that whatever were done with it would take long.
	var lines strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&lines, "foreign,cluster=cb,hostname=h%d value=%d %d\n", i%3, i, epoch.Unix()-int64(i))
	}
	for _, letter := range []string{"a", "b"} {
		if a := send(letter, "POST", "/v2/measures", lines.String()); a.status != 200 {
			t.Fatal(a.text())
		}
		if a := send(letter, "POST", "/v2/policies", `{"name":"policy-of-`+letter+`","tiers":[{"granularity":"1m","points":1000}]}`); a.status != 201 {
			t.Fatal(a.text())
		}
	}
	first := send("b", "GET", "/v2/metrics?limit=1", "")
	at := strings.Index(string(first.body), `"id":"`)
	if first.status != 200 || at < 0 {
		t.Fatal(first.text())
	}
	foreign, unknown := string(first.body[at+6:at+42]), "0123abcd-0000-5000-8000-0123456789ab"
	rounds := 600
	if testing.Short() {
		rounds = 150
	}
	for _, c := range []struct{ name, method, target, body, foreign, unknown string }{
		{"a metric", "GET", "/v2/metrics/%", "", foreign, unknown},
		{"samples of a metric", "GET", "/v2/metrics/%?samples=true", "", foreign, unknown},
		{"a query", "POST", "/v2/query", `{"ids":["%"],"start":0,"bucket":"1m","method":"mean"}`, foreign, unknown},
		{"a change", "PATCH", "/v2/metrics/%", `{"unit":"W"}`, foreign, unknown},
		{"an end", "DELETE", "/v2/metrics/%", "", foreign, unknown},
		{"a range", "POST", "/v2/measures/delete", `{"ids":["%"],"start":0}`, foreign, unknown},
		{"a write", "POST", "/v2/measures", `[{"id":"%","samples":[["now",1]]}]`, foreign, unknown},
		{"a policy", "GET", "/v2/policies/%", "", "policy-of-b", "policy-of-x"},
		{"the end of a policy", "DELETE", "/v2/policies/%", "", "policy-of-b", "policy-of-x"},
		{"a tenant", "GET", "/v2/tenants/%", "", "tenant-b", "tenant-x"},
		{"the tenant of a request", "GET", "/v2/tenants/tenant-a?x=%", "", "tenant-b", "tenant-x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ask := func(name string) (string, time.Duration) {
				target, body := strings.ReplaceAll(c.target, "%", name), strings.ReplaceAll(c.body, "%", name)
				began := time.Now()
				a := send("a", c.method, target, body)
				return strings.ReplaceAll(a.text(), name, "NAME"), time.Since(began)
			}
			// A machine that does other things at the same time makes differences of its own. They do not come again and again.
			var text string
			for range 4 {
				var times [2][]time.Duration
				for i := range 2 * rounds {
					which := i % 2
					text1, took := ask([]string{c.foreign, c.unknown}[which])
					if i > 0 && text1 != text {
						t.Fatalf("foreign and unknown are answered differently:\n%s\n%s", text, text1)
					}
					text = text1
					times[which] = append(times[which], took)
				}
				slices.Sort(times[0])
				slices.Sort(times[1])
				f, u := times[0][rounds/2], times[1][rounds/2]
				off := max(f, u) - min(f, u)
				if off < 3*time.Microsecond || off < max(f, u)/10 {
					t.Logf("foreign %v, unknown %v", f, u)
					return
				}
				t.Logf("foreign %v, unknown %v: once more", f, u)
			}
			t.Error("what is another's and what is nobody's take different times")
		})
	}
}
