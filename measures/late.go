package measures

import (
	"slices"

	"granary/metricdef"
)

// lateSamples are the samples of one series that came when their time had been sealed already. What is gathered here
// wins over sealed chunks of the same time, and what was gathered later over what was gathered earlier.
type lateSamples struct {
	times  []int64 // ascending
	values []float64
	sealed []lateChunk // in the order of sealing

	weight int64 // as it stands in the account
}

// lateChunk is a sealed chunk of late samples. It brings its own times.
type lateChunk struct {
	entry
	end int64  // its newest time
	seq uint64 // order of sealing, given by the snapshot that wrote it; 0: none has
}

// newest is the time of the newest of them, false if there are none.
func (l *lateSamples) newest() (t int64, ok bool) {
	if n := len(l.times); n > 0 {
		t, ok = l.times[n-1], true
	}
	for i := range l.sealed {
		if end := l.sealed[i].end; !ok || end > t {
			t, ok = end, true
		}
	}
	return t, ok
}

// closeLate lets no head begin before the end of the late samples: they came before what would be in it, and would win over it as soon as it is
// sealed. One that is open begins behind them all. REQUIRES: sh.mu.
func (sh *shard) closeLate(ref metricdef.Ref, sr *series) {
	if sr.flags&hasLate == 0 {
		return
	}
	if t, ok := sh.late[ref].newest(); ok && !sr.behind(t) {
		sr.sealedEnd = t
		sr.flags |= hasSealed
	}
}

// putLate applies a sample that is older than the head. REQUIRES: sh.mu.
func (sh *shard) putLate(ref metricdef.Ref, sr *series, t int64, v float64) {
	sh.counts.late++
	l := sh.late[ref]
	if l == nil {
		l = &lateSamples{}
		sh.late[ref] = l
		sr.flags |= hasLate
	}
	i, found := slices.BinarySearch(l.times, t)
	if found {
		sh.counts.overwritten++
		l.values[i] = v
		return
	}
	l.times = slices.Insert(l.times, i, t)
	l.values = slices.Insert(l.values, i, v)
	if len(l.times) >= headSlots {
		sh.sealLate(sr, l)
	}
	sh.weighLate(l)
}

// sealLate turns the gathered late samples into a chunk. If no slab can be had they stay until the next one comes, up to
// as many as two chunks hold; what is more is lost and counted. REQUIRES: sh.mu.
func (sh *shard) sealLate(sr *series, l *lateSamples) {
	for len(l.times) >= headSlots {
		b := appendOwn(sh.scratch.bytes[:0], l.times[:headSlots], l.values[:headSlots], sr.kind())
		sh.scratch.bytes = b
		e, end := entry{start: l.times[0], shape: shape(headSlots) | shapeOwn}, l.times[headSlots-1]
		if sh.keep(sr, &e, end, b) {
			l.sealed = append(l.sealed, lateChunk{entry: e, end: end})
		} else if len(l.times) < 2*headSlots {
			return
		} else {
			sh.counts.failed += headSlots
		}
		l.times, l.values = slices.Delete(l.times, 0, headSlots), slices.Delete(l.values, 0, headSlots)
	}
}
