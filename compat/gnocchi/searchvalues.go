package gnocchi

import (
	"errors"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/predicate"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
	"granary/compat/gnocchi/when"
	"granary/measures/query"
	"granary/policy"
)

// searchValues answers which of the measures of metrics have values of which a predicate holds, by metric.
func (c *call) searchValues() error {
	metrics, err := c.searchedMetrics()
	if err != nil {
		return err
	}
	p, err := c.predicate()
	if err != nil {
		return err
	}
	s, err := c.valueSearch()
	if err != nil {
		return err
	}
	var wants []series.Want
	counts := make([]int, len(metrics)) // of wants
	for i, m := range metrics {
		list, err := s.wants(c, m)
		if err != nil {
			return err
		}
		wants, counts[i] = append(wants, list...), len(list)
	}
	columns, err := c.columns(c.readFor(metrics), wants)
	if err != nil {
		return err
	}
	if err := s.filled(c, metrics, counts, columns); err != nil {
		return err
	}
	if columns, err = c.matching(p, columns); err != nil {
		return err
	}
	o := c.output()
	o.B = append(o.B, '{')
	for i, m := range metrics {
		runs := make([]run, counts[i])
		for k := range runs {
			runs[k] = run{seconds(wants[k].Granularity), columns[k]}
		}
		wants, columns = wants[counts[i]:], columns[counts[i]:]
		o.B = pyjson.AppendName(o.B, m.ID.String())
		if err := o.runs(runs); err != nil {
			return o.end(err)
		}
	}
	o.B = append(o.B, '}')
	return o.end(nil)
}

// searchedMetrics are the metrics that the parameter metric_id names, each once. What there is not is passed over.
func (c *call) searchedMetrics() ([]*metric, error) {
	ids := c.query["metric_id"]
	if len(ids) == 0 {
		return nil, argumentDetail("metric_id", "It is required")
	}
	var list []*metric
	seen := make(map[uuid.UUID]bool)
	for _, text := range ids {
		id, ok := parseUUID(text)
		if !ok {
			return nil, argumentDetail("metric_id", "Must be a UUID")
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if m, ok := c.metricByID(id); ok {
			list = append(list, m)
		}
	}
	for _, m := range list {
		if err := c.demand(searchMetric, &m.object); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// predicate reads the body.
func (c *call) predicate() (*predicate.Predicate, error) {
	v, ok, err := c.someJSON()
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, badRequest("No query specified in body")
	}
	p, err := predicate.Parse(v)
	if isSchema(err) {
		return nil, invalid(err)
	}
	return p, err
}

// valueSearch is what a search for values asks for beside its predicate.
type valueSearch struct {
	method        string
	granularities []int64 // coarsest first; nil: all of each metric
	start, stop   int64
	none          bool
}

func (c *call) valueSearch() (s valueSearch, err error) {
	s.start, s.stop, s.none, err = c.spanOr(func(name string) error { return badRequest("Invalid value for %s", name) })
	if err != nil {
		return s, err
	}
	for _, text := range c.query["granularity"] {
		g, err := width("granularity", text)
		if err != nil {
			return s, err
		}
		s.granularities = append(s.granularities, g)
	}
	slices.Sort(s.granularities)
	s.granularities = slices.Compact(s.granularities)
	slices.Reverse(s.granularities)
	ok := false
	if s.method, ok, err = c.one("aggregation"); err == nil && !ok {
		s.method = "mean"
	}
	return s, err
}

// wants are the columns of a metric to be searched, coarsest first.
func (s *valueSearch) wants(c *call, m *metric) ([]series.Want, error) {
	kept := c.kept(&m.Draft)
	granularities := s.granularities
	if granularities == nil {
		for _, t := range slices.Backward(kept.Tiers) {
			granularities = append(granularities, int64(t.Granularity))
		}
	}
	method, err := policy.ParseMethod(s.method)
	if err != nil || !kept.Has(method) {
		return nil, noMeasures(c, m)
	}
	var list []series.Want
	for _, g := range granularities {
		if !kept.HasGranularity(g) {
			detail := &pyjson.Object{}
			detail.Set("granularity", when.Seconds(g))
			detail.Set("aggregation_method", shorten(s.method))
			return nil, &refusal{http.StatusBadRequest, "parameter-invalid", because("Aggregation does not exist", "detail", detail)}
		}
		if !s.none {
			list = append(list, series.Want{Ref: m.Ref, Method: method, Granularity: g, Start: s.start, Stop: s.stop})
		}
	}
	return list, nil
}

// filled refuses a metric that has no measures at all. Columns that are empty may be so because of the range alone.
func (s *valueSearch) filled(c *call, metrics []*metric, counts []int, columns []series.Column) error {
	for i, m := range metrics {
		own := columns[:counts[i]]
		columns = columns[counts[i]:]
		if s.none || slices.ContainsFunc(own, func(c series.Column) bool { return len(c.Times) > 0 }) {
			continue
		}
		if s.start > series.Earliest || s.stop < series.Latest {
			whole := valueSearch{method: s.method, start: series.Earliest, stop: series.Latest}
			wants, err := whole.wants(c, m)
			if err != nil {
				return err
			}
			all, err := c.columns(m.tenant, wants[:1])
			var much *query.CostError
			if errors.As(err, &much) || err == nil && len(all[0].Times) > 0 {
				continue
			}
			if err != nil {
				return err
			}
		}
		return noMeasures(c, m)
	}
	return nil
}

// noMeasures refuses to search a metric that has no measures, or none by a method.
func noMeasures(c *call, m *metric) error {
	shown, err := pyjson.Decode(c.metrics().item(nil, &m.Definition))
	if err != nil {
		return err
	}
	detail := &pyjson.Object{}
	detail.Set("metric", shown)
	return caused("Metric does not exist", "detail", detail)
}

// matching are the points of columns of whose values a predicate holds.
func (c *call) matching(p *predicate.Predicate, columns []series.Column) ([]series.Column, error) {
	work := int64(0)
	for _, of := range columns {
		work += int64(len(of.Times)) * int64(p.Parts)
	}
	if work > operations.MaxSteps {
		return nil, &operations.WorkError{Steps: work}
	}
	turn := c.ticket.Turn()
	if err := turn.Begin(c.ctx); err != nil {
		return nil, err
	}
	defer turn.End()
	out := make([]series.Column, len(columns))
	for k, of := range columns {
		for i := 0; i < len(of.Times); i += partPoints {
			part := of.Part(i, min(i+partPoints, len(of.Times)))
			for j, x := range part.Values {
				if p.Holds(x) {
					out[k].Times, out[k].Values = append(out[k].Times, part.Times[j]), append(out[k].Values, x)
				}
			}
			turn.Spent(3 * int64(p.Parts) * int64(len(part.Times)))
			if err := c.ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
