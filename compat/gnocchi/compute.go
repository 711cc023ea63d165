package gnocchi

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"granary/api/edge"
	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/series"
	"granary/compat/gnocchi/syntax"
	"granary/compat/gnocchi/when"
	"granary/measures/query"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
)

// terms is what all requests that compute something of several metrics ask for.
type terms struct {
	start, stop int64
	none        bool  // nothing can be in it
	granularity int64 // 0: all that the metrics have in common
	rules       operations.Rules
}

// terms reads the parameters, in the order in which Gnocchi complains about them.
func (c *call) terms() (w terms, err error) {
	w.rules.Needed = 100
	if text, ok, err := c.one("needed_overlap"); err != nil {
		return w, err
	} else if ok {
		if w.rules.Needed, ok = when.Float(text); !ok || math.IsNaN(w.rules.Needed) {
			return w, argumentDetail("needed_overlap", "Must be a number")
		}
		if w.rules.Needed < 0 || w.rules.Needed > 100 {
			return w, argumentDetail("needed_overlap", "Must be a percentage, from 0 to 100")
		}
	}
	if w.start, w.stop, w.none, err = c.span(); err != nil {
		return w, err
	}
	w.rules.Started, w.rules.Stopped = c.query.Has("start"), c.query.Has("stop")
	if text, ok, err := c.one("granularity"); err != nil {
		return w, err
	} else if ok {
		if w.granularity, err = width("granularity", text); err != nil {
			return w, err
		}
	}
	if text, ok, err := c.one("fill"); err != nil {
		return w, err
	} else if ok {
		if w.rules.Fill, err = operations.ParseFill(text); err != nil {
			return w, argumentDetail("fill", err.Error())
		}
	}
	return w, nil
}

// source is one series of a computation: a metric and a method of its stored aggregates.
type source struct {
	*metric
	name     string // of the metric, as errors and answers have it
	method   string
	of       int                // which of the references of the operations it stands for
	resource *resource.Resource // that the metric was found through; nil: it was named by its id
}

// part is one computation.
type part struct {
	operations *operations.Operations
	sources    []source
	// revision is that of a resource to which the sources are restricted, and by the share of which results are weighed; nil: they
	// are not.
	revision *resource.Resource

	methods       []policy.Method // of the sources
	granularities []int64         // coarsest first
}

// resolve finds out what is to be read of the sources.
func (p *part) resolve(c *call, granularity int64) error {
	kept := make([]series.Kept, len(p.sources))
	counts := make(map[int64]int)
	for i := range p.sources {
		kept[i] = c.kept(&p.sources[i].Draft)
		for _, t := range kept[i].Tiers {
			counts[int64(t.Granularity)]++
		}
	}
	p.granularities = nil
	if granularity > 0 {
		p.granularities = []int64{granularity}
	} else {
		for g, n := range counts {
			if n == len(p.sources) {
				p.granularities = append(p.granularities, g)
			}
		}
		if p.granularities == nil {
			return unaggregable("No granularity match", p.detail())
		}
		slices.Sort(p.granularities)
		slices.Reverse(p.granularities)
	}
	p.methods = make([]policy.Method, len(p.sources))
	var missing []any
	for i := range p.sources {
		s := &p.sources[i]
		var err error
		if p.methods[i], err = policy.ParseMethod(s.method); err != nil || !kept[i].Has(p.methods[i]) {
			return &notKeptError{s.ID.String(), shorten(s.method), cmp.Or(granularity, int64(kept[i].Tiers[0].Granularity))}
		}
		if granularity > 0 && !kept[i].HasGranularity(granularity) {
			missing = append(missing, []any{s.name, s.method, when.Seconds(granularity)})
		}
	}
	if missing != nil {
		return unaggregable("Granularities are missing", missing)
	}
	return nil
}

// detail is the sources as errors list them.
func (p *part) detail() []any {
	list := make([]any, len(p.sources))
	for i := range p.sources {
		list[i] = []string{p.sources[i].name, p.sources[i].method}
	}
	return list
}

// wants are the columns to be read: those of all sources at the coarsest granularity, at the next one, and so on.
func (p *part) wants(w *terms) []series.Want {
	if w.none {
		return nil
	}
	list := make([]series.Want, 0, len(p.granularities)*len(p.sources))
	for _, g := range p.granularities {
		for i := range p.sources {
			list = append(list, series.Want{Ref: p.sources[i].Ref, Method: p.methods[i], Granularity: g, Start: w.start, Stop: w.stop})
		}
	}
	return list
}

// compute computes parts: of each the results by granularity, coarsest first. All of it is held against the limits before anything is
// read.
func (c *call) compute(w *terms, parts []*part) ([][]operations.Result, error) {
	var wants []series.Want
	var metrics []*metric
	for _, p := range parts {
		if err := p.resolve(c, w.granularity); err != nil {
			return nil, err
		}
		wants = append(wants, p.wants(w)...)
		for i := range p.sources {
			metrics = append(metrics, p.sources[i].metric)
		}
	}
	columns, err := c.columns(c.readFor(metrics), wants)
	if err != nil {
		return nil, err
	}
	turn := c.ticket.Turn()
	if err := turn.Begin(c.ctx); err != nil {
		return nil, err
	}
	defer turn.End()
	rules := w.rules
	rules.Spent = turn.Spent
	kept := int64(0) // values of results
	rules.Limit = func(values int64) error {
		return c.refused(c.d.o.Queries.Admit(c.most(), query.Cost{Points: kept + values}))
	}
	out := make([][]operations.Result, len(parts))
	for i, p := range parts {
		refs := make([]int, len(p.sources))
		for j := range p.sources {
			refs[j] = p.sources[j].of
		}
		for _, g := range p.granularities {
			of := make([]series.Column, len(p.sources))
			if !w.none {
				columns = columns[copy(of, columns):]
			}
			if p.revision != nil {
				p.restrict(of, g)
			}
			r, err := p.operations.Evaluate(c.ctx, g, of, refs, rules)
			if err != nil {
				return nil, operationsError(err)
			}
			kept += int64(len(r.Times)) * int64(len(r.Columns))
			out[i] = append(out[i], r)
		}
	}
	return out, nil
}

// readFor is the tenant on whose account the reading of metrics goes: theirs, or if they are of several the caller's.
func (c *call) readFor(metrics []*metric) tenant.ID {
	for _, m := range metrics {
		if m.tenant != metrics[0].tenant {
			return c.home
		}
	}
	if len(metrics) == 0 {
		return c.home
	}
	return metrics[0].tenant
}

// notKeptError says that a metric is not kept by a method.
type notKeptError struct {
	metric, method string
	granularity    int64 // one that is asked for, or that the metric has
}

func (e *notKeptError) Error() string {
	return noGranularity(e.method, e.granularity, e.metric).Error()
}
func (*notKeptError) Kind() string { return string(edge.NotFound) }
func (*notKeptError) Code() string { return "object-unknown" }

// unaggregable refuses metrics that cannot be put together.
func unaggregable(reason string, detail any) error {
	return caused("Metrics cannot be aggregated", "reason", reason, "detail", detail)
}

// operationsError is an error of operations in Gnocchi's words.
func operationsError(err error) error {
	var e *operations.Error
	var u *operations.UnaggregableError
	var s *syntax.Error
	switch {
	case errors.As(err, &s):
		return caused("Invalid operations", "reason", "Fail to parse the operations string", "detail", s.Error())
	case errors.As(err, &e):
		return caused("Operations is invalid", "reason", e.Reason, "detail", e.Detail)
	case errors.As(err, &u):
		return unaggregable(u.Reason, refsDetail(u.Series))
	}
	return err
}

func isSchema(err error) bool {
	var e *schema.Error
	return errors.As(err, &e)
}
