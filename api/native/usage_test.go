package native

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"granary/tenant"
	"granary/tenant/identity"
)

func TestUsageOfTenants(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	for _, id := range []string{"a", "b"} {
		s.write(t, `[{"name":"cpu","tags":{"host":"h1"},"samples":[[1769860000,1],[1769860060,2],[1769860600,3]]},{"name":"mem","tags":{"host":"h2","owner":"o,x"},"samples":[[1769860000,1]]},{"name":"none","samples":[[1769860000,1]]}]`, "Tenant", id)
	}
	get := func(path string, header ...string) string {
		t.Helper()
		w := ask(s, "GET", path, "", header...)
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	const row = `"start":1769860800000,"end":1769864400000,"samples":5,"bytes":210,"series":3,"series_peak":3,"series_hours":3,"series_created":3,"series_removed":0,"queries":0,"samples_read":0,"bytes_sent":0}`
	const range1 = "start=2026-01-31T11:00:00Z&end=2026-01-31T13:00:00Z"
	for _, c := range []struct{ path, want string }{
		{"/v2/usage?" + range1, `200 {"by":"hour","usage":[{"tenant":"a","number":1,` + row + "]}\n"},
		{"/v2/usage?tenants=*&" + range1, `200 {"by":"hour","usage":[{"tenant":"a","number":1,` + row + `,{"tenant":"b","number":2,` + row + "]}\n"},
		{"/v2/usage?tenants=b,x&by=month&start=2025-12-05T00:00:00Z&end=2026-03-01T00:00:00Z", `200 {"by":"month","usage":[{"tenant":"b","number":2,` +
			strings.Replace(strings.Replace(row, "1769860800000", "1767225600000", 1), "1769864400000", "1769904000000", 1) + "]}\n"},
		{"/v2/usage?format=csv&times=s&" + range1, "200 tenant,number,start,end,samples,bytes,series,series_peak,series_hours,series_created,series_removed,queries,samples_read,bytes_sent,deleted\r\n" +
			"a,1,1769860800,1769864400,5,210,3,3,3,3,0,0,0,0,false\r\n"},
		{"/v2/usage/nodes?start=0&limit=1", `200 {"nodes":[{"tenant":"a","number":1,"name":"h1","hours":0.15555555555555556,"lives":[{"start":1769860000000,"end":1769860360000},{"start":1769860600000,"end":1769860800000,"running":true}]}],"next":"AAAAAQABaDEAAQABAAE"}` + "\n"},
	} {
		if got := get(c.path, "Tenant", "a"); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.path, got, c.want)
		}
	}
	page := get("/v2/usage/nodes?start=0&cursor=AAAAAQABaDEAAQABAAE&tenants=*&format=csv&times=s")
	if want := "200 tenant,number,cluster,name,user,template,start,end,running,hours\r\na,1,,h2,\"o,x\",,1769860000,1769860300,false,0.08333333333333333\r\n" +
		"b,2,,h1,,,1769860000,1769860360,false,0.1\r\nb,2,,h1,,,1769860600,1769860800,true,0.05555555555555555\r\nb,2,,h2,\"o,x\",,1769860000,1769860300,false,0.08333333333333333\r\n"; page != want {
		t.Errorf("got\n%s\nwant\n%s", page, want)
	}
	for path, code := range map[string]int{
		"/v2/usage?by=week": 400, "/v2/usage?start=now&end=now-1h": 400, "/v2/usage?tenants=a/b": 400, "/v2/usage?start=-5": 400, "/v2/usage?format=xml": 400,
		"/v2/usage/nodes?cursor=x": 400, "/v2/usage/nodes?limit=0": 400, "/v2/usage/nodes?start=now&end=now-1h": 400, "/v2/usage?colour=red": 400,
	} {
		if w := ask(s, "GET", path, ""); w.Code != code {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, code)
		}
	}
	// Who may read in one tenant sees that one, and no numbers.
	s.o.Auth = asUser{identity.New("me", identity.Token, "me", 0, identity.Grant{Tenant: "a", Roles: identity.Reader})}
	if got := get("/v2/usage?tenants=a&"+range1, "Tenant", "a"); got != `200 {"by":"hour","usage":[{"tenant":"a",`+row+"]}\n" {
		t.Error(got)
	}
	for _, path := range []string{"/v2/usage?tenants=*", "/v2/usage?tenants=a,b", "/v2/usage/nodes?tenants=b", "/v2/usage/nodes?tenants=nobody"} {
		if w := ask(s, "GET", path, "", "Tenant", "a"); w.Code != 403 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

type asUser struct{ i *identity.Identity }

func (u asUser) Authenticate(*http.Request) (*identity.Identity, error) { return u.i, nil }
