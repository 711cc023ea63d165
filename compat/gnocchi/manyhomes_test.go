package gnocchi

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
	"granary/policy"
	"granary/tenant/audit"
	"granary/tenant/queue"
)

// TestDeletionNamesTenants: the audit log hears of each tenant in which a query of somebody who sees all has deleted.
func TestDeletionNamesTenants(t *testing.T) {
	var said strings.Builder
	log, err := audit.Open(audit.Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, func(o *Options) { o.Audit = &edge.Audit{Log: log} })
	for _, who := range [][]string{bob, eve} {
		if status, answer := b.postAs(who, "/v1/resource/generic", `{"id": "`+who[1]+`", "user_id": "x"}`); status != 201 {
			t.Fatal(status, answer)
		}
	}
	if w := b.ask("DELETE", "/v1/resource/generic", `{"=": {"user_id": "x"}}`); w.Code != 200 || w.Body.String() != `{"deleted": 2}` {
		t.Fatal(w.Code, w.Body)
	}
	if text := said.String(); !strings.Contains(text, "tenants=p1,p2") {
		t.Errorf("the audit log says %s", text)
	}
}

// TestMetricsOfResourceWaitTheirTurn: a list of the metrics of a resource passes the gate of reads, also where it is the answer to a change, which
// is not made if there is no room for it.
func TestMetricsOfResourceWaitTheirTurn(t *testing.T) {
	reads := queue.NewFair(queue.FairOptions{Kind: queue.Queries, Units: 1})
	b := newBed(t, func(o *Options) { o.Reads = reads })
	b.policies(policy.GnocchiPolicy("low", 0, policy.DefaultMethods(), policy.Tier{Granularity: time.Minute, Points: 60}))
	if w := b.ask("POST", "/v1/resource/generic", `{"id": "r"}`); w.Code != 201 {
		t.Fatal(w.Code, w.Body)
	}
	var held queue.Ticket
	if err := reads.Queue("_ops").Enter(t.Context(), &held, 1); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "POST"} {
		if w := b.ask(method, "/v1/resource/generic/r/metric", map[string]string{"POST": `{"m": {"archive_policy_name": "low"}}`}[method]); w.Code != 503 {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	held.Leave()
	if w := b.get("/v1/resource/generic/r/metric"); w.Code != 200 || w.Body.String() != "[]" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
