package gnocchi

import (
	"net/http"

	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// metricWish is a metric that a resource is to have: one that exists, or one to make.
type metricWish struct {
	label string
	id    uuid.UUID  // of one that exists
	fresh *newMetric // one to make, under that label
}

// metricWishes is the check of an object of metrics by their names; it means a []metricWish.
func metricWishes(v any) (any, error) {
	o, ok := v.(*pyjson.Object)
	if !ok {
		return nil, schema.Wrong("expected a dictionary")
	}
	list := make([]metricWish, len(o.Names))
	for i, name := range o.Names {
		w := &list[i]
		w.label = name
		var err error
		if _, err = schema.Name(name); err == nil {
			err = w.read(o.Values[i])
		}
		if err != nil {
			return nil, schema.At(err, name, true)
		}
	}
	return list, nil
}

// read reads the id of a metric, or what a new one is to be. The name that the latter may have does not count.
func (w *metricWish) read(v any) error {
	if o, ok := v.(*pyjson.Object); ok {
		fields, err := schema.Dict(newMetricFields()...)(o)
		if err != nil {
			return err
		}
		fresh := newMetricOf(fields.(*pyjson.Object))
		fresh.name = w.label
		w.fresh = &fresh
		return nil
	}
	text, _ := v.(string)
	if w.id, _ = parseUUID(text); w.id == uuid.Nil {
		return schema.NotValid()
	}
	return nil
}

// wanted are the metrics that a resource of a tenant is to have. A metric that exists has to be one that the caller made.
func (c *call) wanted(wishes []metricWish, num tenant.Num) ([]measures.ResourceMetric, error) {
	list := make([]measures.ResourceMetric, len(wishes))
	for i := range wishes {
		w, m := &wishes[i], &list[i]
		if m.Label = w.label; w.fresh != nil {
			var err error
			if m.Draft, err = c.draft(num, *w.fresh); err != nil {
				return nil, err
			}
			continue
		}
		ref, ok := c.d.o.Definitions.ByID(w.id)
		if ok {
			var d metricdef.Definition
			d, ok = c.d.o.Definitions.Get(ref)
			ok = ok && d.Creator != "" && d.Creator == c.creator && d.Tenant == num
		}
		if !ok {
			return nil, badRequest("Metric %s does not exist", w.id)
		}
		m.Ref = ref
	}
	return list, nil
}

// listResourceMetrics answers the metrics of a resource.
func (c *call) listResourceMetrics() error {
	r, _, err := c.resource(getResource)
	if err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	return c.showMetricsOf(r)
}

// addResourceMetrics gives a resource more metrics, and answers all that it has then.
func (c *call) addResourceMetrics() error {
	r, _, err := c.resource(updateResource)
	if err != nil {
		return err
	}
	v, err := c.json(metricWishes)
	if err != nil {
		return err
	}
	metrics, err := c.wanted(v.([]metricWish), r.Tenant)
	if err != nil {
		return err
	}
	if err := c.enter(); err != nil { // before anything is changed: what is answered may be much more than what was sent
		return err
	}
	if _, _, err := c.d.o.Store.ChangeResource(c.ctx, &measures.ResourceChange{Tenant: r.Tenant, ID: r.ID, Metrics: metrics}); err != nil {
		return c.resourceFault(err, r.ID)
	}
	return c.showMetricsOf(r)
}

// showMetricsOf answers the metrics of a resource, oldest first. It is behind the gate of reads.
func (c *call) showMetricsOf(r *resource.Resource) error {
	b, p := []byte{'['}, c.metrics()
	for _, l := range c.d.o.Definitions.AppendLinks(nil, r.Tenant, r.ID) {
		if m, ok := c.metricOf(l.Ref); ok {
			b = p.item(pyjson.AppendItem(b), &m.Definition)
		}
	}
	return c.answer(http.StatusOK, append(b, ']'))
}
