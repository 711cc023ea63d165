package server

import (
	"fmt"
	"strings"
	"testing"

	"granary/api/edge"
	"granary/compat/gnocchi"
)

// gnocchiDemands are what all operations of the dialect ask of identities of Granary: nothing, to read, to write, to delete, or to be an operator.
var gnocchiDemands = map[string]string{
	"GET /v1": "open", "GET /healthcheck": "open",

	"GET /v1/capabilities": "read", "GET /v1/status": "operate",
	"GET /v1/archive_policy": "read", "POST /v1/archive_policy": "operate", "GET /v1/archive_policy/{name}": "read", "PATCH /v1/archive_policy/{name}": "operate", "DELETE /v1/archive_policy/{name}": "operate",
	"GET /v1/archive_policy_rule": "read", "POST /v1/archive_policy_rule": "operate", "GET /v1/archive_policy_rule/{name}": "read", "PATCH /v1/archive_policy_rule/{name}": "operate", "DELETE /v1/archive_policy_rule/{name}": "operate",
	"GET /v1/metric": "read", "POST /v1/metric": "write", "GET /v1/metric/{id}": "read", "DELETE /v1/metric/{id}": "manage",
	"GET /v1/metric/{id}/measures": "read", "POST /v1/metric/{id}/measures": "write",
	"POST /v1/batch/metrics/measures": "write", "POST /v1/batch/resources/metrics/measures": "write",
	"GET /v1/resource": "read", "GET /v1/resource/{type}": "read", "POST /v1/resource/{type}": "write", "DELETE /v1/resource/{type}": "manage",
	"GET /v1/resource/{type}/{id}": "read", "PATCH /v1/resource/{type}/{id}": "write", "DELETE /v1/resource/{type}/{id}": "manage", "GET /v1/resource/{type}/{id}/history": "read",
	"GET /v1/resource/{type}/{id}/metric": "read", "POST /v1/resource/{type}/{id}/metric": "write", "GET /v1/resource/{type}/{id}/metric/{name}": "read",
	"GET /v1/resource/{type}/{id}/metric/{name}/measures": "read", "POST /v1/resource/{type}/{id}/metric/{name}/measures": "write",
	"GET /v1/resource_type": "read", "POST /v1/resource_type": "operate", "GET /v1/resource_type/{type}": "read", "PATCH /v1/resource_type/{type}": "operate", "DELETE /v1/resource_type/{type}": "operate",
	"POST /v1/search/resource/{type}": "read", "POST /v1/search/metric": "read", "POST /v1/aggregates": "read", "DELETE /v1/resource/{type}/{id}/metric/{name}": "manage",
	"GET /v1/influxdb/ping": "open", "HEAD /v1/influxdb/ping": "open", "POST /v1/influxdb/query": "read", "POST /v1/influxdb/write": "write", "POST /v1/prometheus/write": "write",
	"GET /v1/aggregation/metric": "read", "POST /v1/aggregation/metric": "read", "POST /v1/aggregation/resource/{type}/metric/{name}": "read",
}

// TestGnocchiRights asks for every operation without rights, with too few and with enough. An operation that is not in the table fails the test.
func TestGnocchiRights(t *testing.T) {
	token := func(name string) string { return "0123456789-of-" + name + "-0123456789" }
	var list []string
	for name, grants := range map[string]string{
		"reader": "roles: [reader], tenants: [shop]", "writer": "roles: [writer], tenants: [shop]", "admin": "roles: [admin], tenants: [shop]",
		"other": "roles: [admin], tenants: [lab]", "operator": "roles: [operator]",
	} {
		list = append(list, fmt.Sprintf("{name: %s, token: %s, %s}", name, token(name), grants))
	}
	s := running(t, configured(t, "granary: {identity: {failures: {allowed: 0}, tokens: ["+strings.Join(list, ", ")+"]}}"))
	const id = "5f3c4d5e-1111-4222-8333-444455556666"
	bodies := map[string]string{
		"POST /v1/archive_policy": `{"name":"%d","definition":[{"granularity":"1s"}]}`, "PATCH /v1/archive_policy/{name}": `{"definition":[{"granularity":"1s"}]}`,
		"POST /v1/archive_policy_rule": `{"name":"%d","metric_pattern":"x%d","archive_policy_name":"low"}`, "PATCH /v1/archive_policy_rule/{name}": `{"name":"%d"}`,
		"POST /v1/resource_type": `{"name":"t%d"}`, "PATCH /v1/resource_type/{type}": `[]`, "POST /v1/resource/{type}": `{"id":"5f3c4d5e-2222-4222-8333-%012d"}`,
	}
	callers := []struct {
		name, token, tenant, bound string
		known                      bool
		may                        string
	}{
		{"nobody", "", "", "", false, ""}, {"a wrong token", "wrong-wrong-wrong-wrong", "", "", false, ""}, {"a wrong token", "gk_0123456789ab_" + strings.Repeat("A", 43), "", "", false, ""},
		{"a reader", token("reader"), "", "", true, "read"}, {"a writer", token("writer"), "", "", true, "write"}, {"an administrator", token("admin"), "", "", true, "read write manage"},
		{"an administrator of another tenant", token("other"), "shop", "", true, ""}, {"an operator", token("operator"), "shop", "", true, "read write manage operate"},
		{"an operator bound by a proxy", token("operator"), "", "shop", true, "read write manage"},
	}
	seen, n := map[string]bool{}, 0
	for _, r := range s.http.Handler.(*edge.Dispatcher).Routes() {
		if r.Dialect != gnocchi.Name || strings.HasPrefix(r.Path, gnocchi.PrefixOther) {
			continue
		}
		for _, method := range r.Methods {
			op := method + " " + r.Path
			seen[op] = true
			needs, ok := gnocchiDemands[op]
			if !ok {
				t.Errorf("%s is not in the table: what does it demand?", op)
				continue
			}
			for _, c := range callers {
				for _, prefix := range []string{"", gnocchi.PrefixOther} {
					if prefix != "" && r.Path == gnocchi.PathHealth {
						continue
					}
					n++
					body := bodies[op]
					if body == "" {
						body = "{}"
					}
					body = strings.ReplaceAll(strings.ReplaceAll(body, "%012d", fmt.Sprintf("%012d", n)), "%d", fmt.Sprint(n))
					path := prefix + strings.NewReplacer("{id}", id, "{type}", "generic", "{name}", "low").Replace(r.Path)
					if strings.Contains(r.Path, "resource_type") {
						path = strings.ReplaceAll(path, "generic", "nothing")
					}
					header := []string{"X-Auth-Token", c.token, "Accept", "application/json, text/html;q=0.5"}
					if c.tenant != "" {
						header = append(header, "Tenant", c.tenant)
					}
					if c.bound != "" {
						header = append(header, "X-Project-Id", c.bound)
					}
					from := there
					if c.bound != "" {
						from = here
					}
					w := askGnocchi(s, from, method, path, body, header...)
					may := needs == "open" || strings.Contains(c.may, needs)
					switch {
					case w.Code >= 500:
						t.Errorf("%s fails for %s: %d %s", op, c.name, w.Code, w.Body)
					case may && (w.Code == 401 || w.Code == 403):
						t.Errorf("%s is refused to %s: %d %s", op, c.name, w.Code, w.Body)
					case may:
					case !c.known && (w.Code != 401 || w.Header().Get("Www-Authenticate") == ""):
						t.Errorf("%s lets %s in: %d %q %s", op, c.name, w.Code, w.Header(), w.Body)
					case c.known && w.Code == 404 && needs == "operate" && strings.Contains(r.Path, "{"): // who may look finds no such thing
					case c.known && (w.Code != 403 || w.Header().Get(gnocchi.ErrorHeader) == ""):
						t.Errorf("%s lets %s in, who may not: %d %s", op, c.name, w.Code, w.Body)
					}
				}
			}
		}
	}
	for op := range gnocchiDemands {
		if !seen[op] {
			t.Errorf("there is no %s", op)
		}
	}
}
