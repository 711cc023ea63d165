package server

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

// elsewhere is a listener at an address that others reach.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 8082} }

// TestWarnsOfAnOpenService: a service that answers others and asks nobody who they are says so at its start.
func TestWarnsOfAnOpenService(t *testing.T) {
	for _, c := range []struct {
		config string
		away   bool
		warned bool
	}{
		{"granary: {}", true, true},
		{"granary: {}", false, false},
		{"granary: {auth: none}", true, false},
		{"granary: {identity: {keys: {enabled: true}}}", true, false},
	} {
		s := running(t, configured(t, c.config))
		var log strings.Builder
		asked := &Server{cfg: s.cfg, o: Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, authority: s.authority, listener: s.listener}
		if c.away {
			asked.listener = elsewhere{s.listener}
		}
		asked.warnOpen()
		if got := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "granary.identity"); got != c.warned {
			t.Errorf("%s, %v: %q", c.config, c.away, log.String())
		}
	}
}

// TestListOfErrors: the list of errors is found with a slash at its end too, as is the page of the document.
func TestListOfErrors(t *testing.T) {
	s := running(t, configured(t, "granary: {}"))
	for _, path := range []string{"/docs/errors", "/docs/errors/"} {
		if w := ask(s, there, http.MethodGet, path, ""); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "# Errors") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
