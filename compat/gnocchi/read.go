package gnocchi

import (
	"context"
	"errors"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
	"granary/compat/gnocchi/when"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant"
)

// This is what all reads of measures have in common: the parameters start, stop and granularity, what a metric keeps, and the
// limits of who asks.

// one is a parameter of which there must be one value at most; false if it is not there.
func (c *call) one(name string) (value string, ok bool, err error) {
	list := c.query[name]
	if len(list) > 1 {
		return "", false, badRequest("%s: it is given %d times, once is possible", name, len(list))
	}
	if len(list) == 0 {
		return "", false, nil
	}
	return list[0], true, nil
}

// span is the range of the parameters start and stop, in nanoseconds. None says that there is nothing in it whatever is stored: one of them is
// no time, or it ends before it begins.
func (c *call) span() (start, stop int64, none bool, err error) {
	return c.spanOr(func(name string) error { return argumentDetail(name, "Must be a datetime or a timestamp") })
}

// spanOr is span with a refusal of its own for a parameter that is no timestamp.
func (c *call) spanOr(refuse func(name string) error) (start, stop int64, none bool, err error) {
	start, stop = series.Earliest, series.Latest
	for _, p := range []struct {
		name string
		to   *int64
	}{{"start", &start}, {"stop", &stop}} {
		text, ok, err := c.one(p.name)
		if err != nil {
			return 0, 0, false, err
		}
		if !ok {
			continue
		}
		t, err := when.Timestamp(text, c.now)
		var bad *when.TimeError
		switch {
		case errors.As(err, &bad) && bad.Why == when.NotATime:
			none = true
		case err != nil:
			return 0, 0, false, refuse(p.name)
		default:
			*p.to = t
		}
	}
	return start, stop, none || start > stop, nil
}

// width reads a granularity that a parameter has.
func width(name, text string) (int64, error) {
	d, err := when.Span(text)
	if err != nil {
		return 0, argumentDetail(name, err.Error())
	}
	return d, nil
}

// kept says what can be read of a metric.
func (c *call) kept(d *metricdef.Draft) series.Kept {
	p := series.PolicyOf(c.d.o.Policies, d)
	return series.KeptBy(&p)
}

// noGranularity refuses to read a metric at a granularity that it does not have.
func noGranularity(method string, granularity int64, metric string) error {
	return noObject("Aggregation method '%s' at granularity '%s' for metric %s does not exist", method, pyjson.AppendFloat(nil, when.Seconds(granularity)), metric)
}

// columns reads what is wanted of metrics of a tenant as a whole, within the limits of who asks.
func (c *call) columns(of tenant.ID, wants []series.Want) ([]series.Column, error) {
	p, err := c.planned(series.Prepare, wants)
	if err != nil {
		return nil, err
	}
	defer func() { edge.Query(c.w, of, p.Samples()) }()
	return p.Columns(c.ctx)
}

// planned prepares a read behind the gate of reads.
func (c *call) planned(prepare func(context.Context, series.Queries, query.Cost, []series.Want) (*series.Plan, error), wants []series.Want) (*series.Plan, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	p, err := prepare(c.ctx, c.d.o.Queries, c.most(), wants)
	if err == nil { // alone; and all reads of a request together
		c.cost = c.cost.Add(p.Cost())
		err = c.d.o.Queries.Admit(c.most(), c.cost)
	}
	if err != nil {
		return nil, c.refused(err)
	}
	return p, nil
}

// most is what a request may cost by the limits of the caller's tenant.
func (c *call) most() query.Cost {
	if c.num == 0 {
		return query.Cost{}
	}
	l := c.d.o.Tenants.Limits(c.num)
	return query.Cost{Series: l.QuerySeries, Samples: l.QuerySamples}
}

// refused notes a refusal for what a request costs, if it is one by a limit of the caller's tenant.
func (c *call) refused(err error) error {
	var cost *query.CostError
	if c.num != 0 && errors.As(err, &cost) {
		switch cost.Setting {
		case query.SettingSeries:
			c.d.o.Tenants.Standing(c.num).Refuse(tenant.LimitQuerySeries, 1)
		case query.SettingSamples:
			c.d.o.Tenants.Standing(c.num).Refuse(tenant.LimitQuerySamples, 1)
		}
	}
	return err
}
