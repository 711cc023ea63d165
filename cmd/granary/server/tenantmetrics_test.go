package server

import (
	"net/http"
	"strings"
	"testing"

	"granary/tenant"
	"granary/tenant/queue"
)

// TestTenantsInMetrics: who may read a tenant sees its figures; without identity they are seen from this machine alone. The figures of
// the service are for who has a role in all tenants, since their sums tell what others do.
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
		if w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		seen := ""
		if strings.Contains(w.Body.String(), "granary_build_info") && strings.Contains(w.Body.String(), "granary_series ") && strings.Contains(w.Body.String(), "process_") {
			seen = "service "
		} else if strings.Contains(w.Body.String(), "granary_samples") || strings.Contains(w.Body.String(), "process_") || strings.Contains(w.Body.String(), "go_") {
			t.Errorf("a part of the service: %s", w.Body)
		}
		for _, id := range []string{"a", "b"} {
			if strings.Contains(w.Body.String(), `tenant="`+id+`"`) {
				seen += id
			}
		}
		return seen
	}
	open := running(t, configured(t, "granary: {auth: none}"))
	busy(open)
	if got := labels(open, here); got != "service ab" {
		t.Errorf("from here: %q", got)
	}
	if got := labels(open, there); got != "service " {
		t.Errorf("from elsewhere, without identity: %q", got)
	}

	s := running(t, configured(t, `
granary:
  identity:
    tokens:
      - {name: ops, token: operator-of-all-0001, roles: [operator]}
      - {name: a, token: reader-of-a-00000001, roles: [reader], tenants: [a]}
      - {name: w, token: writer-of-b-00000001, roles: [writer], tenants: [b]}
      - {name: p, token: reader-of-all-000001, roles: [reader], tenants: "*"}
`))
	busy(s)
	for token, want := range map[string]string{"operator-of-all-0001": "service ab", "reader-of-all-000001": "service ab", "reader-of-a-00000001": "a", "writer-of-b-00000001": ""} {
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
