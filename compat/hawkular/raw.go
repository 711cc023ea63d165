package hawkular

import (
	"net/http"

	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/identity"
)

func (d *Dialect) rawRoutes() []route {
	read := identity.Read
	return []route{
		{method: http.MethodGet, path: "/{type}/{id}/raw", right: read, serve: (*call).points},
		{method: http.MethodGet, path: "/{numbers}/{id}/data", right: read, serve: (*call).data},
		{method: http.MethodGet, path: "/availability/{id}/data", right: read, serve: (*call).data},
		{method: http.MethodPost, path: "/{type}/raw/query", right: read, serve: (*call).pointsQuery},
		{method: http.MethodGet, path: "/{type}/tags/{tags}/raw", right: read, serve: (*call).pointsByTags},
	}
}

// points answers the points of one metric.
func (c *call) points() error {
	a, err := c.ask()
	if err != nil {
		return err
	}
	return c.pointsOf(a)
}

// data answers the points of one metric, or its buckets if these are asked for. It is a form of two reads that went out of use.
func (c *call) data() error {
	a, err := c.ask()
	if err != nil {
		return err
	}
	if !a.bucketed() {
		return c.pointsOf(a)
	}
	if err := unbounded(a); err != nil {
		return err
	}
	if c.typ == metricdef.Availability {
		return c.stateBuckets(a)
	}
	return c.bucketsOf(a, false)
}

// pointsOf answers the points of the metric that the path names.
func (c *call) pointsOf(a *ask) error {
	return c.answerPoints(a, false, func() ([]metricdef.Ref, error) { return c.own(), nil })
}

// namesMetrics checks how a question about several metrics names them: by their ids or by their tags. The default mode takes both together, and
// neither, which is a question about nothing.
func (c *call) namesMetrics(a *ask) error {
	if c.strict() && (len(a.IDs) > 0) == (a.Tags != "") {
		return badRequest("either ids or tags must be given")
	}
	return nil
}

// pointsQuery answers the points of the metrics that the body names.
func (c *call) pointsQuery() error {
	a := new(ask)
	if err := c.decode(a); err != nil {
		return err
	}
	if err := c.namesMetrics(a); err != nil {
		return err
	}
	return c.answerPoints(a, true, func() ([]metricdef.Ref, error) {
		refs := c.refsOf(c.typ, a.IDs...)
		if a.Tags == "" {
			return refs, nil
		}
		found, err := c.byTags(a.Tags, c.typ)
		return append(refs, found...), err
	})
}

// pointsByTags answers the points of the metrics for which the tag query in the path holds.
func (c *call) pointsByTags() error {
	a, err := c.ask()
	if err != nil {
		return err
	}
	return c.answerPoints(a, true, func() ([]metricdef.Ref, error) { return c.byTags(c.vars["tags"], c.typ) })
}

// answerPoints answers points: of one metric as a list, of several as a list of metrics with a list each. Metrics without points are left
// out of it. find finds the metrics, behind the gate of reads.
func (c *call) answerPoints(a *ask, several bool, find func() ([]metricdef.Ref, error)) error {
	r, err := c.pointsRequest(a)
	if err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	if r.Refs, err = find(); err != nil {
		return err
	}
	if c.aggregates(a) {
		return c.answerAggregates(a, several, r.Refs)
	}
	if len(r.Refs) == 0 {
		return c.empty()
	}
	p := printer{c: c, distinct: bool(a.Distinct), several: several, atOnce: pointsAtOnce}
	if a.Distinct && c.typ == metricdef.Availability {
		// The limit counts what is left.
		p.limit, r.Limit = r.Limit, 0
	}
	p.request = r
	q, err := c.prepared(r)
	if err != nil {
		return err
	}
	return p.run(q)
}

// pointsRequest is what the engine is asked for, but for the metrics.
func (c *call) pointsRequest(a *ask) (r query.Request, err error) {
	from, to, err := c.span(a)
	if err != nil {
		return r, err
	}
	if r.Desc, err = c.desc(a, c.route.method == http.MethodPost); err != nil {
		return r, err
	}
	r.From, r.To = nanos(from), nanos(to)
	r.Limit, r.PointTags = a.most(), true
	return r, nil
}

// prepared lets the engine prepare a question for points, within the limits of the tenant.
func (c *call) prepared(r query.Request) (*query.Query, error) {
	if r.From >= r.To {
		// The range lies beyond all times that points can have.
		r.From = r.To - 1
	}
	r.Most = c.most()
	q, err := c.d.o.Queries.Prepare(c.ctx, r)
	return q, c.refused(err)
}
