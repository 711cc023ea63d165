package gnocchi

import (
	"testing"
	"time"

	"granary/policy"
)

// TestRefusedMakesNoTenant: what cannot be made leaves no empty tenant behind.
func TestRefusedMakesNoTenant(t *testing.T) {
	b := newBed(t)
	b.policies(policy.GnocchiPolicy("low", 0, policy.DefaultMethods(), policy.Tier{Granularity: time.Minute, Points: 60}))
	who := []string{"X-User-Id", "u", "X-Project-Id", "newcomer"}
	for _, c := range []struct{ path, body string }{
		{"/v1/metric", `{"archive_policy_name": "there-is-none"}`},
		{"/v1/resource/generic", `{"id": "r", "metrics": {"m": {"archive_policy_name": "there-is-none"}}}`},
		{"/v1/resource/generic", `{"id": "r", "metrics": {"m": "4b5c2f6e-0d3c-4a53-9a1e-3f8a3c1d2b7f"}}`},
	} {
		if w := b.ask("POST", c.path, c.body, who...); w.Code != 400 {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
	if _, ok := b.store.Tenants.Lookup("newcomer"); ok {
		t.Error("there is a tenant of nothing")
	}
	if w := b.ask("POST", "/v1/resource/generic", `{"id": "r", "metrics": {"m": {"archive_policy_name": "low"}}}`, who...); w.Code != 201 {
		t.Error(w.Code, w.Body)
	}
	if num := b.tenant("newcomer"); b.store.Definitions.Count(num) != 1 {
		t.Error("the metric is not in the tenant that was made for it")
	}
}
