package gnocchi

import (
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/series"
	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
	"granary/tenant/identity"
)

func (d *Dialect) metricRoutes() []route {
	const all, one = "/metric", "/metric/{id}"
	return []route{
		{method: "GET", path: all, serve: (*call).listMetrics, right: identity.Read, anyone: true},
		{method: "POST", path: all, serve: (*call).createMetric, right: identity.Write},
		{method: "GET", path: one, serve: (*call).showMetric, right: identity.Read, anyone: true},
		{method: "DELETE", path: one, serve: (*call).deleteMetric, right: identity.Manage, anyone: true, audit: "metric.delete"},
	}
}

// createMetric makes a metric, of nothing or of a resource that the caller may change.
func (c *call) createMetric() error {
	o, err := c.object(append(newMetricFields(), schema.Field{Name: "resource_id", Check: c.resourceName})...)
	if err != nil {
		return err
	}
	wish := newMetricOf(o)
	var made metricdef.Definition
	if id, ok := o.Get("resource_id"); ok {
		made, err = c.addMetric(wish, id.(namedResource).id)
	} else {
		made, err = c.bareMetric(wish)
	}
	if err != nil {
		return err
	}
	b := c.metrics().begin(nil, &made)
	b = append(b, `, "resource_id": `...)
	b = appendResourceID(b, made.Resource)
	b = pyjson.AppendString(append(b, `, "archive_policy_name": `...), made.Policy)
	return c.created("/metric/"+made.ID.String(), endMetric(b, &made))
}

// bareMetric makes a metric that belongs to no resource, in the caller's home.
func (c *call) bareMetric(wish newMetric) (made metricdef.Definition, err error) {
	var draft *metricdef.Draft
	_, err = c.ensure(c.home, func(num tenant.Num) (err error) {
		draft, err = c.draft(num, wish)
		return err
	})
	if err != nil {
		return made, err
	}
	result := c.d.o.Store.CreateDefinitions(c.ctx, []metricdef.Draft{*draft})[0]
	if result.Err != nil {
		return made, result.Err
	}
	return c.justMade(result.Ref)
}

// addMetric makes a metric of a resource in the caller's sight, in the tenant of the resource.
func (c *call) addMetric(wish newMetric, id uuid.UUID) (made metricdef.Definition, err error) {
	if wish.name == "" {
		return made, caused("Attribute value error", "detail", "name", "reason", "Name cannot be null if resource_id is not null")
	}
	r, err := c.findResource(anyType, id)
	switch {
	case err != nil:
		return made, err
	case r == nil:
		return made, resourceMissing(id)
	}
	o := c.objectOfResource(r)
	if err := c.demand(updateResource, &o); err != nil {
		return made, err
	}
	draft, err := c.draft(r.Tenant, wish)
	if err != nil {
		return made, err
	}
	_, refs, err := c.d.o.Store.ChangeResource(c.ctx, &measures.ResourceChange{
		Tenant: r.Tenant, ID: r.ID, Metrics: []measures.ResourceMetric{{Label: wish.name, Draft: draft}},
	})
	var link *metricdef.LinkError
	var gone *resource.UnknownError
	switch {
	case errors.As(err, &link):
		return made, caused("Named metric already exists", "detail", wish.name)
	case errors.As(err, &gone):
		return made, resourceMissing(id)
	case err != nil:
		return made, err
	}
	return c.justMade(refs[0])
}

func resourceMissing(id uuid.UUID) error {
	return caused("Attribute value error", "detail", "resource_id", "reason", "Resource "+id.String()+" does not exist")
}

// justMade is the definition of a metric that a request has made.
func (c *call) justMade(ref metricdef.Ref) (metricdef.Definition, error) {
	d, ok := c.d.o.Definitions.Get(ref)
	if !ok {
		return d, exists("the metric was deleted as soon as it was there") // by somebody else
	}
	return d, nil
}

// pathMetric is the metric that the path names by its id.
func (c *call) pathMetric() (*metric, error) {
	m, err := c.metric(c.vars["id"])
	if err == nil && !c.known {
		err = errUnknown
	}
	return m, err
}

func (c *call) showMetric() error {
	m, err := c.pathMetric()
	if err != nil {
		return err
	}
	return c.showFound(m)
}

// showFound answers a metric.
func (c *call) showFound(m *metric) error {
	if err := c.demand(getMetric, &m.object); err != nil {
		return err
	}
	return c.answer(http.StatusOK, c.metrics().one(nil, m))
}

func (c *call) deleteMetric() error {
	m, err := c.pathMetric()
	if err != nil {
		return err
	}
	return c.deleteFound(m)
}

// deleteFound deletes a metric.
func (c *call) deleteFound(m *metric) error {
	if err := c.demand(deleteMetric, &m.object); err != nil {
		return err
	}
	c.target = m.ID.String()
	n, err := c.d.o.Store.DeleteDefinitions(c.ctx, []metricdef.Ref{m.Ref})
	switch {
	case err != nil:
		return err
	case n == 0: // somebody else was faster
		return noObject("Metric %s does not exist", m.ID)
	}
	return c.nothing()
}

// metricPrinter prints metrics one after the other.
type metricPrinter struct {
	c        *call
	policies map[printedPolicy][]byte
}

// printedPolicy is what tells policies apart that metrics have; a metric may have a retention of its own.
type printedPolicy struct {
	tenant tenant.Num
	name   string
	length time.Duration
}

func (c *call) metrics() *metricPrinter {
	return &metricPrinter{c: c, policies: make(map[printedPolicy][]byte)}
}

// policy appends the archive policy of a metric.
func (p *metricPrinter) policy(dst []byte, d *metricdef.Definition) []byte {
	of := series.PolicyOf(p.c.d.o.Policies, &d.Draft)
	key := printedPolicy{d.Tenant, of.Name, of.Raw.Length}
	text, ok := p.policies[key]
	if !ok {
		text = appendPolicy(nil, &of)
		p.policies[key] = text
	}
	return append(dst, text...)
}

// begin appends the members that come first.
func (p *metricPrinter) begin(dst []byte, d *metricdef.Definition) []byte {
	dst = pyjson.AppendString(append(dst, `{"id": `...), d.ID.String())
	dst = pyjson.AppendFilled(append(dst, `, "creator": `...), d.Creator)
	dst = pyjson.AppendFilled(append(dst, `, "name": `...), shownName(&d.Draft))
	return pyjson.AppendFilled(append(dst, `, "unit": `...), d.Unit)
}

// endMetric appends the members that come last.
func endMetric(dst []byte, d *metricdef.Definition) []byte {
	user, project := splitCreator(d.Creator)
	dst = pyjson.AppendString(append(dst, `, "created_by_user_id": `...), user)
	return append(pyjson.AppendString(append(dst, `, "created_by_project_id": `...), project), '}')
}

func appendResourceID(dst []byte, id uuid.UUID) []byte {
	if id == uuid.Nil {
		return append(dst, "null"...)
	}
	return pyjson.AppendString(dst, id.String())
}

// item appends a metric as one of a list.
func (p *metricPrinter) item(dst []byte, d *metricdef.Definition) []byte {
	dst = append(p.begin(dst, d), `, "resource_id": `...)
	dst = appendResourceID(dst, d.Resource)
	dst = p.policy(append(dst, `, "archive_policy": `...), d)
	return endMetric(dst, d)
}

// resourceHead are the members of a resource that a metric shows of it.
var resourceHead = []string{"creator", "started_at", "revision_start", "ended_at", "user_id", "project_id", "original_resource_id", "id", "type",
	"revision_end", "created_by_user_id", "created_by_project_id"}

// one appends a metric alone, with its resource.
func (p *metricPrinter) one(dst []byte, m *metric) []byte {
	d := &m.Definition
	dst = append(p.begin(dst, d), `, "resource": `...)
	if r, ok := p.c.d.o.Resources.Get(d.Tenant, d.Resource); ok && d.Resource != uuid.Nil {
		generic, _ := p.c.d.o.Resources.Type(resource.Generic)
		dst = p.c.printer(&generic, &listing{attrs: resourceHead}).append(dst, &r)
	} else {
		dst = append(dst, "null"...)
	}
	dst = p.policy(append(dst, `, "archive_policy": `...), d)
	return endMetric(dst, d)
}
