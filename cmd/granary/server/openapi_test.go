package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"granary/api/edge"
	"granary/openapi"
	"granary/openapi/openapitest"
)

func contract(t testing.TB) *openapitest.Contract {
	t.Helper()
	doc, err := openapi.Joined()
	if err != nil {
		t.Fatal(err)
	}
	c, err := openapitest.New(doc.JSON)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryRouteIsDocumented holds the routes of all dialects and the document against each other, in both directions.
func TestEveryRouteIsDocumented(t *testing.T) {
	s := unserved(t, configured(t, ""))
	documented := map[string]bool{}
	deep := map[string]bool{}
	for _, o := range contract(t).Operations() {
		documented[o.Method+" "+o.Path] = true
		deep[o.Path] = o.Deep
	}
	routed := map[string]bool{}
	for _, r := range s.http.Handler.(*edge.Dispatcher).Routes() {
		for _, at := range documentedAs(r) {
			method, path, _ := strings.Cut(at, " ")
			switch {
			case routed[at]:
				t.Errorf("%s is routed twice", at)
			case method == http.MethodOptions, method == http.MethodHead && slices.Contains(r.Methods, http.MethodGet):
				// Said for all operations at once.
			case !documented[at]:
				t.Errorf("%s of %s is not in the document", at, r.Dialect)
			case documented[at] && deep[path] != r.Deep:
				t.Errorf("%s: deep is %v, and %v in the document", at, r.Deep, deep[path])
			}
			routed[at] = true
		}
	}
	for at := range documented {
		if !routed[at] {
			t.Errorf("%s is in the document and not routed", at)
		}
	}
}

// documentedAs are the methods and paths of a route as the document has them: a variable that stands for two names of one thing is
// spelt out, and one for the types that have numbers is called type there.
func documentedAs(r edge.OwnedRoute) (all []string) {
	paths := []string{strings.ReplaceAll(r.Path, "{numbers}", "{type}")}
	if form := r.Variables["metrics"]; strings.Contains(r.Path, "{metrics}") {
		path := paths[0]
		paths = nil
		for name := range strings.SplitSeq(form, "|") {
			paths = append(paths, strings.ReplaceAll(path, "{metrics}", name))
		}
	}
	for _, path := range paths {
		for _, method := range r.Methods {
			all = append(all, method+" "+path)
		}
	}
	return all
}

// TestEveryOperationAnswersAsDocumented asks every operation with no more than its path, of a service that demands identities with a
// token of each role too. What it answers, mostly that something is missing, has to be in the document; that a path or a method does
// not exist is no answer.
func TestEveryOperationAnswersAsDocumented(t *testing.T) {
	c := contract(t)
	open := running(t, configured(t, ""))
	guarded := running(t, configured(t, "main: {jwt-public-key: "+publicKey+`}
granary:
  identity:
    failures: {allowed: 0}
    tokens:
      - {name: r, token: token-of-a-reader, roles: [reader], tenants: [a]}
      - {name: w, token: token-of-a-writer, roles: [writer], tenants: [a]}
      - {name: a, token: token-of-an-admin, roles: [admin], tenants: [a]}
      - {name: s, token: token-of-several, roles: [reader, writer], tenants: [a, b]}
      - {name: o, token: token-of-an-operator, roles: [operator]}
`))
	for name, to := range map[string]struct {
		s      *Server
		header []string
	}{
		"ready": {s: open}, "starting": {s: unserved(t, configured(t, ""))}, "guarded": {s: guarded}, "as a stranger": {guarded, []string{"Authorization", "Bearer nobody"}},
		"as a reader": {guarded, []string{"Authorization", "Bearer token-of-a-reader"}}, "as a writer": {guarded, []string{"Authorization", "Token token-of-a-writer"}},
		"as an admin": {guarded, []string{"X-Api-Key", "token-of-an-admin"}}, "as one of several": {guarded, []string{"X-Api-Key", "token-of-several"}},
		"elsewhere":      {guarded, []string{"X-Api-Key", "token-of-a-reader", "Tenant", "b"}},
		"as an operator": {guarded, []string{"Authorization", "Bearer token-of-an-operator"}}, "as two": {guarded, []string{"Authorization", "Bearer x", "X-Api-Key", "y"}},
	} {
		for _, o := range c.Operations() {
			for _, method := range []string{o.Method, http.MethodHead} {
				if method == http.MethodHead && (o.Method != http.MethodGet || o.Alone) {
					continue
				}
				path := strings.NewReplacer("{file}", "index.html", "{type}", "gauges", "{id}", "00000000-0000-0000-0000-000000000000", "{key}", "000000000000", "{", "", "}", "").Replace(o.Path)
				w := ask(to.s, here, method, path, "", to.header...)
				if w.Code == http.StatusMethodNotAllowed || w.Code == http.StatusNotFound && strings.Contains(w.Body.String(), "route-unknown") {
					t.Errorf("%s: %s %s: %d %s", name, method, path, w.Code, w.Body)
				}
				err := c.Check(openapitest.Answer{Method: method, Path: path, Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// TestExamplesOfTheDocumentWork: who reads the document, or sends the examples of the page as they are, has success. First
// what makes something, then what reads, then what changes and deletes.
func TestExamplesOfTheDocumentWork(t *testing.T) {
	c, s := contract(t), running(t, configured(t, ""))
	missing := map[string]string{ // operations whose examples have to meet something that is not there
		"GET /v2/metrics/{id}": "the id is that of no metric", "PATCH /v2/metrics/{id}": "the id is that of no metric", "DELETE /v2/metrics/{id}": "the id is that of no metric",
		"GET /v2/keys/{key}": "ids are random", "PATCH /v2/keys/{key}": "ids are random", "DELETE /v2/keys/{key}": "ids are random",
		"GET /v1/metric/{id}": "ids are random", "DELETE /v1/metric/{id}": "ids are random", "GET /v1/metric/{id}/measures": "ids are random", "POST /v1/metric/{id}/measures": "ids are random",
		"DELETE /v1/resource/{type}/{id}/metric/{name}": "the resource has gone before",
		"POST /v1/prometheus/write":                     "the example is empty, since bytes are no text",
		"GET /api/debug":                                "the samples of the example are older than the retention",
	}
	rank := func(o openapitest.Operation) int {
		switch {
		case o.Method == http.MethodDelete, strings.HasSuffix(o.Path, "/delete"):
			return 3
		case o.Method == http.MethodPatch:
			return 2
		case o.Method == http.MethodGet:
			return 1
		}
		return 0
	}
	operations := c.Operations()
	slices.SortStableFunc(operations, func(a, b openapitest.Operation) int {
		if r := rank(a) - rank(b); r != 0 {
			return r
		}
		order := strings.Compare(first(a.Path), first(b.Path))
		if rank(a) == 3 {
			order = -order
		}
		return order
	})
	sent := 0
	for _, o := range operations {
		if o.Also {
			continue
		}
		examples, err := c.Examples(o)
		if err != nil {
			t.Error(err)
			continue
		}
		at := o.Method + " " + o.Path
		if len(examples) == 0 {
			t.Errorf("%s has no example", at)
		}
		for _, e := range examples {
			var header []string
			for name := range e.Header {
				header = append(header, name, e.Header.Get(name))
			}
			w := ask(s, here, e.Method, e.Target, string(e.Body), header...)
			err := c.Check(openapitest.Answer{Method: e.Method, Path: strings.Split(e.Target, "?")[0], Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()})
			if err != nil {
				t.Error(err)
			}
			if (w.Code >= 400) != (missing[at] != "") {
				t.Errorf("%s %s: %d %s\n%s", at, e.Name, w.Code, w.Body, e.Body)
			}
			sent++
		}
	}
	if sent < 40 {
		t.Errorf("only %d examples", sent)
	}
}

// first orders what is made: tenants, policies and resources are named by others.
func first(path string) string {
	for i, prefix := range []string{"/v2/tenants", "/v2/policies", "/v2/rules", "/v1/resource_type", "/v1/resource/{type}", "/v1/influxdb/query"} {
		if strings.HasPrefix(path, prefix) {
			return string(rune('0' + i))
		}
	}
	return "9" + path
}
