package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

const sec = int64(1e9)

var hole = math.NaN()

// fake is a source of series on plain slices, for Grid.
type fake map[metricdef.Ref]fakeSeries

// source makes a whole source of it, of which Grid uses no more than fake has.
func (f fake) source() Source {
	type rest struct{ *measures.Store }
	return struct {
		fake
		rest
	}{fake: f}
}

type fakeSeries struct {
	first, step int64 // seconds
	own         bool  // samples keep their own times; step is the distance
	values      []float64
}

func (f fake) Bounds(ref metricdef.Ref, _, _ int64) (measures.Bounds, bool) {
	s, ok := f[ref]
	if !ok || len(s.values) == 0 {
		return measures.Bounds{}, false
	}
	b := measures.Bounds{First: s.first * sec, Last: (s.first + int64(len(s.values)-1)*s.step) * sec}
	if !s.own {
		b.Step, b.Half = s.step*sec, s.step/2*sec
	}
	return b, true
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (f fake) ReadGrid(ref metricdef.Ref, t0, step int64, dst []float64) error {
	s := f[ref]
	if s.values == nil {
		return errors.New("series without values is read")
	}
	anchor, half := t0, step/2
	if !s.own && s.step*sec == step {
		anchor, half = s.first*sec, s.step/2*sec
	}
	for i := range dst {
		dst[i] = hole
	}
	k0 := floor(t0-anchor+half, step)
	for i, v := range s.values {
		k := floor((s.first+int64(i)*s.step)*sec-anchor+half, step) - k0
		if k >= 0 && k < int64(len(dst)) && !math.IsNaN(v) {
			dst[k] = v
		}
	}
	return nil
}

var series = fake{
	1: {first: 1000, step: 60, values: []float64{1, 2, 3, 4, 5}},
	2: {first: 1000, step: 60, values: []float64{10, 20, hole, 40, 50}},
	3: {first: 1020, step: 60, values: []float64{100, 200, 300, 400, 500, 600}}, // a third of a slot behind
	4: {first: 1120, step: 60, values: []float64{7, 7}},                         // begins later, ends earlier
	5: {first: 1000, step: 10, values: []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
	6: {first: 1000, step: 30, own: true, values: []float64{1, 2, 3, 4}},
	7: {},
	8: {first: 5000, step: 60, values: []float64{1}},
	9: {first: 1000, step: 60, values: []float64{math.Inf(1), -1, math.Inf(-1)}},
}

func TestGrid(t *testing.T) {
	const all = int64(1) << 60
	for _, c := range []struct {
		what     string
		refs     []metricdef.Ref
		from, to int64 // seconds
		method   policy.Method
		found    int
		start    int64 // seconds
		step     int64
		want     []float64
	}{
		{"one, all of it", []metricdef.Ref{1}, 0, all, policy.NoMethod, 1, 1000, 60, []float64{1, 2, 3, 4, 5}},
		{"one, from inside a slot", []metricdef.Ref{1}, 1100, all, policy.NoMethod, 1, 1100, 60, []float64{3, 4, 5}},
		{"one, from the end of a slot", []metricdef.Ref{1}, 1089, all, policy.NoMethod, 1, 1089, 60, []float64{2, 3, 4, 5}},
		{"one, from the beginning of a slot", []metricdef.Ref{1}, 1090, all, policy.NoMethod, 1, 1090, 60, []float64{3, 4, 5}},
		{"one, to is outside", []metricdef.Ref{1}, 1000, 1120, policy.NoMethod, 1, 1000, 60, []float64{1, 2}},
		{"one, to inside a slot", []metricdef.Ref{1}, 1000, 1121, policy.NoMethod, 1, 1000, 60, []float64{1, 2, 3}},
		{"one, to is from", []metricdef.Ref{1}, 1060, 1060, policy.NoMethod, 1, 1060, 60, nil},
		{"one, from above to", []metricdef.Ref{1}, 1200, 1060, policy.NoMethod, 1, 1200, 60, nil},
		{"one, from above to, below the data", []metricdef.Ref{1}, 500, 400, policy.NoMethod, 1, 1000, 60, nil},
		{"one, before the data", []metricdef.Ref{1}, 0, 900, policy.NoMethod, 1, 1000, 60, nil},
		{"one, from before, to in the first slot", []metricdef.Ref{1}, 0, 1001, policy.NoMethod, 1, 1000, 60, []float64{1}},
		{"one, behind the data", []metricdef.Ref{1}, 2000, 3000, policy.NoMethod, 1, 2000, 60, nil},
		{"one, from in the newest slot", []metricdef.Ref{1}, 1269, all, policy.NoMethod, 1, 1269, 60, []float64{5}},
		{"one, from behind the newest slot", []metricdef.Ref{1}, 1270, all, policy.NoMethod, 1, 1270, 60, nil},
		{"one with a hole", []metricdef.Ref{2}, 0, all, policy.NoMethod, 1, 1000, 60, []float64{10, 20, hole, 40, 50}},
		{"none", nil, 0, all, policy.Sum, 0, 0, 0, nil},
		{"none with data", []metricdef.Ref{7, 77}, 0, all, policy.Sum, 0, 0, 0, nil},
		{"one with data", []metricdef.Ref{7, 1, 77}, 0, 1060, policy.NoMethod, 1, 1000, 60, []float64{1}},
		{"the sum has the hole", []metricdef.Ref{1, 2}, 0, all, policy.Sum, 2, 1000, 60, []float64{11, 22, hole, 44, 55}},
		{"the mean too", []metricdef.Ref{1, 2}, 0, all, policy.Mean, 2, 1000, 60, []float64{5.5, 11, hole, 22, 27.5}},
		{"the order does not count", []metricdef.Ref{2, 1}, 0, all, policy.Sum, 2, 1000, 60, []float64{11, 22, hole, 44, 55}},
		{"the same twice", []metricdef.Ref{1, 1}, 0, all, policy.Sum, 2, 1000, 60, []float64{2, 4, 6, 8, 10}},
		{"another phase meets by time", []metricdef.Ref{1, 3}, 0, all, policy.Sum, 2, 1020, 60, []float64{101, 202, 303, 404, 505}},
		{"another phase, the other way round", []metricdef.Ref{3, 1}, 0, all, policy.Sum, 2, 1020, 60, []float64{101, 202, 303, 404, 505}},
		{"latest first, earliest last", []metricdef.Ref{1, 4}, 0, all, policy.Sum, 2, 1120, 60, []float64{10, 11}},
		{"latest first, the other way round", []metricdef.Ref{4, 1}, 0, all, policy.Sum, 2, 1120, 60, []float64{10, 11}},
		{"nothing in common", []metricdef.Ref{1, 8}, 0, all, policy.Sum, 2, 5000, 60, nil},
		{"finer slots give their last value", []metricdef.Ref{1, 5}, 0, all, policy.Sum, 2, 1000, 60, []float64{1 + 2, 2 + 8, 3 + 14, 4 + 19}},
		{"finer first", []metricdef.Ref{5, 1}, 0, all, policy.Sum, 2, 1000, 60, []float64{3, 10, 17, 23}},
		{"own times", []metricdef.Ref{6}, 0, all, policy.NoMethod, 1, 1000, 60, []float64{1, 3, 4}},
		{"own times, newest at the end of a slot", []metricdef.Ref{6}, 1030, all, policy.NoMethod, 1, 1030, 60, []float64{2, 4}},
		{"own times, to", []metricdef.Ref{6}, 0, 1060, policy.NoMethod, 1, 1000, 60, []float64{1}},
		{"infinities", []metricdef.Ref{9, 9}, 0, all, policy.Sum, 2, 1000, 60, []float64{math.Inf(1), -2, math.Inf(-1)}},
		{"infinities against each other", []metricdef.Ref{1, 9}, 0, all, policy.Mean, 2, 1000, 60, []float64{math.Inf(1), 0.5, math.Inf(-1)}},
	} {
		t.Run(c.what, func(t *testing.T) {
			e := New(series.source(), Options{})
			to := c.to
			if to != all {
				to *= sec
			}
			g := Grid{From: 99, Step: 99, Values: []float64{1, 2, 3}} // of an earlier answer
			found, err := e.Grid(context.Background(), c.refs, c.from*sec, to, c.method, &g)
			if err != nil || found != c.found {
				t.Fatalf("%d series, %v", found, err)
			}
			if found > 0 && (g.From != c.start*sec || g.Step != c.step*sec) {
				t.Errorf("from %g, step %g", float64(g.From)/1e9, float64(g.Step)/1e9)
			}
			if got, want := fmt.Sprint(g.Values), fmt.Sprint(c.want); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if found > 0 && g.To() != g.From+int64(len(c.want))*g.Step {
				t.Errorf("to %d", g.To())
			}
		})
	}
}

func TestGridErrors(t *testing.T) {
	ctx := context.Background()
	var g Grid
	e := New(series.source(), Options{MaxPoints: 4})
	if n, err := e.Grid(ctx, []metricdef.Ref{1, 2}, 0, 1<<60, policy.NoMethod, &g); !errors.Is(err, ErrNoMethod) || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	var limit *LimitError
	if _, err := e.Grid(ctx, []metricdef.Ref{1}, 0, 1<<60, policy.NoMethod, &g); !errors.As(err, &limit) || limit.Points != 5 || limit.Limit != 4 || limit.Kind() != "over limit" {
		t.Errorf("%v", err)
	}
	if _, err := e.Grid(ctx, []metricdef.Ref{1}, 0, 1240*sec, policy.NoMethod, &g); err != nil || len(g.Values) != 4 {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	many := make([]metricdef.Ref, 200)
	for i := range many {
		many[i] = 1
	}
	if _, err := New(series.source(), Options{}).Grid(ctx, many, 0, 1<<60, policy.Sum, &g); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestGridAtTheEdge asks for as much time as there is. It must be told that this is too much, not overflow.
func TestGridAtTheEdge(t *testing.T) {
	const edge = int64(1) << 62 / sec
	wide := fake{1: {first: -edge, step: edge, own: true, values: []float64{1, 2, 3}}}
	for _, o := range []Options{{OwnStep: 1}, {OwnStep: sec, MaxPoints: 1000}, {MaxPoints: 100_000}, {}} {
		var g Grid
		var limit *LimitError
		if _, err := New(wide.source(), o).Grid(context.Background(), []metricdef.Ref{1}, math.MinInt64, math.MaxInt64, policy.NoMethod, &g); !errors.As(err, &limit) || limit.Points <= 0 {
			t.Errorf("%+v: %v, %d values", o, err, len(g.Values))
		}
	}
}
