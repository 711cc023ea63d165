package edge

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"granary/tenant"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// stuck is a client that takes a part of its answer when it is told to.
type stuck struct {
	http.ResponseWriter
	asked, take chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	s.asked <- struct{}{}
	<-s.take
	return len(p), nil
}

// TestStreamStepsAside: while a client does not take its answer, others have the place of its query.
func TestStreamStepsAside(t *testing.T) {
	reads := queue.NewFair(queue.FairOptions{Kind: queue.Queries, Units: 1})
	var slow, other queue.Ticket
	if err := reads.Queue("a").Enter(t.Context(), &slow, 1); err != nil {
		t.Fatal(err)
	}
	w := &stuck{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	s := CompressOff.Stream(w, httptest.NewRequest(http.MethodGet, "/", nil), "text/plain")
	s.Ticket = &slow
	done := make(chan error)
	go func() {
		s.B = append(s.B, make([]byte, StreamFrom)...)
		done <- s.Flush()
	}()
	<-w.asked
	if err := reads.Queue("a").Enter(t.Context(), &other, 1); err != nil {
		t.Error(err)
	}
	other.Leave()
	w.take <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := reads.Queue("a").Enter(t.Context(), &other, 1); !errors.Is(err, queue.ErrFull) {
		t.Errorf("the place is free when the part is out: %v", err)
	}
	s.Free()
	slow.Leave()
	if st := reads.Total(); st.Held != 0 || st.Working != 0 {
		t.Errorf("%+v", st)
	}
}

// TestCharged: nobody's request waits in the queue of a tenant that is not theirs.
func TestCharged(t *testing.T) {
	tenants := Tenants{Default: "default"}
	for _, c := range []struct {
		header string
		scope  identity.Scope
		mapped tenant.ID
		want   tenant.ID
	}{
		{"", identity.AllTenants(), "", "default"},
		{"shop", identity.AllTenants(), "", "shop"},
		{"shop", identity.AllTenants(), "mapped", "shop"},
		{"", identity.AllTenants(), "mapped", "mapped"},
		{"", identity.Only("a", "b"), "mapped", "default"},
		{"shop", identity.Only("a"), "mapped", "a"},
		{"shop", identity.Only("a", "b"), "b", "b"},
		{"a/b", identity.Only("a"), "", "a"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		if c.header != "" {
			r.Header.Set("Tenant", c.header)
		}
		if got := tenants.Charged(r, c.scope, c.mapped); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
