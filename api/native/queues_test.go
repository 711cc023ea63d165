package native

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/audit"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// only is who has a role in one tenant.
type only tenant.ID

func (o only) Authenticate(*http.Request) (*identity.Identity, error) {
	return identity.InScope("somebody", identity.Token, "somebody", identity.Reader, identity.Only(tenant.ID(o))), nil
}

// TestQueues: a tenant sees its own queues, an operator those of all that have sent something.
func TestQueues(t *testing.T) {
	writes := queue.NewFair(queue.FairOptions{Units: 100, Share: func(id tenant.ID) (queue.Share, bool) {
		return queue.Share{Units: map[tenant.ID]int64{"a": 50}[id], Weight: 2}, true
	}})
	reads := queue.NewFair(queue.FairOptions{Kind: queue.Queries, Units: 3})
	var body, query, late queue.Ticket
	if err := writes.Queue("a").Enter(t.Context(), &body, 30); err != nil {
		t.Fatal(err)
	}
	defer body.Leave()
	if err := reads.Queue("b").Enter(t.Context(), &query, 1); err != nil {
		t.Fatal(err)
	}
	defer query.Leave()
	if err := writes.Queue("a").Enter(t.Context(), &late, 40); err == nil {
		t.Fatal("there was room")
	}
	const (
		nothing = `{"queued":0,"in_progress":0,"waiting":0,"held":0,"limit":null,"waited":0,"waited_ms":0,"refused":0}`
		ofA     = `{"tenant":"a","weight":2,"writes":{"queued":1,"in_progress":0,"waiting":0,"held":30,"limit":50,"waited":0,"waited_ms":0,"refused":1},"queries":` + nothing + `}`
		ofB     = `{"tenant":"b","weight":2,"writes":` + nothing + `,"queries":{"queued":0,"in_progress":1,"waiting":0,"held":1,"limit":null,"waited":0,"waited_ms":0,"refused":0}}`
	)
	file := filepath.Join(t.TempDir(), "audit.log")
	log, err := audit.Open(audit.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	operator := newWorld(func(o *Options) { o.Writes, o.Reads, o.Audit = writes, reads, &edge.Audit{Log: log} })
	a := newWorld(func(o *Options) { o.Writes, o.Reads, o.Auth = writes, reads, only("a") })
	for _, c := range []struct {
		who    http.Handler
		query  string
		status int
		want   string
	}{
		{a, "", 200, `{"queues":[` + ofA + `]}`},
		{a, "?tenants=a", 200, `{"queues":[` + ofA + `]}`},
		{a, "?tenants=*", 403, "right-missing"},
		{a, "?tenants=b", 403, "tenant-forbidden"},
		{a, "?tenants=a,nobody", 403, "tenant-forbidden"},
		{operator, "?tenants=*", 200, `{"queues":[` + ofA + "," + ofB + `]}`},
		{operator, "?tenants=b,a,b", 200, `{"queues":[` + ofA + "," + ofB + `]}`},
		{operator, "?tenants=a/b", 400, "tenant-id"},
		{operator, "?tenants=", 400, "tenant-id"},
	} {
		w := ask(c.who, "GET", "/v2/queues"+c.query, "", "Tenant", "a")
		if text := strings.TrimSpace(w.Body.String()); w.Code != c.status || w.Code == 200 && text != c.want || !strings.Contains(text, c.want) {
			t.Errorf("%q: %d %s", c.query, w.Code, text)
		}
	}
	// Who looks at several tenants is noted, once a minute since such things are polled.
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), `"action":"queues.read","target":"/v2/queues","tenants":"*","outcome":"ok"`) {
		t.Errorf("%s %v", text, err)
	}
}
