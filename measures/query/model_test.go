package query

import (
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

// model answers a request as its documentation reads, over all samples of each series.
func model(r Request, samples map[metricdef.Ref][]modelPoint, groupOf func(metricdef.Ref) string) map[string][]modelPoint {
	answer := map[string][]modelPoint{}
	rated := map[metricdef.Ref][]modelPoint{}
	for _, ref := range r.Refs {
		list := samples[ref]
		if r.Rate || r.Over.IsRate() {
			var rates []modelPoint
			for i := 1; i < len(list); i++ {
				d := list[i].value - list[i-1].value
				if r.Rate {
					if list[i].value < list[i-1].value {
						d = list[i].value
					}
					d /= float64(list[i].time-list[i-1].time) / 1e9
				}
				rates = append(rates, modelPoint{list[i].time, d, true})
			}
			list = rates
		}
		rated[ref] = list
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
		for _, ref := range r.Refs {
			answer[fmt.Sprint(ref)] = finish(slices.Clone(inside(rated[ref], r.From, r.To)))
		}
		return answer
	}
	over := r.Over
	if over == policy.NoMethod {
		over = policy.Mean
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
	groups := map[string][]metricdef.Ref{}
	var names []string
	for _, ref := range r.Refs {
		name := fmt.Sprint(ref)
		if r.Across != policy.NoMethod {
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
		for _, ref := range refs {
			var values []float64
			for _, p := range inside(rated[ref], from, to) {
				values = append(values, p.value)
			}
			if v, ok := aggregate.Of(over, values, &scratch); ok {
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

func drawRequest(rnd *rand.Rand, refs []metricdef.Ref) Request {
	method := func() policy.Method {
		list := policy.Methods()
		return draw(rnd, policy.Mean, policy.Sum, policy.Last, policy.Std, policy.Percentile(99.5), list[rnd.IntN(len(list)/2)])
	}
	r := Request{From: epoch + rnd.Int64N(8000*sec) - 500*sec, Desc: rnd.IntN(3) == 0, Rate: rnd.IntN(4) == 0}
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
	r.Over = method()
	if !r.Rate && rnd.IntN(4) == 0 {
		r.Over = r.Over.Rate()
	}
	if rnd.IntN(2) == 0 {
		r.Across = method()
		r.By = draw(rnd, nil, []string{"rack"}, []string{"rack", "none"})
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
		want := model(r, samples, func(ref metricdef.Ref) string {
			if len(r.By) == 0 {
				return ""
			}
			return racks[ref]
		})
		frames := 0
		var last string
		err = q.Run(context.Background(), func(f *Frame) error {
			name := fmt.Sprint(f.Ref)
			if f.Ref == 0 {
				name = ""
				if len(f.Group) > 0 {
					name = f.Group[0].Value
				}
			}
			if frames > 0 && name < last {
				t.Errorf("%s comes behind %s", name, last)
			}
			last = name
			frames++
			list, ok := want[name]
			if !ok || f.Len() != len(list) {
				return fmt.Errorf("%s has %d points, want %d", name, f.Len(), len(list))
			}
			for i, p := range list {
				if f.Time(i) != p.time || f.Has(i) != p.has || p.has && math.Float64bits(f.Values[i]) != math.Float64bits(p.value) {
					if !(math.IsNaN(f.Values[i]) && math.IsNaN(p.value)) {
						return fmt.Errorf("%s: point %d is %d %v %v, want %+v", name, i, f.Time(i), f.Values[i], f.Has(i), p)
					}
				}
			}
			return nil
		})
		if err != nil || frames != len(want) {
			t.Fatalf("%+v, over %s, across %s: %d frames of %d, %v", r, r.Over, r.Across, frames, len(want), err)
		}
		if frames > int(q.Cost().Series) {
			t.Errorf("%d frames of %d series", frames, q.Cost().Series)
		}
	}
}
