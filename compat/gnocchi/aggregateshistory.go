package gnocchi

import (
	"cmp"
	"slices"

	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/series"
	"granary/metricdef/resource"
)

// lifetime is when a revision of a resource holds, nanoseconds: from the beginning of time if it is the first one, to the end of time
// if it is the current one.
func lifetime(r *resource.Resource) (from, to int64) {
	from, to = r.RevisionStart, r.RevisionEnd
	if r.Revision == 1 {
		from = series.Earliest
	}
	if to == 0 {
		to = series.Latest
	}
	return from, to
}

// restrict leaves those buckets that lie, wholly or in part, in the lifetime of the part's revision.
func (p *part) restrict(of []series.Column, granularity int64) {
	from, to := lifetime(p.revision)
	from = series.Grouping{Step: granularity}.Floor(from)
	for i, c := range of {
		of[i] = c.Within(from, to)
	}
}

// share is how much of a bucket lies in the lifetime of a revision.
func share(r *resource.Resource, at, granularity int64) float64 {
	from, to := lifetime(r)
	from, to = max(from, at), min(to, at+granularity)
	return float64(max(to-from, 0)) / float64(granularity)
}

// weighed makes one of what is computed of revisions: each value counts by the share of its bucket that lies in the lifetime of its
// revision, and values of one bucket are added up. A bucket that the border of two revisions cuts is so divided between them.
func weighed(w *terms, parts []*part, of [][]operations.Result) []operations.Result {
	type point struct {
		at    int64
		value float64
	}
	points := make(map[int64][]point)
	var granularities []int64
	for i, results := range of {
		for _, r := range results {
			if _, ok := points[r.Granularity]; !ok {
				granularities = append(granularities, r.Granularity)
				points[r.Granularity] = nil
			}
			for k, x := range r.Columns[0] {
				if !w.rules.Fill.Leaves(x) {
					points[r.Granularity] = append(points[r.Granularity], point{r.Times[k], x * share(parts[i].revision, r.Times[k], r.Granularity)})
				}
			}
		}
	}
	slices.Sort(granularities)
	var out []operations.Result
	for _, g := range slices.Backward(granularities) {
		list := points[g]
		slices.SortStableFunc(list, func(a, b point) int { return cmp.Compare(a.at, b.at) })
		r := operations.Result{Granularity: g, Aggregated: true, Columns: [][]float64{nil}}
		for i, p := range list {
			if i > 0 && p.at == list[i-1].at {
				r.Columns[0][len(r.Times)-1] += p.value
				continue
			}
			r.Times, r.Columns[0] = append(r.Times, p.at), append(r.Columns[0], p.value)
		}
		out = append(out, r)
	}
	return out
}
