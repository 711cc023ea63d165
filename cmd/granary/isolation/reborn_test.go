package isolation_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestTenantBornAgain deletes a tenant and makes another one of its name. Nothing of the first one is left in it: no key that opens it, no
// id, cursor, policy, rule, limit, count of use or name; also after a restart, and also of what was written a moment before.
func TestTenantBornAgain(t *testing.T) {
	w := newWorld(t, "1", newClock(), false)
	ask := func(secret, method, target, body string) *answer {
		r := &request{method: method, target: target, body: body}
		r.set("Authorization", "Bearer "+secret)
		r.set("Tenant", "shop")
		if strings.HasSuffix(target, "/measures") {
			r.set("Content-Type", "text/plain")
		}
		return w.send(r)
	}
	must := func(a *answer, status int) map[string]any {
		t.Helper()
		var m map[string]any
		if len(a.body) > 0 {
			_ = json.Unmarshal(a.body, &m)
		}
		if a.status != status {
			t.Fatalf("%s, want %d", a.text(), status)
		}
		return m
	}
	newKey := func(by string, roles, more string) (id, secret string) {
		m := must(ask(by, "POST", "/v2/keys", `{"subject":"zqax00shop","roles":[`+roles+`],"tenants":["shop"`+more+`]}`), 201)
		return m["id"].(string), m["key"].(string)
	}
	op := operator.secret

	must(ask(op, "POST", "/v2/tenants", `{"id":"shop","name":"zqax0first","description":"zqax0first","limits":{"series":77}}`), 201)
	adminID, admin := newKey(op, `"admin"`, "")
	_, both := newKey(op, `"admin"`, `,"tenant-b"`)
	must(ask(admin, "POST", "/v2/measures", "zqax0first,hostname=zqax0first,cluster=ca value=1\nzqax0other,hostname=zqax0first value=2"), 200)
	must(ask(admin, "POST", "/v2/policies", `{"name":"zqax0first","tiers":[{"granularity":"1m","points":9}]}`), 201)
	must(ask(admin, "POST", "/v2/rules", `{"name":"zqax0first","pattern":"zqax0first*","policy":"zqax0first"}`), 201)
	page := must(ask(admin, "GET", "/v2/metrics?limit=1&sort=name", ""), 200)
	id := page["metrics"].([]any)[0].(map[string]any)["id"].(string)
	cursor := page["next"].(string)
	must(ask(admin, "GET", "/v2/metrics/"+id, ""), 200)
	must(ask(admin, "GET", "/v2/metrics?limit=1&sort=name&cursor="+cursor, ""), 200)
	must(ask(admin, "POST", "/v2/measures", "zqax0last,hostname=zqax0first value=3"), 200)
	must(ask(op, "DELETE", "/v2/tenants/shop", ""), 202)

	look := func(when, by string) {
		t.Helper()
		for _, secret := range []string{admin} {
			for _, target := range []string{"/v2/metrics", "/v2/status", "/v2/identity", "/v2/keys", "/metrics", "/api/debug", "/v2/metrics/" + id} {
				if a := ask(secret, "GET", target, ""); a.status != 401 || !strings.Contains(a.text(), "revoked") {
					t.Errorf("%s, the old key at %s: %s", when, target, a.text())
				}
			}
		}
		if a := ask(both, "GET", "/v2/metrics", ""); a.status != 403 || !strings.Contains(a.text(), "tenant-forbidden") {
			t.Errorf("%s, the old key of two tenants: %s", when, a.text())
		}
		for target, status := range map[string]int{
			"/v2/metrics/" + id: 404, "/v2/policies/zqax0first": 404, "/v2/rules/zqax0first": 404, "/v2/keys/" + adminID: 404,
			"/v2/metrics?count=true": 200, "/v2/tags": 200, "/v2/tags/__name__": 200, "/v2/tags/hostname": 200, "/v2/cardinality": 200, "/v2/policies": 200, "/v2/rules": 200, "/v2/limits": 200, "/v2/queues": 200,
			"/v2/tenants/shop": 200, "/v2/status": 200, "/v2/keys": 200, "/v2/query?selector=%7B%7D&start=0": 200, "/v2/query?start=0&id=" + id: 200,
		} {
			a := ask(by, "GET", target, "")
			if by == op && strings.HasPrefix(target, "/v2/keys/") {
				continue // operators see keys that have ended
			}
			if a.status != status {
				t.Errorf("%s, %s: %s", when, target, a.text())
			}
			if text := strings.ReplaceAll(a.text(), target[strings.LastIndexByte(target, '/')+1:], ""); strings.Contains(text, "zqax0first") || strings.Contains(text, "zqax0last") || strings.Contains(text, "77") && strings.Contains(target, "limits") {
				t.Errorf("%s, %s tells of the first one: %s", when, target, a.text())
			}
		}
		if a := ask(by, "GET", "/v2/metrics?limit=1&sort=name&cursor="+cursor, ""); a.status != 400 && !strings.Contains(string(a.body), `"metrics":[]`) {
			t.Errorf("%s, the old cursor: %s", when, a.text())
		}
		for _, body := range []string{`{"ids":["%s"]}`, `{"ids":["%s"],"dry_run":true}`} {
			if a := ask(by, "POST", "/v2/metrics/delete", fmt.Sprintf(body, id)); !strings.Contains(a.text(), `"deleted":0`) && !strings.Contains(a.text(), `"found":0`) && a.status < 400 {
				t.Errorf("%s, deleting by the old id: %s", when, a.text())
			}
		}
	}
	if a := ask(admin, "GET", "/v2/metrics", ""); a.status != 401 {
		t.Errorf("deleted: %s", a.text())
	}
	must(ask(op, "POST", "/v2/tenants", `{"id":"shop"}`), 201)
	_, again := newKey(op, `"admin"`, "")
	look("made again", again)
	look("made again, to the operator", op)
	w.restart()
	look("after a restart", again)
	must(ask(again, "POST", "/v2/measures", "second value=1"), 200)
	w.restart()
	look("in use, after a restart", again)
	if a := ask(again, "GET", "/v2/metrics", ""); !strings.Contains(string(a.body), `"second"`) {
		t.Error(a.text())
	}
	if text := w.log.take(); strings.Contains(text, admin) || strings.Contains(text, again) {
		t.Error("a key is in the log")
	}
}
