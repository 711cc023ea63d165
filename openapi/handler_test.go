package openapi

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"granary/docs"
)

func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	h, doc := New(Options{Page: true}), joined(t)
	page := func(name string) []byte {
		b, err := docs.Errors.ReadFile("errors/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		path, contentType string
		body              []byte
	}{
		{"/openapi.yaml", "application/yaml", doc.YAML},
		{"/openapi.json", "application/json", doc.JSON},
		{"/docs/errors", "text/plain; charset=utf-8", page("README")},
		{"/docs/errors/", "text/plain; charset=utf-8", page("README")},
		{"/docs/errors/metric-unknown", "text/plain; charset=utf-8", page("metric-unknown")},
		{"/docs/errors/metric-unknown.md", "text/plain; charset=utf-8", page("metric-unknown")},
		{"/swagger/doc.json", "application/json", doc.JSON},
		{"/swagger/index.html", "text/html; charset=utf-8", nil},
		{"/swagger/start.js", "text/javascript; charset=utf-8", nil},
		{"/swagger/swagger-ui-bundle.js", "text/javascript; charset=utf-8", nil},
		{"/swagger/swagger-ui.css", "text/css; charset=utf-8", nil},
		{"/swagger/favicon-32x32.png", "image/png", nil},
	} {
		plain := ask(h, http.MethodGet, c.path)
		tag := plain.Header().Get("ETag")
		if plain.Code != http.StatusOK || plain.Header().Get("Content-Type") != c.contentType || tag == "" || plain.Body.Len() == 0 {
			t.Errorf("%s: %d %v, %d bytes", c.path, plain.Code, plain.Header(), plain.Body.Len())
		}
		if c.body != nil && !bytes.Equal(plain.Body.Bytes(), c.body) {
			t.Errorf("%s is not the document", c.path)
		}
		if !strings.Contains(plain.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: the policy is %q", c.path, plain.Header().Get("Content-Security-Policy"))
		}
		head := ask(h, http.MethodHead, c.path)
		if head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Content-Length") != plain.Header().Get("Content-Length") {
			t.Errorf("%s: HEAD %d %v", c.path, head.Code, head.Header())
		}
		zipped := ask(h, http.MethodGet, c.path, "Accept-Encoding", "gzip")
		if zipped.Header().Get("Content-Encoding") == "gzip" {
			if zipped.Header().Get("ETag") == tag {
				t.Errorf("%s: two forms, one tag", c.path)
			}
			z, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(z); err != nil || !bytes.Equal(b, plain.Body.Bytes()) {
				t.Errorf("%s: compressed it is something else, %v", c.path, err)
			}
		} else if c.contentType != "image/png" && plain.Body.Len() > 1000 {
			t.Errorf("%s: %d bytes are not compressed", c.path, plain.Body.Len())
		}
		for field, want := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200} {
			if w := ask(h, http.MethodGet, c.path, "If-None-Match", field); w.Code != want || want == 304 && w.Body.Len() > 0 {
				t.Errorf("%s, If-None-Match %s: %d", c.path, field, w.Code)
			}
		}
		if w := ask(h, http.MethodPost, c.path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: POST %d %v", c.path, w.Code, w.Header())
		}
	}
}

func TestPathsWithoutAFile(t *testing.T) {
	h := New(Options{Page: true})
	for path, want := range map[string]int{
		"/swagger": 301, "/swagger/": 301, "/swagger//": 404, "/swagger/nothing": 404, "/swagger/page/index.html": 404,
		"/openapi.yaml/": 404, "/openapi.json/x": 404, "/swagger/swagger-ui-bundle.js.gz": 404, "/swagger/../openapi.json": 404,
	} {
		w := ask(h, http.MethodGet, path)
		if w.Code != want || want == 301 && w.Header().Get("Location") != "/swagger/index.html" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	if w := ask(h, http.MethodPost, "/swagger/"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestWithoutThePage(t *testing.T) {
	h := New(Options{})
	if len(h.Prefixes()) != 3 || len(h.Routes()) != 4 {
		t.Errorf("%v %v", h.Prefixes(), h.Routes())
	}
	for path, want := range map[string]int{"/openapi.yaml": 200, "/openapi.json": 200, "/docs/errors/token": 200, "/swagger": 404, "/swagger/": 404, "/swagger/index.html": 404, "/swagger/doc.json": 404} {
		if w := ask(h, http.MethodGet, path); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestPageNamesNoOtherHost: what the page itself names is here.
func TestPageNamesNoOtherHost(t *testing.T) {
	h := New(Options{Page: true})
	for _, path := range []string{"/swagger/index.html", "/swagger/start.js"} {
		if b := ask(h, http.MethodGet, path).Body.String(); strings.Contains(b, "//") && strings.Contains(b, "http") {
			t.Errorf("%s names a host:\n%s", path, b)
		}
	}
}
