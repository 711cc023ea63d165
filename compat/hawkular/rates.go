package hawkular

import (
	"net/http"
	"slices"

	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/identity"
)

// Rates are per minute, and stand at the later of two points. The first point of a range has none.

func (d *Dialect) rateRoutes() []route {
	read := identity.Read
	return []route{
		{method: http.MethodGet, path: "/{numbers}/{id}/rate", right: read, serve: (*call).rateOfOne},
		{method: http.MethodGet, path: "/{numbers}/{id}/rate/stats", right: read, serve: (*call).rateStatsOfOne},
		{method: http.MethodGet, path: "/{numbers}/rate/stats", right: read, serve: (*call).rateStatsOfSeveral},
		{method: http.MethodPost, path: "/{numbers}/rate/query", right: read, serve: (*call).rateQuery},
		// It went out of use in Hawkular, for counters alone.
		{method: http.MethodGet, path: "/counters/rate", right: read, serve: (*call).rateStatsOfSeveral},
	}
}

func (c *call) rateStatsOfSeveral() error { return c.several(true, false) }

func (c *call) rateStatsOfOne() error {
	a, err := c.statsAsk(false)
	if err != nil {
		return err
	}
	return c.bucketsOf(a, true)
}

// rateOfOne answers the rates of one metric.
func (c *call) rateOfOne() error {
	a, err := c.ask()
	if err != nil {
		return err
	}
	p, err := c.planRates(a, c.own(), false)
	if err != nil {
		return err
	}
	if p == nil {
		return c.empty()
	}
	defer c.account(p)
	o := c.output()
	return c.endList(o, p.query.Run(c.ctx, func(f *query.Frame) error {
		return o.print(func(dst []byte) []byte { return appendPoints(dst, f, o) })
	}))
}

// rateQuery answers the rates of several metrics, each by itself; those without any are left out. The metrics are named as in a question for points.
func (c *call) rateQuery() error {
	var a ask
	if err := c.decode(&a); err != nil {
		return err
	}
	if err := c.namesMetrics(&a); err != nil {
		return err
	}
	s := section{typ: c.typ, ids: a.IDs}
	if err := c.fill([]*section{&s}, a.Tags); err != nil {
		return err
	}
	p, err := c.planRates(&a, s.refs(), true)
	if err != nil {
		return err
	}
	if p == nil {
		return c.empty()
	}
	defer c.account(p)
	o := c.output()
	s.plan = p
	return c.endList(o, c.print(o, &s, true))
}

// planRates prepares a question about the rates themselves; nil if there can be none.
func (c *call) planRates(a *ask, refs []metricdef.Ref, posted bool) (*plan, error) {
	p, err := c.planPoints(a, c.typ, true, refs, posted)
	if err != nil || len(p.request.Refs) == 0 {
		return nil, err
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	_, err = c.prepare(p, 0)
	return p, err
}

// planPoints says what the engine is asked for if it is the points themselves, or their rates.
func (c *call) planPoints(a *ask, typ metricdef.Type, rate bool, refs []metricdef.Ref, posted bool) (*plan, error) {
	from, to, err := c.span(a)
	if err != nil {
		return nil, err
	}
	p := &plan{form: thePoints}
	p.request = query.Request{From: nanos(from), To: nanos(to), Limit: a.most()}
	if rate {
		p.request.Rate = perMinute(typ)
	}
	if p.request.From < p.request.To {
		p.request.Refs = refs
	}
	p.request.Desc, err = c.desc(a, posted)
	return p, err
}

// appendPoints appends the points of a frame of numbers, or their rates, as every list of points has them.
func appendPoints(dst []byte, f *query.Frame, o *output) []byte {
	dst = append(dst, '[')
	more := false
	var at stamp
	for i := range f.Len() {
		if !f.Has(i) {
			continue
		}
		dst = at.point(o.between(dst, more), f, i, o.strict)
		more = true
	}
	return append(dst, ']')
}

// refs are the metrics of a section that are there, sorted.
func (s *section) refs() []metricdef.Ref {
	refs := make([]metricdef.Ref, len(s.metrics))
	for i := range s.metrics {
		refs[i] = s.metrics[i].ref
	}
	return slices.Compact(refs)
}
