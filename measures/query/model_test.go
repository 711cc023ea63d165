package query

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"granary/measures"
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

// modelStore is a store with series of all sorts: on a grid and with times of their own, with holes, late samples, open
// heads, chunks in segments only, and one with hardly anything.
func modelStore(t *testing.T, rnd *rand.Rand) (*measures.Store, []metricdef.Ref) {
	t.Helper()
	s := openStore(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	num := prepare(t, s, 10*time.Second)
	var refs []metricdef.Ref
	for i, metric := range []string{"m", "m", "own", "own", "m", "own"} {
		var b measures.Batch
		d := draft(num, metric, i)
		d.Def.Tags = append(d.Def.Tags, metricdef.Tag{Name: "rack", Value: []string{"r1", "r0", "r1"}[i%3]})
		b.AddDraft(d, epoch+int64(i)*sec, 1)
		commit(t, s, &b)
		refs = append(refs, b.Refs[0])
	}
	for i, ref := range refs {
		var b measures.Batch
		level := 100.0
		for k := range int64(700) {
			at := epoch + k*10*sec + int64(i)*sec
			if i > 1 {
				at += rnd.Int64N(9 * sec)
			}
			level += math.Round(rnd.Float64()*100) / 4
			if rnd.IntN(50) == 0 {
				level = float64(rnd.IntN(10)) // a counter begins again
			}
			switch {
			case i == 4 && k%200 != 7, i == 5 && (k < 300 || k > 420): // hardly anything; nothing before and after
			case rnd.IntN(8) == 0: // a hole
			case k > 300 && rnd.IntN(30) == 0:
				b.Add(ref, at-2000*sec, level)
			case rnd.IntN(100) == 0:
				b.Add(ref, at, math.NaN())
			default:
				b.Add(ref, at, level)
			}
		}
		commit(t, s, &b)
		if i == 3 {
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, refs
}

func rngOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

func draw[T any](rnd *rand.Rand, list ...T) T { return list[rnd.IntN(len(list))] }

// newestTwice is twice the newest value, and nothing of one value alone.
func newestTwice(values []float64) (float64, bool) {
	return 2 * values[len(values)-1], len(values) > 1
}

func drawRequest(rnd *rand.Rand, refs []metricdef.Ref) Request {
	method := func() policy.Method {
		list := policy.Methods()
		return draw(rnd, policy.Mean, policy.Sum, policy.Last, policy.Std, policy.Percentile(99.5), list[rnd.IntN(len(list)/2)])
	}
	r := Request{From: epoch + rnd.Int64N(8000*sec) - 500*sec, Desc: rnd.IntN(3) == 0}
	if rnd.IntN(4) == 0 {
		r.Rate = Rate{draw(rnd, time.Second, time.Minute, 7*time.Millisecond), draw(rnd, FallsReset, FallsDrop, FallsKeep), rnd.IntN(2) == 0}
	}
	r.To = r.From + 1 + rnd.Int64N(8000*sec)
	if rnd.IntN(2) == 0 {
		r.From, r.To = r.From/(60*sec)*60*sec, r.To/(60*sec)*60*sec+60*sec
	}
	for _, ref := range refs {
		if rnd.IntN(3) > 0 {
			r.Refs = append(r.Refs, ref)
		}
	}
	if rnd.IntN(3) == 0 {
		r.Limit = 1 + rnd.Int64N(40)
	}
	by := func() []string { return draw(rnd, nil, []string{"rack"}, []string{"rack", "none"}) }
	if rnd.IntN(3) == 0 {
		r.Pool, r.By = true, by()
	}
	switch rnd.IntN(5) {
	case 0:
		return r
	case 1:
		r.Buckets.Count = 1 + rnd.Int64N(50)
	case 2:
	default:
		r.Buckets.Step = draw(rnd, sec, 7*sec, 10*sec, 60*sec, 300*sec, 3600*sec, 86400*sec)
	}
	r.Buckets.FromStart = rnd.IntN(3) == 0
	differences := r.Rate.Per == 0 && rnd.IntN(4) == 0
	over := func() policy.Method {
		if differences {
			return method().Rate()
		}
		return method()
	}
	if rnd.IntN(3) == 0 {
		for range 1 + rnd.IntN(6) {
			r.Overs = append(r.Overs, over())
		}
		if !differences && rnd.IntN(2) == 0 {
			r.Extra = append(r.Extra, newestTwice, func([]float64) (float64, bool) { return 1, true })
			r.Overs = r.Overs[rnd.IntN(len(r.Overs)+1):]
		}
		r.Fill.How = draw(rnd, LeaveOut, Null)
		if !r.Pool && rnd.IntN(2) == 0 {
			r.Across, r.By = method(), by()
		}
		return r
	}
	r.Over = over()
	if !r.Pool && rnd.IntN(2) == 0 {
		r.Across, r.By = method(), by()
	}
	r.Fill.How = draw(rnd, LeaveOut, Null, Previous, Linear, Number)
	r.Fill.Number = -1
	if rnd.IntN(2) == 0 {
		r.Fill.Lookback = draw(rnd, 60*sec, 600*sec, sec)
	}
	return r
}

// TestAgainstModel holds answers to random requests against those of the model, bit for bit.
func TestAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(21, 22))
	s, refs := modelStore(t, rnd)
	samples := map[metricdef.Ref][]modelPoint{}
	racks := map[metricdef.Ref]string{}
	for _, ref := range refs {
		var r measures.Reader
		if err := s.Read(context.Background(), &r, ref, math.MinInt64, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		for i, at := range r.Times {
			samples[ref] = append(samples[ref], modelPoint{at, r.Values[i], true})
		}
		def, _ := s.Definitions.Get(ref)
		racks[ref] = tagOf(&def, "rack")
	}
	e := New(s, Options{Definitions: s.Definitions})
	for i := range 1000 {
		r := drawRequest(rnd, refs)
		q, err := e.Prepare(context.Background(), r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if i%2 == 0 {
			q.cost.Samples += 1 << 20 // as if there were much to read: in several goroutines
		}
		if i%3 == 0 {
			for k := range q.weights {
				q.weights[k] += 1 << 18 // in several parts of the range
			}
		}
		groupOf := func(ref metricdef.Ref) string {
			if len(r.By) == 0 {
				return ""
			}
			return racks[ref]
		}
		wants := modelAll(r, samples, groupOf)
		frames := 0
		var last string
		err = q.Run(context.Background(), func(f *Frame) error {
			name := nameOf(f)
			if frames > 0 && name < last {
				t.Errorf("%s comes behind %s", name, last)
			}
			last = name
			frames++
			return held(f, wants, 0)
		})
		if err != nil || frames != len(wants[0]) {
			t.Fatalf("%+v, over %s %s, across %s: %d frames of %d, %v", r, r.Over, r.Overs, r.Across, frames, len(wants[0]), err)
		}
		if frames > int(q.Cost().Series) {
			t.Errorf("%d frames of %d series", frames, q.Cost().Series)
		}
	}
}
