package operations

import (
	"context"
	"fmt"
	"math"
	"slices"

	"granary/measures/aggregate"
)

// Result is what operations make of series of one granularity.
type Result struct {
	Granularity int64 // nanoseconds: that of the series, or of a resample
	Times       []int64
	// Columns are one column if Aggregated, and else one for each of the series, in their order. They may share the memory of the series.
	Columns    [][]float64
	Aggregated bool
}

// Evaluate computes the operations over series of one granularity, in nanoseconds. refs says of each series which of o.Refs it stands for;
// more than one may stand for one. The series are not changed. The error is an *UnaggregableError, a *WorkError, that of the rules'
// limit or that of ctx.
func (o *Operations) Evaluate(ctx context.Context, granularity int64, series []Column, refs []int, rules Rules) (Result, error) {
	e := evaluator{ctx: ctx, rules: &rules, o: o, refs: refs}
	m, err := align(series, granularity, &rules)
	e.spent(len(m.times) * len(m.columns))
	if err != nil {
		return Result{}, err
	}
	if rules.Fill.How == Overlap {
		if reason := m.overlap(&rules); reason != "" {
			return Result{}, e.refuse("%s", reason)
		}
	}
	e.given = m
	v, err := e.node(o.root)
	if err != nil {
		return Result{}, err
	}
	if v.aggregated {
		v.columns = v.columns[:1]
	}
	return Result{v.granularity, v.times, v.columns, v.aggregated}, nil
}

// evaluator computes the nodes of one tree.
type evaluator struct {
	ctx     context.Context
	rules   *Rules
	o       *Operations
	refs    []int
	given   matrix
	steps   int64
	held    int64 // values of results that are waiting for those of their neighbours
	scratch aggregate.Scratch
}

// value is a number or a matrix.
type value struct {
	matrix
	number float64
	scalar bool
}

func (e *evaluator) refuse(format string, args ...any) error {
	u := &UnaggregableError{Reason: fmt.Sprintf(format, args...)}
	for _, r := range e.refs {
		u.Series = append(u.Series, e.o.Refs[r])
	}
	return u
}

// MaxSteps is how many values one evaluation goes through at most: some seconds of work.
const MaxSteps = 1 << 29

// WorkError refuses operations whose evaluation would go through too much.
type WorkError struct{ Steps int64 }

// Error implements error.
func (e *WorkError) Error() string {
	return fmt.Sprintf("what is asked goes through %d values or more, and at most %d are possible: fewer series, a shorter range or shorter windows need less",
		e.Steps, int64(MaxSteps))
}

// Kind is "invalid".
func (*WorkError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*WorkError) Code() string { return "query-too-large" }

// work announces that so many values will be gone through, so many times.
func (e *evaluator) work(values, times int64) error {
	if e.steps += min(values, 2*MaxSteps) * min(times, 2*MaxSteps); e.steps > MaxSteps {
		return &WorkError{e.steps}
	}
	return e.ctx.Err()
}

// workOfValue is what going through a value costs, in units of turns.
const workOfValue = 3

// spent says that so many values have been gone through.
func (e *evaluator) spent(values int) {
	if e.rules.Spent != nil {
		e.rules.Spent(workOfValue * int64(values))
	}
}

// space makes columns for a result.
func (e *evaluator) space(rows, columns int) ([][]float64, error) {
	n := int64(rows) * int64(columns)
	if e.rules.Limit != nil {
		if err := e.rules.Limit(e.held + n); err != nil {
			return nil, err
		}
	}
	block := make([]float64, n)
	out := make([][]float64, columns)
	for i := range out {
		out[i], block = block[:rows:rows], block[rows:]
	}
	return out, nil
}

// mine makes the columns of a matrix ones that may be overwritten. They are not copied: what is computed overwrites all of them.
func (e *evaluator) mine(m *matrix) ([][]float64, error) {
	if err := e.work(int64(len(m.times)), int64(len(m.columns))); err != nil || m.own {
		return m.columns, err
	}
	return e.space(len(m.times), len(m.columns))
}

func (e *evaluator) node(n *node) (value, error) {
	switch n.kind {
	case constant:
		return value{number: n.number, scalar: true}, nil
	case metric:
		if err := e.work(int64(len(e.refs)), 1); err != nil {
			return value{}, err
		}
		return value{matrix: e.metric(n)}, nil
	}
	args := make([]value, len(n.args))
	waiting := e.held
	for i, a := range n.args {
		var err error
		if args[i], err = e.node(a); err != nil {
			return value{}, err
		}
		if args[i].own {
			e.held += int64(len(args[i].times)) * int64(len(args[i].columns))
		}
	}
	e.held = waiting
	switch n.kind {
	case binary:
		return e.binary(n.two, n, n.args[0], n.args[1], args[0], args[1])
	case clip:
		v, err := e.binary(atLeast, n, n.args[0], n.args[1], args[0], args[1])
		if err != nil || len(args) == 2 {
			return v, err
		}
		return e.binary(atMost, n, n.args[0], n.args[2], v, args[2])
	case unary:
		return e.unary(n.one, args[0])
	}
	m, err := args[0].matrix, error(nil)
	switch n.kind {
	case across:
		m, err = e.aggregate(&n.reduce, m)
	case rolling:
		m, err = e.rolling(&n.reduce, n.window, m)
	case resample:
		m, err = e.resample(n.method, n.span, m)
	case change:
		m, err = e.change(n.perSec, m)
	}
	return value{matrix: m}, err
}

// metric gives the series that a node names, in the order in which they were given.
func (e *evaluator) metric(n *node) matrix {
	m := e.given
	m.columns = nil
	for i, r := range e.refs {
		if n.places[r] {
			m.columns = append(m.columns, e.given.columns[i])
		}
	}
	return m
}

func (e *evaluator) unary(f func(float64) float64, v value) (value, error) {
	if v.scalar {
		v.number = f(v.number)
		return v, nil
	}
	out, err := e.mine(&v.matrix)
	if err != nil {
		return v, err
	}
	for i, c := range v.columns {
		to := out[i]
		for j, x := range c {
			to[j] = f(x)
		}
		e.spent(len(c))
	}
	v.columns, v.own = out, true
	return v, nil
}

// binary computes f of two values. Where both are series they must have the same times, and one of them as many columns as the other
// or one that stands for all; the result stands for none of them.
func (e *evaluator) binary(f func(x, y float64) float64, n, left, right *node, a, b value) (value, error) {
	switch {
	case a.scalar && b.scalar:
		return value{number: f(a.number, b.number), scalar: true}, nil
	case a.scalar:
		return e.unary(func(y float64) float64 { return f(a.number, y) }, b)
	case b.scalar:
		return e.unary(func(x float64) float64 { return f(x, b.number) }, a)
	}
	if a.granularity != b.granularity || !slices.Equal(a.times, b.times) {
		return value{}, e.refuse("Can't compute timeseries with different granularity %s <> %s", left, right)
	}
	width := max(len(a.columns), len(b.columns))
	if len(a.columns) != len(b.columns) && min(len(a.columns), len(b.columns)) != 1 {
		return value{}, e.refuse("%s has %d series on one side and %d on the other: it needs as many, or one of them", n.name, len(a.columns), len(b.columns))
	}
	wide := &a.matrix // its columns may take the result
	if len(b.columns) == width && (b.own || len(a.columns) < width) {
		wide = &b.matrix
	}
	out, err := e.mine(wide)
	if err != nil {
		return value{}, err
	}
	single := func(m *matrix) bool { return len(m.columns) < width }
	for i := range width {
		x, y, to := a.columns[0], b.columns[0], out[i]
		if !single(&a.matrix) {
			x = a.columns[i]
		}
		if !single(&b.matrix) {
			y = b.columns[i]
		}
		for j := range to {
			to[j] = f(x[j], y[j])
		}
		e.spent(len(to))
	}
	m := *wide
	m.columns, m.own, m.aggregated = out, true, true
	return value{matrix: m}, nil
}

// change gives how each row differs from the one before it, which the first one does not have: it is left out, or, where the
// difference is divided by the seconds between, NaN.
func (e *evaluator) change(perSec bool, m matrix) (matrix, error) {
	out, err := e.mine(&m)
	if err != nil {
		return m, err
	}
	for i, c := range m.columns {
		to, last := out[i], math.NaN()
		for j, x := range c {
			d := x - last
			if last = x; perSec && j > 0 {
				d /= float64(m.times[j]-m.times[j-1]) / 1e9
			}
			to[j] = d
		}
		e.spent(len(c))
	}
	m.columns, m.own = out, true
	if !perSec {
		m.dropFirst()
	}
	return m, nil
}

// dropFirst leaves the first row out. The columns are its own.
func (m *matrix) dropFirst() {
	if len(m.times) == 0 {
		return
	}
	m.times = m.times[1:]
	for i, c := range m.columns {
		m.columns[i] = c[1:]
	}
}
