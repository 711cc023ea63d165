package gnocchi

import (
	"errors"
	"net/http"

	"github.com/google/uuid"

	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/when"
	"granary/measures/query"
	"granary/metricdef/resource"
	"granary/policy"
)

// These are the routes that were there before operations were: they put series together by one method.

// reaggregation is what a request asks to be made of several metrics.
type reaggregation struct {
	terms
	method string // of the stored aggregates
	across string // that makes one series of several
	span   int64  // that each series is resampled by first, nanoseconds; 0: it is not
}

// reaggregation reads the parameters, in the order in which Gnocchi complains about them.
func (c *call) reaggregation() (r reaggregation, err error) {
	if r.terms, err = c.terms(); err != nil {
		return r, err
	}
	text, _, err := c.one("resample")
	if err != nil {
		return r, err
	}
	if text != "" {
		if r.granularity == 0 {
			return r, badRequest("A granularity must be specified to resample")
		}
		if r.span, err = when.Span(text); err != nil {
			return r, badRequest("%s", err.Error())
		}
	}
	ok := false
	if r.method, ok, err = c.one("aggregation"); err != nil {
		return r, err
	} else if !ok {
		r.method = "mean"
	}
	if r.across, ok, err = c.one("reaggregation"); err != nil {
		return r, err
	} else if !ok {
		r.across = r.method
	}
	// What is acknowledged can be read: there is nothing to refresh.
	_, err = c.flag("refresh")
	return r, err
}

// aggregation answers one series of several metrics, which are named by their ids: in the query, or in the body of a POST.
func (c *call) aggregation() error {
	var list any
	check := schema.List(0, func(v any) (any, error) {
		if text, ok := v.(string); ok {
			if id, ok := parseUUID(text); ok {
				return id, nil
			}
		}
		return nil, schema.NotValid()
	})
	var err error
	if c.r.Method == http.MethodPost {
		if list, err = c.json(check); err != nil {
			return err
		}
	} else {
		given := make([]any, len(c.query["metric"]))
		for i, text := range c.query["metric"] {
			given[i] = text
		}
		if list, err = check(given); err != nil {
			return badRequest("Invalid input: %s", err.Error())
		}
	}
	metrics := []*metric{}
	seen := make(map[uuid.UUID]bool)
	for _, v := range list.([]any) {
		id := v.(uuid.UUID)
		if seen[id] {
			continue
		}
		seen[id] = true
		m, err := c.metric(id.String())
		if err != nil {
			return err
		}
		metrics = append(metrics, m)
	}
	r, err := c.reaggregation()
	if err != nil {
		return err
	}
	for _, m := range metrics {
		if err := c.demand(getMetric, &m.object); err != nil {
			return err
		}
	}
	runs, err := c.reaggregate(&r, [][]*metric{metrics})
	if err != nil {
		return err
	}
	o := c.output()
	return o.end(o.runs(runs[0]))
}

// aggregationOfResources answers one series of the metrics that resources have under one name, or one for each group of resources.
func (c *call) aggregationOfResources() error {
	t, err := c.resourceType()
	if err != nil {
		return err
	}
	q, err := c.resourceQuery()
	if err != nil {
		return err
	}
	where, err := c.bind(q, t, false)
	if err != nil {
		return err
	}
	by := groupby(c.query["groupby"])
	named := func(r *resource.Resource) *metric {
		if m := c.metricOfResource(r, c.vars["name"]); m != nil && c.may(getMetric, &m.object) {
			return m
		}
		return nil
	}
	groups, err := c.groupsOf(resource.Search{Type: t.Name, Where: where}, by, len(by) > 0, func(r *resource.Resource) int {
		if named(r) == nil {
			return 0
		}
		return 1
	})
	var sort *resource.SortError
	if errors.As(err, &sort) {
		return badRequest("Invalid groupby attribute")
	}
	if err != nil {
		return err
	}
	r, err := c.reaggregation()
	if err != nil {
		return err
	}
	lists := make([][]*metric, len(groups))
	for i := range groups {
		for k := range groups[i].resources {
			if m := named(&groups[i].resources[k]); m != nil {
				lists[i] = append(lists[i], m)
			}
		}
	}
	if len(by) == 0 && len(groups) == 0 {
		lists = [][]*metric{nil}
	}
	runs, err := c.reaggregate(&r, lists)
	if err != nil {
		return err
	}
	o := c.output()
	if len(by) == 0 {
		return o.end(o.runs(runs[0]))
	}
	o.B = append(o.B, '[')
	for i := range groups {
		if i > 0 {
			o.B = append(o.B, ", "...)
		}
		o.B = append(groups[i].append(append(o.B, `{"group": `...), by), `, "measures": `...)
		if err := o.runs(runs[i]); err != nil {
			return o.end(err)
		}
		o.B = append(o.B, '}')
	}
	o.B = append(o.B, ']')
	return o.end(nil)
}

// reaggregate makes one series of each list of metrics. Of one metric that is its own measures, and of none nothing.
func (c *call) reaggregate(r *reaggregation, lists [][]*metric) ([][]run, error) {
	total := 0
	for _, metrics := range lists {
		total += len(metrics)
	}
	if err := c.d.o.Queries.Admit(c.most(), query.Cost{Series: int64(total)}); err != nil { // groups are read one after the other, and all are kept
		return nil, c.refused(err)
	}
	out := make([][]run, len(lists))
	var parts []*part
	var places []int
	for i, metrics := range lists {
		switch len(metrics) {
		case 0:
			continue
		case 1:
			var err error
			if out[i], err = c.runsOf(metrics[0]); err != nil {
				return nil, err
			}
			continue
		}
		p, err := c.reaggregated(r, metrics)
		if err != nil {
			return nil, err
		}
		parts, places = append(parts, p), append(places, i)
	}
	if parts == nil {
		return out, nil
	}
	results, err := c.compute(&r.terms, parts)
	if err != nil {
		return nil, err
	}
	for k, i := range places {
		out[i] = columnRuns(&r.terms, results[k], 0)
	}
	return out, nil
}

// reaggregated is the computation that makes one series of metrics.
func (c *call) reaggregated(r *reaggregation, metrics []*metric) (*part, error) {
	p := &part{}
	refs := make([]operations.Ref, len(metrics))
	for i, m := range metrics {
		id := m.ID.String()
		if kept := c.kept(&m.Draft); r.granularity > 0 && !kept.HasGranularity(r.granularity) {
			return nil, noGranularity(shorten(r.method), r.granularity, id)
		}
		refs[i] = operations.Ref{Name: id, Method: r.method}
		p.sources = append(p.sources, source{metric: m, name: id, method: r.method, of: i})
	}
	each, _ := policy.ParseMethod(r.method) // what is none is refused when it is looked for in what the metrics keep
	var err error
	if p.operations, err = operations.Across(r.across, refs, each, r.span); err != nil {
		return nil, badRequest("reaggregation: %s", err.Error())
	}
	return p, nil
}
