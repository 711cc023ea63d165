package gnocchi

import (
	"net/http"
	"slices"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
	"granary/compat/gnocchi/when"
	"granary/policy"
	"granary/tenant/identity"
)

func (d *Dialect) measuresRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/metric/{id}/measures", right: identity.Read, serve: (*call).measures},
	}
}

// measures answers the measures of a metric.
func (c *call) measures() error {
	m, err := c.metric(c.vars["id"])
	if err != nil {
		return err
	}
	return c.measuresOf(m)
}

// measuresOf answers the measures of a metric: those of a method, at one granularity or at all.
func (c *call) measuresOf(m *metric) error {
	if err := c.demand(getMeasures, &m.object); err != nil {
		return err
	}
	r, err := c.reading(m)
	if err != nil {
		return err
	}
	o := c.output()
	o.B = append(o.B, '[')
	some := false
	var printer *series.Printer
	last := ""
	err = r.each(func(granularity string, part series.Column) error {
		if granularity != last {
			last, printer = granularity, series.NewPrinter(granularity)
		}
		err := o.points(printer, some, part)
		some = some || len(part.Times) > 0
		return err
	})
	o.B = append(o.B, ']')
	return o.end(err)
}

// runsOf reads the measures of a metric that the request asks for, coarsest first.
func (c *call) runsOf(m *metric) ([]run, error) {
	r, err := c.reading(m)
	if err != nil {
		return nil, err
	}
	var runs []run
	err = r.each(func(granularity string, part series.Column) error {
		n := len(runs)
		if n == 0 || runs[n-1].granularity != granularity {
			runs = append(runs, run{granularity: granularity})
			n++
		}
		r := &runs[n-1]
		r.Times, r.Values = append(r.Times, part.Times...), append(r.Values, part.Values...)
		return nil
	})
	return runs, err
}

// reading is a read of the measures of one metric that is about to begin.
type reading struct {
	asked
	c     *call
	m     *metric
	wants []series.Want
	plan  *series.Plan
}

// reading prepares to read the measures of a metric that the request asks for.
func (c *call) reading(m *metric) (*reading, error) {
	a, err := c.asked(m)
	if err != nil {
		return nil, err
	}
	r := &reading{asked: a, c: c, m: m, wants: a.wants(m)}
	r.plan, err = c.planned(series.PrepareParts, r.wants)
	return r, err
}

// each hands the measures to fn part by part, coarsest first, each part with its granularity, which is JSON. A part is fn's until it
// returns.
func (r *reading) each(fn func(granularity string, part series.Column) error) error {
	defer func() { edge.Query(r.c.w, r.m.tenant, r.plan.Samples()) }()
	if !r.resample {
		return r.plan.Parts(r.c.ctx, func(want int, part series.Column, _ bool) error { return fn(seconds(r.wants[want].Granularity), part) })
	}
	from := r.grouping.Floor(r.start)
	longer := series.NewResampler(r.method, r.grouping) // there is one granularity
	return r.plan.Parts(r.c.ctx, func(_ int, part series.Column, last bool) error {
		if part = longer.Add(part); last {
			part = longer.End()
		}
		return fn(r.text, part.Within(from, r.stop))
	})
}

// seconds is a granularity as a number of seconds, as answers have it.
func seconds(granularity int64) string {
	return string(pyjson.AppendFloat(nil, when.Seconds(granularity)))
}

// asked is what is asked for of the measures of one metric.
type asked struct {
	method        policy.Method
	granularities []int64 // coarsest first
	start, stop   int64
	none          bool // nothing can be the answer but nothing

	resample bool
	grouping series.Grouping
	text     string // of the granularity of resampled measures, JSON
}

// asked reads the parameters, in the order in which Gnocchi complains about them.
func (c *call) asked(m *metric) (a asked, err error) {
	granularity, one, err := c.one("granularity")
	if err != nil {
		return a, err
	}
	if err := c.grouping(&a, granularity); err != nil {
		return a, err
	}
	if a.start, a.stop, a.none, err = c.span(); err != nil {
		return a, err
	}
	kept := c.kept(&m.Draft)
	if one {
		g, err := width("granularity", granularity)
		if err != nil {
			return a, err
		}
		a.granularities = []int64{g}
	} else {
		for _, t := range slices.Backward(kept.Tiers) {
			a.granularities = append(a.granularities, int64(t.Granularity))
		}
	}
	method, given, err := c.one("aggregation")
	if err != nil {
		return a, err
	}
	if !given {
		method = "mean"
	}
	if a.method, err = policy.ParseMethod(method); err != nil || !kept.Has(a.method) {
		detail := &pyjson.Object{}
		detail.Set("metric", pyjson.UUID(m.ID.String()))
		detail.Set("aggregation_method", shorten(method))
		return a, &refusal{http.StatusNotFound, "object-unknown", because("Aggregation method does not exist for this metric", "detail", detail)}
	}
	// What is acknowledged can be read: there is nothing to refresh.
	if _, err := c.flag("refresh"); err != nil {
		return a, err
	}
	if one && !kept.HasGranularity(a.granularities[0]) {
		return a, noGranularity(method, a.granularities[0], m.ID.String())
	}
	return a, nil
}

// grouping reads the parameter resample: a timespan, or the letter of a unit of the calendar.
func (c *call) grouping(a *asked, granularity string) error {
	text, _, err := c.one("resample")
	if text == "" || err != nil {
		return err
	}
	if granularity == "" {
		return badRequest("A granularity must be specified to resample")
	}
	a.resample = true
	if unit, ok := when.ParseCalendar(text); ok {
		a.grouping.Unit, a.text = unit, `"`+unit.String()+`"`
		return nil
	}
	if a.grouping.Step, err = when.Span(text); err != nil {
		return badRequest("%s", err.Error())
	}
	a.text = seconds(a.grouping.Step)
	return nil
}

// wants are the columns to be read, one for each granularity.
func (a *asked) wants(m *metric) []series.Want {
	if a.none {
		return nil
	}
	var list []series.Want
	for _, g := range a.granularities {
		w := series.Want{Ref: m.Ref, Method: a.method, Granularity: g, Start: a.start, Stop: a.stop}
		if a.resample {
			w = w.Resampled(a.grouping)
		}
		list = append(list, w)
	}
	return list
}
