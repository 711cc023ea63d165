package mapping

import (
	"cmp"
	"context"
	"math"
	"slices"

	"granary/measures"
	"granary/tenant"
)

// stage holds what becomes of the state of outputs if the store takes their samples. Whoever has one has their stripes.
type stage struct {
	table  *Table
	counts Counts

	batch measures.Batch
	rows  []*output // of the batch

	points []*take   // whose last sample is another one then
	rings  []ring    // of outputs whose slots are others then
	spare  []*slot   // to be used again
	slots  [][]*slot // likewise
}

// ring is what the slots of an output become.
type ring struct {
	out   *output
	slots []*slot
	floor int64
}

// spareSlots is how many slots are kept for use again, none of more than keptPlaces sources.
const (
	spareSlots = 2048
	keptPlaces = 128
)

func (st *stage) begin(t *Table) {
	st.table = t
	st.counts = Counts{}
}

// end lets go of everything but memory.
func (st *stage) end() {
	st.batch.Reset()
	clear(st.rows)
	clear(st.points)
	clear(st.rings)
	st.rows, st.points, st.rings = st.rows[:0], st.points[:0], st.rings[:0]
	if cap(st.rows) > maxRows || cap(st.points) > maxRows {
		st.rows, st.points = nil, nil
	}
}

// take works on the samples of one output, in the order of their times.
func (st *stage) take(o *output, items []item) {
	st.table.refresh(o)
	var r ring
	for i := range items {
		it := &items[i]
		if it.take.src.gone.Load() { // let go between being looked up and now
			st.counts.Dropped[NoRoom]++
			continue
		}
		v, ok := st.value(it)
		switch {
		case !ok:
		case o.rule.Combine == "":
			st.emit(o, it.at, v)
		default:
			if r.out == nil {
				r = ring{out: o, slots: st.copyRing(o.slots), floor: o.floor}
			}
			st.combine(&r, it, v)
		}
	}
	if r.out == nil {
		return
	}
	for _, s := range r.slots {
		if s.staged {
			st.finish(o, s)
		}
	}
	st.rings = append(st.rings, r)
}

// value is what a sample says as its match wants it, false if it says nothing.
func (st *stage) value(it *item) (v float64, ok bool) {
	k := it.take
	m := &k.rule.matches[k.match]
	v = it.value
	if m.rate {
		if v, ok = st.rate(k, it.at, v); !ok {
			return 0, false
		}
	}
	if v *= m.scale; math.IsNaN(v) || math.IsInf(v, 0) {
		st.counts.Dropped[NotFinite]++
		return 0, false
	}
	return v, true
}

// rate is how much a counter has grown in a second since the sample before, false if there is none to compare with.
func (st *stage) rate(k *take, at int64, v float64) (float64, bool) {
	p := k.last
	if k.fresh {
		p = k.staged
	} else {
		k.fresh = true
		st.points = append(st.points, k)
	}
	k.staged = p
	if p.set && at <= p.at {
		if at == p.at {
			st.counts.Dropped[Repeated]++
		} else {
			st.counts.Dropped[Late]++
		}
		return 0, false
	}
	if math.IsNaN(v) {
		k.staged = point{at: at}
		return 0, false
	}
	k.staged = point{at, v, true}
	if !p.set {
		st.counts.Begun++
		return 0, false
	}
	if uint64(at-p.at) > uint64(st.table.o.RateGap) {
		st.counts.Gaps++
		return 0, false
	}
	grown := v - p.value
	if grown < 0 {
		st.counts.Resets++
		grown = v
	}
	return grown / (float64(at-p.at) / 1e9), true
}

// combine puts a value into its slot.
func (st *stage) combine(r *ring, it *item, v float64) {
	at := r.out.slotOf(it.at)
	if at <= r.floor {
		st.counts.Dropped[Late]++
		return
	}
	i, found := len(r.slots)-1, true
	if i < 0 || r.slots[i].at != at { // as it mostly is
		i, found = slices.BinarySearchFunc(r.slots, at, func(s *slot, at int64) int { return cmp.Compare(s.at, at) })
	}
	if !found {
		if len(r.slots) == maxSlots {
			if i == 0 { // older than all that are open
				st.counts.Dropped[Late]++
				return
			}
			st.giveUp(r)
			i--
		}
		s := st.newSlot(at)
		s.values = slices.Grow(s.values, len(r.out.matches))
		r.slots = slices.Insert(r.slots, i, s)
	} else if !r.slots[i].staged {
		r.slots[i] = st.copySlot(r.slots[i])
	}
	r.slots[i].set(r.out.place(it.take), it.at, v, r.out.width)
}

// giveUp closes the oldest slot.
func (st *stage) giveUp(r *ring) {
	s := r.slots[0]
	r.floor = s.at
	r.slots = slices.Delete(r.slots, 0, 1)
	if s.staged {
		st.finish(r.out, s)
		st.recycle(s)
	}
}

// finish writes what a slot gives, if it is not what was written already.
func (st *stage) finish(o *output, s *slot) {
	v, ok := o.value(s)
	switch {
	case !ok || v == s.wrote:
	case math.IsInf(v, 0) || math.IsNaN(v):
		st.counts.Dropped[NotFinite]++
	default:
		s.wrote = v
		st.emit(o, s.at, v)
	}
}

// emit adds a sample to the batch.
func (st *stage) emit(o *output, at int64, v float64) {
	switch n := len(st.rows); {
	case o.ref != 0:
		st.batch.Add(o.ref, at, v)
	case n > 0 && st.rows[n-1] == o:
		st.batch.Add(0, at, v)
		st.batch.Same()
	default:
		st.batch.AddDraft(o.draft(), at, v)
	}
	st.rows = append(st.rows, o)
}

// rounds is how often samples are stored at most whose series are removed meanwhile.
const rounds = 8

// store stores the batch. gone says that the tenant is there no more. After an error nothing is stored, of what it had not stored before: then the
// state stays as it is, and the same samples are stored again.
func (st *stage) store(ctx context.Context, store Store, num tenant.Num, subject string, admitted bool) (gone bool, err error) {
	b := &st.batch
	for round := 1; len(st.rows) > 0; round++ {
		b.Tenant, b.Subject, b.Admitted = num, subject, admitted
		if err := store.Commit(ctx, b); err != nil {
			return false, err
		}
		admitted = true
		st.counts.Stored += len(st.rows) - len(b.Stale)
		for reason, n := range b.Refused {
			st.counts.Ignored[reason] += n
			st.counts.Stored -= n
		}
		for row, ref := range b.Refs {
			if ref != 0 {
				st.rows[row].ref = ref
			}
		}
		if len(b.Stale) == 0 {
			return false, nil
		}
		gone = st.table.o.Gone(num)
		if gone || round == rounds {
			st.counts.Dropped[Ended] += len(b.Stale)
			return gone, nil
		}
		st.again()
	}
	return false, nil
}

// again leaves the stale rows in the batch, for the store to make their series anew.
func (st *stage) again() {
	b := &st.batch
	stale := slices.Clone(b.Stale)
	rows := make([]*output, len(stale))
	times, values := make([]int64, len(stale)), make([]float64, len(stale))
	for i, row := range stale {
		rows[i], times[i], values[i] = st.rows[row], b.Times[row], b.Values[row]
		rows[i].ref = 0
	}
	b.Reset()
	st.rows = st.rows[:0]
	for i, o := range rows {
		st.emit(o, times[i], values[i])
	}
}

// keep makes what is staged the state.
func (st *stage) keep() {
	for _, k := range st.points {
		k.last, k.fresh = k.staged, false
	}
	for _, r := range st.rings {
		for _, s := range r.slots {
			s.staged = false
		}
		st.swap(r)
	}
}

// swap gives an output its new slots, and keeps those that are not in use any more.
func (st *stage) swap(r ring) {
	for _, old := range r.out.slots {
		if i, found := slices.BinarySearchFunc(r.slots, old.at, func(s *slot, at int64) int { return cmp.Compare(s.at, at) }); !found || r.slots[i] != old {
			st.recycle(old)
		}
	}
	st.putRing(r.out.slots)
	r.out.slots, r.out.floor = r.slots, r.floor
}

// discard leaves the state as it was.
func (st *stage) discard() {
	for _, k := range st.points {
		k.fresh = false
	}
	for _, r := range st.rings {
		for _, s := range r.slots {
			if s.staged {
				st.recycle(s)
			}
		}
		st.putRing(r.slots)
	}
}

func (st *stage) newSlot(at int64) *slot {
	var s *slot
	if n := len(st.spare); n > 0 {
		s, st.spare = st.spare[n-1], st.spare[:n-1]
	} else {
		s = new(slot)
	}
	*s = slot{at: at, values: s.values[:0], times: s.times[:0], wrote: math.NaN(), staged: true}
	return s
}

func (st *stage) copySlot(old *slot) *slot {
	s := st.newSlot(old.at)
	s.values, s.times, s.wrote = append(s.values, old.values...), append(s.times, old.times...), old.wrote
	return s
}

func (st *stage) recycle(s *slot) {
	if len(st.spare) < spareSlots && cap(s.values) <= keptPlaces {
		st.spare = append(st.spare, s)
	}
}

func (st *stage) copyRing(slots []*slot) []*slot {
	var own []*slot
	if n := len(st.slots); n > 0 {
		own, st.slots = st.slots[n-1], st.slots[:n-1]
	} else {
		own = make([]*slot, 0, maxSlots)
	}
	return append(own, slots...)
}

func (st *stage) putRing(slots []*slot) {
	if cap(slots) > 0 && len(st.slots) < spareSlots {
		clear(slots[:cap(slots)])
		st.slots = append(st.slots, slots[:0])
	}
}
