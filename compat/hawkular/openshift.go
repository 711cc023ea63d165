package hawkular

import (
	"net/http"

	"granary/metricdef"
	"granary/metricdef/match"
)

func (d *Dialect) openshiftRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/openshift", admin: true, audit: "metric.list", serve: d.openshift},
	}
}

// openshiftTag marks the metrics that OpenShift's tools look for.
const openshiftTag = "descriptor_name"

// openshift answers the metrics of all tenants that have openshiftTag, tenant by tenant.
func (d *Dialect) openshift(c *call) error {
	if err := c.enter(); err != nil {
		return err
	}
	s := c.stream(typeJSON)
	turn := s.Ticket.Turn()
	n := 0
	var err error
	for _, t := range d.o.Tenants.All() {
		var refs []metricdef.Ref
		if refs, err = find(c.ctx, d.o.Definitions, t.Num, match.Exists(openshiftTag), c.among()); err == nil {
			p := lister{c: c, of: t.ID}
			n, err = p.each(s, &turn, refs, nil, n)
		}
		if err != nil {
			break
		}
	}
	turn.End()
	if n == 0 && err == nil {
		s.Free()
		return c.empty()
	}
	s.B = append(s.B, ']')
	return c.endStream(s, err)
}
