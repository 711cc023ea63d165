package gnocchi

import (
	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/series"
)

// measures prints the member measures: the one series that was made of all, or each of the series under its metric and method, and where
// resources were searched under its resource.
func (o *output) measures(w *terms, p *part, results []operations.Result) error {
	o.B = append(pyjson.AppendName(o.B, "measures"), '{')
	if results[0].Aggregated {
		o.B = pyjson.AppendName(o.B, "aggregated")
		if err := o.runs(columnRuns(w, results, 0)); err != nil {
			return err
		}
		o.B = append(o.B, '}')
		return nil
	}
	// Sources are printed by metric, which may be there by several methods, and these by resource. Those of one resource stand together.
	for i := 0; i < len(p.sources); {
		r := p.sources[i].resource
		j := i + 1
		for r != nil && j < len(p.sources) && p.sources[j].resource == r {
			j++
		}
		if r == nil {
			j = len(p.sources)
		} else {
			o.B = append(pyjson.AppendName(o.B, r.ID.String()), '{')
		}
		if err := o.sources(w, p, i, j, results); err != nil {
			return err
		}
		if i = j; r != nil {
			o.B = append(o.B, '}')
		}
	}
	o.B = append(o.B, '}')
	return nil
}

// sources prints those sources of a part that lie from i to j, by their names.
func (o *output) sources(w *terms, p *part, i, j int, results []operations.Result) error {
	type key struct{ name, method string }
	printed := make(map[key]bool, j-i)
	byName := make(map[string][]int, j-i)
	for k := i; k < j; k++ {
		s := &p.sources[k]
		if !printed[key{s.name, s.method}] { // several patterns may name one
			printed[key{s.name, s.method}] = true
			byName[s.name] = append(byName[s.name], k)
		}
	}
	for k := i; k < j; k++ {
		name := p.sources[k].name
		if byName[name] == nil {
			continue
		}
		o.B = append(pyjson.AppendName(o.B, name), '{')
		for _, at := range byName[name] {
			o.B = pyjson.AppendName(o.B, p.sources[at].method)
			if err := o.runs(columnRuns(w, results, at)); err != nil {
				return err
			}
		}
		o.B = append(o.B, '}')
		delete(byName, name)
	}
	return nil
}

// columnRuns is one column of results, without what the fill leaves out.
func columnRuns(w *terms, results []operations.Result, column int) []run {
	runs := make([]run, len(results))
	for i, r := range results {
		runs[i] = run{seconds(r.Granularity), left(w.rules.Fill, series.Column{Times: r.Times, Values: r.Columns[column]})}
	}
	return runs
}

// left is a column without what a fill leaves out. It is the same column if that is nothing.
func left(f operations.Fill, c series.Column) series.Column {
	i := 0
	for i < len(c.Values) && !f.Leaves(c.Values[i]) {
		i++
	}
	if i == len(c.Values) {
		return c
	}
	kept := series.Column{Times: make([]int64, i, len(c.Times)-1), Values: make([]float64, i, len(c.Times)-1)}
	copy(kept.Times, c.Times)
	copy(kept.Values, c.Values)
	for ; i < len(c.Values); i++ {
		if !f.Leaves(c.Values[i]) {
			kept.Times, kept.Values = append(kept.Times, c.Times[i]), append(kept.Values, c.Values[i])
		}
	}
	return kept
}
