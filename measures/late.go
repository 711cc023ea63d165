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
	if len(l.times) == headSlots {
		sh.sealLate(sr, l)
	}
}

// sealLate turns the gathered late samples into a chunk. If no slab can be had they stay as they are. REQUIRES: sh.mu.
func (sh *shard) sealLate(sr *series, l *lateSamples) {
	n := len(l.times)
	if n == 0 {
		return
	}
	b := appendOwn(sh.scratch.bytes[:0], l.times, l.values)
	sh.scratch.bytes = b
	e := entry{start: l.times[0], shape: shape(n) | shapeOwn}
	if !sh.keep(sr, &e, l.times[n-1], b) {
		return
	}
	l.sealed = append(l.sealed, lateChunk{entry: e, end: l.times[n-1]})
	l.times, l.values = l.times[:0], l.values[:0]
}
