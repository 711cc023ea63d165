package query

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

// columns runs a request and prints each frame: what it is, and time=values in seconds since epoch.
func columns(t *testing.T, e *Engine, r Request) string {
	t.Helper()
	q, err := e.Prepare(context.Background(), r)
	if err != nil {
		return err.Error()
	}
	var out []string
	if err := q.Run(context.Background(), func(f *Frame) error {
		var b strings.Builder
		fmt.Fprintf(&b, "%d%v:", f.Ref, f.Group)
		for i := range f.Len() {
			fmt.Fprintf(&b, " %g=", float64(f.Time(i)-epoch)/1e9)
			for c := range f.Columns {
				if c > 0 {
					b.WriteByte('|')
				}
				if f.HasIn(c, i) {
					fmt.Fprintf(&b, "%g", f.Columns[c][i])
				}
			}
		}
		out = append(out, b.String())
		return nil
	}); err != nil {
		return err.Error()
	}
	return strings.Join(out, "\n")
}

func TestColumns(t *testing.T) {
	e, _ := small(t)
	one, both := []metricdef.Ref{1}, []metricdef.Ref{2, 1}
	minute := Buckets{Step: 60 * sec}
	some := []policy.Method{policy.Count, policy.Std, policy.Last}
	alone := func([]float64) (float64, bool) { return 1, true }
	for _, c := range []struct {
		what     string
		r        Request
		from, to int64
		want     string
	}{
		{"a method without a value", Request{Refs: both, Buckets: minute, Overs: some}, 0, 361, "1[]: 0=2|0.7071067811865476|2 60=2|0.7071067811865476|4 300=1||5\n2[]: 0=1||10 60=1||20 300=1||-1 360=1||30"},
		{"no bucket of a method that has none", Request{Refs: both, Buckets: minute, Overs: []policy.Method{policy.Std}}, 0, 361, "1[]: 0=0.7071067811865476 60=0.7071067811865476\n2[]:"},
		{"null", Request{Refs: one, Buckets: minute, Overs: some, Fill: Fill{How: Null}}, 60, 301, "1[]: 60=2|0.7071067811865476|4 120=|| 180=|| 240=|| 300=1||5"},
		{"null of nothing", Request{Refs: []metricdef.Ref{77}, Buckets: minute, Overs: some, Fill: Fill{How: Null}}, 60, 180, "77[]: 60=|| 120=||"},
		{"newest first, filled", Request{Refs: one, Buckets: minute, Overs: some, Fill: Fill{How: Null}, Desc: true, Limit: 3}, 0, 301, "1[]: 300=1||5 240=|| 180=||"},
		{"newest first", Request{Refs: one, Buckets: minute, Overs: some, Desc: true, Limit: 2}, 0, 301, "1[]: 300=1||5 60=2|0.7071067811865476|4"},
		{"oldest first", Request{Refs: one, Buckets: minute, Overs: some, Limit: 1}, 0, 301, "1[]: 0=2|0.7071067811865476|2"},
		{"one value each", Request{Refs: both, Overs: []policy.Method{policy.Sum, policy.Max}}, 0, 361, "1[]: 0=15|5\n2[]: 0=59|30"},
		{"functions", Request{Refs: one, Buckets: minute, Extra: []func([]float64) (float64, bool){newestTwice}}, 0, 361, "1[]: 0=4 60=8"},
		{"both", Request{Refs: one, Buckets: minute, Overs: []policy.Method{policy.First}, Extra: []func([]float64) (float64, bool){newestTwice}}, 0, 361, "1[]: 0=1|4 60=3|8 300=5|"},
		{"across, and how many series there are", Request{Refs: both, Buckets: minute, Overs: some, Across: policy.Sum, Extra: []func([]float64) (float64, bool){alone}}, 0, 361,
			"0[]: 0=3|0.7071067811865476|12|2 60=3|0.7071067811865476|24|2 300=2||4|2 360=1||30|1"},
		{"by tags", Request{Refs: both, Overs: []policy.Method{policy.Max, policy.Min}, Across: policy.Max, By: []string{"host"}}, 0, 400, "0[{host h00001}]: 0=5|1\n0[{host h00002}]: 0=30|-1"},
		{"differences", Request{Refs: one, Buckets: minute, Overs: []policy.Method{policy.Sum.Rate(), policy.Count.Rate()}}, 0, 301, "1[]: 0=1|1 60=2|2 300=1|1"},
		{"rates", Request{Refs: []metricdef.Ref{2}, Buckets: minute, Rate: Rate{Per: time.Minute, Falls: FallsKeep, Inside: true}, Overs: []policy.Method{policy.Sum, policy.Count}}, 60, 361, "2[]: 300=-4.5|1 360=186|1"},
		{"states", Request{Refs: []metricdef.Ref{3}, Buckets: minute, Overs: some}, 0, 361, `query: methods: series "own" has values of kind state, of which there is no list of methods; there is first, last, count, nunique, mean (the share that is up) and sum (how many are up)`},
		{"beside a method", Request{Refs: one, Over: policy.Mean, Overs: some}, 0, 361, "query: method: stands beside several methods"},
		{"too many", Request{Refs: one, Overs: make([]policy.Method, mostColumns+1)}, 0, 361, "query: methods: are more than 1000"},
		{"unknown", Request{Refs: one, Overs: make([]policy.Method, 1)}, 0, 361, "query: methods: are not all of the catalogue"},
		{"mixed", Request{Refs: one, Overs: []policy.Method{policy.Mean, policy.Mean.Rate()}}, 0, 361, "query: methods: are of values in part, in part of differences"},
		{"filled", Request{Refs: one, Buckets: minute, Overs: some, Fill: Fill{How: Previous}}, 0, 361, "query: fill: buckets with several values are filled by null only"},
	} {
		c.r.From, c.r.To = epoch+c.from*sec, epoch+c.to*sec
		if got := columns(t, e, c.r); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, got, c.want)
		}
	}
	few := New(e.source, Options{MaxPoints: 29})
	r := Request{Refs: one, From: epoch, To: epoch + 600*sec, Buckets: minute, Overs: some, Fill: Fill{How: Null}}
	if got := columns(t, few, r); got != "query: the answer would hold 30 points, the limit is 29 (setting granary.limits.query-points)" {
		t.Error(got)
	}
}

// TestRates makes rates of whole numbers beyond 2^53, which fall once, and of floats.
func TestRates(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := prepare(t, s, 10*time.Second)
	d := draft(num, "own", 1)
	d.Def.Type = metricdef.Counter
	const big = int64(1) << 60
	var b measures.Batch
	for i, v := range []int64{big + 1, big + 4, 6, 9} {
		b.AddIntDraft(d, epoch+int64(i)*30*sec, v)
	}
	for i, v := range []float64{321.8, 475.3, 125.1} {
		b.AddDraft(draft(num, "own", 2), epoch+int64(i)*30*sec, v)
	}
	commit(t, s, &b)
	e := New(s, Options{Definitions: s.Definitions})
	for _, c := range []struct {
		rate Rate
		from int64
		want string
	}{
		{Rate{Per: time.Second}, 0, "1[]: 30=0.1 60=0.2 90=0.1\n2[]: 30=5.116666666666666 60=4.17"},
		{Rate{Per: time.Minute}, 0, "1[]: 30=6 60=12 90=6\n2[]: 30=307 60=250.2"},
		{Rate{Per: time.Minute, Falls: FallsDrop}, 0, "1[]: 30=6 90=6\n2[]: 30=307"},
		{Rate{Per: time.Minute, Falls: FallsDrop, Inside: true}, 30, "1[]: 90=6\n2[]:"},
		{Rate{Per: time.Minute, Falls: FallsKeep}, 30, "1[]: 30=6 60=-2.305843009213694e+18 90=6\n2[]: 30=307 60=-700.4000000000001"},
		{Rate{Per: time.Minute, Falls: FallsKeep, Inside: true}, 30, "1[]: 60=-2.305843009213694e+18 90=6\n2[]: 60=-700.4000000000001"},
		{Rate{Per: time.Hour}, 60, "1[]: 60=720 90=360\n2[]: 60=15012"},
	} {
		got, err := answer(t, e, Request{Refs: []metricdef.Ref{1, 2}, From: epoch + c.from*sec, To: epoch + 1000*sec, Rate: c.rate})
		if err != nil || got != c.want {
			t.Errorf("%+v from %d:\n%s\nwant\n%s\n%v", c.rate, c.from, got, c.want, err)
		}
	}
	for _, bad := range []Rate{{Per: -1}, {Per: time.Second, Falls: FallsKeep + 1}} {
		if _, err := answer(t, e, Request{From: epoch, To: epoch + 1, Rate: bad}); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestExactRates holds rates of random whole numbers against those that are made of exact differences.
func TestExactRates(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	num := prepare(t, s, 10*time.Second)
	rnd := rngOf(31)
	d := draft(num, "own", 1)
	d.Def.Type = metricdef.Counter
	var times, values []int64
	var b measures.Batch
	for i := range int64(3000) {
		v := int64(1)<<62 + rnd.Int64N(1<<40) + i<<40
		switch rnd.IntN(20) {
		case 0:
			v = rnd.Int64N(1000)
		case 1:
			v = -v
		}
		times, values = append(times, epoch+i*sec+rnd.Int64N(sec)), append(values, v)
		b.AddIntDraft(d, times[i], v)
		if i%700 == 699 {
			commit(t, s, &b)
			b.Reset()
		}
	}
	commit(t, s, &b)
	e := New(s, Options{Definitions: s.Definitions})
	for range 300 {
		r := Request{Refs: []metricdef.Ref{1}, From: epoch + rnd.Int64N(3000*sec), Desc: rnd.IntN(2) == 0, Pool: rnd.IntN(3) == 0}
		r.To = r.From + 1 + rnd.Int64N(1000*sec)
		r.Rate = Rate{draw(rnd, time.Second, time.Minute), draw(rnd, FallsReset, FallsDrop, FallsKeep), rnd.IntN(2) == 0}
		var want []modelPoint
		for i := 1; i < len(times); i++ {
			if times[i] < r.From || times[i] >= r.To || r.Rate.Inside && times[i-1] < r.From {
				continue
			}
			rise := new(big.Int).Sub(big.NewInt(values[i]), big.NewInt(values[i-1]))
			if rise.Sign() < 0 && r.Rate.Falls == FallsDrop {
				continue
			}
			if rise.Sign() < 0 && r.Rate.Falls == FallsReset {
				rise.SetInt64(values[i])
			}
			d, _ := new(big.Float).SetInt(rise).Float64()
			apart := float64(times[i] - times[i-1])
			if r.Rate.Per == time.Second {
				d /= apart / 1e9
			} else {
				d = 60000 * d / (apart / 1e6)
			}
			want = append(want, modelPoint{times[i], d, true})
		}
		if r.Desc {
			slices.Reverse(want)
		}
		q, err := e.Prepare(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Run(t.Context(), func(f *Frame) error {
			f.Ref, f.Group = 0, nil
			return held(f, []map[string][]modelPoint{{"": want}}, 0)
		}); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
	}
}
