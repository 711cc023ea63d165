package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant/queue"
)

// ErrNoMethod says that several series were found and their policy names no method to combine them.
var ErrNoMethod = errors.New("query: several series and no method to combine them")

// Setting is the name of the setting behind Options.MaxPoints.
const Setting = "granary.limits.query-points"

// LimitError says that a grid would hold more points than is allowed.
type LimitError struct {
	Points, Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("query: the answer would hold %d points, the limit is %d (setting %s)", e.Points, e.Limit, Setting)
}

// Kind tells the edge what sort of error this is.
func (*LimitError) Kind() string { return "over limit" }

// Code is the error's stable name.
func (*LimitError) Code() string { return "answer-too-large" }

// Source is what the engine reads from; measures.Store is one.
type Source interface {
	Bounds(ref metricdef.Ref, from, to int64) (measures.Bounds, bool)
	ReadGrid(ref metricdef.Ref, t0, step int64, dst []float64) error
	Read(ctx context.Context, r *measures.Reader, ref metricdef.Ref, from, to int64) error
	Before(ctx context.Context, r *measures.Reader, ref metricdef.Ref, t int64) (at int64, v float64, ok bool, err error)
	Weight(ref metricdef.Ref, from, to int64) int64
	Border(ref metricdef.Ref, from, to, n int64, back bool) int64
	ReadText(ctx context.Context, r *measures.TextReader, ref metricdef.Ref, from, to int64) error
	TierFor(ref metricdef.Ref, step int64, m policy.Method) (tier int, ok bool)
	TierBounds(ref metricdef.Ref, tier int) (first, last int64, ok bool)
	TierGranularity(ref metricdef.Ref, tier int) int64
	TierWeight(ref metricdef.Ref, tier int, m policy.Method, from, to int64) int64
	TierBorder(ref metricdef.Ref, tier int, m policy.Method, from, to, n int64) int64
	WindowOnly(ref metricdef.Ref) bool
	ReadTier(ctx context.Context, r *measures.Reader, ref metricdef.Ref, tier int, m policy.Method, from, to int64) error
	ReadTags(ctx context.Context, r *measures.TextReader, ref metricdef.Ref, from, to int64) error
}

// mostPoints bounds an answer where nothing else does: a gibibyte of values.
const mostPoints = 1 << 27

// Options bound an engine.
type Options struct {
	MaxPoints   int64       // points of one answer; 0: 1<<27
	MaxSamples  int64       // samples that are read for one answer of Run; 0: no bound
	MaxSeries   int64       // series that are read for one answer of Run; 0: no bound
	Readers     int         // goroutines that read for one answer of Run; 0: one for each processor
	OwnStep     int64       // slot width for series whose samples keep their own times, nanoseconds; 0: 60 s
	Definitions Definitions // what series are; nil: all are floats without tags
}

// Engine answers queries. It is safe for concurrent use.
type Engine struct {
	source Source
	o      Options
}

// New makes an engine over a source.
func New(source Source, o Options) *Engine {
	if o.OwnStep <= 0 {
		o.OwnStep = 60e9
	}
	return &Engine{source: source, o: o}
}

// Grid is one answer on a slot grid: Values[i] belongs to the slot that holds From + i*Step, both in nanoseconds. NaN is
// a slot without a value. A Grid is reused by handing it in again.
type Grid struct {
	From, Step int64
	Values     []float64
	// Turn, if not nil, is told how much has been read: the caller has begun it, and ends it.
	Turn *queue.Turn
}

// To is the end of the grid: the time behind its last slot.
func (g *Grid) To() int64 { return g.From + int64(len(g.Values))*g.Step }

type member struct {
	ref    metricdef.Ref
	bounds measures.Bounds
	own    bool // samples keep their own times
}

var scratch = sync.Pool{New: func() any { return new(gridScratch) }}

type gridScratch struct {
	members []member
	values  []float64
}

// Grid reads [from, to) of the series refs, nanoseconds, into g and returns how many of them have samples at all. More
// than one are combined by method, Sum or Mean: a slot has a value if all of them have one there.
//
// The grid begins at from if every series has begun by then, else at the latest of their first slots; it ends with the
// slot before to, or with the earliest of their newest slots. Slots of series of different phase meet by time; of
// different width, in the widest. If nothing lies in the range g.Values is empty and g.From is where the range would
// have begun.
func (e *Engine) Grid(ctx context.Context, refs []metricdef.Ref, from, to int64, method policy.Method, g *Grid) (int, error) {
	sc := scratch.Get().(*gridScratch)
	defer scratch.Put(sc)
	sc.members = sc.members[:0]
	for _, ref := range refs {
		if b, ok := e.source.Bounds(ref, from, to); ok {
			own := b.Step == 0
			if own {
				b.Step, b.Half = e.o.OwnStep, e.o.OwnStep/2
			}
			sc.members = append(sc.members, member{ref, b, own})
		}
	}
	g.Values = g.Values[:0]
	n := len(sc.members)
	if n == 0 {
		return 0, nil
	}
	if n > 1 && method != policy.Sum && method != policy.Mean {
		return n, ErrNoMethod
	}
	first, last := from, int64(math.MaxInt64)
	g.Step = 0
	for i := range sc.members {
		b := &sc.members[i].bounds
		first = max(first, b.First)
		// The end of the newest slot: a time at or behind it lies in no slot of this series. Slots of samples with their own
		// times are laid from the beginning of the answer, so that the newest may be the first moment of one.
		end := b.Last - b.Half + b.Step
		if sc.members[i].own {
			end++
		}
		last = min(last, end)
		g.Step = max(g.Step, b.Step)
	}
	g.From = first
	if end := min(to, last); first < end {
		// The width of a range may be more than an int64 holds, if only its ends are.
		points := int64((uint64(end)-uint64(first)-1)/uint64(g.Step) + 1)
		limit := int64(mostPoints)
		if e.o.MaxPoints > 0 {
			limit = min(limit, e.o.MaxPoints)
		}
		if points < 0 || points > limit {
			return n, &LimitError{Points: points, Limit: limit}
		}
		g.Values = resize(g.Values, int(points))
	}
	if len(g.Values) == 0 {
		return n, nil
	}
	if err := e.readGrid(sc.members[0].ref, first, g.Step, g.Values, g.Turn); err != nil {
		return n, err
	}
	if n == 1 {
		return 1, nil
	}
	sc.values = resize(sc.values, len(g.Values))
	for i := 1; i < n; i++ {
		if i&63 == 0 {
			if err := ctx.Err(); err != nil {
				return n, err
			}
		}
		if err := e.readGrid(sc.members[i].ref, first, g.Step, sc.values, g.Turn); err != nil {
			return n, err
		}
		add(g.Values, sc.values)
	}
	if method == policy.Mean {
		for i := range g.Values {
			g.Values[i] /= float64(n)
		}
	}
	return n, nil
}

// The work of reading slots of a series, in units of turns, and how many are read at once.
const (
	workOfGrid = 1500
	workOfSlot = 5
	slotsAtOne = 1 << 14
)

// readGrid reads the slots of one series, a long range in turns with the work of others.
func (e *Engine) readGrid(ref metricdef.Ref, first, step int64, dst []float64, turn *queue.Turn) error {
	for len(dst) > slotsAtOne {
		if err := e.source.ReadGrid(ref, first, step, dst[:slotsAtOne]); err != nil {
			return err
		}
		turn.Spent(workOfGrid + workOfSlot*slotsAtOne)
		first, dst = first+slotsAtOne*step, dst[slotsAtOne:]
	}
	err := e.source.ReadGrid(ref, first, step, dst)
	turn.Spent(workOfGrid + workOfSlot*int64(len(dst)))
	return err
}

// add sums b into a; NaN in either is NaN in the sum.
func add(a, b []float64) {
	b = b[:len(a)]
	for i := range a {
		a[i] += b[i]
	}
}

func resize(v []float64, n int) []float64 {
	if cap(v) < n {
		return make([]float64, n)
	}
	return v[:n]
}
