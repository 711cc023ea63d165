package native

import (
	"encoding/json"
	"slices"
	"testing"

	"granary/tenant"
)

func TestStatus(t *testing.T) {
	f := &fakeTenants{list: map[tenant.ID]tenant.Tenant{"mine": {Num: 1, ID: "mine"}}}
	ready := true
	a := bare(func(o *Options) {
		o.Store, o.Tenants, o.Version = f, f, "9.9"
		o.Ready = func() (bool, string) { return ready, "3 of 7" }
	})
	var s statusAnswer
	get := func(a *API, path, who string) int {
		t.Helper()
		s = statusAnswer{}
		w := ask(a, "GET", path, "", "Tenant", who)
		if w.Code == 200 {
			if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
				t.Fatal(err)
			}
		}
		return w.Code
	}
	if get(a, "/v2/status", "mine") != 200 || !s.Ready || s.Progress != "" || s.Version != "9.9" || s.Time != testNow.UnixMilli() ||
		s.Tenant != (statusTenant{ID: "mine", Exists: true, Series: 3, Limit: 7, Held: held{9, 5, memory{Total: 3, Heads: 1, Late: 2}}}) || s.Service == nil || s.Service.Samples != 11 || s.Service.LastSnapshot != 5000 {
		t.Errorf("%+v", s)
	}
	// A tenant that does not exist is empty, and is not made.
	if get(a, "/v2/status", "other") != 200 || s.Tenant != (statusTenant{ID: "other"}) || len(f.list) != 1 {
		t.Errorf("%+v", s)
	}
	ready = false
	if get(a, "/v2/status", "mine") != 200 || s.Ready || s.Progress != "3 of 7" || s.Service != nil {
		t.Errorf("%+v", s)
	}
	if code := get(a, "/v2/status?x=1", "mine"); code != 400 {
		t.Error(code)
	}
	// Who is no operator learns nothing of the others.
	ready = true
	plain := bare(func(o *Options) { o.Store, o.Tenants, o.Auth = f, f, user{"mine"} })
	if get(plain, "/v2/status", "mine") != 200 || s.Service != nil {
		t.Errorf("%+v", s)
	}
}

func TestCapabilities(t *testing.T) {
	a := bare(func(o *Options) {
		o.Capabilities = Capabilities{Dialects: []string{"native"}, Limits: map[string]Limit{"body": {5, "granary.limits.body"}}}
	})
	var c capabilitiesAnswer
	if err := json.Unmarshal(ask(a, "GET", "/v2/capabilities", "").Body.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][2][]string{
		"types": {c.Types, {"gauge", "counter", "availability", "string"}}, "kinds": {c.Kinds, {"float", "int", "state", "text"}},
		"states": {c.States, {"down", "up", "unknown", "admin"}}, "dialects": {c.Dialects, {"native"}}, "times": {c.Times, {"ms", "s", "us", "ns", "rfc3339"}},
	} {
		if !slices.Equal(list[0], list[1]) {
			t.Errorf("%s: %q", name, list[0])
		}
	}
	if !slices.Contains(c.Methods, "mean") || !slices.Contains(c.Methods, "stdpop") || slices.Contains(c.Methods, "none") || len(c.Codecs) < 7 || c.Limits["body"] != (Limit{5, "granary.limits.body"}) {
		t.Errorf("%+v", c)
	}
}
