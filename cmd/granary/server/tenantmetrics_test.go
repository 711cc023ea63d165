package server

import (
	"net/http"
	"strings"
	"testing"

	"granary/tenant"
	"granary/tenant/queue"
)

// TestTenantsInMetrics: who may read a tenant sees its figures among those of the service; without identity they are seen from this
// machine alone.
func TestTenantsInMetrics(t *testing.T) {
	// A tenant without work has no figures, so each has some.
	busy := func(s *Server) {
		for _, id := range []tenant.ID{"a", "b"} {
			if _, err := s.store.EnsureTenant(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			ticket := new(queue.Ticket)
			if err := s.writes.Queue(id).Enter(t.Context(), ticket, 1); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(ticket.Leave)
		}
	}
	labels := func(s *Server, from string, header ...string) string {
		w := ask(s, from, http.MethodGet, "/metrics", "", header...)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "granary_build_info") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		seen := ""
		for _, id := range []string{"a", "b"} {
			if strings.Contains(w.Body.String(), `tenant="`+id+`"`) {
				seen += id
			}
		}
		return seen
	}
	open := running(t, configured(t, "granary: {auth: none}"))
	busy(open)
	if got := labels(open, here); got != "ab" {
		t.Errorf("from here: %q", got)
	}
	if got := labels(open, there); got != "" {
		t.Errorf("from elsewhere, without identity: %q", got)
	}

	s := running(t, configured(t, `
granary:
  identity:
    tokens:
      - {name: ops, token: operator-of-all-0001, roles: [operator]}
      - {name: a, token: reader-of-a-00000001, roles: [reader], tenants: [a]}
      - {name: w, token: writer-of-b-00000001, roles: [writer], tenants: [b]}
`))
	busy(s)
	for token, want := range map[string]string{"operator-of-all-0001": "ab", "reader-of-a-00000001": "a", "writer-of-b-00000001": ""} {
		if got := labels(s, there, "X-Api-Key", token); got != want {
			t.Errorf("%s sees %q, want %q", token, got, want)
		}
	}
	for token, want := range map[string]int{"": 401, "wrong": 401} {
		var header []string
		if token != "" {
			header = []string{"X-Api-Key", token}
		}
		if w := ask(s, here, http.MethodGet, "/metrics", "", header...); w.Code != want || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d %v", token, w.Code, w.Header())
		}
	}
}
