package server

import (
	"log/slog"
	"net"
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
