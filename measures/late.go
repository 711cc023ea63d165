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
