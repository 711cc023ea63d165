package native

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/audit"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// TestSeveralTenants: what covers more than one tenant is told to the audit log, and a trusted proxy that says to which tenant a
// request belongs bounds it, whatever the identity could do.
func TestSeveralTenants(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	for _, id := range []string{"a", "b"} {
		s.write(t, `[{"name":"cpu","samples":[[1769860000,1]]}]`, "Tenant", id)
	}
	var said bytes.Buffer
	log, err := audit.Open(audit.Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.o.Audit = &edge.Audit{Log: log}
	s.o.Writes, s.o.Reads = queue.NewFair(queue.FairOptions{Units: 100}), queue.NewFair(queue.FairOptions{Kind: queue.Queries, Units: 3})
	// What is polled is told once a minute for each caller, so each is another one.
	number := 0
	operator := func() as {
		number++
		return as{identity.New(fmt.Sprint("boss", number), identity.Token, "boss", identity.Operator)}
	}
	both := func() as {
		number++
		return as{identity.New(fmt.Sprint("me", number), identity.Token, "me", 0, identity.Grant{Tenant: "a", Roles: identity.Reader}, identity.Grant{Tenant: "b", Roles: identity.Reader})}
	}
	writer := as{identity.New("me", identity.Token, "me", 0, identity.Grant{Tenant: "a", Roles: identity.Reader}, identity.Grant{Tenant: "b", Roles: identity.Writer})}
	for path, action := range map[string]string{"/v2/usage": "usage.read", "/v2/usage/nodes": "usage.read", "/v2/queues": "queues.read"} {
		for _, c := range []struct {
			who       func() as
			tenants   string
			header    string // and the tenant that it names
			status    int
			want, log string
		}{
			{operator, "*", "", 200, "", "*"},
			{operator, "a", "", 200, "", ""},
			{operator, "a,b", "", 200, "", "a,b"},
			{operator, "*", "X-Project-Id a", 403, "right-missing", ""},
			{operator, "b", "X-Project-Id a", 403, "tenant-forbidden", ""},
			{operator, "a,b", "X-Project-Id a", 403, "tenant-forbidden", ""},
			{operator, "a", "X-Project-Id a", 200, "", ""},
			{both, "a,b", "Tenant a", 200, "", "a,b"},
			{both, "a,b", "X-Project-Id a", 403, "tenant-forbidden", ""},
			{both, "*", "Tenant a", 403, "right-missing", ""},
			{both, "a,c", "Tenant a", 403, "tenant-forbidden", ""},
		} {
			said.Reset()
			s.o.Auth = c.who()
			w := ask(s, "GET", path+"?tenants="+c.tenants, "", strings.Fields(c.header)...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%s of %s, %s: %d %s", path, c.tenants, c.header, w.Code, w.Body)
			}
			if c.log == "" && said.Len() > 0 || c.log != "" && !strings.Contains(said.String(), "action="+action) || !strings.Contains(said.String(), c.log) {
				t.Errorf("%s of %s, %s: the audit log says %q", path, c.tenants, c.header, said.String())
			}
		}
		// A role of any kind is enough for queues; usage is for who may read.
		s.o.Auth = writer
		w := ask(s, "GET", path+"?tenants=a,b", "", "Tenant", "a")
		if got, want := fmt.Sprint(w.Code), map[bool]string{true: "200", false: "403"}[path == "/v2/queues"]; got != want {
			t.Errorf("%s: %s %s", path, got, w.Body)
		}
	}
}
