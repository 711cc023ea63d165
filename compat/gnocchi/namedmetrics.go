package gnocchi

import "granary/tenant/identity"

func (d *Dialect) namedMetricRoutes() []route {
	const path = "/resource/{type}/{id}/metric/{name}"
	return []route{
		{method: "GET", path: path, serve: named((*call).showFound), right: identity.Read},
		{method: "DELETE", path: path, serve: named((*call).deleteFound), right: identity.Manage, audit: "metric.delete"},
		{method: "GET", path: path + "/measures", serve: named((*call).measuresOf), right: identity.Read},
		{method: "POST", path: path + "/measures", serve: named((*call).postTo), right: identity.Write, points: true},
	}
}

// named serves the metric that the path names by its resource and the name that it has there.
func named(serve func(*call, *metric) error) func(*call) error {
	return func(c *call) error {
		m, err := c.namedMetric()
		if err != nil {
			return err
		}
		return serve(c, m)
	}
}

// namedMetric is the metric that the path names by its resource and its name.
func (c *call) namedMetric() (*metric, error) {
	t, err := c.resourceType()
	if err != nil {
		return nil, err
	}
	r, err := c.seenResource(t)
	if err != nil {
		return nil, err
	}
	if m := c.metricOfResource(r, c.vars["name"]); m != nil {
		return m, nil
	}
	return nil, noObject("Metric %s does not exist", shorten(c.vars["name"]))
}
