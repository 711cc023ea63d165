package query

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"granary/measures/aggregate"
	"granary/metricdef"
	"granary/policy"
)

// modelPoint is a point of the slow, plain model that the engine is held against.
type modelPoint struct {
	time  int64
	value float64
	has   bool
}

func (p modelPoint) compare(q modelPoint) int { return cmp.Compare(p.time, q.time) }

// column is what a method makes of the values of a bucket.
type column func(values []float64) (float64, bool)

func columnOf(m policy.Method) column {
	var scratch aggregate.Scratch
	return func(values []float64) (float64, bool) { return aggregate.Of(m, values, &scratch) }
}

// modelColumns is model for several methods: an answer for each column, which have the same points.
func modelColumns(r Request, samples map[metricdef.Ref][]modelPoint, groupOf func(metricdef.Ref) string) []map[string][]modelPoint {
	var columns []column
	plain := r
	for _, m := range r.Overs {
		columns = append(columns, columnOf(m))
		plain.Over = m // differences or not
	}
	for _, fn := range r.Extra {
		columns = append(columns, fn)
	}
	plain.Limit, plain.Desc, plain.Fill = 0, false, Fill{How: Null}
	var answers []map[string][]modelPoint
	for _, fn := range columns {
		answers = append(answers, modelOf(plain, fn, samples, groupOf))
	}
	for name, list := range answers[0] {
		var rows []int
		for i := range list {
			if r.Fill.How == Null || slices.ContainsFunc(answers, func(a map[string][]modelPoint) bool { return a[name][i].has }) {
				rows = append(rows, i)
			}
		}
		if r.Desc {
			slices.Reverse(rows)
		}
		if r.Limit > 0 && int64(len(rows)) > r.Limit {
			rows = rows[:r.Limit]
		}
		for c := range answers {
			var kept []modelPoint
			for _, i := range rows {
				kept = append(kept, answers[c][name][i])
			}
			answers[c][name] = kept
		}
	}
	return answers
}

// model answers a request as its documentation reads, over all samples of each series.
func model(r Request, samples map[metricdef.Ref][]modelPoint, groupOf func(metricdef.Ref) string) map[string][]modelPoint {
	over := r.Over
	if over == policy.NoMethod {
		over = policy.Mean
	}
	return modelOf(r, columnOf(over), samples, groupOf)
}

// modelRates are the rates of samples, none over one of the borders.
func modelRates(r Request, list []modelPoint, borders ...int64) (rates []modelPoint) {
	for i := 1; i < len(list); i++ {
		p, q := list[i-1], list[i]
		if r.Rate.Inside && slices.ContainsFunc(borders, func(b int64) bool { return p.time < b && q.time >= b }) {
			continue
		}
		d := q.value - p.value
		if r.Rate.Per > 0 {
			if q.value < p.value {
				switch r.Rate.Falls {
				case FallsReset:
					d = q.value
				case FallsDrop:
					continue
				}
			}
			if r.Rate.Per == time.Second {
				d /= float64(q.time-p.time) / 1e9
			} else {
				d = d * float64(r.Rate.Per) / 1e6 / (float64(q.time-p.time) / 1e6)
			}
		}
		rates = append(rates, modelPoint{q.time, d, true})
	}
	return rates
}

func modelOf(r Request, over column, samples map[metricdef.Ref][]modelPoint, groupOf func(metricdef.Ref) string) map[string][]modelPoint {
	answer := map[string][]modelPoint{}
	rated := map[metricdef.Ref][]modelPoint{}
	rate := func(borders ...int64) {
		for _, ref := range r.Refs {
			rated[ref] = samples[ref]
			if r.Rate.Per > 0 || r.Over.IsRate() {
				rated[ref] = modelRates(r, samples[ref], borders...)
			}
		}
	}
	finish := func(list []modelPoint) []modelPoint {
		if r.Desc {
			slices.Reverse(list)
		}
		if r.Limit > 0 && int64(len(list)) > r.Limit {
			list = list[:r.Limit]
		}
		return list
	}
	inside := func(list []modelPoint, from, to int64) []modelPoint {
		at := func(t int64) int { return sort.Search(len(list), func(i int) bool { return list[i].time >= t }) }
		return list[at(from):max(at(from), at(to))]
	}
	if r.raw() {
		rate(r.From)
		for _, ref := range r.Refs {
			if r.Pool {
				name := groupOf(ref)
				answer[name] = append(answer[name], inside(rated[ref], r.From, r.To)...)
				continue
			}
			answer[fmt.Sprint(ref)] = finish(slices.Clone(inside(rated[ref], r.From, r.To)))
		}
		if r.Pool {
			for name, list := range answer {
				slices.SortStableFunc(list, modelPoint.compare)
				answer[name] = finish(list)
			}
		}
		return answer
	}
	step := r.Buckets.Step
	base := r.From
	if n := r.Buckets.Count; n > 0 {
		step = int64(math.Ceil(float64(r.To-r.From) / float64(n)))
		if step > 1e6 {
			step = int64(math.Ceil(float64(step)/1e6)) * 1e6
		}
	} else if step == 0 {
		step = r.To - r.From
	}
	if !r.Buckets.FromStart && (r.Buckets.Step > 0 || r.Buckets.Count > 0) {
		base = int64(math.Floor(float64(r.From)/float64(step))) * step
		for base > r.From {
			base -= step
		}
		for base+step <= r.From {
			base += step
		}
	}
	lookback := int64(10)
	if r.Fill.Lookback > 0 {
		lookback = r.Fill.Lookback / step
	}
	rate(r.From, base-lookback*step)
	groups := map[string][]metricdef.Ref{}
	var names []string
	for _, ref := range r.Refs {
		name := fmt.Sprint(ref)
		if r.grouped() {
			name = groupOf(ref)
		}
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], ref)
	}
	var scratch aggregate.Scratch
	value := func(refs []metricdef.Ref, from, to int64) (float64, bool) {
		var across []float64
		if r.Pool {
			var list []modelPoint
			for _, ref := range refs {
				list = append(list, inside(rated[ref], from, to)...)
			}
			if len(list) == 0 {
				return 0, false
			}
			slices.SortStableFunc(list, modelPoint.compare)
			var values []float64
			for _, p := range list {
				values = append(values, p.value)
			}
			return over(values)
		}
		for _, ref := range refs {
			var values []float64
			for _, p := range inside(rated[ref], from, to) {
				values = append(values, p.value)
			}
			if len(values) == 0 {
				continue
			}
			if v, ok := over(values); ok {
				across = append(across, v)
			}
		}
		if r.Across != policy.NoMethod {
			return aggregate.Of(r.Across, across, &scratch)
		}
		if len(across) == 0 {
			return 0, false
		}
		return across[0], true
	}
	for _, name := range names {
		refs := groups[name]
		var list []modelPoint
		for t := base; t < r.To; t += step {
			v, ok := value(refs, max(t, r.From), min(t+step, r.To))
			list = append(list, modelPoint{t, v, ok})
		}
		filled := slices.Clone(list)
		switch r.Fill.How {
		case LeaveOut:
			filled = slices.DeleteFunc(filled, func(p modelPoint) bool { return !p.has })
		case Number:
			for i := range filled {
				if !filled[i].has {
					filled[i].value, filled[i].has = r.Fill.Number, true
				}
			}
		case Previous:
			for i := range filled {
				for k := int64(1); k <= lookback && !filled[i].has; k++ {
					if j := int64(i) - k; j >= 0 {
						filled[i].value, filled[i].has = list[j].value, list[j].has
					} else {
						t := base + j*step
						filled[i].value, filled[i].has = value(refs, t, t+step)
					}
				}
			}
		case Linear:
			for i := range list {
				a, b := i-1, i+1
				for a >= 0 && !list[a].has {
					a--
				}
				for b < len(list) && !list[b].has {
					b++
				}
				if !list[i].has && a >= 0 && b < len(list) {
					share := float64(i-a) / float64(b-a)
					filled[i].value, filled[i].has = list[a].value*(1-share)+list[b].value*share, true
				}
			}
		}
		answer[name] = finish(filled)
	}
	return answer
}

// modelAll answers a request by columns: there is one if it has one method.
func modelAll(r Request, samples map[metricdef.Ref][]modelPoint, groupOf func(metricdef.Ref) string) []map[string][]modelPoint {
	if r.columns() > 0 {
		return modelColumns(r, samples, groupOf)
	}
	return []map[string][]modelPoint{model(r, samples, groupOf)}
}

// nameOf is what the model calls a frame.
func nameOf(f *Frame) string {
	switch {
	case f.Ref != 0:
		return fmt.Sprint(f.Ref)
	case len(f.Group) > 0:
		return f.Group[0].Value
	}
	return ""
}

// held holds a frame against an answer of the model: bit for bit, or if near is above zero, up to that share.
func held(f *Frame, wants []map[string][]modelPoint, near float64) error {
	name := nameOf(f)
	if len(f.Columns) > 0 && len(f.Columns) != len(wants) {
		return fmt.Errorf("%s has %d columns", name, len(f.Columns))
	}
	for c, want := range wants {
		list, ok := want[name]
		values, has := f.Values, f.Has
		if len(f.Columns) > 0 {
			values, has = f.Columns[c], func(i int) bool { return f.HasIn(c, i) }
		}
		if !ok || f.Len() != len(list) || len(values) != len(list) {
			return fmt.Errorf("%s: column %d has %d points, want %d", name, c, f.Len(), len(list))
		}
		for i, p := range list {
			if f.Time(i) != p.time || has(i) != p.has {
				return fmt.Errorf("%s: column %d: point %d is %d %v, want %+v", name, c, i, f.Time(i), has(i), p)
			}
			v := values[i]
			same := math.Float64bits(v) == math.Float64bits(p.value) || math.IsNaN(v) && math.IsNaN(p.value) ||
				near > 0 && math.Abs(v-p.value) <= near*math.Abs(p.value)+1e-12
			if p.has && !same {
				return fmt.Errorf("%s: column %d: point %d at %d is %v, want %v; from %v", name, c, i, p.time, v, p.value, f.Origins)
			}
		}
	}
	return nil
}
