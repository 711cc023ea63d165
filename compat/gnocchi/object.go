package gnocchi

import (
	"context"

	"github.com/google/uuid"

	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// Resources finds resources; resource.Registry does.
type Resources interface {
	Get(t tenant.Num, id uuid.UUID) (resource.Resource, bool)
	Where(id uuid.UUID) []tenant.Num
	Type(name string) (resource.Type, bool)
	Types() []resource.Type
	Search(ctx context.Context, q resource.Search) (resource.Found, error)
}

// metric is a metric in the sight of the caller, with what the rules look at.
type metric struct {
	metricdef.Definition
	object
	ended int64 // when its resource has, in nanoseconds; 0: it has not, or there is none
}

// metric finds the metric of an id in the caller's sight. What lies beyond it, what has no numbers, and what there is not is answered
// alike.
func (c *call) metric(text string) (*metric, error) {
	if id, ok := parseUUID(text); ok {
		if m, ok := c.metricByID(id); ok {
			return m, nil
		}
	}
	return nil, noObject("Metric %s does not exist", shorten(text))
}

// metricByID is the metric of an id, if it is there, of numbers, and in the caller's sight.
func (c *call) metricByID(id uuid.UUID) (*metric, bool) {
	if ref, ok := c.d.o.Definitions.ByID(id); ok {
		return c.metricOf(ref)
	}
	return nil, false
}

// metricOf is the metric of a ref, if it is there, of numbers, and in the caller's sight.
func (c *call) metricOf(ref metricdef.Ref) (*metric, bool) {
	d, ok := c.d.o.Definitions.Get(ref)
	if !ok || d.Type != metricdef.Gauge && d.Type != metricdef.Counter {
		return nil, false
	}
	of, ok := c.d.o.Tenants.ByNum(d.Tenant)
	if !ok {
		return nil, false // its tenant is deleted, and it goes
	}
	m := &metric{Definition: d, object: object{tenant: of.ID, creator: d.Creator}}
	if d.Resource != uuid.Nil {
		if r, ok := c.d.o.Resources.Get(d.Tenant, d.Resource); ok {
			m.project, m.ended = projectOf(&r), r.Ended
		}
	}
	return m, c.wide() || m.tenant == c.home
}

// objectOfResource is what the rules look at of a resource.
func (c *call) objectOfResource(r *resource.Resource) object {
	return object{tenant: c.d.o.Tenants.ID(r.Tenant), creator: r.Creator, project: projectOf(r)}
}

// projectOf is the project that a resource says, "" if it says none.
func projectOf(r *resource.Resource) string {
	if r.Project == nil {
		return ""
	}
	return *r.Project
}
