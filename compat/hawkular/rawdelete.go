package hawkular

import (
	"net/http"

	"granary/tenant/identity"
)

// rawDeleteRoutes are Mohawk's own: Hawkular deletes metrics as a whole, and its mode has none.
func (d *Dialect) rawDeleteRoutes() []route {
	if d.o.Strict {
		return nil
	}
	return []route{{method: http.MethodDelete, path: "/{type}/{id}/raw", right: identity.Manage, audit: "measures.delete", serve: (*call).deletePoints}}
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
	lo, hi := nanos(from), nanos(to)
	refs := c.own()
	c.detail = map[string]any{"metrics": len(refs), "from": lo, "to": hi}
	if err := c.d.o.Store.DeleteRange(c.ctx, refs, lo, hi); err != nil {
		return err
	}
	if a.FromEarliest {
		return c.done("Deleted %s@%s", c.tenant, id)
	}
	return c.done("Deleted %s@%s [%d-%d]", c.tenant, id, from, to)
}
