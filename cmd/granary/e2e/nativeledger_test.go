//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The native crash tests have a ledger that is a plain model of the store: the samples of each series, and what buckets are made
// of them. A writer has its series to itself and sends one request at a time, so its part of the store is either what the model
// says, or that with the one request applied as a whole that was not answered.

// nativeMethods are kept by both policies. What they are made of is said by nativeBucket, in the plainest way.
var nativeMethods = []string{"sum", "mean", "min", "max", "last", "count", "std", "median", "rate:last"}

// nativeTiers are the granularities of both policies, in seconds. Those of the window divide each other, so that a finished
// bucket never waits for a coarser one.
var nativeTiers = map[string][]int64{"kept": {5, 7, 60}, "window": {5, 20, 60}}

// coarsest is the longest granularity in milliseconds, and behind how far the window reaches back: one bucket of it that the
// policy says, and one for the rates.
const (
	coarsest = 60_000
	behind   = 2 * coarsest
)

// nativeKind is one sort of series that a writer has.
type nativeKind struct{ name, typ, policy string }

var nativeKinds = []nativeKind{
	{"gauge", "gauge", ""}, {"big", "counter", ""}, {"state", "availability", ""}, {"text", "string", ""},
	{"kept", "gauge", "kept"}, {"keptcount", "counter", "kept"}, {"window", "gauge", "window"}, {"windowtoo", "gauge", "window"},
}

// point is one sample: its value as the answers write it, for floats in the shortest form, and its tags.
type point struct{ value, tags string }

// nativeSeries is what one series holds.
type nativeSeries struct {
	nativeKind
	points map[int64]point // by milliseconds
	top    int64           // the newest time that it ever had, 0: none
	gaps   []gap           // that deletions made, of a policy that keeps samples only in the window
	gone   map[cell]bool   // finished buckets that deletions took
}

// cell is a bucket by its granularity in seconds and its start.
type cell struct{ granularity, start int64 }

type gap struct{ from, to int64 } // [from, to) in milliseconds

func (s *nativeSeries) windowed() bool { return s.policy == "window" }

// limit is the time from which samples are taken.
func (s *nativeSeries) limit() int64 { return s.top/coarsest*coarsest - behind }

// nativeState is all that a writer has, by the names of its series.
type nativeState map[string]*nativeSeries

func (st nativeState) clone() nativeState {
	c := make(nativeState, len(st))
	for name, s := range st {
		n := *s
		n.points, n.gaps, n.gone = maps.Clone(s.points), slices.Clone(s.gaps), maps.Clone(s.gone)
		c[name] = &n
	}
	return c
}

// nativeOp is one request, as it changes the state.
type nativeOp struct {
	what   string // "write", "range", "metric", "tenant"
	series []nativeWrite
	gap
}

// nativeWrite are the samples of one series in a body.
type nativeWrite struct {
	nativeKind
	series string
	times  []int64
	points []point
}

// rows are the samples of a write, and how many of them come too late for the window.
func (o *nativeOp) rows(st nativeState) (stored, refused int) {
	for _, w := range o.series {
		for _, t := range w.times {
			if s := st[w.series]; s != nil && s.windowed() && s.top != 0 && t < s.limit() {
				refused++
			} else {
				stored++
			}
		}
	}
	return stored, refused
}

// apply changes the state as the request does.
func (st nativeState) apply(o *nativeOp) {
	switch o.what {
	case "tenant":
		clear(st)
	case "metric":
		for _, w := range o.series {
			delete(st, w.series)
		}
	case "range":
		for _, w := range o.series {
			s := st[w.series]
			if s == nil {
				continue
			}
			maps.DeleteFunc(s.points, func(t int64, _ point) bool { return o.from <= t && t < o.to })
			if s.windowed() {
				s.cut(o.gap)
			}
		}
	case "write":
		for _, w := range o.series {
			st.write(w)
		}
	}
}

// cut notes what a deletion does to buckets that the window has passed: they go with any part of them.
func (s *nativeSeries) cut(g gap) {
	s.gaps = append(s.gaps, g)
	for _, granularity := range nativeTiers[s.policy] {
		step := granularity * 1000
		for b := g.from / step * step; b < g.to && b+step <= s.limit(); b += step {
			s.gone[cell{granularity, b}] = true
		}
	}
}

func (st nativeState) write(w nativeWrite) {
	s := st[w.series]
	if s == nil {
		s = &nativeSeries{nativeKind: w.nativeKind, points: make(map[int64]point), gone: make(map[cell]bool)}
	}
	limit, top, taken := s.limit(), s.top, false
	for i, t := range w.times {
		if s.windowed() && top != 0 && t < limit {
			continue
		}
		s.points[t], taken = w.points[i], true
		s.top = max(s.top, t)
	}
	if taken {
		st[w.series] = s
	}
}

// bucket is one bucket of the model; loose says that a store that no longer has its raw samples may give another rate.
type bucket struct {
	start  int64
	value  float64
	loose  bool
	opened bool // it ends behind the limit, so that its raw samples are there
}

// buckets are those that a method makes of a series at a granularity, in seconds.
func (s *nativeSeries) buckets(granularity int64, method string) (list []bucket) {
	times := slices.Sorted(maps.Keys(s.points))
	step := granularity * 1000
	for i := 0; i < len(times); {
		b := bucket{start: times[i] / step * step}
		b.opened = b.start+step > s.limit()
		var values []float64
		for ; i < len(times) && times[i] < b.start+step; i++ {
			v := s.number(times[i])
			if method != "rate:last" {
				values = append(values, v)
				continue
			}
			if i > 0 {
				values = append(values, v-s.number(times[i-1]))
			}
			for _, g := range s.gaps {
				before := int64(math.MinInt64)
				if i > 0 {
					before = times[i-1]
				}
				b.loose = b.loose || before < g.to && times[i] >= g.from
			}
		}
		var ok bool
		if b.value, ok = nativeBucket(method, values); (ok || b.loose) && !s.gone[cell{granularity, b.start}] {
			list = append(list, b)
		}
	}
	return list
}

// number is a value as a float.
func (s *nativeSeries) number(t int64) float64 {
	if s.typ == "counter" {
		n, err := strconv.ParseInt(s.points[t].value, 10, 64)
		if err != nil {
			panic(err)
		}
		return float64(n)
	}
	v, err := strconv.ParseFloat(s.points[t].value, 64)
	if err != nil {
		panic(err)
	}
	return v
}

// nativeBucket is the method over the values of a bucket.
func nativeBucket(method string, values []float64) (float64, bool) {
	n := len(values)
	if n == 0 {
		return 0, false
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	switch method {
	case "sum":
		return sum, true
	case "mean":
		return sum / float64(n), true
	case "min":
		return slices.Min(values), true
	case "max":
		return slices.Max(values), true
	case "last", "rate:last":
		return values[n-1], true
	case "count":
		return float64(n), true
	case "std":
		squares := 0.0
		for _, v := range values {
			d := v - sum/float64(n)
			squares += d * d
		}
		return math.Sqrt(squares / float64(n-1)), n > 1
	case "median":
		sorted := slices.Sorted(slices.Values(values))
		if n%2 == 1 {
			return sorted[n/2], true
		}
		return (sorted[n/2-1] + sorted[n/2]) / 2, true
	}
	panic(method)
}

// nativePolicies are the policies and rules of a scope as they were acknowledged, under names; a policy has the points of its
// tiers, a rule its pattern and policy.
type nativePolicies struct {
	mu    sync.Mutex
	now   map[string]string
	least map[string][3]int64 // the fewest points that the tiers of a policy had, asked for or in force
	asked bool                // for a change that has not been answered
	last  time.Time           // when a change was answered
}

// changed says whether policies were being changed since a time.
func (p *nativePolicies) changed(since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked || p.last.After(since)
}

// asking notes that a change is asked for, or that it was answered.
func (p *nativePolicies) asking(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.last = yes, time.Now()
}

// keep says how far back from the newest bucket a tier is sure to show its buckets.
func (p *nativePolicies) keep(policy string, tier int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.least[policy][tier]
}

// ask notes the points of a policy before it is asked for them.
func (p *nativePolicies) ask(policy string, points [3]int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, ok := p.least[policy]
	for i := range was {
		if points[i] == 0 {
			points[i] = 1 << 40 // for ever
		}
		if !ok || points[i] < was[i] {
			was[i] = points[i]
		}
	}
	p.least[policy] = was
}

func pointsText(points [3]int64) string { return fmt.Sprint(points) }
