package query

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

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
		racks[ref] = s.Definitions.Tag(ref, "rack")
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
