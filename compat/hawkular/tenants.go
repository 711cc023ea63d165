package hawkular

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/tenant"
)

func (d *Dialect) tenantRoutes() []route {
	list := route{method: http.MethodGet, path: "/tenants", serve: d.listTenants, admin: d.o.Strict, token: true, self: !d.o.Strict, audit: "tenant.list"}
	routes := []route{
		list,
		{method: http.MethodPost, path: "/tenants", serve: d.createTenant, admin: true, audit: "tenant.create"},
		{method: http.MethodDelete, path: "/tenants/{tenant}", serve: d.deleteTenant, admin: true, audit: "tenant.delete"},
		{method: http.MethodGet, path: "/admin/status", serve: d.status, admin: true},
	}
	if !d.o.Strict {
		list.path = "/tenant"
		routes = append(routes, list)
	}
	return routes
}

// maxDays is the longest retention in days that the store can count.
const maxDays = int64((1<<63 - 1) / (24 * time.Hour))

const day = 24 * time.Hour

// retentionOf is the retention of a type, by the name of it.
func retentionOf(r *tenant.Retention, name string) *time.Duration {
	switch name {
	case "gauge":
		return &r.Gauge
	case "counter":
		return &r.Counter
	case "availability":
		return &r.Availability
	case "string":
		return &r.Text
	}
	return nil
}

var retentionNames = []string{"gauge", "counter", "availability", "string"}

// createTenant makes a tenant, or gives one that is there its retentions.
func (d *Dialect) createTenant(c *call) error {
	var body struct {
		ID         *string            `json:"id"`
		Retentions map[string]integer `json:"retentions"`
	}
	overwrite, err := c.flag("overwrite")
	if err != nil {
		return err
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if body.ID == nil {
		return badRequest("a tenant needs an id")
	}
	draft := tenant.Draft{}
	if draft.ID, err = tenant.Parse(*body.ID); err != nil {
		return err
	}
	for name, n := range body.Retentions {
		to, days := retentionOf(&draft.Retention, name), int64(n)
		switch {
		case to == nil:
			return badRequest("retentions: %q is not a recognized metric type", shorten(name))
		case days < 1 || days > maxDays:
			return badRequest("retentions: %s: %d is not a number of days from 1 to %d", name, days, maxDays)
		}
		*to = time.Duration(days) * day
	}
	c.target = Prefix + "/tenants/" + string(draft.ID)
	before, _ := d.o.Tenants.Lookup(draft.ID)
	num, existed, err := d.o.Store.CreateTenant(c.ctx, draft)
	if err != nil {
		return err
	}
	switch {
	case existed && before.Num != num: // somebody else made it meanwhile
		before, _ = d.o.Tenants.Lookup(draft.ID)
	case existed && !before.Implicit && c.strict() && !overwrite:
		return &tenantExistsError{draft.ID}
	}
	c.detail = make(map[string]any)
	before.Retention.Changes(&draft.Retention, func(name string, was, is any) { c.detail[name] = map[string]any{"old": was, "new": is} })
	if existed {
		c.action = "tenant.change"
		set := before.Settings
		set.Retention = draft.Retention
		if err := d.o.Store.UpdateTenant(c.ctx, num, set); err != nil {
			return err
		}
	}
	return c.created(Prefix+"/tenants", "Created tenant %s", string(draft.ID))
}

// listTenants lists the tenants that the request may enter, by their ids.
func (d *Dialect) listTenants(c *call) error {
	all, scope := d.o.Tenants.All(), c.who.Scope()
	all = slices.DeleteFunc(all, func(t tenant.Tenant) bool { return !scope.Contains(t.ID) })
	if len(all) == 0 {
		return c.empty()
	}
	slices.SortFunc(all, func(x, y tenant.Tenant) int { return strings.Compare(string(x.ID), string(y.ID)) })
	buf := edge.NewBuffer()
	defer buf.Free()
	b := buf.B
	for i := range all {
		b = append(append(b, "[,"[min(i, 1)]), `{"id":`...)
		b = edge.AppendString(b, string(all[i].ID))
		n := 0
		for _, name := range retentionNames {
			d := *retentionOf(&all[i].Retention, name)
			if d <= 0 {
				continue
			}
			if n == 0 {
				b = append(b, `,"retentions":{`...)
			} else {
				b = append(b, ',')
			}
			b = edge.AppendString(b, name)
			b = append(b, ':')
			b = strconv.AppendInt(b, days(d), 10)
			n++
		}
		if n > 0 {
			b = append(b, '}')
		}
		b = append(b, '}')
	}
	buf.B = append(b, ']')
	return c.json(buf.B)
}

// days is a duration in days, rounded up, so that no retention is shown as none.
func days(d time.Duration) int64 { return int64((d-1)/day) + 1 }

// deleteTenant ends a tenant with all that it has. One that is not there is as good as deleted.
func (d *Dialect) deleteTenant(c *call) error {
	id, err := tenant.Parse(c.vars["tenant"])
	if t, ok := d.o.Tenants.Lookup(id); err == nil && ok {
		if err := d.o.Store.DeleteTenant(c.ctx, t.Num); err != nil {
			return err
		}
	}
	b := append([]byte(nil), `{"jobId":"`...)
	b = append(b, uuid.NewString()...)
	return c.json(append(b, `"}`...))
}

// tenantExistsError says that a tenant is there already.
type tenantExistsError struct{ id tenant.ID }

func (e *tenantExistsError) Error() string {
	return "A tenant with id [" + string(e.id) + "] already exists"
}
func (*tenantExistsError) Kind() string { return string(edge.Conflict) }
func (*tenantExistsError) Code() string { return "tenant-exists" }
