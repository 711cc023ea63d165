package query

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// tiered makes a tenant and policies with tiers of a minute and of five: "t" keeps raw samples, "w" only those of its window.
func tiered(tb testing.TB, s *measures.Store, points int64) tenant.Num {
	tb.Helper()
	p99, p50 := policy.Percentile(99), policy.Median
	methods := []policy.Method{policy.Sum, policy.Mean, policy.Min, policy.Max, policy.First, policy.Last, policy.Count, policy.Std, p50, p99, policy.Mean.Rate(), policy.Max.Rate()}
	keep := policy.Retention{Length: policy.Forever}
	tiers := []policy.Tier{{Granularity: time.Minute, Points: points}, {Granularity: 5 * time.Minute}}
	set, err := policy.NewSet(policy.Content{
		Policies: []policy.Policy{
			policy.FallBack(keep),
			{Name: "t", Raw: keep, Tiers: tiers, Methods: methods},
			{Name: "w", Raw: policy.Retention{Length: policy.WindowOnly}, Tiers: tiers, Methods: methods},
		},
		Rules: []policy.Rule{{Name: "t", Pattern: "t", Policy: "t"}, {Name: "w", Pattern: "w", Policy: "w"}},
		Open:  true,
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.SetPolicies(context.Background(), set); err != nil {
		tb.Fatal(err)
	}
	num, err := s.EnsureTenant(context.Background(), "_ops")
	if err != nil {
		tb.Fatal(err)
	}
	return num
}

func TestTiersAgainstModel(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := tiered(t, s, 60)
	rnd := rngOf(9)
	var refs []metricdef.Ref
	samples := map[metricdef.Ref][]modelPoint{}
	for i := range 3 {
		var b measures.Batch
		for k := range int64(1000) {
			if rnd.IntN(6) > 0 {
				b.AddDraft(draft(num, "t", i), epoch+k*10*sec+rnd.Int64N(9*sec), math.Round(rnd.Float64()*1000)/8)
			}
		}
		commit(t, s, &b)
		ref := b.Refs[0]
		refs = append(refs, ref)
		if i < 2 {
			s.TendTiers()
		}
		var r measures.Reader
		if err := s.Read(context.Background(), &r, ref, math.MinInt64, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		for j, at := range r.Times {
			samples[ref] = append(samples[ref], modelPoint{at, r.Values[j], true})
		}
	}
	e := New(s, Options{Definitions: s.Definitions})
	fromTiers := 0
	for range 600 {
		r := drawTiered(rnd, refs)
		wants := modelAll(r, samples, func(metricdef.Ref) string { return "" })
		q, err := e.Prepare(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		err = q.Run(context.Background(), func(f *Frame) error {
			for _, o := range f.Origins {
				if o.Tier > 0 {
					fromTiers++
				}
			}
			return held(f, wants, 1e-9)
		})
		if err != nil {
			t.Fatalf("%+v over %s %s: %v", r, r.Over, r.Overs, err)
		}
	}
	if fromTiers < 300 {
		t.Errorf("only %d frames come from tiers", fromTiers)
	}
}

func drawTiered(rnd *rand.Rand, refs []metricdef.Ref) Request {
	r := Request{Refs: refs, From: epoch + rnd.Int64N(9000*sec) - 300*sec}
	r.To = r.From + 1 + rnd.Int64N(9000*sec)
	if rnd.IntN(2) == 0 {
		r.From, r.To = r.From/(60*sec)*60*sec, r.To/(60*sec)*60*sec+60*sec
	}
	r.Buckets.Step = sec * draw[int64](rnd, 60, 120, 300, 600, 900)
	r.Over = draw(rnd, policy.Sum, policy.Mean, policy.Min, policy.Max, policy.First, policy.Last, policy.Count, policy.Std, policy.Percentile(99), policy.Mean.Rate(), policy.Max.Rate())
	if rnd.IntN(3) == 0 {
		r.Across = policy.Max
	}
	r.Fill.How = draw(rnd, LeaveOut, Null, Previous)
	if rnd.IntN(2) == 0 {
		// Those of the first list can be put together, the others come from a tier of the same width only.
		list := draw(rnd, []policy.Method{policy.Sum, policy.Mean, policy.Min, policy.Count}, []policy.Method{policy.Last, policy.Std, policy.Median}, []policy.Method{policy.Mean.Rate(), policy.Max.Rate()})
		r.Over, r.Overs = policy.NoMethod, list[rnd.IntN(len(list)):]
		r.Fill.How = draw(rnd, LeaveOut, Null)
		if rnd.IntN(8) == 0 && !r.Overs[0].IsRate() {
			r.Extra = append(r.Extra, newestTwice)
		}
	}
	return r
}

// TestTierKinds asks a policy with tiers for what tiers do not know: texts, and which states are up.
func TestTierKinds(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := tiered(t, s, 0)
	start := epoch - epoch%(300*sec)
	text, state := draft(num, "t", 1), draft(num, "t", 2)
	text.Def.Type, state.Def.Type = metricdef.String, metricdef.Availability
	var b measures.Batch
	for k := range int64(3000) {
		b.AddTextDraft(text, start+k*10*sec, "x")
		b.AddDraft(state, start+k*10*sec, float64(1+k%2)) // up and unknown
	}
	commit(t, s, &b)
	s.TendTiers()
	e := New(s, Options{Definitions: s.Definitions})
	for i, want := range []float64{30, 0.5} {
		r := Request{Refs: b.Refs[i : i+1], From: start, To: start + 3000*sec, Buckets: Buckets{Step: 300 * sec}, Over: []policy.Method{policy.Count, policy.Mean}[i]}
		q, err := e.Prepare(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Run(context.Background(), func(f *Frame) error {
			if f.Len() != 10 || f.Values[3] != want || len(f.Origins) != 1 || f.Origins[0].Tier != 0 {
				t.Errorf("%v from %v", f.Values, f.Origins)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTierWithoutRaw asks for ranges that cut buckets whose raw samples are no more: the tier gives all of such a bucket.
func TestTierWithoutRaw(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := tiered(t, s, 0)
	start := epoch - epoch%(300*sec)
	var b measures.Batch
	for k := range int64(3000) {
		b.AddDraft(draft(num, "w", 0), start+k*10*sec, 1)
	}
	commit(t, s, &b)
	s.TendTiers()
	e := New(s, Options{Definitions: s.Definitions})
	for _, c := range []struct {
		from, to int64
		want     string
	}{
		{0, 600, "0=30 300=30 [{0 300}]"},
		{100, 500, "0=30 300=30 [{0 300}]"},
		{29100, 29990, "29100=30 29400=30 29700=29 [{29100 300} {29700 0}]"},
	} {
		q, err := e.Prepare(context.Background(), Request{Refs: b.Refs[:1], From: start + c.from*sec, To: start + c.to*sec, Buckets: Buckets{Step: 300 * sec}, Over: policy.Count})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := q.Run(context.Background(), func(f *Frame) error {
			for i := range f.Len() {
				got += fmt.Sprintf("%d=%g ", (f.Time(i)-start)/sec, f.Values[i])
			}
			for i := range f.Origins {
				f.Origins[i].From, f.Origins[i].Tier = (f.Origins[i].From-start)/sec, f.Origins[i].Tier/sec
			}
			got += fmt.Sprint(f.Origins)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("from %d to %d:\n%s\nwant\n%s", c.from, c.to, got, c.want)
		}
	}
}

// TestNoScrapsOfRaw: what is older than a tier shows does not come from the raw samples that happen to be there still, where they
// live only in the window; buckets wider than those of the tier begin with the oldest that it has.
func TestNoScrapsOfRaw(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := tiered(t, s, 20)
	start := epoch - epoch%(300*sec)
	var b measures.Batch
	for k := range int64(1000) {
		b.AddDraft(draft(num, "w", 0), start+100*sec+k*10*sec, 1)
	}
	commit(t, s, &b)
	e := New(s, Options{Definitions: s.Definitions})
	ask := func(step, from, to int64, m policy.Method) (times []int64, values []float64) {
		q, err := e.Prepare(context.Background(), Request{Refs: b.Refs[:1], From: start + from*sec, To: start + to*sec, Buckets: Buckets{Step: step * sec}, Over: m})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Run(context.Background(), func(f *Frame) error {
			for i := range f.Len() {
				times, values = append(times, (f.Time(i)-start)/sec), append(values, f.Values[i])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return times, values
	}
	for _, finished := range []bool{false, true} {
		if finished {
			s.TendTiers()
		}
		// The newest sample is at 10,090: of the tier of a minute the buckets from 8,940 on are shown.
		if times, values := ask(60, 0, 10_200, policy.Std); len(times) != 20 || times[0] != 8940 || values[0] != 0 {
			t.Errorf("finished %v: %v", finished, times)
		}
		if times, _ := ask(60, 0, 8900, policy.Std); len(times) != 0 {
			t.Errorf("finished %v: %v", finished, times)
		}
		if times, values := ask(60, 10_085, 10_095, policy.Std); len(times) != 0 && times[0] != 10_080 {
			t.Errorf("finished %v: %v %v", finished, times, values)
		}
		if times, values := ask(600, 0, 10_200, policy.Count); len(times) != 17 || values[0] != 50 || values[1] != 60 {
			t.Errorf("finished %v: %v %v", finished, times, values)
		}
		if times, values := ask(600, 10_085, 10_095, policy.Count); len(times) != 1 || values[0] != 1 {
			t.Errorf("finished %v: %v %v", finished, times, values)
		}
	}
}

// TestBehindTheWindow: a query that neither raw samples nor a tier can answer in full says so, and shows only what will still be there
// when the store has tidied up.
func TestBehindTheWindow(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := tiered(t, s, 60)
	var b measures.Batch
	for k := range int64(180) { // half an hour
		d := draft(num, "w", 0)
		b.AddDraft(d, epoch+k*10*sec, float64(k))
	}
	commit(t, s, &b)
	ref := b.Refs[0]
	e := New(s, Options{})
	const end = 1800
	for range 2 {
		for _, c := range []struct {
			what           string
			from           int64 // seconds
			r              Request
			behind, points int
		}{
			{"a sum is put together from the tier", 0, Request{Over: policy.Sum, Buckets: Buckets{Step: 600 * sec}}, 0, 4},
			{"a median is not", 0, Request{Over: policy.Median, Buckets: Buckets{Step: 600 * sec}}, 1, 2},
			{"nor are samples: the window begins at 1260", 0, Request{}, 1, 54},
			{"samples of the window", 1500, Request{}, 0, 30},
		} {
			c.r.Refs, c.r.From, c.r.To = []metricdef.Ref{ref}, epoch+c.from*sec, epoch+end*sec
			q, err := e.Prepare(t.Context(), c.r)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			if err := q.Run(t.Context(), func(f *Frame) error { n += f.Len(); return nil }); err != nil {
				t.Fatal(err)
			}
			if q.Behind() != c.behind || n != c.points {
				t.Errorf("%s: %d behind, %d points", c.what, q.Behind(), n)
			}
		}
		s.TendTiers()
	}
}

// TestKept: a request for what is kept has the buckets of the tier, those whose beginnings lie in the range and the one that it begins in,
// and no raw samples beside them.
func TestKept(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := tiered(t, s, 20)
	start := epoch - epoch%(300*sec)
	var b measures.Batch
	for _, name := range []string{"t", "w", "raw"} {
		for k := range int64(1000) {
			b.AddDraft(draft(num, name, 0), start+100*sec+k*10*sec, 1)
		}
	}
	commit(t, s, &b)
	e := New(s, Options{Definitions: s.Definitions, MaxPoints: 20})
	for _, c := range []struct {
		row, step, from, to int64
		want                string
	}{
		{0, 60, -1 << 32, 1 << 32, "20 from 8940=6 to 10080=2"},
		{1000, 60, -1 << 32, 1 << 32, "20 from 8940=6 to 10080=2"},
		{0, 60, 8970, 9001, "2 from 8940=6 to 9000=6"},
		{0, 60, 0, 8940, "0"},
		{1000, 60, 10_100, 20_000, "1 from 10080=2 to 10080=2"},
		{1000, 60, 10_140, 20_000, "0"},
		{0, 300, 9999, 10_000, "1 from 9900=20 to 9900=20"}, // 9900 to 10100
		{2000, 60, 100, 160, "2 from 60=2 to 120=4"},        // samples inside of the range alone
	} {
		q, err := e.Prepare(t.Context(), Request{Refs: b.Refs[c.row : c.row+1], From: start + c.from*sec, To: start + c.to*sec, Buckets: Buckets{Step: c.step * sec}, Over: policy.Count, Kept: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Run(t.Context(), func(f *Frame) error {
			n := f.Len()
			got := fmt.Sprint(n)
			if n > 0 {
				at := func(i int) int64 { return (f.Time(i) - start) / sec }
				got = fmt.Sprintf("%d from %d=%g to %d=%g", n, at(0), f.Values[0], at(n-1), f.Values[n-1])
			}
			if got != c.want {
				t.Errorf("%+v: %s", c, got)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}
