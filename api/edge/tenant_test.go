package edge

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"granary/tenant/identity"
)

func TestSelectTenant(t *testing.T) {
	s := Tenants{Default: "_ops", Trusted: append(Loopback, netip.MustParsePrefix("10.0.0.0/8"))}
	const near, far = "127.0.0.1:1", "192.0.2.1:1"
	for _, c := range []struct {
		remote string
		header []string
		want   string // the tenant, or the code of the refusal
	}{
		{far, nil, "_ops"},
		{far, []string{"Tenant", "a"}, "a"},
		{far, []string{"Hawkular-Tenant", "a"}, "a"},
		{far, []string{"X-Scope-OrgID", " a "}, "a"},
		{far, []string{"X-Scope-OrgID", "a", "Tenant", "a", "Hawkular-Tenant", "a"}, "a"},
		{far, []string{"Tenant", "a", "X-Scope-OrgID", "b"}, "tenant-ambiguous"},
		{far, []string{"Tenant", "a", "Tenant", "b"}, "tenant-ambiguous"},
		{far, []string{"Tenant", "a", "Hawkular-Tenant", ""}, "tenant-ambiguous"},
		{far, []string{"Tenant", ""}, "tenant-id"},
		{far, []string{"Tenant", "a/b"}, "tenant-id"},
		{far, []string{"Tenant", "a,b"}, "a,b"},
		{far, []string{"Tenant", "other"}, "tenant-forbidden"},
		// A project counts from a proxy that is trusted, and then it limits.
		{far, []string{"X-Project-Id", "a"}, "_ops"},
		{far, []string{"X-Project-Id", "a", "Tenant", "b"}, "b"},
		{near, []string{"X-Project-Id", "a"}, "a"},
		{"[::1]:1", []string{"X-Project-Id", "a"}, "a"},
		{"[::ffff:127.0.0.1]:1", []string{"X-Project-Id", "a"}, "a"},
		{"10.2.3.4:1", []string{"X-Project-Id", "a"}, "a"},
		{"", []string{"X-Project-Id", "a"}, "_ops"},
		{"@", []string{"X-Project-Id", "a"}, "_ops"},
		{near, []string{"X-Project-Id", "a", "Tenant", "a"}, "a"},
		{near, []string{"X-Project-Id", "a", "Tenant", "b"}, "tenant-forbidden"},
		{near, []string{"X-Project-Id", "a", "X-Project-Id", "b"}, "tenant-ambiguous"},
		{near, []string{"X-Project-Id", "a/b"}, "tenant-id"},
		{near, []string{"X-Project-Id", "other"}, "tenant-forbidden"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Add(c.header[i], c.header[i+1])
		}
		id, err := s.Select(r, identity.Only("_ops", "a", "b", "a,b"))
		got := string(id)
		if err != nil {
			got = CodeOf(err)
			status := map[string]int{"tenant-forbidden": 403, "tenant-ambiguous": 400, "tenant-id": 400}[got]
			if Status(err) != status {
				t.Errorf("%v: status %d", c.header, Status(err))
			}
		}
		if got != c.want {
			t.Errorf("%s %q: %q, %v; want %q", c.remote, c.header, id, err, c.want)
		}
	}
	if _, err := s.Select(httptest.NewRequest(http.MethodGet, "/", nil), identity.Scope{}); CodeOf(err) != "tenant-forbidden" {
		t.Errorf("no scope: %v", err)
	}
}
