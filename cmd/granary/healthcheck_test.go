package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHealthcheck: a server is well if it answers 200, with TLS or without, and not if it answers otherwise or not at all.
func TestHealthcheck(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, "record 3 of 7")
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	gone := httptest.NewServer(handler)
	gone.Close()
	listen := func(url, more string) string {
		return write(t, "config.yaml", "granary: {listen: '"+url[strings.LastIndex(url, "/")+1:]+"'}\n"+more)
	}
	for _, c := range []struct {
		args []string
		code int
		want string // in what is printed
	}{
		{[]string{"--url", plain.URL}, exitOK, "/healthz: 200 OK in"},
		{[]string{"--url", secure.URL + "/"}, exitOK, "/healthz: 200 OK in"},
		{[]string{"--config", listen(plain.URL, "")}, exitOK, "200 OK"},
		{[]string{"--config", listen(secure.URL, "main: {https-cert-file: c, https-key-file: k}\n")}, exitOK, "https://127.0.0.1:"},
		{[]string{"--url", plain.URL, "--ready"}, exitFailure, "/readyz: 503 Service Unavailable: record 3 of 7"},
		{[]string{"--url", gone.URL}, exitFailure, "refused"},
		{[]string{"--url", "127.0.0.1:8082"}, exitUsage, "expected a URL"},
		{[]string{"--url", "http://a b"}, exitUsage, "expected a URL"},
		{[]string{"--timeout", "soon"}, exitUsage, "--timeout"},
		{[]string{"--config", "none.json"}, exitFailure, "none.json"},
	} {
		code, stdout, stderr := command(t, append([]string{"healthcheck"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%v: exit code %d, want %d; %s%s, want ...%s...", c.args, code, c.code, stdout, stderr, c.want)
		}
	}
}
