package server

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"granary/api/edge"
)

// example is a path that the route answers.
func example(r edge.Route) string {
	return regexp.MustCompile(`\{[^}]+\}`).ReplaceAllStringFunc(r.Path, func(v string) string {
		form := r.Variables[strings.Trim(v, "{}")]
		switch {
		case v == "{key}":
			return "0af7651c0000"
		case form == "":
			return "some"
		case strings.Contains(form, "|"):
			word, _, _ := strings.Cut(form, "|") // the first of several words
			return word
		}
		return "0af7651c-0000-5000-8000-00000000000a" // the only other form there is
	})
}

// answers says whether the route answers the path, by its pattern.
func answers(r edge.Route, path string) bool {
	var p strings.Builder
	for rest := r.Path; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			p.WriteString(regexp.QuoteMeta(rest))
			break
		}
		end := open + strings.IndexByte(rest[open:], '}')
		form := r.Variables[rest[open+1:end]]
		if form == "" {
			form = "[^/]+"
		}
		p.WriteString(regexp.QuoteMeta(rest[:open]) + "(?:" + form + ")")
		rest = rest[end+1:]
	}
	if r.Deep {
		p.WriteString("(?:/.*)?")
	}
	return regexp.MustCompile("^" + p.String() + "$").MatchString(path)
}

// TestRouteTable builds the table of all routes from the routers. No method of a path has two owners, the dispatcher sends
// each path to the owner that claims it, and what later dialects need is claimed by nobody.
func TestRouteTable(t *testing.T) {
	s := unserved(t, configured(t, ""))
	d := s.handler()
	routes := d.Routes()
	if len(routes) < 10 {
		t.Fatalf("only %d routes: %+v", len(routes), routes)
	}
	owners := func(method, path string) []string {
		var list []string
		for _, r := range routes {
			if slices.Contains(r.Methods, method) && answers(r.Route, path) && !slices.Contains(list, r.Dialect) {
				list = append(list, r.Dialect)
			}
		}
		return list
	}
	for _, r := range routes {
		paths := []string{example(r.Route)}
		if r.Deep {
			paths = append(paths, paths[0]+"/", paths[0]+"/below/it")
		}
		for _, path := range paths {
			if owner := d.Owner(path); owner != r.Dialect {
				t.Errorf("%s is claimed by %s and sent to %q", path, r.Dialect, owner)
			}
			for _, method := range r.Methods {
				if list := owners(method, path); !slices.Equal(list, []string{r.Dialect}) {
					t.Errorf("%s %s has the owners %q", method, path, list)
				}
			}
		}
	}

	// What the table of the design says, as far as it is built.
	for _, c := range []struct{ path, methods, owner string }{
		{"/", "GET HEAD", "edge"},
		{"/healthz", "GET HEAD", "edge"},
		{"/readyz", "GET HEAD", "edge"},
		{"/metrics", "GET HEAD", "edge"},
		{"/api/query", "GET HEAD POST", "clustercockpit"},
		{"/api/query/", "GET HEAD POST", "clustercockpit"},
		{"/api/write", "POST", "clustercockpit"},
		{"/api/free/x", "POST", "clustercockpit"},
		{"/api/debug", "GET HEAD", "clustercockpit"},
		{"/api/healthcheck", "GET HEAD", "clustercockpit"},
		{"/openapi.yaml", "GET HEAD", "openapi"},
		{"/openapi.json", "GET HEAD", "openapi"},
		{"/docs/errors", "GET HEAD", "openapi"},
		{"/docs/errors/metric-unknown", "GET HEAD", "openapi"},
		{"/swagger", "GET HEAD", "openapi"},
		{"/swagger/index.html", "GET HEAD", "openapi"},
		{"/v2/status", "GET HEAD", "native"},
		{"/v2/capabilities", "GET HEAD", "native"},
		{"/v2/policies", "GET HEAD POST", "native"},
		{"/v2/policies/a%2Fb", "GET HEAD PATCH DELETE", "native"},
		{"/v2/rules", "GET HEAD POST", "native"},
		{"/v2/query", "GET HEAD POST", "native"},
		{"/v2/rules/x", "GET HEAD PATCH DELETE", "native"},
		{"/status", "GET", "coopr"},
		{"/v1/loom/metrics/queues", "GET", "coopr"},
		{"/v1/loom/metrics/nodes/usage", "GET", "coopr"},
		{"/v2/metrics/queues", "GET", "coopr"},
		{"/v2/metrics/nodes/usage", "GET", "coopr"},
		{"/v3/metrics/queues", "GET", "coopr"},
		{"/v3/metrics/nodes/usage", "GET", "coopr"},
		{"/hawkular/metrics", "GET HEAD", "hawkular"},
		{"/hawkular/metrics/status", "GET HEAD", "hawkular"},
		{"/v1", "GET", "gnocchi"},
		{"/gnocchi", "GET", "gnocchi"},
		{"/gnocchi/v1", "GET", "gnocchi"},
		{"/healthcheck", "GET", "gnocchi"},
		{"/api/v1/write", "POST", "prometheus"},
		{"/api/v1/push", "POST", "prometheus"},
		{"/prometheus/api/v1/write", "POST", "prometheus"},
		{"/receive", "POST", "prometheus"},
		{"/ping", "GET HEAD", "influx"},
		{"/health", "GET HEAD", "influx"},
		{"/write", "POST", "influx"},
		{"/query", "GET HEAD POST", "influx"},
		{"/api/v2/write", "POST", "influx"},
	} {
		for method := range strings.FieldsSeq(c.methods) {
			if list := owners(method, c.path); fmt.Sprint(list) != "["+c.owner+"]" {
				t.Errorf("%s %s has the owners %q, not %q", method, c.path, list, c.owner)
			}
		}
	}
}

// TestCleanedPaths: what only lies at a report of Coopr when the path is cleaned goes there too; all else below /v2 does not.
func TestCleanedPaths(t *testing.T) {
	s := unserved(t, configured(t, ""))
	for path, owner := range map[string]string{
		"/v2//metrics/queues": "coopr", "/v2/metrics/nodes//usage/": "coopr", "/x/../v1/loom/metrics": "coopr", "/v2/metrics": "native", "/v2//metrics": "native",
		"/v2/metrics/queuesx": "native", "/v2/metrics/nodes": "coopr", "/v1/loomx": "gnocchi", "/v3x": "",
	} {
		if got := s.handler().Owner(path); got != owner {
			t.Errorf("%s: %q, want %q", path, got, owner)
		}
	}
}

// TestNobodysPaths: who asks for JSON at a path that is nobody's is answered as Gnocchi does, all others in plain text.
func TestNobodysPaths(t *testing.T) {
	const off = "granary: {compat: {gnocchi: {enabled: false}}}"
	for _, c := range []struct{ config, accept, kind, body string }{
		{"", "application/json", "application/json", `{"code": 404, "title": "Not Found", "description": null}`},
		{"", "text/html;q=0.5, application/json", "application/json", `{"code": 404`},
		{"", "*/*", "text/plain", "404 page not found\n"},
		{"", "text/html", "text/plain", "404 page not found\n"},
		{off, "application/json", "text/plain", "404 page not found\n"},
	} {
		w := ask(unserved(t, configured(t, c.config)), there, "GET", "/v3x/y", "", "Accept", c.accept)
		if w.Code != 404 || !strings.HasPrefix(w.Header().Get("Content-Type"), c.kind) || !strings.HasPrefix(w.Body.String(), c.body) {
			t.Errorf("%q, %q: %d %q %q", c.config, c.accept, w.Code, w.Header(), w.Body)
		}
	}
}

// TestRoutesThatAreOff: a dialect that is turned off has no routes.
func TestRoutesThatAreOff(t *testing.T) {
	s := unserved(t, configured(t, "granary: {native: {enabled: false}, compat: {clustercockpit: {enabled: false}, coopr: {enabled: false}, hawkular: {enabled: false}, gnocchi: {enabled: false}, prometheus: {enabled: false}, influx: {enabled: false}}}"))
	for _, r := range s.handler().Routes() {
		if r.Dialect == "native" || r.Dialect == "clustercockpit" || r.Dialect == "coopr" || r.Dialect == "hawkular" || r.Dialect == "gnocchi" || r.Dialect == "prometheus" || r.Dialect == "influx" {
			t.Errorf("%+v", r)
		}
	}
	page := ask(s, here, "GET", "/", "", "Accept", "text/html").Body.String()
	if strings.Contains(page, "/v2") || strings.Contains(page, "/api") || strings.Contains(page, "/hawkular") || strings.Contains(page, "/v1") || strings.Contains(page, "/receive") {
		t.Errorf("the landing page names what is off: %s", page)
	}
}
