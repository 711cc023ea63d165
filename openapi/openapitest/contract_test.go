package openapitest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const document = `{
  "tags": [{"name": "slack", "x-granary-slash": true}],
  "paths": {
    "/short/{kind}/{id}": {"x-granary-same": ["/s/{kind}/{id}"], "parameters": [{"name": "kind", "in": "path", "schema": {"enum": ["a", "b"]}}],
      "get": {"tags": ["slack"], "operationId": "short", "responses": {"204": {"description": "done"}}}},
    "/short/{kind}": {"get": {"tags": ["slack"], "operationId": "whole", "parameters": [{"name": "kind", "in": "path", "schema": {"enum": ["a"]}}], "responses": {
      "200": {"x-granary-bare": true, "content": {"application/json": {"schema": {"type": "object"}}}}, "204": {"description": "done"}}}},
    "/things/{id}": {"get": {"operationId": "thing", "responses": {
      "200": {"headers": {"ETag": {"required": true, "schema": {"type": "string"}}, "X-Granary-Count": {"$ref": "#/components/headers/Count"}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}, "application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Thing"}}, "text/csv": {"schema": {"type": "string", "pattern": "^a,b\n"}}}},
      "304": {"description": "same"},
      "default": {"$ref": "#/components/responses/Fault"}}}},
    "/things/all": {"x-granary-deep": true, "post": {"x-granary-also": ["PUT"], "operationId": "all", "responses": {"204": {"description": "done"}}}}
  },
  "components": {
    "headers": {"Count": {"schema": {"type": "integer"}}},
    "responses": {"Fault": {"content": {"application/problem+json": {"schema": {"type": "object", "required": ["code"]}}}}},
    "schemas": {"Thing": {"type": "object", "required": ["a"], "additionalProperties": false, "properties": {"a": {"type": "integer"}, "in": {"$ref": "#/components/schemas/Thing"}}}}
  }
}`

func TestCheck(t *testing.T) {
	c, err := New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []struct {
		method, path string
		status       int
		header, body string
		want         string // part of the error, "" for none
	}{
		{"GET", "/things/7", 200, "Content-Type: application/json; charset=utf-8\nETag: x", `{"a":1,"in":{"a":2}}`, ""},
		{"HEAD", "/things/7", 200, "ETag: x", "", ""},
		{"GET", "/things/7", 304, "", "", ""},
		{"GET", "/things/7", 418, "Content-Type: application/problem+json", `{"code":"x"}`, ""},
		{"GET", "/things/7", 418, "Content-Type: application/problem+json", `{}`, "missing property"},
		{"GET", "/things/7", 200, "Content-Type: application/json", `{"a":1}`, "Etag is missing"},
		{"GET", "/things/7", 200, "Content-Type: application/json\nETag: x", `{"a":1.5}`, "got number, want integer"},
		{"GET", "/things/7", 200, "Content-Type: application/json\nETag: x", `{"a":1,"in":{"a":2,"b":3}}`, "additional properties"},
		{"GET", "/things/7", 200, "Content-Type: application/json\nETag: x", `{"a":1`, "EOF"},
		{"GET", "/things/7", 200, "Content-Type: application/json\nETag: x", "", "there is no body"},
		{"GET", "/short/a", 200, "Content-Type: application/json", "", ""},
		{"GET", "/short/a", 200, "Content-Type: application/json", "[]", "got array"},
		{"GET", "/things/7", 200, "Content-Type: application/xml\nETag: x", "<a/>", "media type application/xml"},
		{"GET", "/things/7", 200, "ETag: x", "a", "Content-Type"},
		{"GET", "/things/7", 200, "Content-Type: text/csv\nETag: x", "a,b\n1,2\n", ""},
		{"GET", "/things/7", 200, "Content-Type: text/csv\nETag: x", "b\n", "pattern"},
		{"GET", "/things/7", 200, "Content-Type: application/x-ndjson\nETag: x", "{\"a\":1}\n{\"a\":2}\n", ""},
		{"GET", "/things/7", 200, "Content-Type: application/x-ndjson\nETag: x", "{\"a\":1}\n{\"b\":2}\n", "missing property"},
		{"GET", "/things/7", 200, "Content-Type: text/csv\nETag: x\nX-Granary-Count: 7", "a,b\n", ""},
		{"GET", "/things/7", 200, "Content-Type: text/csv\nETag: x\nX-Granary-Count: 7.5", "a,b\n", "X-Granary-Count"},
		{"GET", "/things/7", 200, "Content-Type: text/csv\nETag: x\nX-Granary-New: 7", "a,b\n", "does not have the header X-Granary-New"},
		{"GET", "/things/7", 304, "Content-Type: text/plain", "same", "media type text/plain"},
		{"POST", "/things/all", 204, "", "", ""},
		{"POST", "/things/all/of/them", 204, "", "", ""},
		{"POST", "/things/all", 200, "", "", "does not have the status"},
		{"POST", "/things/7", 200, "", "", "not the method"},
		{"POST", "/things/7", 405, "", "", ""},
		{"GET", "/things/7/8", 404, "", "", ""},
		{"GET", "/things/7/8", 200, "", "", "does not have the path"},
		{"OPTIONS", "/things/7", 204, "", "", ""},
	} {
		header := http.Header{}
		for line := range strings.Lines(a.header) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			header.Set(name, value)
		}
		err := c.Check(Answer{a.method, a.path, a.status, header, []byte(a.body)})
		if (err == nil) != (a.want == "") || err != nil && !strings.Contains(err.Error(), a.want) {
			t.Errorf("%s %s %d %q %q: %v, want %q", a.method, a.path, a.status, a.header, a.body, err, a.want)
		}
	}
}

func TestFind(t *testing.T) {
	c, err := New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		method, path, id string
		known            bool
	}{
		{"GET", "/things/7", "thing", true}, {"HEAD", "/things/7", "thing", true}, {"GET", "/things/all", "thing", true}, {"POST", "/things/all", "all", true},
		{"GET", "/short/a/1", "short", true}, {"HEAD", "/s/b/1/", "short", true}, {"GET", "/short/c/1", "", false}, {"GET", "/short/a/", "whole", true}, {"GET", "/short/b", "", false},
		{"POST", "/things/all/", "all", true}, {"GET", "/things", "", false}, {"PUT", "/things/7", "", true}, {"PUT", "/things/all", "all", true},
	} {
		op, found, known := c.Find(f.method, f.path)
		if op.ID() != f.id || found != (f.id != "") || known != f.known {
			t.Errorf("%s %s: %q %v %v", f.method, f.path, op.ID(), found, known)
		}
	}
	if len(c.Operations()) != 6 {
		t.Errorf("%v", c.Operations())
	}
	if _, err := New([]byte("{")); err == nil {
		t.Error("half a document is one")
	}
}

func TestTransport(t *testing.T) {
	c, err := New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/things/broken" {
			w.Header().Set("Content-Length", "100")
		}
		w.Header().Set("ETag", "x")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"a":` + r.URL.Path[len("/things/"):] + `}`))
	}))
	defer s.Close()
	var reports []error
	client := &http.Client{Transport: &Transport{Base: http.DefaultTransport, Contract: c, Report: func(err error) { reports = append(reports, err) }}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]int{"7": 0, "x": 1, "broken": 0} {
		reports = nil
		res, err := client.Get(s.URL + "/things/" + path)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, _ := res.Body.Read(b)
		res.Body.Close()
		if len(reports) != want || string(b[:n]) != `{"a":`+path+`}` {
			t.Errorf("%s: %v, %s", path, reports, b[:n])
		}
	}
}

func TestCheckRequest(t *testing.T) {
	const document = `{"paths": {"/things": {
	  "get": {"parameters": [{"name": "a", "in": "query", "x-granary-alias": "b"}, {"name": "H", "in": "header"}], "responses": {}},
	  "delete": {"responses": {}},
	  "post": {"x-granary-also": ["PUT"], "responses": {}, "requestBody": {"content": {"application/json": {"schema": {"type": "integer"}}, "text/plain": {"schema": {"type": "string"}}}}}}}}`
	c, err := New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ method, path, query, contentType, body, want string }{
		{"GET", "/things", "a=1&b=2", "", "", ""},
		{"GET", "/things", "c=1", "", "", "parameter c"},
		{"GET", "/things", "H=1", "", "", "parameter H"},
		{"GET", "/things", "", "application/json", "1", ""},
		{"DELETE", "/things", "", "application/json", "1", "does not have a body"},
		{"POST", "/things", "", "application/json; charset=utf-8", "1", ""},
		{"PUT", "/things", "", "application/json", `"1"`, "got string, want integer"},
		{"POST", "/things", "", "application/json", `"1"`, "got string, want integer"},
		{"POST", "/things", "", "text/plain", "1", ""},
		{"POST", "/things", "", "", "1", ""},
		{"POST", "/nothing", "", "", "1", ""},
	} {
		query, err := url.ParseQuery(r.query)
		if err != nil {
			t.Fatal(err)
		}
		err = c.CheckRequest(Request{r.method, r.path, query, r.contentType, []byte(r.body)})
		if (err == nil) != (r.want == "") || err != nil && !strings.Contains(err.Error(), r.want) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
