package gnocchi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"granary/tenant/identity"
)

func (d *Dialect) writeRoutes() []route {
	post := func(path string, serve func(*call) error) route {
		return route{method: http.MethodPost, path: path, right: identity.Write, points: true, serve: serve}
	}
	one := post("/metric/{id}/measures", (*call).postMeasures)
	one.absent = http.MethodDelete
	return []route{
		one,
		post("/batch/metrics/measures", (*call).postByMetric),
		post("/batch/resources/metrics/measures", (*call).postByResource),
	}
}

// postMeasures stores measures of the metric that the path names.
func (c *call) postMeasures() error {
	m, err := c.metric(c.vars["id"])
	if err != nil {
		return err
	}
	return c.postTo(m)
}

// postTo stores the measures of the body, which are those of one metric.
func (c *call) postTo(m *metric) error {
	if err := c.demand(postMeasures, &m.object); err != nil {
		return err
	}
	return c.take(func(in *intake, body []byte) error {
		if err := in.dec.One(body, c.now, &in.turn); err != nil {
			return err
		}
		in.targets = append(in.targets, in.target(m))
		return nil
	})
}

// postByMetric stores measures of metrics that the body names by their ids.
func (c *call) postByMetric() error {
	return c.take(func(in *intake, body []byte) error {
		if err := in.dec.Metrics(body, c.now, &in.turn); err != nil {
			return err
		}
		metrics := make([]*metric, len(in.dec.Lists))
		var unknown []string
		for i := range in.dec.Lists {
			m, ok := c.metricByID(in.dec.Lists[i].ID)
			if !ok {
				unknown = append(unknown, in.dec.Lists[i].ID.String())
			}
			metrics[i] = m
		}
		if len(unknown) > 0 {
			slices.Sort(unknown)
			return unknownMetrics(slices.Compact(unknown))
		}
		return in.aim(metrics)
	})
}

// aim says which metrics the lists of the body are of, if the caller may write to all of them.
func (in *intake) aim(metrics []*metric) error {
	for _, m := range metrics {
		if err := in.c.demand(postMeasures, &m.object); err != nil {
			return err
		}
	}
	for _, m := range metrics {
		in.targets = append(in.targets, in.target(m))
	}
	return nil
}

// mostUnknown is how many things an error names that there are not: a body may have very many.
const mostUnknown = 100

// unknownMetrics refuses a body that names metrics which there are not.
func unknownMetrics(names []string) error {
	more := ""
	if len(names) > mostUnknown {
		names, more = names[:mostUnknown], ", …"
	}
	return badRequest("Unknown metrics: %s%s", strings.Join(names, ", "), more)
}

// target is where the measures of a metric go.
func (in *intake) target(m *metric) target {
	t := target{id: m.ID, ref: m.Ref, tenant: m.Definition.Tenant, kind: m.Values()}
	if m.Resource != uuid.Nil {
		if r, ok := in.c.d.o.Resources.Get(t.tenant, m.Resource); ok && r.Ended != 0 {
			t.resource, t.ended = r.ID, r.Ended
		}
	}
	return t
}
