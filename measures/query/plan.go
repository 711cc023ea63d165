package query

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"granary/metricdef"
	"granary/policy"
)

// Definitions tell what the engine needs to know about a series; metricdef.Registry does.
type Definitions interface {
	Get(ref metricdef.Ref) (metricdef.Definition, bool)
	Kind(ref metricdef.Ref) metricdef.Kind
	// Tag is the value of a tag by which a search finds the series, "" if there is none of that name.
	Tag(ref metricdef.Ref, name string) string
}

// Cost bounds what a query goes through.
type Cost struct {
	Series  int64 // read
	Samples int64 // read, raw and aggregated
	Points  int64 // of the answer
}

// Add adds up costs.
func (c Cost) Add(d Cost) Cost {
	return Cost{sum(c.Series, d.Series), sum(c.Samples, d.Samples), sum(c.Points, d.Points)}
}

// sum is bounded, so that no number of queries makes it overflow.
func sum(a, b int64) int64 { return min(a+b, plenty) }

// Query is a request that has been checked and whose cost is known.
type Query struct {
	engine      *Engine
	request     Request
	over        policy.Method // NoMethod if there are columns, or no buckets
	differences bool          // what is aggregated are differences of samples
	refs        []metricdef.Ref
	kinds       []metricdef.Kind // of the values of refs
	weights     []int64          // samples of refs
	left        int              // series that MaxSeries left out
	behind      int              // series whose raw samples do not reach back to the range, and whose tiers cannot stand in
	groups      []group          // without Across: none

	// base is where the first bucket begins, step their width, 0 if there are none. lead is how many buckets before base
	// are looked at for Previous.
	base, step, buckets, lead int64
	cost                      Cost
	read                      int64 // samples
	texts                     dictionary
}

// group are series that are combined, by their places in Query.refs.
type group struct {
	tags    []metricdef.Tag
	members []int
	kind    metricdef.Kind // of the values to be combined
	made    metricdef.Kind // of the points
}

// Cost is what the query goes through.
func (q *Query) Cost() Cost { return q.cost }

// Read is how many samples Run has gone through, aggregates of tiers not among them.
func (q *Query) Read() int64 { return q.read }

// LeftOut is how many series the request's own MaxSeries left out.
func (q *Query) LeftOut() int { return q.left }

// Behind is how many series keep raw samples in the window of their tiers only, when the range begins before it and their tiers do not
// keep what is asked for: the answer lacks what is older.
func (q *Query) Behind() int { return q.behind }

// Prepare checks a request and finds out what it costs, without reading samples.
func (e *Engine) Prepare(ctx context.Context, r Request) (*Query, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	q := &Query{engine: e, request: r, over: r.Over}
	q.request.From, q.request.To = min(max(r.From, -farthest), farthest), min(max(r.To, -farthest), farthest)
	q.refs = slices.Clone(r.Refs)
	slices.Sort(q.refs)
	q.refs = slices.Compact(q.refs)
	if m := r.MaxSeries; m > 0 && m < int64(len(q.refs)) {
		q.left = len(q.refs) - int(m)
		q.refs = q.refs[:m]
	}
	q.cost.Series = int64(len(q.refs))
	if err := e.Admit(r.Most, Cost{Series: q.cost.Series}); err != nil {
		return nil, err
	}
	if !r.raw() {
		if q.over == policy.NoMethod && q.columns() == 0 {
			q.over = policy.Mean
		}
		q.differences = q.over.IsRate() || len(r.Overs) > 0 && r.Overs[0].IsRate()
		if err := q.divide(); err != nil {
			return nil, err
		}
	}
	q.kinds, q.weights = make([]metricdef.Kind, len(q.refs)), make([]int64, len(q.refs))
	for i, ref := range q.refs {
		if i&1023 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		kind := e.kind(ref)
		made, err := q.overKind(kind)
		if err != nil {
			err.Ref, err.Name = ref, e.name(ref)
			return nil, err
		}
		if !r.grouped() {
			if err := r.Fill.suits(made); err != nil {
				return nil, err
			}
		}
		q.kinds[i] = kind
		w := q.weigh(i)
		q.weights[i] = w
		q.cost.Samples = sum(q.cost.Samples, w)
	}
	if r.grouped() {
		if err := q.group(); err != nil {
			return nil, err
		}
	}
	q.cost.Points = q.points()
	if err := e.Admit(r.Most, q.cost); err != nil {
		return nil, err
	}
	return q, nil
}

// divide lays the buckets over the range.
func (q *Query) divide() error {
	b, r := q.request.Buckets, &q.request
	width := uint64(r.To) - uint64(r.From)
	fromStart := b.FromStart
	switch {
	case b.Step > 0:
		q.step = b.Step
	case b.Count > 0:
		q.step = equalStep(width, uint64(b.Count))
	default: // one value for the whole range
		q.step, fromStart = int64(min(width, farthest)), true
	}
	q.base = r.From
	if !fromStart {
		q.base = floorDiv(r.From, q.step) * q.step
	}
	n := (uint64(r.To)-uint64(q.base)-1)/uint64(q.step) + 1
	q.buckets = int64(min(n, 1<<62))
	if r.Fill.How == LeaveOut {
		return nil
	}
	if err := q.engine.Admit(q.request.Most, Cost{Points: min(q.buckets, plenty)}); err != nil {
		return err
	}
	if r.Fill.How == Previous {
		// Not beyond the beginning of time.
		q.lead = min(r.lookback(q.step), (q.base+farthest)/q.step)
		q.lead = max(q.lead, 0)
	}
	return nil
}

// equalStep is the width of so many buckets that cover a range.
func equalStep(width, count uint64) int64 {
	const ms = uint64(1e6)
	step := (width-1)/count + 1
	if step > ms {
		step = (step-1)/ms*ms + ms
	}
	return int64(min(step, farthest))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// first is the beginning of what is read.
func (q *Query) first() int64 {
	if q.lead > 0 {
		return q.base - q.lead*q.step
	}
	return q.request.From
}

// noteWindow counts a series that is read from raw samples alone, if these do not reach back to the range by its policy.
func (q *Query) noteWindow(ref metricdef.Ref) {
	source := q.engine.source
	if !source.WindowOnly(ref) {
		return
	}
	b, ok := source.Bounds(ref, q.request.From, q.request.From)
	if first, _, old := source.TierBounds(ref, 0); ok && old && b.Since > q.request.From && first < b.Since {
		q.behind++
	}
}

// weigh bounds the samples of a series that the query reads.
func (q *Query) weigh(i int) int64 {
	ref := q.refs[i]
	if q.step > 0 {
		s := q.divideTiers(i, q.request.From, q.request.To)
		if s.granularity == 0 {
			q.noteWindow(ref)
		}
		w := q.weight(ref, s)
		if q.lead > 0 {
			w = sum(w, q.weight(ref, q.divideTiers(i, q.first(), q.base)))
		}
		return w
	}
	q.noteWindow(ref)
	w := q.engine.source.Weight(ref, q.request.From, q.request.To)
	if q.request.raw() && q.request.Limit > 0 && !q.request.Pool {
		w = min(w, min(q.request.Limit, plenty)+2*sliceSamples)
	}
	return min(w, plenty)
}

// points bounds the points of the answer.
func (q *Query) points() (n int64) {
	columns := int64(max(q.columns(), 1)) // each has values of its own
	frame := func(samples int64) {
		k := samples
		switch {
		case q.step == 0:
		case q.request.Fill.How != LeaveOut:
			k = q.buckets
		default:
			k = min(k, q.buckets)
		}
		if l := q.request.Limit; l > 0 {
			k = min(k, l)
		}
		n = sum(n, min(k, plenty/columns)*columns)
	}
	if !q.request.grouped() {
		for _, w := range q.weights {
			frame(w)
		}
		return n
	}
	for i := range q.groups {
		samples := int64(0)
		for _, m := range q.groups[i].members {
			samples = sum(samples, q.weights[m])
		}
		frame(samples)
	}
	return n
}

// Admit holds a cost, that of a query or of all queries of a request, against the limits and against those of who asks, of which
// 0 is none.
func (e *Engine) Admit(most, c Cost) error {
	for _, l := range []CostError{
		{"series", c.Series, least(most.Series, e.o.MaxSeries), SettingSeries},
		{"samples", c.Samples, least(most.Samples, e.o.MaxSamples), SettingSamples},
		{"points", c.Points, least(most.Points, e.o.MaxPoints), Setting},
	} {
		if l.Limit > 0 && l.Count > l.Limit {
			return &l
		}
	}
	if c.Points > mostPoints {
		return &CostError{"points", c.Points, mostPoints, Setting}
	}
	return nil
}

// least is the lower of two limits, of which 0 is none.
func least(a, b int64) int64 {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// group sorts the series into groups by their tags. Groups are in the order of the values of these.
func (q *Query) group() error {
	by := q.request.By
	places := make(map[string]int)
	for i, ref := range q.refs {
		tags := make([]metricdef.Tag, len(by))
		var key strings.Builder
		for j, name := range by {
			tags[j] = metricdef.Tag{Name: name}
			if defs := q.engine.o.Definitions; defs != nil {
				tags[j].Value = defs.Tag(ref, name)
			}
			key.WriteString(tags[j].Value)
			key.WriteByte(0xff) // stands in no value: they are UTF-8
		}
		place, ok := places[key.String()]
		if !ok {
			place = len(q.groups)
			places[key.String()] = place
			q.groups = append(q.groups, group{tags: tags})
		}
		g := &q.groups[place]
		g.members = append(g.members, i)
		var err error
		if g.kind, g.made, err = q.groupKind(g, q.kinds[i]); err != nil {
			return err
		}
		if err := q.request.Fill.suits(g.made); err != nil {
			return err
		}
	}
	slices.SortStableFunc(q.groups, func(a, b group) int {
		return slices.CompareFunc(a.tags, b.tags, func(s, t metricdef.Tag) int { return cmp.Compare(s.Value, t.Value) })
	})
	return nil
}

// groupKind is the kind of the values of a group that has one series more, and of the points that are made of them.
func (q *Query) groupKind(g *group, series metricdef.Kind) (values, made metricdef.Kind, err error) {
	if q.request.Pool {
		return q.poolKind(g, series)
	}
	values, _ = q.overKind(series) // what cannot be had has been refused before
	if g.kind != 0 && g.kind != values {
		return 0, 0, wrong("across", "a group has values of the kinds %s and %s, which cannot be combined", g.kind, values)
	}
	made, err = acrossKind(values, q.request.Across)
	return values, made, err
}

func (e *Engine) kind(ref metricdef.Ref) metricdef.Kind {
	if e.o.Definitions != nil {
		if k := e.o.Definitions.Kind(ref); k != 0 {
			return k
		}
	}
	return metricdef.KindFloat
}

func (e *Engine) name(ref metricdef.Ref) string {
	if e.o.Definitions != nil {
		if d, ok := e.o.Definitions.Get(ref); ok {
			return d.Name
		}
	}
	return ""
}
