package operations

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"granary/policy"
)

const sec = int64(1e9)

// at makes a column of times in seconds and values, in turn.
func at(list ...float64) Column {
	var c Column
	for i := 0; i < len(list); i += 2 {
		c.Times, c.Values = append(c.Times, int64(list[i])*sec), append(c.Values, list[i+1])
	}
	return c
}

// show prints a result: "aggregated 60: 0 1.5, 60 NaN | ..." with times in seconds, and a bar between columns.
func show(r Result, fill Fill) string {
	var b strings.Builder
	if r.Aggregated {
		b.WriteString("aggregated ")
	}
	fmt.Fprintf(&b, "%g:", float64(r.Granularity)/1e9)
	for i, c := range r.Columns {
		if i > 0 {
			b.WriteString(" |")
		}
		sep := " "
		for j, x := range c {
			if !fill.Leaves(x) {
				fmt.Fprintf(&b, "%s%g %.7g", sep, float64(r.Times[j])/1e9, x)
				sep = ", "
			}
		}
	}
	return b.String()
}

func TestEvaluate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	a := at(0, 1, 60, 2, 120, -3, 180, 4)
	b := at(60, 10, 120, 20, 180, 30, 240, 40)
	one := []Column{a}
	two := []Column{a, b}
	drop, null := Rules{Fill: Fill{How: DropNA}}, Rules{Fill: Fill{How: Null}}
	needed := func(percent float64) Rules { return Rules{Needed: percent} }
	fill := func(text string) Rules {
		f, err := ParseFill(text)
		if err != nil {
			t.Fatal(err)
		}
		return Rules{Fill: f}
	}
	const ab = "(metric (a m) (b m))"
	for _, c := range []struct {
		text   string
		series []Column
		rules  Rules
		want   string
	}{
		{"(metric a m)", one, drop, "60: 0 1, 60 2, 120 -3, 180 4"},
		{ab, two, drop, "60: 0 1, 60 2, 120 -3, 180 4 | 60 10, 120 20, 180 30, 240 40"},
		{ab, two, null, "60: 0 1, 60 2, 120 -3, 180 4, 240 NaN | 0 NaN, 60 10, 120 20, 180 30, 240 40"},
		{ab, two, fill("7.5"), "60: 0 1, 60 2, 120 -3, 180 4, 240 7.5 | 0 7.5, 60 10, 120 20, 180 30, 240 40"},
		{ab, two, fill("ffill"), "60: 0 1, 60 2, 120 -3, 180 4, 240 4 | 60 10, 120 20, 180 30, 240 40"},
		{ab, two, fill("bfill"), "60: 0 1, 60 2, 120 -3, 180 4 | 0 10, 60 10, 120 20, 180 30, 240 40"},
		{ab, two, fill("full_ffill"), "60: 0 1, 60 2, 120 -3, 180 4, 240 4 | 0 10, 60 10, 120 20, 180 30, 240 40"},
		{ab, two, fill("full_bfill"), "60: 0 1, 60 2, 120 -3, 180 4, 240 4 | 0 10, 60 10, 120 20, 180 30, 240 40"},
		{ab, []Column{at(0, 1, 60, nan, 120, 3), at(60, 4)}, fill("ffill"), "60: 0 1, 60 1, 120 3 | 60 4, 120 4"},
		{"(aggregate mean " + ab + ")", two, drop, "aggregated 60: 0 1, 60 6, 120 8.5, 180 17, 240 40"},
		{"(aggregate sum " + ab + ")", two, needed(100), "aggregated 60: 60 12, 120 17, 180 34"},
		{"(aggregate sum " + ab + ")", two, Rules{Needed: 75, Started: true}, "aggregated 60: 0 1, 60 12, 120 17, 180 34"},
		{"(aggregate sum " + ab + ")", two, Rules{Needed: 60, Started: true, Stopped: true}, "aggregated 60: 0 1, 60 12, 120 17, 180 34, 240 40"},
		{"(aggregate sum " + ab + ")", two, Rules{Needed: 100, Started: true}, "Less than 100.000000% of datapoints overlap in this timespan (75.00%)"},
		{"(aggregate sum " + ab + ")", []Column{at(0, 1), at(60, 2)}, needed(100), "No overlap"},
		{"(aggregate sum " + ab + ")", []Column{at(0, 1), at(60, 2)}, needed(0), "aggregated 60: 0 1, 60 2"},
		{"(aggregate sum " + ab + ")", []Column{{}, {}}, needed(100), "No overlap"},
		{"(aggregate sum " + ab + ")", []Column{{}, {}}, drop, "aggregated 60:"},
		{"(aggregate count " + ab + ")", two, drop, "aggregated 60: 0 1, 60 2, 120 2, 180 2, 240 1"},
		{"(aggregate std " + ab + ")", two, drop, "aggregated 60: 0 0, 60 4, 120 11.5, 180 13, 240 0"},
		{"(aggregate var " + ab + ")", two, drop, "aggregated 60: 0 0, 60 16, 120 132.25, 180 169, 240 0"},
		{"(aggregate median " + ab + ")", two, drop, "aggregated 60: 0 1, 60 6, 120 8.5, 180 17, 240 40"},
		{"(aggregate min " + ab + ")", two, drop, "aggregated 60: 0 1, 60 2, 120 -3, 180 4, 240 40"},
		{"(aggregate max " + ab + ")", two, drop, "aggregated 60: 0 1, 60 10, 120 20, 180 30, 240 40"},
		{"(aggregate rate:mean " + ab + ")", two, null, "aggregated 60: 60 5, 120 2.5, 180 8.5, 240 23"},
		{"(aggregate sum (metric a m))", []Column{at(0, nan, 60, 1)}, drop, "aggregated 60: 0 0, 60 1"},
		{"(aggregate mean (metric a m))", []Column{at(0, nan, 60, inf)}, null, "aggregated 60: 0 NaN, 60 +Inf"},
		{"(rolling mean 2 (metric a m))", one, drop, "60: 60 1.5, 120 -0.5, 180 0.5"},
		{"(rolling count 2 " + ab + ")", two, drop, "60: 60 2, 120 2, 180 2, 240 1 | 60 1, 120 2, 180 2, 240 2"},
		{"(rolling sum 3 " + ab + ")", []Column{at(0, 1, 60, 2), at(120, 3, 180, 4)}, null, "60: 120 3, 180 2 | 120 3, 180 7"},
		{"(rolling rate:max 2 (metric a m))", one, drop, "60: 120 0, 180 2"},
		{"(rolling mean 4 (metric a m))", one, drop, "60: 180 1"},
		{"(rolling mean 10 (metric a m))", one, drop, "Rolling window '10' is greater than serie length '4'"},
		{"(resample mean 120 (metric a m))", one, drop, "120: 0 1.5, 120 0.5"},
		{"(resample sum 120 " + ab + ")", two, drop, "120: 0 3, 120 1 | 120 50, 240 40"},
		{"(resample min 120 " + ab + ")", two, drop, "120: 0 1, 120 -3 | 0 10, 120 20, 240 40"},
		{"(resample last 120 " + ab + ")", two, drop, "120: 0 2, 120 4 | 0 10, 120 30, 240 40"},
		{"(resample std 120 (metric a m))", []Column{at(0, 1, 60, 2, 120, 3)}, drop, "120: 0 0.7071068"},
		{"(resample 50pct 180 (metric a m))", one, drop, "180: 0 1, 180 4"},
		{"(resample rate:mean 120 (metric a m))", one, drop, "120: 0 1, 120 1"},
		{"(resample rate:last 60 (metric a m))", one, drop, "60: 60 1, 120 -5, 180 7"},
		{"(resample count 1 (metric a m))", []Column{{}}, drop, "1:"},
		{"(rateofchange (metric a m))", one, null, "60: 60 1, 120 -5, 180 7"},
		{"(rateofchange " + ab + ")", two, null, "60: 60 1, 120 -5, 180 7, 240 NaN | 60 NaN, 120 10, 180 10, 240 10"},
		{"(rateofchangesec (metric a m))", []Column{at(0, 1, 60, 2, 180, 8)}, null, "60: 0 NaN, 60 0.01666667, 180 0.05"},
		{"(rateofchange (metric a m))", []Column{{}}, null, "60:"},
		{"(+ (metric a m) (metric b m))", two, null, "aggregated 60: 0 NaN, 60 12, 120 17, 180 34, 240 NaN"},
		{"(- (metric a m) (- 1 3))", one, null, "60: 0 3, 60 4, 120 -1, 180 6"},
		{"(- 10 (metric a m))", one, null, "60: 0 9, 60 8, 120 13, 180 6"},
		{"(* (aggregate count (metric a m)) 2)", one, null, "aggregated 60: 0 2, 60 2, 120 2, 180 2"},
		{"(/ (metric a m) 0)", []Column{at(0, 1, 60, -1, 120, 0)}, null, "60: 0 +Inf, 60 -Inf, 120 NaN"},
		{"(/ (metric a m) 0)", []Column{at(0, 1, 60, -1, 120, 0)}, drop, "60:"},
		{"(% (metric a m) 2.5)", []Column{at(0, 1, 60, -1, 120, 5, 180, -5)}, null, "60: 0 1, 60 1.5, 120 0, 180 0"},
		{"(mod 7 (metric a m))", []Column{at(0, 3, 60, -3, 120, inf, 180, -inf, 240, 0)}, null, "60: 0 1, 60 -2, 120 7, 180 -Inf, 240 NaN"},
		{"(** (metric a m) 0.5)", []Column{at(0, 4, 60, -4)}, null, "60: 0 2, 60 NaN"},
		{"(< " + ab + " 10)", two, drop, "60: 0 1, 60 1, 120 1, 180 1, 240 0 | 0 0, 60 0, 120 0, 180 0, 240 0"},
		{"(ne (metric a m) 2)", []Column{at(0, 2, 60, nan)}, drop, "60: 0 0, 60 1"},
		{"(max " + ab + " 3)", two, drop, "60: 0 3, 60 3, 120 3, 180 4, 240 3 | 0 3, 60 10, 120 20, 180 30, 240 40"},
		{"(clip_min (metric a m) 1.5)", one, drop, "60: 0 1.5, 60 2, 120 1.5, 180 4"},
		{"(clip_max (metric a m) 1.5)", one, drop, "60: 0 1, 60 1.5, 120 -3, 180 1.5"},
		{"(clip " + ab + " 0 5)", two, null, "60: 0 1, 60 2, 120 0, 180 4, 240 NaN | 0 NaN, 60 5, 120 5, 180 5, 240 5"},
		{"(clip (metric a m) 0)", one, null, "60: 0 1, 60 2, 120 0, 180 4"},
		{"(floor (/ (metric a m) 2))", one, null, "60: 0 0, 60 1, 120 -2, 180 2"},
		{"(ceil (/ (metric a m) 2))", one, null, "60: 0 1, 60 1, 120 -1, 180 2"},
		{"(neg (abs (metric a m)))", one, null, "60: 0 -1, 60 -2, 120 -3, 180 -4"},
		{"(- " + ab + " (aggregate mean " + ab + "))", two, null, "aggregated 60: 0 0, 60 -4, 120 -11.5, 180 -13, 240 NaN"},
		{"(aggregate sum (- " + ab + " (aggregate mean " + ab + ")))", two, drop, "aggregated 60: 0 0, 60 0, 120 0, 180 0, 240 0"},
		{"(- (metric a m) (rateofchange (metric a m)))", one, null,
			"Can't compute timeseries with different granularity ['metric', 'a', 'm'] <> ['rateofchange', ['metric', 'a', 'm']]"},
		{"(- (metric a m) (resample mean 120 (metric a m)))", one, null,
			"Can't compute timeseries with different granularity ['metric', 'a', 'm'] <> ['resample', 'mean', 120.0, ['metric', 'a', 'm']]"},
	} {
		o, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		refs := make([]int, len(c.series))
		for i := range refs {
			refs[i] = i
		}
		r, err := o.Evaluate(context.Background(), 60*sec, c.series, refs, c.rules)
		got := ""
		var u *UnaggregableError
		switch {
		case errors.As(err, &u):
			got = u.Reason
		case err != nil:
			got = err.Error()
		default:
			got = show(r, c.rules.Fill)
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.text, got, c.want)
		}
	}
}

// TestEvaluatePattern: several series stand for one reference, and two sides of different width need one series on one of them.
func TestEvaluatePattern(t *testing.T) {
	series := []Column{at(0, 1), at(0, 2), at(0, 3), at(0, 4), at(0, 5)}
	refs := []int{0, 1, 0, 1, 1}
	for text, want := range map[string]string{
		"(metric (x* m) (y* m))":                                          "1: 0 1 | 0 2 | 0 3 | 0 4 | 0 5",
		"(aggregate sum (metric y* m))":                                   "",
		"(+ (aggregate sum (metric x* m)) (aggregate max (metric y* m)))": "aggregated 1: 0 9",
		"(+ (metric x* m) (metric y* m))":                                 "+ has 2 series on one side and 3 on the other: it needs as many, or one of them",
		"(/ (metric x* m) (aggregate sum (metric y* m)))":                 "aggregated 1: 0 0.09090909",
	} {
		o, err := Parse(text)
		if err != nil || len(o.Refs) < 2 {
			continue
		}
		r, err := o.Evaluate(context.Background(), sec, series, refs, Rules{Fill: Fill{How: Null}})
		got := ""
		var u *UnaggregableError
		if errors.As(err, &u) {
			if got = u.Reason; len(u.Series) != 5 || u.Series[2] != (Ref{"x*", "m"}) {
				t.Error(u.Series)
			}
		} else {
			got = show(r, Fill{})
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestAcross(t *testing.T) {
	refs := []Ref{{"a", "mean"}, {"b", "mean"}}
	o, err := Across("max", refs, policy.Mean, 120*sec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Evaluate(context.Background(), 60*sec, []Column{at(0, 1, 60, 3), at(0, 5, 60, 1)}, []int{0, 1}, Rules{Needed: 100})
	if got := show(r, Fill{}); err != nil || got != "aggregated 120: 0 3" {
		t.Error(got, err)
	}
	if _, err := Across("95pct", refs, policy.Mean, 0); err == nil {
		t.Error("95pct is taken")
	}
}

func TestEvaluateBounds(t *testing.T) {
	o, err := Parse("(rolling mean 50000 (metric a m))")
	if err != nil {
		t.Fatal(err)
	}
	var c Column
	for i := range 200_000 {
		c.Times, c.Values = append(c.Times, int64(i)), append(c.Values, 1)
	}
	var w *WorkError
	if _, err := o.Evaluate(context.Background(), 1, []Column{c}, []int{0}, Rules{Fill: Fill{How: Null}}); !errors.As(err, &w) {
		t.Error(err)
	}
	errTooMany := errors.New("too many")
	rules := Rules{Fill: Fill{How: Null}, Limit: func(n int64) error {
		if n > 199_999 {
			return errTooMany
		}
		return nil
	}}
	if _, err := o.Evaluate(context.Background(), 1, []Column{c}, []int{0}, rules); !errors.Is(err, errTooMany) {
		t.Error(err)
	}
	// Results that wait for others count as long as they do.
	rules.Limit = func(n int64) error {
		if n > 500_000 {
			return errTooMany
		}
		return nil
	}
	for text, want := range map[string]error{
		"(+ (+ (abs (metric a m)) (abs (metric a m))) (abs (metric a m)))":                       nil,
		"(+ (abs (metric a m)) (+ (abs (metric a m)) (abs (metric a m))))":                       errTooMany,
		"(+ (max (abs (metric a m)) (abs (metric a m))) (max (abs (metric a m)) 1))":             nil,
		"(aggregate max (+ (abs (metric a m)) (+ (abs (metric a m)) (+ 1 (abs (metric a m))))))": errTooMany,
		"(neg (sin (cos (tan (abs (neg (sin (cos (tan (abs (metric a m)))))))))))":               nil,
	} {
		if o, err = Parse(text); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Evaluate(context.Background(), 1, []Column{c}, []int{0}, rules); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if o, err = Parse("(abs (metric a m))"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Evaluate(ctx, 1, []Column{c}, []int{0}, Rules{Fill: Fill{How: Null}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// randomTree makes operations as JSON has them.
func randomTree(r *rand.Rand, depth int) any {
	metrics := []any{[]any{"metric", "a", "m"}, []any{"metric", []any{"a", "m"}, []any{"b", "m"}}, []any{"metric", []any{"b", "m"}, []any{"c*", "m"}}, []any{"metric", "c*", "m"}}
	if depth == 0 {
		if r.IntN(4) == 0 {
			return fmt.Sprint(r.IntN(7) - 3)
		}
		return metrics[r.IntN(len(metrics))]
	}
	methods := []string{"mean", "median", "std", "min", "max", "sum", "var", "count"}
	method := methods[r.IntN(len(methods))]
	if r.IntN(4) == 0 {
		method = "rate:" + method
	}
	switch r.IntN(8) {
	case 0:
		return []any{"aggregate", method, randomTree(r, depth-1)}
	case 1:
		return []any{"rolling", method, fmt.Sprint(1 + r.IntN(3)), randomTree(r, depth-1)}
	case 2:
		kept := []string{"mean", "sum", "last", "max", "min", "std", "median", "count", "first", "25pct", "rate:mean", "rate:last", "rate:std"}
		return []any{"resample", kept[r.IntN(len(kept))], fmt.Sprint(1 + r.IntN(4)), randomTree(r, depth-1)}
	case 3:
		ones := []string{"abs", "neg", "cos", "sin", "floor", "ceil", "rateofchange", "rateofchangesec", "absolute", "negative"}
		return []any{ones[r.IntN(len(ones))], randomTree(r, depth-1)}
	case 4:
		return []any{"clip", randomTree(r, depth-1), randomTree(r, depth-1), randomTree(r, 0)}
	}
	names := slices.Sorted(maps.Keys(operators))
	names = append(names, slices.Sorted(maps.Keys(limits))...)
	return []any{names[r.IntN(len(names))], randomTree(r, depth-1), randomTree(r, depth-1)}
}

func randomColumn(r *rand.Rand) Column {
	var c Column
	keep := 1 + r.IntN(4)
	for i := range int64(r.IntN(40)) {
		if r.IntN(4) >= keep {
			continue
		}
		x := float64(r.IntN(21)-10) / 4
		switch r.IntN(40) {
		case 0:
			x = math.NaN()
		case 1:
			x = math.Inf(1 - 2*r.IntN(2))
		}
		c.Times, c.Values = append(c.Times, (i-5)*sec), append(c.Values, x)
	}
	return c
}

func near(x, y float64) bool {
	return x == y || x != x && y != y || math.Abs(x-y) <= 1e-9*max(1, math.Abs(x), math.Abs(y))
}

// checkModel compares what operations make of random series with the model.
func checkModel(t *testing.T, seed uint64) (done bool) {
	r := rand.New(rand.NewPCG(seed, 1))
	tree := randomTree(r, r.IntN(4))
	o, err := Parse(tree)
	if err != nil {
		return false
	}
	var series []Column
	var refs []int
	for i, ref := range o.Refs {
		for range 1 + 2*(len(ref.Name)-1) {
			series, refs = append(series, randomColumn(r)), append(refs, i)
		}
	}
	rules := Rules{Fill: Fill{How: How(r.IntN(int(BackwardFirst) + 1)), Value: 2}, Needed: float64(r.IntN(5)) * 25, Started: r.IntN(2) == 0, Stopped: r.IntN(2) == 0}
	var before []Column
	for _, s := range series {
		before = append(before, Column{Times: slices.Clone(s.Times), Values: slices.Clone(s.Values)})
	}
	want, failed := modelEvaluate(o, sec, before, refs, rules)
	got, err := o.Evaluate(context.Background(), sec, series, refs, rules)
	for i := range series {
		if !slices.Equal(series[i].Times, before[i].Times) || !slices.EqualFunc(series[i].Values, before[i].Values, func(x, y float64) bool {
			return math.Float64bits(x) == math.Float64bits(y)
		}) {
			t.Fatalf("seed %d: the series were changed", seed)
		}
	}
	shown := o.root.String()
	if (err != nil) != (failed != nil) {
		t.Fatalf("seed %d, %s: %v, the model: %v", seed, shown, err, failed)
	}
	if err != nil {
		return true
	}
	if got.Granularity != want.step || got.Aggregated != want.aggregated || !slices.Equal(got.Times, want.times) {
		t.Fatalf("seed %d, %s: %v, the model: %v", seed, shown, got, want)
	}
	for i, row := range want.rows {
		for c, x := range row {
			if len(got.Columns) != len(row) || !near(got.Columns[c][i], x) {
				t.Fatalf("seed %d, %s %+v, row %d: %v, the model: %v\n%v", seed, shown, rules, i, got.Columns, want.rows, series)
			}
		}
	}
	return true
}

func TestEvaluateModel(t *testing.T) {
	n := 0
	for seed := range uint64(5_000) {
		if checkModel(t, seed) {
			n++
		}
	}
	if n < 2_500 {
		t.Errorf("only %d trees were evaluated", n)
	}
}

func FuzzEvaluate(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { checkModel(t, seed) })
}

func BenchmarkEvaluate(b *testing.B) {
	series := make([]Column, 100)
	refs := make([]int, len(series))
	tree := []any{"metric"}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range series {
		for j := range int64(1440) {
			series[i].Times, series[i].Values = append(series[i].Times, j*60*sec), append(series[i].Values, r.Float64())
		}
		refs[i] = i
		tree = append(tree, []any{fmt.Sprint(i), "mean"})
	}
	for _, c := range []struct {
		name string
		tree any
	}{
		{"mean", []any{"aggregate", "mean", any(tree)}}, {"median", []any{"aggregate", "median", any(tree)}}, {"scaled", []any{"aggregate", "mean", []any{"*", any(tree), "4"}}},
		{"resample", []any{"resample", "mean", "3600", any(tree)}}, {"rolling", []any{"rolling", "mean", "10", any(tree)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			o, err := Parse(c.tree)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := o.Evaluate(context.Background(), 60*sec, series, refs, Rules{Fill: Fill{How: DropNA}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
