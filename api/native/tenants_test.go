package native

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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
		`{"id":"y","limits":{"past":"1ms"}}`: "/limits/past", `{"id":"y","limits":{"tag_name":"x"}}`: "/limits/tag_name", `{"id":"y","limits":{"tag-name":1}}`: "/limits/tag-name",
		`{"id":"y","limits":{"a/b":1}}`: "/limits/a~1b", `{"id":"y","limits":{"retention":-5}}`: "/limits/retention", `{"id":"y","limits":{"body":100}}`: "/limits/body",
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

// TestTenantLimits sets, shows and takes back every limit of the table.
func TestTenantLimits(t *testing.T) {
	s := newStored(t, tenant.Limits{Series: 77})
	s.o.LimitSources, s.o.Standing = s.store.Tenants.LimitSources, s.store.Tenants.Standing
	s.o.LimitUse = func(_ *tenant.Tenant, number int) (int64, bool) { return 9, number == tenant.LimitSeries }
	ask(s, "POST", "/v2/tenants", `{"id":"a"}`)
	all := func(value func(f *tenant.LimitField) string) string {
		var list []string
		for i := range tenant.LimitFields {
			f := &tenant.LimitFields[i]
			list = append(list, fmt.Sprintf("%q:%s", limitMember(f), value(f)))
		}
		return `{"limits":{` + strings.Join(list, ",") + `}}`
	}
	own := func() (v struct{ Limits map[string]any }) {
		w := ask(s, "GET", "/v2/tenants/a", "")
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		return v
	}
	patch := func(body string) {
		t.Helper()
		if w := ask(s, "PATCH", "/v2/tenants/a", body); w.Code != 200 {
			t.Fatalf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	patch(all(func(f *tenant.LimitField) string {
		if f.Unit == tenant.UnitDuration {
			return `"1h"`
		}
		return fmt.Sprint(max(f.Min, 5))
	}))
	if v := own(); len(v.Limits) != len(tenant.LimitFields) || v.Limits["past"] != "1h" || v.Limits["series"] != 5.0 || v.Limits["queue_wait"] != "1h" {
		t.Errorf("%v", v.Limits)
	}
	set, _ := s.store.Tenants.Lookup("a")
	for i := range tenant.LimitFields {
		f := &tenant.LimitFields[i]
		if got := *f.Of(&set.Limits); f.Unit == tenant.UnitDuration && got != int64(time.Hour) || f.Unit != tenant.UnitDuration && got != max(f.Min, 5) {
			t.Errorf("%s is %d", f.Name, got)
		}
	}
	patch(`{"limits":{"series":"none","past":"none","tags":null,"future":7200}}`)
	v := own()
	if _, tags := v.Limits["tags"]; tags || v.Limits["series"] != "none" || v.Limits["past"] != "none" || v.Limits["future"] != "2h" || v.Limits["weight"] != 5.0 {
		t.Errorf("%v", v.Limits)
	}

	var shown struct {
		Tenant string
		Limits []struct {
			Name, Unit, Source, Setting string
			Value                       any
			Used                        *int
			Refused                     int
		}
	}
	limits := func(headers ...string) {
		t.Helper()
		w := ask(s, "GET", "/v2/limits", "", headers...)
		shown.Limits = nil
		if err := json.Unmarshal(w.Body.Bytes(), &shown); err != nil || w.Code != 200 || len(shown.Limits) != len(tenant.LimitFields) {
			t.Fatalf("%d %s %v", w.Code, w.Body, err)
		}
	}
	num, _ := s.store.Tenants.Resolve("a")
	s.store.Tenants.Standing(num).Refuse(tenant.LimitSeries, 3)
	limits("Tenant", "a")
	if l := shown.Limits[0]; shown.Tenant != "a" || l.Name != "series" || l.Value != nil || l.Unit != "count" || l.Source != "tenant" || l.Setting != "granary.limits.series" || *l.Used != 9 || l.Refused != 3 {
		t.Errorf("%+v", l)
	}
	if l := shown.Limits[tenant.LimitFuture-1]; l.Value != "2h" || l.Unit != "duration" || l.Used != nil {
		t.Errorf("%+v", l)
	}
	limits("Tenant", "nobody")
	if l := shown.Limits[0]; l.Value != 77.0 || l.Source != "configuration" || l.Used != nil || l.Refused != 0 {
		t.Errorf("%+v", l)
	}
	if s.store.Tenants.Len() != 1 {
		t.Error("reading the limits has made a tenant")
	}
	patch(all(func(*tenant.LimitField) string { return "null" }))
	if v := own(); len(v.Limits) != 0 {
		t.Errorf("%v", v.Limits)
	}
}
