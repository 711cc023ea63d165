package gnocchi

import (
	"net/http"
	"testing"
)

// TestRedirectKeepsThePrefix: who came by the other prefix is sent to the root below it, also behind a proxy that has one of its own.
func TestRedirectKeepsThePrefix(t *testing.T) {
	b := newBed(t, func(o *Options) { o.ProxyHeaders = true })
	for _, c := range []struct {
		path, want string
		header     []string
	}{
		{"/v1", "http://example.com/v1/", nil},
		{"/gnocchi/v1", "http://example.com/gnocchi/v1/", nil},
		{"/gnocchi/v1", "http://example.com/metrics/gnocchi/v1/", []string{"X-Forwarded-Prefix", "/metrics"}},
	} {
		w := b.ask(http.MethodGet, c.path, "", c.header...)
		if got := w.Header().Get("Location"); w.Code != http.StatusFound || got != c.want {
			t.Errorf("%s %q: %d to %q, want %q", c.path, c.header, w.Code, got, c.want)
		}
	}
}
