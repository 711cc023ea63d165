package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestCooprIdentity: the key has to be the user's, the tenant one of the key's, and an administrator one by right as well as by
// name. Usage goes through from samples to the report, with who wrote them as the user of a node.
func TestCooprIdentity(t *testing.T) {
	s := running(t, configured(t, `
granary:
  identity:
    tokens:
      - {name: admin, token: the-operator-of-all, roles: [operator]}
      - {name: admin, token: the-admin-of-shop-x, roles: [admin], tenants: [shop]}
      - {name: admin, token: the-reader-of-shop-, roles: [reader], tenants: [shop]}
      - {name: george, token: the-writer-of-shop-, roles: [reader, writer], tenants: [shop]}
`))
	now := time.Now().Unix() - 7200
	for tenant, token := range map[string]string{"shop": "the-writer-of-shop-", "lab": "the-operator-of-all"} {
		body := fmt.Sprintf("load,cluster=c,hostname=h value=1 %d\nload,cluster=c,hostname=h value=1 %d\n", now, now+60)
		w := ask(s, there, http.MethodPost, "/v2/measures", body, "Authorization", "Bearer "+token, "Tenant", tenant, "Content-Type", "text/plain")
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	usage := fmt.Sprintf("/v2/metrics/nodes/usage?start=%d&end=%d", now, now+3600)
	const queues = "/v1/loom//metrics/queues"
	for _, c := range []struct {
		path, user, tenant, key string
		status                  int
		want                    string
	}{
		{queues, "admin", "superadmin", "the-operator-of-all", 200, `{"lab":{"queued":0,"inProgress":0,"total":0},"shop":{`},
		{queues, "admin", "shop", "the-admin-of-shop-x", 200, `{"shop":{"queued":0,"inProgress":0,"total":0}}`},
		{queues, "admin", "shop", "the-operator-of-all", 200, `{"shop":{"queued":0,"inProgress":0,"total":0}}`},
		{queues, "admin", "superadmin", "the-admin-of-shop-x", 403, "Forbidden to get queue metrics."},
		{queues, "admin", "shop", "the-reader-of-shop-", 403, "Forbidden to get queue metrics."},
		{queues, "george", "shop", "the-writer-of-shop-", 403, "Forbidden to get queue metrics."},
		{queues, "admin", "shop", "the-writer-of-shop-", 401, "Coopr-ApiKey is not that of Coopr-UserID."},
		{queues, "admin", "lab", "the-admin-of-shop-x", 404, "Tenant does not exist."},
		{queues, "admin", "nobody", "the-admin-of-shop-x", 404, "Tenant does not exist."},
		{queues, "admin", "shop", "", 401, "Coopr-ApiKey not found in request headers."},
		{queues, "admin", "shop", "a-key-of-nobody-here", 401, ""},
		{usage, "admin", "superadmin", "the-operator-of-all", 200, fmt.Sprintf(`{"start":%d,"end":%d,"data":[{"time":%d,"value":720}]}`, now, now+3600, now)},
		{usage, "admin", "shop", "the-admin-of-shop-x", 200, fmt.Sprintf(`{"start":%d,"end":%d,"data":[{"time":%d,"value":360}]}`, now, now+3600, now)},
		{usage + "&tenant=lab", "admin", "superadmin", "the-operator-of-all", 200, fmt.Sprintf(`{"start":%d,"end":%d,"data":[{"time":%d,"value":360}]}`, now, now+3600, now)},
		{usage + "&tenant=none", "admin", "superadmin", "the-operator-of-all", 200, fmt.Sprintf(`{"start":%d,"end":%d,"data":[{"time":%d,"value":0}]}`, now, now+3600, now)},
		{usage + "&user=george", "admin", "superadmin", "the-operator-of-all", 200, fmt.Sprintf(`{"start":%d,"end":%d,"data":[{"time":%d,"value":360}]}`, now, now+3600, now)},
		{usage + "&user=", "admin", "superadmin", "the-operator-of-all", 200, fmt.Sprintf(`{"start":%d,"end":%d,"data":[{"time":%d,"value":0}]}`, now, now+3600, now)},
		{usage + "&cluster=c", "admin", "shop", "the-admin-of-shop-x", 200, fmt.Sprintf(`{"start":%d,"end":%d,"data":[{"time":%d,"value":360}]}`, now, now+3600, now)},
		{usage + "&clustertemplate=x", "admin", "shop", "the-admin-of-shop-x", 200, fmt.Sprintf(`{"start":%d,"end":%d,"data":[{"time":%d,"value":0}]}`, now, now+3600, now)},
		{usage, "george", "shop", "the-writer-of-shop-", 403, "Forbidden to get node usage metrics."},
	} {
		header := []string{"Coopr-UserID", c.user, "Coopr-TenantID", c.tenant}
		if c.key != "" {
			header = append(header, "X-Loom-ApiKey", c.key)
		}
		w := ask(s, there, http.MethodGet, c.path, "", header...)
		if w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.want) {
			t.Errorf("%s as %s of %s: %d %s\nwant %d %s", c.path, c.user, c.tenant, w.Code, w.Body, c.status, c.want)
		}
	}
	if w := ask(s, there, http.MethodGet, "/status", ""); w.Code != 200 || w.Body.String() != "OK\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// An open service believes the headers, from this machine, as Coopr did.
	open := running(t, configured(t, ""))
	for from, status := range map[string]int{here: 200, there: 403} {
		if w := ask(open, from, http.MethodGet, "/v2/metrics/queues", "", "Coopr-UserID", "admin", "Coopr-TenantID", "superadmin", "Coopr-ApiKey", "whatever"); w.Code != status {
			t.Errorf("%s: %d %s", from, w.Code, w.Body)
		}
	}
}
