package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

// answer runs a request and prints each frame: what it is, and time=value in seconds since epoch.
func answer(t *testing.T, e *Engine, r Request) (string, error) {
	t.Helper()
	q, err := e.Prepare(context.Background(), r)
	if err != nil {
		return "", err
	}
	var out []string
	err = q.Run(context.Background(), func(f *Frame) error {
		var b strings.Builder
		fmt.Fprintf(&b, "%d%v:", f.Ref, f.Group)
		for i := range f.Len() {
			fmt.Fprintf(&b, " %g=", float64(f.Time(i)-epoch)/1e9)
			switch {
			case !f.Has(i):
				b.WriteString("-")
			case f.Kind == metricdef.KindState:
				s, _ := metricdef.StateOf(f.Values[i])
				b.WriteString(s.String())
			default:
				fmt.Fprintf(&b, "%g", f.Values[i])
			}
		}
		out = append(out, b.String())
		return nil
	})
	return strings.Join(out, "\n"), err
}

// small is a store with these series, as seconds since epoch and values.
//
//	1 own    0=1 30=2 60=3 90=4 300=5
//	2 own    10=10 70=20 350=-1 360=30
//	3 state  0=up 60=down 120=up 180=unknown
//	4 text
func small(t *testing.T) (*Engine, *measures.Store) {
	t.Helper()
	s := openStore(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	num := prepare(t, s, 10*time.Second)
	put := func(host int, typ metricdef.Type, samples ...float64) {
		d := draft(num, "own", host)
		d.Def.Type = typ
		var b measures.Batch
		for i := 0; i < len(samples); i += 2 {
			b.AddDraft(d, epoch+int64(samples[i])*sec, samples[i+1])
		}
		commit(t, s, &b)
	}
	put(1, metricdef.Gauge, 0, 1, 30, 2, 60, 3, 90, 4, 300, 5)
	put(2, metricdef.Gauge, 10, 10, 70, 20, 350, -1, 360, 30)
	put(3, metricdef.Availability, 0, 1, 60, 0, 120, 1, 180, 2)
	return New(s, Options{Definitions: s.Definitions}), s
}

func TestRun(t *testing.T) {
	e, _ := small(t)
	one, both := []metricdef.Ref{1}, []metricdef.Ref{2, 1, 2}
	step := func(s int64) Buckets { return Buckets{Step: s * sec} }
	from := func(b Buckets) Buckets { b.FromStart = true; return b }
	for _, c := range []struct {
		what     string
		r        Request
		from, to int64
		want     string
	}{
		{"samples; the end is outside", Request{Refs: one}, 0, 90, "1[]: 0=1 30=2 60=3"},
		{"the same series twice", Request{Refs: both}, 0, 70, "1[]: 0=1 30=2 60=3\n2[]: 10=10"},
		{"newest first", Request{Refs: one, Desc: true, Limit: 2}, 0, 1000, "1[]: 300=5 90=4"},
		{"oldest first", Request{Refs: one, Limit: 2}, 0, 1000, "1[]: 0=1 30=2"},
		{"a series that is not", Request{Refs: []metricdef.Ref{77}}, 0, 1000, "77[]:"},
		{"no series", Request{}, 0, 1000, ""},
		{"rates of samples, the first from before", Request{Refs: one, Rate: Rate{Per: time.Second}}, 30, 100, "1[]: 30=0.03333333333333333 60=0.03333333333333333 90=0.03333333333333333"},
		{"no rate without a sample before", Request{Refs: one, Rate: Rate{Per: time.Second}, Limit: 1}, 0, 100, "1[]: 30=0.03333333333333333"},
		{"a counter begins again", Request{Refs: []metricdef.Ref{2}, Rate: Rate{Per: time.Second}}, 340, 400, "2[]: 350=-0.0035714285714285713 360=3.1"},
		{"rates, newest first", Request{Refs: []metricdef.Ref{2}, Rate: Rate{Per: time.Second}, Desc: true, Limit: 1}, 0, 400, "2[]: 360=3.1"},
		{"means of minutes", Request{Refs: both, Buckets: step(60)}, 0, 120, "1[]: 0=1.5 60=3.5\n2[]: 0=10 60=20"},
		{"a cut first bucket keeps its time", Request{Refs: one, Buckets: step(60), Over: policy.Count}, 30, 91, "1[]: 0=1 60=2"},
		{"a cut last bucket", Request{Refs: one, Buckets: step(60), Over: policy.Count}, 0, 90, "1[]: 0=2 60=1"},
		{"from the start", Request{Refs: one, Buckets: from(step(60)), Over: policy.Count}, 30, 150, "1[]: 30=2 90=1"},
		{"three equal parts", Request{Refs: one, Buckets: from(Buckets{Count: 3}), Fill: Fill{How: Null}, Over: policy.Last}, 0, 301, "1[]: 0=4 100.334=- 200.668=5"},
		{"one value", Request{Refs: one, Over: policy.Max}, 10, 100, "1[]: 10=4"},
		{"null", Request{Refs: one, Buckets: step(60), Fill: Fill{How: Null}}, 60, 301, "1[]: 60=3.5 120=- 180=- 240=- 300=5"},
		{"previous, bounded", Request{Refs: one, Buckets: step(60), Fill: Fill{How: Previous, Lookback: 120 * sec}}, 60, 301, "1[]: 60=3.5 120=3.5 180=3.5 240=- 300=5"},
		{"previous, from before the range", Request{Refs: one, Buckets: step(60), Fill: Fill{How: Previous}}, 180, 301, "1[]: 180=3.5 240=3.5 300=5"},
		{"linear", Request{Refs: one, Buckets: step(60), Fill: Fill{How: Linear}, Over: policy.Last}, 0, 480, "1[]: 0=2 60=4 120=4.25 180=4.5 240=4.75 300=5 360=- 420=-"},
		{"a number", Request{Refs: one, Buckets: step(60), Fill: Fill{How: Number, Number: -7}}, 60, 241, "1[]: 60=3.5 120=-7 180=-7 240=-7"},
		{"newest first, filled", Request{Refs: one, Buckets: step(60), Fill: Fill{How: Null}, Desc: true, Limit: 3}, 0, 301, "1[]: 300=5 240=- 180=-"},
		{"sums of sums", Request{Refs: both, Buckets: step(60), Over: policy.Sum, Across: policy.Sum}, 0, 361, "0[]: 0=13 60=27 300=4 360=30"},
		{"who has no value does not count", Request{Refs: both, Buckets: step(60), Over: policy.Mean, Across: policy.Count}, 0, 361, "0[]: 0=2 60=2 300=2 360=1"},
		{"first of the series is the lowest ref", Request{Refs: both, Buckets: step(60), Over: policy.Last, Across: policy.First}, 0, 361, "0[]: 0=2 60=4 300=5 360=30"},
		{"std of one is none", Request{Refs: both, Buckets: step(60), Over: policy.Last, Across: policy.Std}, 300, 420, "0[]: 300=4.242640687119285"},
		{"differences", Request{Refs: one, Buckets: step(60), Over: policy.Sum.Rate()}, 0, 301, "1[]: 0=1 60=2 300=1"},
		{"by tags", Request{Refs: both, Over: policy.Max, Across: policy.Max, By: []string{"host", "x"}}, 0, 400, "0[{host h00001} {x }]: 0=5\n0[{host h00002} {x }]: 0=30"},
		{"fewer series", Request{Refs: both, Over: policy.Max, MaxSeries: 1}, 0, 400, "1[]: 0=5"},
		{"states", Request{Refs: []metricdef.Ref{3}}, 0, 400, "3[]: 0=up 60=down 120=up 180=unknown"},
		{"the last state", Request{Refs: []metricdef.Ref{3}, Buckets: step(120), Over: policy.Last}, 0, 400, "3[]: 0=down 120=unknown"},
		{"the share that is up", Request{Refs: []metricdef.Ref{3}, Buckets: step(120)}, 0, 400, "3[]: 0=0.5 120=0.5"},
		{"how many are up", Request{Refs: []metricdef.Ref{3}, Buckets: step(60), Over: policy.Last, Across: policy.Sum}, 0, 400, "0[]: 0=1 60=0 120=1 180=0"},
		{"all time, sparse", Request{Refs: one, Buckets: step(300), Over: policy.Count}, math.MinInt64 / sec / 2, math.MaxInt64 / sec / 2, "1[]: -240=2 60=3"},
	} {
		c.r.From, c.r.To = epoch+c.from*sec, epoch+c.to*sec
		if c.from < -1e9 {
			c.r.From, c.r.To = math.MinInt64, math.MaxInt64
		}
		got, err := answer(t, e, c.r)
		if err != nil || got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s\n%v", c.what, got, c.want, err)
		}
	}
}

// TestByDerivedTags puts series into groups by what their label says, as by a tag of theirs.
func TestByDerivedTags(t *testing.T) {
	e, s := small(t)
	num := s.Definitions.Tenant(1)
	var refs []metricdef.Ref
	for i, label := range []string{"cpu", "mem", "cpu"} {
		name := fmt.Sprintf("0%d020304-0506-4708-890a-0b0c0d0e0f10", i)
		made := s.CreateDefinitions(t.Context(), []metricdef.Draft{{Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: name}, ByID: true, Label: label, Explicit: true}})
		if made[0].Err != nil {
			t.Fatal(made[0].Err)
		}
		refs = append(refs, made[0].Ref)
		var b measures.Batch
		b.Add(made[0].Ref, epoch, float64(i+1))
		commit(t, s, &b)
	}
	got, err := answer(t, e, Request{Refs: refs, From: epoch, To: epoch + sec, Over: policy.Max, Across: policy.Sum, By: []string{metricdef.LabelTag}})
	if want := "0[{metric_name cpu}]: 0=4\n0[{metric_name mem}]: 0=2"; err != nil || got != want {
		t.Errorf("%s, want %s (%v)", got, want, err)
	}
}

func TestRefused(t *testing.T) {
	_, s := small(t)
	e := New(s, Options{Definitions: s.Definitions, MaxPoints: 1000, MaxSamples: 9, MaxSeries: 2})
	whole := func(r Request) Request {
		r.From, r.To = epoch, epoch+1000*sec
		if r.Refs == nil {
			r.Refs = []metricdef.Ref{1}
		}
		return r
	}
	minute := Buckets{Step: 60 * sec}
	for _, c := range []struct {
		r          Request
		code, text string
	}{
		{Request{From: 5, To: 5}, "query-invalid", "query: end: is not after start"},
		{whole(Request{Buckets: Buckets{Step: -1}}), "query-invalid", "query: bucket: is not above zero and below 146 years"},
		{whole(Request{Buckets: Buckets{Count: -1}}), "query-invalid", "query: buckets: is not above zero"},
		{whole(Request{Buckets: Buckets{Step: 1, Count: 1}}), "query-invalid", "query: buckets: stands beside bucket: one of them divides the range"},
		{whole(Request{Over: 1 << 14}), "query-invalid", "query: method: is not one of the catalogue"},
		{whole(Request{Across: policy.Mean.Rate(), Buckets: minute}), "query-invalid", "query: across: rate:mean: there are no rates across series; rates are made over time, by method or rate"},
		{whole(Request{Across: policy.Mean}), "query-invalid", "query: across: needs buckets (bucket, buckets) or a method over time (method)"},
		{whole(Request{Fill: Fill{How: Null}}), "query-invalid", "query: fill: needs buckets (bucket, buckets)"},
		{whole(Request{By: []string{"a"}}), "query-invalid", "query: group_by: needs a method across series (across)"},
		{whole(Request{Pool: true, Across: policy.Mean, Buckets: minute}), "query-invalid", "query: across: makes nothing of series whose samples are put together"},
		{whole(Request{Pool: true, PointTags: true}), "query-invalid", "query: tags: points of series that are put together have no tags"},
		{whole(Request{Refs: []metricdef.Ref{1, 3}, Pool: true}), "query-invalid", "query: pool: there are values of the kinds float and state, which are no samples of one series"},
		{whole(Request{Limit: -1}), "query-invalid", "query: limit: is below zero"},
		{whole(Request{MaxSeries: -1}), "query-invalid", "query: series_limit: is below zero"},
		{whole(Request{PointTags: true, Buckets: minute}), "query-invalid", "query: tags: points that are aggregated have no tags; leave out bucket, buckets and method"},
		{whole(Request{Refs: []metricdef.Ref{1, 2, 3}}), "query-series", "query: the answer would read 3 series, the limit is 2 (setting granary.limits.query-series)"},
		{whole(Request{Refs: []metricdef.Ref{1, 3}, Buckets: minute, Over: policy.First, Across: policy.First}), "query-invalid", "query: across: a group has values of the kinds float and state, which cannot be combined"},
		{whole(Request{Refs: []metricdef.Ref{3}, Buckets: minute, Over: policy.Max}), "query-kind", `query: method: series "own" has values of kind state, of which there is no max; there is first, last, count, nunique, mean (the share that is up) and sum (how many are up)`},
		{whole(Request{Refs: []metricdef.Ref{3}, Rate: Rate{Per: time.Second}}), "query-kind", `query: rate: series "own" has values of kind state, of which there is no rate; there is first, last, count, nunique, mean (the share that is up) and sum (how many are up)`},
		{whole(Request{Refs: []metricdef.Ref{3}, Buckets: minute, Over: policy.Last, Across: policy.Max}), "query-kind", `query: across: values of a group has values of kind state, of which there is no max; there is first, last, count, nunique, mean (the share that is up) and sum (how many are up)`},
		{whole(Request{Refs: []metricdef.Ref{1, 2}, Buckets: Buckets{Step: sec}, Fill: Fill{How: Null}}), "answer-too-large", "query: the answer would hold 2000 points, the limit is 1000 (setting granary.limits.query-points)"},
		{Request{Refs: []metricdef.Ref{1}, From: math.MinInt64, To: math.MaxInt64, Buckets: Buckets{Step: 1}, Fill: Fill{How: Linear}}, "answer-too-large", "query: the answer would hold far too many points, the limit is 1000 (setting granary.limits.query-points)"},
	} {
		_, err := answer(t, e, c.r)
		var coded interface{ Code() string }
		if !errors.As(err, &coded) || coded.Code() != c.code || err.Error() != c.text {
			t.Errorf("%v, want %s: %s", err, c.code, c.text)
		}
	}
	few := New(s, Options{MaxSamples: 8})
	if _, err := few.Prepare(context.Background(), whole(Request{Refs: []metricdef.Ref{1, 2}})); err == nil || err.Error() != "query: the answer would read 9 samples, the limit is 8 (setting granary.limits.query-samples)" {
		t.Error(err)
	}
	if err := e.Admit(Cost{}, Cost{Samples: 10}); err == nil {
		t.Error("two queries together may read more than one")
	}
	if err := e.Admit(Cost{}, Cost{Samples: 9}); err != nil {
		t.Error(err)
	}
}

// TestRunEnds ends queries by their context and by an error of the caller, in one goroutine and in several, and sees to it
// that nothing is left running: Run waits for its own.
func TestRunEnds(t *testing.T) {
	s, refs := modelStore(t, rngOf(5))
	e := New(s, Options{Definitions: s.Definitions})
	for _, several := range []bool{false, true} {
		for i, across := range []policy.Method{policy.NoMethod, policy.Sum, policy.NoMethod} {
			r := Request{Refs: refs, From: epoch, To: epoch + 7000*sec, Buckets: Buckets{Step: 10 * sec}, Across: across, Pool: i == 2}
			q, err := e.Prepare(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			if several {
				q.cost.Samples = 1 << 20
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := q.Run(ctx, func(*Frame) error { return nil }); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			if _, err := e.Prepare(ctx, r); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			ctx, cancel = context.WithCancel(context.Background())
			seen := 0
			if err := q.Run(ctx, func(*Frame) error { seen++; cancel(); return nil }); !errors.Is(err, context.Canceled) && !r.grouped() || seen != 1 {
				t.Errorf("%v after %d frames", err, seen)
			}
			enough := errors.New("enough")
			if err := q.Run(context.Background(), func(*Frame) error { return enough }); !errors.Is(err, enough) {
				t.Errorf("%v", err)
			}
		}
	}
}

// broken is a source in which one series cannot be read.
type broken struct {
	Source
	ref metricdef.Ref
}

func (b broken) Read(ctx context.Context, r *measures.Reader, ref metricdef.Ref, from, to int64) error {
	if ref == b.ref {
		return errors.New("broken")
	}
	return b.Source.Read(ctx, r, ref, from, to)
}

func TestRunFails(t *testing.T) {
	s, refs := modelStore(t, rngOf(6))
	e := New(broken{s, refs[2]}, Options{})
	for i, across := range []policy.Method{policy.NoMethod, policy.Mean, policy.NoMethod} {
		for _, samples := range []int64{0, 1 << 20} {
			q, err := e.Prepare(context.Background(), Request{Refs: refs, From: epoch, To: epoch + 7000*sec, Over: policy.Mean, Across: across, Pool: i == 2})
			if err != nil {
				t.Fatal(err)
			}
			q.cost.Samples = samples
			frames := 0
			if err := q.Run(context.Background(), func(*Frame) error { frames++; return nil }); err == nil || err.Error() != "broken" || i == 0 && frames != 2 {
				t.Errorf("%d frames, %v", frames, err)
			}
		}
	}
}

// TestBeside makes something of every frame where it is read, and finds it with the frame in its turn.
func TestBeside(t *testing.T) {
	e, _ := small(t)
	for range 2 { // the second time in memory that was used
		q, err := e.Prepare(t.Context(), Request{Refs: []metricdef.Ref{2, 1}, From: epoch, To: epoch + 400*sec, Buckets: Buckets{Step: 100 * sec}, Overs: []policy.Method{policy.Sum},
			Beside: func(f *Frame) { f.Bytes = fmt.Append(f.Bytes, f.Ref, f.Columns[0]) }})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := q.Run(t.Context(), func(f *Frame) error { got += string(f.Bytes) + "\n"; return nil }); err != nil || got != "1 [3 7 5]\n2 [10 20 -1 30]\n" {
			t.Errorf("%q, %v", got, err)
		}
	}
}
