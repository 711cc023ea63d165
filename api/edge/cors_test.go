package edge

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCORS(t *testing.T) {
	methods := []string{"GET", "POST"}
	const good, bad = "https://dash.example.org", "https://evil.example.org"
	for _, c := range []struct {
		name      string
		origins   []string
		method    string
		header    []string
		allow     string // Access-Control-Allow-Origin
		answered  bool
		forbidden bool
	}{
		{"nothing is set", nil, "GET", []string{"Origin", good}, "", false, false},
		{"nothing is set, preflight", nil, "OPTIONS", []string{"Origin", good, "Access-Control-Request-Method", "POST"}, "", false, false},
		{"nothing is set, a page writes", nil, "POST", []string{"Origin", good, "Sec-Fetch-Site", "cross-site"}, "", false, true},
		{"an old browser's page writes", nil, "POST", []string{"Origin", good}, "", false, true},
		{"own page writes", nil, "POST", []string{"Origin", "http://example.com", "Sec-Fetch-Site", "same-origin"}, "", false, false},
		{"own page of an old browser writes", nil, "POST", []string{"Origin", "http://example.com"}, "", false, false},
		{"a program writes", nil, "POST", nil, "", false, false},
		{"a page reads", []string{good}, "GET", []string{"Origin", good}, good, false, false},
		{"another page reads", []string{good}, "GET", []string{"Origin", bad}, "", false, false},
		{"a page asks first", []string{good}, "OPTIONS", []string{"Origin", good, "Access-Control-Request-Method", "POST"}, good, true, false},
		{"another page asks first", []string{good}, "OPTIONS", []string{"Origin", bad, "Access-Control-Request-Method", "POST"}, "", false, false},
		{"OPTIONS that is no preflight", []string{good}, "OPTIONS", []string{"Origin", good}, good, false, false},
		{"a page writes", []string{good}, "POST", []string{"Origin", good, "Sec-Fetch-Site", "cross-site"}, good, false, false},
		{"another page writes", []string{good}, "POST", []string{"Origin", bad, "Sec-Fetch-Site", "cross-site"}, "", false, true},
		{"a page of nowhere writes", []string{good}, "DELETE", []string{"Origin", "null"}, "", false, true},
		{"every page", []string{"*"}, "DELETE", []string{"Origin", bad, "Sec-Fetch-Site", "cross-site"}, "*", false, false},
	} {
		cors := NewCORS(c.origins)
		r := httptest.NewRequest(c.method, "http://example.com/v2/measures", nil)
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		w := httptest.NewRecorder()
		answered := cors.Allow(w, r, methods)
		err := cors.Check(r)
		h := w.Header()
		if h.Get("Access-Control-Allow-Origin") != c.allow || answered != c.answered || (err != nil) != c.forbidden {
			t.Errorf("%s: %v, %v, %v", c.name, h, answered, err)
		}
		if answered && (w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Methods") != "GET, POST" || h.Get("Access-Control-Allow-Headers") == "") {
			t.Errorf("%s: %d %v", c.name, w.Code, h)
		}
		if err != nil && (Status(err) != 403 || CodeOf(err) != "origin-forbidden") {
			t.Errorf("%s: %v", c.name, err)
		}
		if (h.Get("Vary") == "Origin") != (c.origins != nil) {
			t.Errorf("%s: Vary %q", c.name, h.Get("Vary"))
		}
	}
}
