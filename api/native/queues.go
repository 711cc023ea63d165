package native

import (
	"net/http"
	"slices"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/audit"
	"granary/tenant/queue"
)

func (a *API) queueRoutes() []route {
	return []route{{method: http.MethodGet, path: "/queues", right: enters, serve: a.readQueues}}
}

// queueFigures are those of one queue of a tenant. The counters begin with the service.
type queueFigures struct {
	Queued     int    `json:"queued"`
	InProgress int    `json:"in_progress"`
	Waiting    int    `json:"waiting"`
	Held       int64  `json:"held"`
	Limit      *int64 `json:"limit"` // null: none of its own
	Waited     uint64 `json:"waited"`
	WaitedMS   int64  `json:"waited_ms"`
	Refused    uint64 `json:"refused"`
}

type tenantQueues struct {
	Tenant  string       `json:"tenant"`
	Weight  int64        `json:"weight"`
	Writes  queueFigures `json:"writes"`
	Queries queueFigures `json:"queries"`
}

func figuresOf(s queue.TenantStats) queueFigures {
	f := queueFigures{Queued: s.Queued, InProgress: s.InProgress, Waiting: s.Waiting, Held: s.Held, Waited: s.Waited, WaitedMS: s.Delay.Milliseconds(), Refused: s.Refused}
	if s.Share.Units > 0 {
		f.Limit = &s.Share.Units
	}
	return f
}

// readQueues shows the queues of the request's tenant, or of those that the parameter tenants names.
func (a *API) readQueues(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	ids, all, err := []tenant.ID{tenantOf(r)}, false, error(nil)
	if p.has("tenants") {
		ids, all, err = a.several(r, p, enters)
	} else {
		p.asked = append(p.asked, "tenants")
	}
	if err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	if all || len(ids) > 1 {
		a.o.Audit.Often(r, edge.IdentityFrom(r.Context()), audit.Entry{Action: "queues.read", Tenants: p.text("tenants", ""), Outcome: audit.OK})
	}
	var out struct {
		Queues []tenantQueues `json:"queues"`
	}
	if all {
		seen := map[tenant.ID]bool{}
		for _, f := range []*queue.Fair{a.o.Writes, a.o.Reads} {
			if f != nil {
				f.Each(func(s queue.TenantStats) { seen[s.Tenant] = s.Tenant != "" })
			}
		}
		for id, real := range seen {
			if real { // the queue that all share who do not exist is nobody's
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		t := tenantQueues{Tenant: string(id), Weight: 1}
		if a.o.Writes != nil {
			s := a.o.Writes.Stats(id)
			t.Writes, t.Weight = figuresOf(s), max(s.Share.Weight, 1)
		}
		if a.o.Reads != nil {
			t.Queries = figuresOf(a.o.Reads.Stats(id))
		}
		out.Queues = append(out.Queues, t)
	}
	if out.Queues == nil {
		out.Queues = []tenantQueues{}
	}
	return a.send(w, r, http.StatusOK, &out)
}
