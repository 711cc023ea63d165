package coopr

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// queues answers how much work waits: of all tenants to superadmin, of their own to other administrators. No parameter is
// read.
func (d *Dialect) queues(w http.ResponseWriter, r *http.Request) {
	c, no := d.caller(r)
	if no == nil && !c.admin {
		no = &refusal{status: http.StatusForbidden, text: "Forbidden to get queue metrics."}
	}
	if no != nil {
		d.refuse(w, r, no)
		return
	}
	list := []tenant.Tenant{c.tenant}
	if c.super {
		list = d.tenants()
		d.o.Audit.Wide(r, c.who, Name+".queues", identity.Everywhere)
	}
	now := d.o.Now()
	buf := edge.NewBuffer()
	defer buf.Free()
	b := append(buf.B, '{')
	for i, t := range list {
		if i > 0 {
			b = append(b, ',')
		}
		n := d.counts.get(t, now)
		b = edge.AppendString(b, string(t.ID))
		b = append(b, `:{"queued":`...)
		b = strconv.AppendInt(b, int64(n.queued), 10)
		b = append(b, `,"inProgress":`...)
		b = strconv.AppendInt(b, int64(n.inProgress), 10)
		b = append(b, `,"total":`...)
		b = strconv.AppendInt(b, int64(n.queued)+int64(n.inProgress), 10)
		b = append(b, '}')
	}
	b = append(b, '}')
	buf.B = b
	d.json(w, r, b)
}

// cache keeps counts for a while, each tenant's from when it was asked for, so that whoever polls all tenants costs the
// queues nothing. What is too old goes when something new comes.
type cache struct {
	of   Queues
	keep time.Duration

	mu    sync.Mutex
	known map[cacheKey]counts
	swept time.Time
}

// cacheKey tells a tenant from one that had the name before it.
type cacheKey struct {
	id  tenant.ID
	num tenant.Num
}

type counts struct {
	queued, inProgress int
	at                 time.Time
}

func (c *cache) get(t tenant.Tenant, now time.Time) counts {
	if c.keep <= 0 {
		queued, inProgress := c.of.Counts(t.ID)
		return counts{queued, inProgress, now}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cacheKey{t.ID, t.Num}
	if n, ok := c.known[key]; ok && c.fresh(n.at, now) {
		return n
	}
	if c.known == nil {
		c.known = map[cacheKey]counts{}
	}
	if !c.fresh(c.swept, now) {
		for k, n := range c.known {
			if !c.fresh(n.at, now) {
				delete(c.known, k)
			}
		}
		c.swept = now
	}
	queued, inProgress := c.of.Counts(t.ID)
	n := counts{queued, inProgress, now}
	c.known[key] = n
	return n
}

// fresh says whether what was found at a time still counts. A clock that was set back makes everything old.
func (c *cache) fresh(at, now time.Time) bool {
	age := now.Sub(at)
	return age >= 0 && age < c.keep
}
