package measures

import (
	"math"
	"sync"

	"granary/measures/chunk"
	"granary/measures/slab"
	"granary/metricdef"
)

// numShards is how many shards a new data folder gets; the manifest keeps the number.
const numShards = 16

// shard holds the samples of the series of some blocks of refs. Blocks are dealt to shards in turn.
type shard struct {
	mu sync.RWMutex

	// Under mu.
	values  *slab.Pool // open heads: values
	times   *slab.Pool // open heads: times of series without a grid
	chunks  *slab.Slabs
	late    map[metricdef.Ref]*lateSamples
	eras    map[metricdef.Ref][]grid // earlier grids of a series; entries name them by index + 1
	held    uint64                   // replay skips records up to here: a snapshot brought what they did
	counts  shardCounts
	scratch sealScratch
}

type shardCounts struct {
	samples     int64 // applied since start
	overwritten int64 // samples that replaced another of the same slot
	late        int64 // samples that went to a late buffer
	sealed      int64 // chunks sealed
	sealedBytes int64
	failed      int64 // samples lost because no memory could be mapped
}

type sealScratch struct {
	values [headSlots]float64
	bytes  []byte
}

func newShard() *shard {
	return &shard{
		values: slab.NewPool(headSlots),
		times:  slab.NewPool(headSlots),
		chunks: slab.NewSlabs(),
		late:   make(map[metricdef.Ref]*lateSamples),
		eras:   make(map[metricdef.Ref][]grid),
	}
}

// put applies one sample. t lies on the series' grid if it has one.
//
// REQUIRES: sh.mu.
func (sh *shard) put(ref metricdef.Ref, sr *series, t int64, v float64, wrote int64) {
	sh.counts.samples++
	if wrote > sr.wrote {
		sr.wrote = wrote
	}
	// The usual case: a series with an open head gets the sample of its next slot.
	if t == sr.next && sr.values != 0 && sr.era.step != 0 {
		sh.values.Floats(sr.values)[sr.filled] = v
		sr.present |= 1 << sr.filled
		sr.filled++
		sr.next += sr.era.step
		sr.newest = t
		if sr.filled == headSlots {
			sh.seal(ref, sr)
		}
		return
	}
	if sr.flags&hasData == 0 || t > sr.newest {
		sr.newest = t
		sr.flags |= hasData
	}
	if sr.era.step == 0 {
		sh.putOwn(ref, sr, t, v)
		return
	}
	sh.putGrid(ref, sr, t, v)
}

// putGrid applies a sample that is not simply the next one. REQUIRES: sh.mu.
func (sh *shard) putGrid(ref metricdef.Ref, sr *series, t int64, v float64) {
	if sr.values == 0 {
		if sr.flags&hasSealed != 0 && t <= sr.sealedEnd {
			sh.putLate(ref, sr, t, v)
			return
		}
		if !sh.openHead(sr, t) {
			return
		}
	}
	if t < sr.headStart {
		sh.putLate(ref, sr, t, v)
		return
	}
	i := (t - sr.headStart) / sr.era.step
	if i >= headSlots {
		sh.seal(ref, sr)
		if !sh.openHead(sr, t) {
			return
		}
		i = 0
	}
	if sr.present&(1<<i) != 0 {
		sh.counts.overwritten++
	}
	sh.values.Floats(sr.values)[i] = v
	sr.present |= 1 << i
	if n := uint8(i) + 1; n > sr.filled {
		sr.filled = n
		sr.next = sr.headStart + int64(n)*sr.era.step
	}
	if sr.filled == headSlots {
		sh.seal(ref, sr)
	}
}

// putOwn applies a sample of a series without a grid. REQUIRES: sh.mu.
func (sh *shard) putOwn(ref metricdef.Ref, sr *series, t int64, v float64) {
	if sr.values == 0 {
		if sr.flags&hasSealed != 0 && t <= sr.sealedEnd {
			sh.putLate(ref, sr, t, v)
			return
		}
		if !sh.openHead(sr, t) {
			return
		}
		var err error
		if sr.times, err = sh.times.Get(); err != nil {
			sh.values.Put(sr.values)
			sr.values = 0
			sh.counts.failed++
			return
		}
	}
	if t < sr.headStart {
		sh.putLate(ref, sr, t, v)
		return
	}
	times, values := sh.times.Ints(sr.times), sh.values.Floats(sr.values)
	n := int(sr.filled)
	i := n
	for i > 0 && times[i-1] >= t {
		i--
	}
	if i < n && times[i] == t {
		sh.counts.overwritten++
		values[i] = v
		return
	}
	copy(times[i+1:n+1], times[i:n])
	copy(values[i+1:n+1], values[i:n])
	times[i], values[i] = t, v
	sr.filled++
	if sr.filled == headSlots {
		sh.seal(ref, sr)
	}
}

// openHead gives the series an empty head that starts at t. REQUIRES: sh.mu.
func (sh *shard) openHead(sr *series, t int64) bool {
	h, err := sh.values.Get()
	if err != nil {
		sh.counts.failed++
		return false
	}
	sr.values, sr.headStart, sr.next, sr.filled, sr.present = h, t, t, 0, 0
	return true
}

// closeHead gives the memory of the head back. REQUIRES: sh.mu.
func (sh *shard) closeHead(sr *series) {
	sh.values.Put(sr.values)
	sr.values, sr.filled, sr.present = 0, 0, 0
	if sr.times != 0 {
		sh.times.Put(sr.times)
		sr.times = 0
	}
}

// seal turns the open head into a chunk. If no slab can be had the head's samples are lost and counted; the journal still
// has them. REQUIRES: sh.mu and an open head.
func (sh *shard) seal(ref metricdef.Ref, sr *series) {
	n := int(sr.filled)
	values := sh.values.Floats(sr.values)[:n]
	var e entry
	var end int64
	b := sh.scratch.bytes[:0]
	if sr.era.step == 0 {
		times := sh.times.Ints(sr.times)[:n]
		e.start, end = times[0], times[n-1]
		b = appendOwn(b, times, values)
		e.shape = shape(n) | shapeOwn
	} else {
		e.start, end = sr.headStart, sr.next-sr.era.step
		e.shape = shape(n)
		if sr.present != math.MaxUint64>>(64-n) {
			e.shape |= shapeHole
			b = chunk.AppendBitmap(b, []uint64{sr.present}, n)
			k := 0
			for i, v := range values {
				if sr.present&(1<<i) != 0 {
					sh.scratch.values[k] = v
					k++
				}
			}
			values = sh.scratch.values[:k]
		}
		b = chunk.AppendFloats(b, values)
	}
	sh.scratch.bytes = b
	if !sh.keep(sr, &e, end, b) {
		sh.counts.failed += int64(n)
	} else {
		sr.chunks = appendEntry(sr.chunks, e)
	}
	sr.sealedEnd = end
	sr.flags |= hasSealed
	sh.closeHead(sr)
}

// appendOwn appends the form of a chunk that brings its own times.
func appendOwn(b []byte, times []int64, values []float64) []byte {
	mark := len(b)
	b = append(b, 0, 0)
	b = chunk.AppendTimes(b, times)
	n := len(b) - mark - 2
	b[mark], b[mark+1] = byte(n), byte(n>>8)
	return chunk.AppendFloats(b, values)
}

// keep stores the bytes of a chunk. REQUIRES: sh.mu.
func (sh *shard) keep(sr *series, e *entry, end int64, b []byte) bool {
	loc, err := sh.chunks.Put(sr.window(end), b)
	if err != nil || loc == 0 {
		return false
	}
	e.mem = loc
	sh.counts.sealed++
	sh.counts.sealedBytes += int64(len(b))
	return true
}

// appendEntry grows by a quarter rather than by doubling: there are as many of these lists as series.
func appendEntry(list []entry, e entry) []entry {
	if len(list) == cap(list) {
		grown := make([]entry, len(list), len(list)+2+len(list)/4)
		copy(grown, list)
		list = grown
	}
	return append(list, e)
}

// window is the expiry window of a chunk that ends at a time: windows are an eighth of the retention, an hour at least,
// so that what lies in one slab or one segment file expires at about the same time.
func (sr *series) window(end int64) int64 {
	const hour = 3600 * second
	length := int64(0)
	if p := sr.policy.Load(); p != nil {
		length = int64(p.Raw.Length)
	}
	if length <= 0 {
		length = 8 * 24 * hour
	}
	return floorDiv(end, max(length/8, hour))
}
