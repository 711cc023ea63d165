package hawkular

import (
	"net/http"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant/audit"
	"granary/tenant/identity"
)

// rawDeleteRoutes are Mohawk's own: Hawkular deletes metrics as a whole, and its mode has none.
func (d *Dialect) rawDeleteRoutes() []route {
	if d.o.Strict {
		return nil
	}
	return []route{{method: http.MethodDelete, path: "/{type}/{id}/raw", right: identity.Manage, serve: (*call).deletePoints}}
}

// deletePoints deletes the points of a metric that a GET of the same URL is about: without a start and an end those from the default start
// on, with fromEarliest all of them. limit, order and the like say nothing here.
func (c *call) deletePoints() error {
	a, err := c.ask()
	if err != nil {
		return err
	}
	from, to, err := c.span(a)
	if err != nil {
		return err
	}
	id := c.vars["id"]
	if ref, ok := c.resolve(c.typ, id); ok {
		lo, hi := nanos(from), nanos(to)
		err = c.d.o.Store.DeleteRange(c.ctx, []metricdef.Ref{ref}, lo, hi)
		if edge.Changed(err) {
			c.d.o.Audit.Record(c.r, c.who, audit.Entry{Action: "measures.delete", Tenant: c.tenant, Outcome: edge.Outcome(err),
				Detail: map[string]any{"metrics": 1, "from": lo, "to": hi}})
		}
		if err != nil {
			return err
		}
	}
	if a.FromEarliest {
		return c.done("Deleted %s@%s", c.tenant, id)
	}
	return c.done("Deleted %s@%s [%d-%d]", c.tenant, id, from, to)
}
