package hawkular

import (
	"net/http"
	"slices"
	"time"

	"granary/api/edge"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/identity"
)

func (d *Dialect) statsRoutes() []route {
	read := identity.Read
	return []route{
		{method: http.MethodGet, path: "/{numbers}/{id}/stats", right: read, serve: (*call).statsOfOne},
		{method: http.MethodGet, path: "/{numbers}/stats", right: read, serve: (*call).statsOfSeveral},
		{method: http.MethodGet, path: "/{numbers}/data", right: read, serve: (*call).oldStats},
		{method: http.MethodPost, path: "/{numbers}/stats/query", right: read, serve: (*call).statsQuery},
		{method: http.MethodGet, path: "/{numbers}/{id}/stats/tags/{tags}", right: read, serve: (*call).taggedStats},
		{method: http.MethodPost, path: "/{metrics}/stats/query", right: read, serve: (*call).genericQuery},
		{method: http.MethodPost, path: "/{metrics}/stats/batch/query", right: read, serve: (*call).batchQuery},
	}
}

// statsOfOne answers the buckets of one metric.
func (c *call) statsOfOne() error {
	a, err := c.statsAsk(false)
	if err != nil {
		return err
	}
	return c.bucketsOf(a, false)
}

// statsAsk reads the query string of a question about statistics. Buckets have neither a limit nor an order. Where Hawkular does not know
// these parameters it passes over them; its old routes, which went out of use, do know them.
func (c *call) statsAsk(old bool) (*ask, error) {
	a, err := c.ask()
	if err == nil && (old || !c.strict()) {
		err = unbounded(a)
	}
	return a, err
}

// bucketsOf answers all buckets of the metric that the path names, or of its rates.
func (c *call) bucketsOf(a *ask, rate bool) error {
	a.Stacked = false
	return c.pooled(a, c.own(), rate)
}

// statsOfSeveral answers the buckets of several metrics together.
func (c *call) statsOfSeveral() error { return c.several(false, false) }
func (c *call) oldStats() error       { return c.several(false, true) }

func (c *call) several(rate, old bool) error {
	a, err := c.statsAsk(old)
	if err != nil {
		return err
	}
	refs, err := c.chosen(a, c.query["metrics"])
	if err != nil {
		return err
	}
	return c.pooled(a, refs, rate)
}

// chosen are the metrics of a question that names ids or has a tag query, sorted.
func (c *call) chosen(a *ask, ids []string) ([]metricdef.Ref, error) {
	switch {
	case len(ids) == 0 && a.Tags == "":
		return nil, badRequest("either metrics or tags must be given")
	case len(ids) > 0 && a.Tags != "":
		return nil, badRequest("metrics and tags cannot be given together")
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	if a.Tags != "" {
		return c.byTags(a.Tags, c.typ)
	}
	refs := c.refsOf(c.typ, ids...)
	slices.Sort(refs)
	return slices.Compact(refs), nil
}

// form is what of each metric is answered.
type form uint8

const (
	allBuckets    form = iota
	filledBuckets      // those with a value, in the order and as many as are asked for
	thePoints          // no buckets
)

// plan is a question about metrics of one type, ready to be asked.
type plan struct {
	form    form
	buckets buckets
	columns *columns
	// skip says that what is empty before the first bucket with a value is left out.
	skip bool
	// nothing says that the question is about all that is there, and that nothing is.
	nothing bool
	printer *bucketPrinter // of its buckets
	request query.Request
	query   *query.Query // nil: there is nothing to be read
}

// plan lays the buckets and says what the engine is asked for.
func (c *call) plan(a *ask, typ metricdef.Type, rate bool, refs []metricdef.Ref) (*plan, error) {
	from, to, err := c.span(a)
	if err != nil {
		return nil, err
	}
	p := &plan{skip: bool(a.FromEarliest)}
	if a.FromEarliest {
		if from = c.since(refs, to); from >= to {
			// What is wrong with the question is said in any case.
			p.nothing, from = true, to-DefaultStart.Milliseconds()
		}
	}
	reversed := typ == metricdef.Gauge && !rate
	if p.columns, err = newColumns(a.Percentiles, c.strict(), reversed, bool(a.Stacked)); err != nil {
		return nil, err
	}
	if p.buckets, err = c.divide(a, from, to); err != nil {
		return nil, err
	}
	var some bool
	p.request, some = p.buckets.request()
	if some && !p.nothing {
		p.request.Refs = refs
	}
	p.request.Overs, p.request.Extra = p.columns.overs, p.columns.extra
	if rate {
		p.request.Rate = perMinute(typ)
	}
	return p, nil
}

// perMinute is the kind of rates that metrics of a type have. What falls is a counter that began again, and the fall is left out.
func perMinute(typ metricdef.Type) query.Rate {
	r := query.Rate{Per: time.Minute, Falls: query.FallsKeep, Inside: true}
	if typ == metricdef.Counter {
		r.Falls = query.FallsDrop
	}
	return r
}

// since is where the range of metrics begins of which everything is asked for, in milliseconds. Hawkular goes back as far as points may be
// kept, and so the strict mode's buckets begin there; else they begin with the oldest point.
func (c *call) since(refs []metricdef.Ref, to int64) int64 {
	from := c.earliest(refs)
	if from >= to {
		return to
	}
	if kept := c.kept(refs); c.strict() && kept > 0 {
		from = to - kept.Milliseconds() // so that buckets of a day end with the range, slack and all
	}
	return max(from, 1)
}

// kept is the longest time for which points of the metrics are kept, 0 if it is for ever for one of them.
func (c *call) kept(refs []metricdef.Ref) (longest time.Duration) {
	for _, ref := range refs {
		kept := c.d.o.Store.RetentionOf(ref)
		if kept == 0 {
			return 0
		}
		longest = max(longest, kept)
	}
	return longest
}

// prepare lets the engine find out what the plan costs. lists is how many metrics are answered, each by itself: the engine does not
// know of the buckets without a value.
func (c *call) prepare(p *plan, lists int64) (query.Cost, error) {
	most := c.most()
	var cost query.Cost
	if p.form == allBuckets && !p.nothing {
		cost.Points = p.buckets.count * lists
		if err := c.d.o.Queries.Admit(most, cost); err != nil {
			return cost, c.refused(err)
		}
	}
	if len(p.request.Refs) == 0 {
		return cost, nil
	}
	p.request.Most = most
	var err error
	if p.query, err = c.d.o.Queries.Prepare(c.ctx, p.request); err != nil {
		return cost, c.refused(err)
	}
	own := p.query.Cost()
	own.Points = max(own.Points, cost.Points)
	return own, nil
}

// pooled answers one list of buckets with what all the points of the metrics make, or with the sums of what those of each make.
func (c *call) pooled(a *ask, refs []metricdef.Ref, rate bool) error {
	p, err := c.plan(a, c.typ, rate, refs)
	if err != nil {
		return err
	}
	stacked := bool(a.Stacked)
	p.request.Pool = len(refs) > 1 && !stacked
	return c.answerList(p, func(o *output) error {
		if stacked && p.query != nil {
			return c.printStacked(o, p)
		}
		return c.printAlone(o, p)
	})
}

// answerList prepares a plan and answers the one list of its buckets, as print prints it.
func (c *call) answerList(p *plan, print func(*output) error) error {
	if err := c.enter(); err != nil {
		return err
	}
	if _, err := c.prepare(p, 1); err != nil {
		return err
	}
	if p.nothing {
		return c.empty()
	}
	defer c.account(p)
	o := c.output()
	return c.endList(o, print(o))
}

// endList ends an answer that is one list, which may turn out to be empty: there are no points, or no bucket with a value where those before
// the first one are left out.
func (c *call) endList(o *output, err error) error {
	if err == nil && string(o.stream.B) == "[]" {
		o.stream.Free()
		return c.empty()
	}
	return c.endStream(o.stream, err)
}

// printAlone prints the one list of buckets that a plan has.
func (c *call) printAlone(o *output, p *plan) error {
	printer := bucketPrinter{buckets: &p.buckets, columns: p.columns}
	return c.printFrame(o, p, func(dst []byte, f *query.Frame) []byte { return printer.list(dst, p, f, o) })
}

// printFrame prints what text makes of the one frame of a plan, nil if there is nothing to be read.
func (c *call) printFrame(o *output, p *plan, text func(dst []byte, f *query.Frame) []byte) error {
	write := func(f *query.Frame) error { return o.print(func(dst []byte) []byte { return text(dst, f) }) }
	if p.query == nil {
		return write(nil)
	}
	return p.query.Run(c.ctx, write)
}

// printStacked prints the sums of what the metrics of a plan have.
func (c *call) printStacked(o *output, p *plan) error {
	s := stack{columns: p.columns}
	add := func(f *query.Frame) error {
		return o.print(func(dst []byte) []byte { s.add(f); return dst }) // nothing is printed yet, and it is work all the same
	}
	if err := p.query.Run(c.ctx, add); err != nil {
		return err
	}
	printer, sums := bucketPrinter{buckets: &p.buckets, columns: p.columns}, s.frame()
	return o.print(func(dst []byte) []byte { return printer.list(dst, p, sums, o) })
}

// account notes what plans have read.
func (c *call) account(plans ...*plan) {
	var read int64
	for _, p := range plans {
		if p.query != nil {
			read += p.query.Read()
		}
	}
	edge.Query(c.w, c.tenant, read)
}

// most is what the questions of a request may cost, by the limits of its tenant.
func (c *call) most() query.Cost {
	if c.num == 0 {
		return query.Cost{}
	}
	l := c.d.o.Tenants.Limits(c.num)
	return query.Cost{Series: l.QuerySeries, Samples: l.QuerySamples}
}
