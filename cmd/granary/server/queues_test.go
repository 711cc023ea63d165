package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"granary/compat/nats"
	"granary/tenant"
	"granary/tenant/queue"
)

// TestQueueOfTheDefault: what chooses no tenant waits in the queue of the default one, from the first write on, and the queue that
// tenants share who do not exist is nobody's.
func TestQueueOfTheDefault(t *testing.T) {
	s := running(t, configured(t, `
granary:
  limits: {samples-per-second: 5}
  identity: {tokens: [{name: ops, token: operator-of-all-0001, roles: [operator]}]}
`))
	do := func(method, path, body string, header ...string) string {
		w := ask(s, here, method, path, body, append([]string{"X-Api-Key", "operator-of-all-0001", "Content-Type", "application/json"}, header...)...)
		if w.Code != http.StatusOK {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return w.Body.String()
	}
	const lines = `[{"name":"m","samples":[["now",1]]}]`
	do(http.MethodPost, "/v2/measures", lines)
	do(http.MethodPost, "/v2/measures", lines, "Tenant", "other")
	queues := do(http.MethodGet, "/v2/queues?tenants=*", "")
	if strings.Contains(queues, `"tenant":""`) || !strings.Contains(queues, `"tenant":"_ops"`) {
		t.Error(queues)
	}
	// Somebody waits in the queue that is nobody's.
	for _, id := range []tenant.ID{"_ops", "invented"} {
		ticket := new(queue.Ticket)
		if err := s.writes.Queue(id).Enter(t.Context(), ticket, 1); err != nil {
			t.Fatal(err)
		}
		defer ticket.Leave()
	}
	if got := s.writes.Queue("invented").Tenant(); got != "" {
		t.Errorf("it waits in the queue of %q", got)
	}
	if got := do(http.MethodGet, "/metrics", ""); strings.Contains(got, `tenant=""`) || !strings.Contains(got, `granary_tenant_queue_queued{queue="writes",tenant="_ops"} 1`) ||
		!strings.Contains(got, `granary_tenant_limit{limit="samples-burst",tenant="_ops"} 300`) {
		t.Error(got)
	}
	if got := do(http.MethodGet, "/v2/queues?tenants=*", ""); strings.Contains(got, `"tenant":""`) || strings.Contains(got, "invented") {
		t.Error(got)
	}
	// The burst in force follows from the rate.
	if got := do(http.MethodGet, "/v2/limits", ""); !strings.Contains(got, `"name":"samples_burst","value":300,`) {
		t.Error(got)
	}
}

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
