package gnocchi

import (
	"net/http"
	"slices"
	"strings"

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
		for i := range in.dec.Lists {
			id := in.dec.Lists[i].ID
			if m, ok := c.metricByID(id); ok {
				in.aim(m)
			} else {
				in.unknown(id.String())
			}
		}
		return in.aimed()
	})
}

// workOfMetric is the work of finding a metric, in units of turns.
const workOfMetric = 500

// aim says that the next list of the body is of a metric.
func (in *intake) aim(m *metric) {
	if err := in.c.demand(postMeasures, &m.object); err != nil && in.forbidden == nil {
		in.forbidden = err
	}
	in.targets = append(in.targets, in.target(m))
	in.looked()
}

// unknown says that there is no metric for the next list of the body.
func (in *intake) unknown(name string) {
	if len(in.missing) < mostMissing {
		in.missing = append(in.missing, name)
	}
	in.targets = append(in.targets, target{})
	in.looked()
}

func (in *intake) looked() {
	if len(in.targets)%64 == 0 {
		in.turn.Spent(64 * workOfMetric)
	}
}

// aimed says whether all lists have metrics that the caller may write to.
func (in *intake) aimed() error {
	if len(in.missing) > 0 {
		return unknownMetrics(in.missing)
	}
	return in.forbidden
}

// mostMissing is how many metrics that there are not are remembered of a body.
const mostMissing = 10_000

// mostUnknown is how many things an error names that there are not: a body may have very many.
const mostUnknown = 100

// unknownMetrics refuses a body that names metrics which there are not.
func unknownMetrics(names []string) error {
	slices.Sort(names)
	names = slices.Compact(names)
	more := ""
	if len(names) > mostUnknown {
		names, more = names[:mostUnknown], ", …"
	}
	return badRequest("Unknown metrics: %s%s", strings.Join(names, ", "), more)
}

// target is where the measures of a metric go.
func (in *intake) target(m *metric) target {
	t := target{id: m.ID, ref: m.Ref, tenant: m.Definition.Tenant, kind: m.Values()}
	if m.ended != 0 {
		t.resource, t.ended = m.Resource, m.ended
	}
	return t
}
