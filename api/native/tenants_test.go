package native

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"granary/tenant"
)

// tenantOfAnswer reads a tenant as a client would.
type shownTenant struct {
	ID, Name, Description string
	Created               int64
	Implicit              bool
	Series                int
	Retention             map[string]string
	Limits                struct{ Series int64 }
}

func TestTenants(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	get := func(method, path, body string, status int) (v shownTenant) {
		t.Helper()
		w := ask(s, method, path, body)
		if w.Code != status {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		if status < 300 && w.Body.Len() > 0 {
			if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
		} else if status >= 400 {
			problemOf(t, w)
		}
		return v
	}
	v := get("POST", "/v2/tenants", `{"id":"shop & co","name":"Shop","retention":{"gauge":"7d","string":3600},"limits":{"series":5}}`, 201)
	if v.ID != "shop & co" || v.Name != "Shop" || v.Implicit || v.Created != testNow.UnixMilli() || v.Retention["gauge"] != "7d" || v.Retention["string"] != "1h" || len(v.Retention) != 2 || v.Limits.Series != 5 {
		t.Errorf("%+v", v)
	}
	const path = "/v2/tenants/shop%20&%20co"
	if again := get("GET", path, "", 200); fmt.Sprint(again) != fmt.Sprint(v) {
		t.Errorf("%+v", again)
	}
	get("POST", "/v2/tenants", `{"id":"shop & co"}`, 409)
	v = get("PATCH", path, `{"description":"d","retention":{"gauge":0},"limits":{"series":0}}`, 200)
	if v.Name != "Shop" || v.Description != "d" || v.Retention["gauge"] != "" || v.Retention["string"] != "1h" || v.Limits.Series != 0 {
		t.Errorf("%+v", v)
	}
	// One that a write has made becomes one that a call has made.
	s.write(t, `[{"name":"x","samples":[[1,1]]}]`, "Tenant", "wrote")
	if v := get("GET", "/v2/tenants/wrote", "", 200); !v.Implicit || v.Series != 1 {
		t.Errorf("%+v", v)
	}
	if v := get("POST", "/v2/tenants", `{"id":"wrote","name":"W"}`, 200); v.Implicit || v.Name != "W" || v.Series != 1 {
		t.Errorf("%+v", v)
	}
	get("POST", "/v2/tenants", `{"id":"wrote"}`, 409)

	for body, path := range map[string]string{
		`{}`: "/id", `{"id":""}`: "/id", `{"id":"a/b"}`: "/id", `{"id":7}`: "/id", `{"id":"y","limits":{"series":-1}}`: "/limits/series", `{"id":"y","limits":{"series":1.5}}`: "/limits/series",
		`{"id":"y","retention":{"gauge":"-1h"}}`: "/retention/gauge", `{"id":"y","retention":{"text":"1h"}}`: "/retention/text", `{"id":"y","name":"` + strings.Repeat("x", 300) + `"}`: "/name",
	} {
		w := ask(s, "POST", "/v2/tenants", body)
		if m := problemOf(t, w); w.Code != 400 || m["path"] != path {
			t.Errorf("%.50s: %d %s", body, w.Code, w.Body)
		}
	}
	get("PATCH", path, `{"id":"other"}`, 400)
	get("PATCH", path, `{"nmae":"x"}`, 400)
	get("PATCH", "/v2/tenants/nobody", `{}`, 404)
	get("GET", "/v2/tenants/nobody", "", 404)
	get("GET", "/v2/tenants/a%2Fb", "", 400)
	if s.store.Tenants.Len() != 2 {
		t.Errorf("%d tenants", s.store.Tenants.Len())
	}
}

func TestListTenants(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	var want []string
	for i := range 25 {
		id := fmt.Sprintf("t%02d", 24-i)
		want = append(want, id)
		ask(s, "POST", "/v2/tenants", `{"id":"`+id+`"}`)
	}
	slices.Sort(want)
	var got []string
	cursor := ""
	for pages := 1; ; pages++ {
		w := ask(s, "GET", "/v2/tenants?limit=10&cursor="+cursor, "")
		var page struct {
			Tenants []shownTenant
			Next    string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Tenants {
			got = append(got, v.ID)
		}
		if (page.Next != "") != strings.Contains(w.Header().Get("Link"), `rel="next"`) {
			t.Errorf("Link %q", w.Header().Get("Link"))
		}
		if cursor = page.Next; cursor == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if w := ask(s, "GET", "/v2/tenants?prefix=t1&limit=10", ""); strings.Count(w.Body.String(), `"id"`) != 10 || w.Header().Get("Link") != "" {
		t.Errorf("%s", w.Body)
	}
}

// TestDeleteTenant: it is gone at once, may be deleted again, and its name may be used anew, empty.
func TestDeleteTenant(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	const body = `[{"name":"x","samples":[[1,1]]}]`
	s.write(t, body, "Tenant", "mine")
	s.write(t, body, "Tenant", "other")
	if w := ask(s, "DELETE", "/v2/tenants/mine", ""); w.Code != 202 || w.Body.String() != `{"id":"mine","state":"deleting"}`+"\n" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := ask(s, "GET", "/v2/tenants/mine", ""); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	if w := ask(s, "GET", "/v2/metrics", "", "Tenant", "mine"); w.Code != 200 || strings.Contains(w.Body.String(), `"name"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for range 2 {
		if w := ask(s, "DELETE", "/v2/tenants/mine", ""); w.Code != 204 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	// The text of its item was learned for the tenant that is gone.
	for range 2 {
		if w, got := s.write(t, body, "Tenant", "mine"); w.Code != 200 || got.Stored != 1 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if s.ref(t, "mine", 1, "x") == 0 || s.ref(t, "other", 1, "x") == 0 {
		t.Error("a metric is not there")
	}
}

// TestWhoSeesTenants: operators see all, others themselves alone.
func TestWhoSeesTenants(t *testing.T) {
	f := &fakeTenants{}
	for _, id := range []tenant.ID{"mine", "theirs"} {
		if _, err := f.EnsureTenant(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	a := bare(func(o *Options) { o.Store, o.Tenants, o.Auth = f, f, user{"mine"} })
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v2/tenants/mine", 200}, {"GET", "/v2/tenants/theirs", 404}, {"GET", "/v2/tenants/nobody", 404}, {"GET", "/v2/tenants", 403},
		{"POST", "/v2/tenants", 403}, {"PATCH", "/v2/tenants/mine", 403}, {"DELETE", "/v2/tenants/mine", 403}, {"DELETE", "/v2/tenants/theirs", 403},
	} {
		body := ""
		if c.method == "POST" || c.method == "PATCH" {
			body = `{"id":"x"}`
		}
		if w := ask(a, c.method, c.path, body, "Tenant", "mine"); w.Code != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
	theirs, nobody := ask(a, "GET", "/v2/tenants/theirs", "", "Tenant", "mine"), ask(a, "GET", "/v2/tenants/nobody", "", "Tenant", "mine")
	if strings.ReplaceAll(theirs.Body.String(), "theirs", "nobody") != nobody.Body.String() {
		t.Errorf("%s is not %s", theirs.Body, nobody.Body)
	}
}
