package operations

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"granary/policy"
)

// table is the model's matrix: rows of values, the plainest form there is.
type table struct {
	step       int64
	times      []int64
	rows       [][]float64
	aggregated bool
}

var errModel = fmt.Errorf("refused")

// modelEvaluate computes operations the slow way, from their definitions alone.
func modelEvaluate(o *Operations, step int64, series []Column, refs []int, rules Rules) (table, error) {
	t := table{step: step}
	at := map[int64]bool{}
	for _, s := range series {
		for _, x := range s.Times {
			at[x] = true
		}
	}
	for x := range at {
		t.times = append(t.times, x)
	}
	slices.Sort(t.times)
	for _, x := range t.times {
		row := make([]float64, len(series))
		for i, s := range series {
			row[i] = math.NaN()
			if rules.Fill.How == Value {
				row[i] = rules.Fill.Value
			}
			if k := slices.Index(s.Times, x); k >= 0 {
				row[i] = s.Values[k]
			}
		}
		t.rows = append(t.rows, row)
	}
	up := func() {
		for i := 1; i < len(t.rows); i++ {
			for c := range t.rows[i] {
				if math.IsNaN(t.rows[i][c]) {
					t.rows[i][c] = t.rows[i-1][c]
				}
			}
		}
	}
	down := func() {
		for i := len(t.rows) - 2; i >= 0; i-- {
			for c := range t.rows[i] {
				if math.IsNaN(t.rows[i][c]) {
					t.rows[i][c] = t.rows[i+1][c]
				}
			}
		}
	}
	switch rules.Fill.How {
	case Forward:
		up()
	case Backward:
		down()
	case ForwardFirst:
		up()
		down()
	case BackwardFirst:
		down()
		up()
	case Overlap:
		var full []int
		for i, row := range t.rows {
			if !slices.ContainsFunc(row, math.IsNaN) {
				full = append(full, i)
			}
		}
		if len(full) == 0 {
			if rules.Needed > 0 {
				return t, errModel
			}
			break
		}
		from, to := 0, len(t.rows)
		if !rules.Stopped {
			to = full[len(full)-1] + 1
		}
		if !rules.Started {
			from = full[0]
		}
		t.times, t.rows = t.times[from:to], t.rows[from:to]
		if float64(len(full))*100/float64(to-from) < rules.Needed {
			return t, errModel
		}
	}
	out, _, err := modelNode(o.root, t, o, refs)
	if err == nil && out.aggregated {
		for i := range out.rows {
			out.rows[i] = out.rows[i][:1]
		}
	}
	return out, err
}

// modelNode gives a table, or a number if the table has no step.
func modelNode(n *node, t table, o *Operations, refs []int) (table, float64, error) {
	if n.kind == constant {
		return table{}, n.number, nil
	}
	if n.kind == metric {
		out := table{step: t.step, times: t.times}
		for _, row := range t.rows {
			var kept []float64
			for c, x := range row {
				if slices.Contains(n.refs, o.Refs[refs[c]]) {
					kept = append(kept, x)
				}
			}
			out.rows = append(out.rows, kept)
		}
		return out, 0, nil
	}
	var tables []table
	var numbers []float64
	for _, a := range n.args {
		t, x, err := modelNode(a, t, o, refs)
		if err != nil {
			return t, 0, err
		}
		tables, numbers = append(tables, t), append(numbers, x)
	}
	switch n.kind {
	case binary:
		return modelBinary(n.name, tables[0], tables[1], numbers[0], numbers[1])
	case clip:
		t, x, err := modelBinary("clip_min", tables[0], tables[1], numbers[0], numbers[1])
		if err != nil || len(n.args) == 2 {
			return t, x, err
		}
		return modelBinary("clip_max", t, tables[2], x, numbers[2])
	case unary:
		if tables[0].step == 0 {
			return table{}, modelUnary(n.name, numbers[0]), nil
		}
		out := tables[0]
		out.rows = nil
		for _, row := range tables[0].rows {
			var r []float64
			for _, x := range row {
				r = append(r, modelUnary(n.name, x))
			}
			out.rows = append(out.rows, r)
		}
		return out, 0, nil
	case change:
		return modelChange(tables[0], n.perSec), 0, nil
	case across:
		out := tables[0]
		out.aggregated, out.rows = true, nil
		for _, row := range tables[0].rows {
			out.rows = append(out.rows, []float64{modelReduce(n.reduce.name, row)})
		}
		if n.reduce.rate {
			return modelChange(out, false), 0, nil
		}
		return out, 0, nil
	case rolling:
		if n.window > len(tables[0].rows) {
			return table{}, 0, errModel
		}
		out := tables[0]
		out.times, out.rows = out.times[n.window-1:], nil
		for i := n.window - 1; i < len(tables[0].rows); i++ {
			var r []float64
			for c := range tables[0].rows[i] {
				var column []float64
				for _, row := range tables[0].rows[i-n.window+1 : i+1] {
					column = append(column, row[c])
				}
				r = append(r, modelReduce(n.reduce.name, column))
			}
			out.rows = append(out.rows, r)
		}
		if n.reduce.rate {
			return modelChange(out, false), 0, nil
		}
		return out, 0, nil
	}
	return modelResample(n.method, n.span, tables[0]), 0, nil
}

func modelChange(t table, perSec bool) table {
	out := t
	out.times, out.rows = nil, nil
	for i, row := range t.rows {
		var r []float64
		for c := range row {
			switch {
			case i == 0:
				r = append(r, math.NaN())
			case perSec:
				r = append(r, (row[c]-t.rows[i-1][c])/(float64(t.times[i]-t.times[i-1])/1e9))
			default:
				r = append(r, row[c]-t.rows[i-1][c])
			}
		}
		if i > 0 || perSec {
			out.times, out.rows = append(out.times, t.times[i]), append(out.rows, r)
		}
	}
	return out
}

func modelResample(m policy.Method, span int64, t table) table {
	if m.IsRate() {
		t = modelChange(t, false)
	}
	out := table{step: span, aggregated: t.aggregated}
	for i := 0; i < len(t.rows); {
		at := int64(math.Floor(float64(t.times[i])/float64(span))) * span
		j := i
		for j < len(t.rows) && t.times[j] < at+span {
			j++
		}
		if m.Plain() != policy.Std || j-i > 1 {
			var r []float64
			for c := range t.rows[i] {
				var column []float64
				for _, row := range t.rows[i:j] {
					column = append(column, row[c])
				}
				r = append(r, modelKept(m.Plain().String(), column))
			}
			out.times, out.rows = append(out.times, at), append(out.rows, r)
		}
		i = j
	}
	return out
}

// modelKept is what tiers make of values, NaN among them.
func modelKept(method string, list []float64) float64 {
	switch method {
	case "first":
		return list[0]
	case "last":
		return list[len(list)-1]
	case "count":
		return float64(len(list))
	case "min":
		return modelReduce("min", list)
	}
	if slices.ContainsFunc(list, math.IsNaN) {
		return math.NaN()
	}
	if method == "std" {
		return modelStd(list)
	}
	if number, ok := strings.CutSuffix(method, "pct"); ok {
		var p float64
		fmt.Sscan(number, &p)
		sorted := slices.Clone(list)
		sort.Float64s(sorted)
		at := float64(len(list)-1) * p / 100
		low := int(at)
		if float64(low) == at {
			return sorted[low]
		}
		return sorted[low]*(float64(low+1)-at) + sorted[low+1]*(at-float64(low))
	}
	return modelReduce(method, list)
}

func modelStd(list []float64) float64 {
	mean, squares := modelReduce("mean", list), 0.0
	for _, x := range list {
		squares += (x - mean) * (x - mean)
	}
	return math.Sqrt(squares / float64(len(list)-1))
}

// modelReduce leaves NaN out.
func modelReduce(name string, list []float64) float64 {
	name = strings.TrimPrefix(name, "rate:")
	var in []float64
	for _, x := range list {
		if !math.IsNaN(x) {
			in = append(in, x)
		}
	}
	n, sum := float64(len(in)), 0.0
	for _, x := range in { // in their order, so that roundings are the same
		sum += x
	}
	switch name {
	case "count":
		return n
	case "sum":
		return sum
	}
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(in)
	sort.Float64s(sorted)
	switch name {
	case "mean":
		return sum / n
	case "min":
		return sorted[0]
	case "max":
		return sorted[len(in)-1]
	case "median":
		return (sorted[(len(in)-1)/2] + sorted[len(in)/2]) / 2
	}
	squares := 0.0
	for _, x := range in {
		squares += (x - sum/n) * (x - sum/n)
	}
	if name == "std" {
		return math.Sqrt(squares / n)
	}
	return squares / n
}

func modelUnary(name string, x float64) float64 {
	switch name {
	case "abs", "absolute":
		if x < 0 {
			return -x
		}
		return x
	case "neg", "negative":
		return x * -1
	case "cos":
		return math.Cos(x)
	case "sin":
		return math.Sin(x)
	case "tan":
		return math.Tan(x)
	case "floor":
		return -math.Ceil(-x)
	}
	return -math.Floor(-x)
}

func modelBinary(name string, a, b table, x, y float64) (table, float64, error) {
	switch {
	case a.step == 0 && b.step == 0:
		return table{}, modelTwo(name, x, y), nil
	case a.step != 0 && b.step != 0 && (a.step != b.step || !slices.Equal(a.times, b.times)):
		return table{}, 0, errModel
	}
	out := a
	if a.step == 0 {
		out = b
	}
	out.aggregated = a.aggregated || b.aggregated || a.step != 0 && b.step != 0
	out.rows = nil
	for i := range out.times {
		p, q := []float64{x}, []float64{y}
		if a.step != 0 {
			p = a.rows[i]
		}
		if b.step != 0 {
			q = b.rows[i]
		}
		if len(p) != len(q) && len(p) != 1 && len(q) != 1 {
			return table{}, 0, errModel
		}
		var r []float64
		for c := range max(len(p), len(q)) {
			r = append(r, modelTwo(name, p[c%len(p)], q[c%len(q)]))
		}
		out.rows = append(out.rows, r)
	}
	return out, 0, nil
}

func modelTwo(name string, x, y float64) float64 {
	is := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	switch name {
	case "+", "add":
		return x + y
	case "-", "sub":
		return x - y
	case "*", "×", "mul":
		return x * y
	case "/", "÷", "div":
		return x / y
	case "%", "mod":
		whole := func(x float64) bool { return x*4 == math.Floor(x*4) && math.Abs(x) < 1e6 }
		if whole(x) && whole(y) && y != 0 {
			return x - y*math.Floor(x/y)
		}
		return Mod(x, y) // the definition above is not exact there
	case "**", "^", "pow":
		return math.Pow(x, y)
	case "=", "==", "eq":
		return is(x == y)
	case "!=", "≠", "ne":
		return 1 - is(x == y)
	case "<", "lt":
		return is(x < y)
	case ">", "gt":
		return is(y < x)
	case "<=", "≤", "le":
		return is(x < y || x == y)
	case ">=", "≥", "ge":
		return is(y < x || x == y)
	case "max":
		switch {
		case math.IsNaN(x) || y > x:
			return y
		default:
			return x
		}
	}
	if math.IsNaN(x) || math.IsNaN(y) {
		return math.NaN()
	}
	if (name == "clip_min") == (x < y) {
		return y
	}
	return x
}
