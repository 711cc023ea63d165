package mapping

import (
	"math"
	"slices"

	"granary/measures"
	"granary/metricdef"
	"granary/policy"
)

// Dialect is that of the metrics that come out and are none that ClusterCockpit's collectors could have sent.
const Dialect = "mapping"

// output is one series that comes out of a rule. What follows def is under its stripe.
type output struct {
	id     uint64
	key    string // in its home
	rule   *rule
	stripe int
	refs   int // sources; under the mutex of the home
	def    *metricdef.Draft

	ref        metricdef.Ref // 0: not known
	dialect    string
	generation uint64 // of the policies that dialect and width come from, 1 more; 0: none yet
	width      int64  // of slots, in ns; 0: equal times

	matches []uint8 // the match of each source that has a place here; free: nobody has it
	slots   []*slot // ascending
	floor   int64   // the time of the newest slot that was given up
}

const (
	free     = math.MaxUint8
	noFloor  = math.MinInt64
	maxSlots = 16 // that are open for what comes late
)

// slot gathers what falls together.
type slot struct {
	at     int64
	values []float64 // by place; NaN: nothing has come
	times  []int64   // of the values; only if the slot has a width
	wrote  float64   // what was stored, NaN for nothing
	staged bool      // it is a copy that becomes the slot if the store takes the samples
}

// refresh brings the output in line with the policies.
func (t *Table) refresh(o *output) {
	generation := uint64(1)
	if t.o.Policies != nil {
		generation = t.o.Policies.Generation() + 1
	}
	if o.generation == generation {
		return
	}
	o.generation = generation
	width := int64(o.rule.Slot)
	o.dialect = Dialect
	if t.o.Policies != nil {
		view := t.o.Policies.For(o.def.Tenant)
		var p policy.Policy
		ok := false
		if valueOf(o.def.Tags, "cluster") != "" && valueOf(o.def.Tags, "hostname") != "" {
			if p, ok = view.Resolve(policy.ClusterCockpit, o.def.Name, ""); ok {
				o.dialect = policy.ClusterCockpit
			}
		}
		if !ok {
			p, _ = view.Resolve(Dialect, o.def.Name, "")
		}
		if width == 0 {
			width = int64(p.Grid)
		}
	}
	if width != o.width {
		o.width, o.slots, o.floor = width, nil, noFloor
	}
}

// slotOf is the slot that a time falls into.
func (o *output) slotOf(at int64) int64 {
	if o.width == 0 {
		return at
	}
	begin := at - at%o.width
	if begin > at { // before 1970
		begin -= o.width
	}
	return begin
}

// place gives a source its place.
func (o *output) place(k *take) int {
	if k.pos < 0 {
		if k.pos = slices.Index(o.matches, free); k.pos < 0 {
			k.pos = len(o.matches)
			o.matches = append(o.matches, 0)
		}
		o.matches[k.pos] = uint8(k.match)
	}
	return k.pos
}

// release takes the place of a source back, and what it has said.
func (o *output) release(k *take) {
	if k.pos < 0 {
		return
	}
	o.matches[k.pos] = free
	for _, s := range o.slots {
		if k.pos < len(s.values) {
			s.values[k.pos] = math.NaN()
		}
		if k.pos < len(s.times) {
			s.times[k.pos] = math.MinInt64
		}
	}
	k.pos = -1
}

// draft is what a batch is told of the series.
func (o *output) draft() measures.Draft {
	d := measures.Draft{Def: *o.def}
	d.Def.Dialect = o.dialect
	return d
}

// set puts a value into a slot. Of one with a width the last sample counts.
func (s *slot) set(pos int, at int64, v float64, width int64) {
	for len(s.values) <= pos {
		s.values = append(s.values, math.NaN())
		if width > 0 {
			s.times = append(s.times, math.MinInt64)
		}
	}
	if width > 0 {
		if at < s.times[pos] {
			return
		}
		s.times[pos] = at
	}
	s.values[pos] = v
}

// value is what the slot gives, and false if not all that the rule names has come.
func (o *output) value(s *slot) (v float64, ok bool) {
	var have uint64
	n := 0
	for pos, x := range s.values {
		if math.IsNaN(x) {
			continue
		}
		have |= 1 << o.matches[pos]
		switch n++; {
		case n == 1:
			v = x
		case o.rule.Combine == Min:
			v = min(v, x)
		case o.rule.Combine == Max:
			v = max(v, x)
		default:
			v += x
		}
	}
	if o.rule.Combine == Avg && n > 0 {
		v /= float64(n)
	}
	return v, have == o.rule.all
}
