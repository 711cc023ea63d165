package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"granary/compat/nats"
	"granary/tenant/queue"
)

// TestMessagesWaitInTheQueue: messages of NATS wait in the queue of their tenant for as long as it takes, and nobody else does.
func TestMessagesWaitInTheQueue(t *testing.T) {
	s := running(t, configured(t, "granary: {queue: {bytes: 1MiB, wait: 1ms}, compat: {clustercockpit: {cluster-tenants: {a: ta, b: tb}}}}"))
	line := func(cluster string) string {
		return "m,cluster=" + cluster + ",hostname=h value=1\n"
	}
	for _, cluster := range []string{"a", "b"} { // the tenants come into being
		if w := ask(s, here, http.MethodPost, "/api/write/?cluster="+cluster, line(cluster)); w.Code != 200 {
			t.Fatal(w.Body)
		}
	}
	var all queue.Ticket
	if err := s.writes.Queue("ta").Enter(t.Context(), &all, 1<<20); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		r, err := natsLines{s.lines}.WriteLines(t.Context(), nats.Subscription{Subject: "s", ClusterTag: "a"}, []byte(line("a")))
		if err == nil && r.Stored != 1 {
			t.Errorf("%+v", r)
		}
		written <- err
	}()
	for s.writes.Stats("ta").Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	if w := ask(s, here, http.MethodPost, "/api/write/?cluster=a", line("a")); w.Code != 429 || !strings.Contains(w.Body.String(), "bodies-in-work") {
		t.Errorf("the tenant that has all of it: %d %s", w.Code, w.Body)
	}
	if w := ask(s, here, http.MethodPost, "/api/write/?cluster=b", line("b")); w.Code != 200 {
		t.Errorf("another: %d %s", w.Code, w.Body)
	}
	select {
	case err := <-written:
		t.Errorf("written beside a full queue: %v", err)
	default:
	}
	all.Leave()
	if err := <-written; err != nil {
		t.Error(err)
	}
	if st := s.writes.Total(); st.Held != 0 || st.Queued != 0 || st.Working != 0 {
		t.Errorf("%+v", st)
	}
}
