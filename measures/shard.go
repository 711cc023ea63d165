package measures

import (
	"sync"

	"granary/measures/chunk"
	"granary/measures/slab"
	"granary/metricdef"
	"granary/tenant"
)

// numShards is how many shards a new data folder gets; the manifest keeps the number.
const numShards = 16

// shard holds the samples of the series of some blocks of refs. Blocks are dealt to shards in turn.
type shard struct {
	mu sync.RWMutex

	// Under mu.
	values   [len(headRooms)]*slab.Pool // open heads by size: values
	times    [len(headRooms)]*slab.Pool // open heads: times of series without a grid
	chunks   *slab.Slabs
	late     map[metricdef.Ref]*lateSamples
	eras     map[metricdef.Ref][]grid // earlier grids of a series; entries name them by index + 1
	texts    [textColumns]map[metricdef.Ref]*textColumn
	deletes  map[metricdef.Ref][]tombstone // deletions that segment files do not know of
	unsaved  map[metricdef.Ref]bool        // series that have a chunk that no segment holds before one that a segment holds
	copied   uint64                        // order number of the last chunk of this shard that a snapshot copied
	tiers    map[metricdef.Ref]*tierState
	due      []metricdef.Ref // series that may have buckets to finish
	writes   map[metricdef.Ref]*writeTimes
	restored bool   // its section of the state file was read
	held     uint64 // replay skips records up to here: a snapshot brought what they did
	counts   shardCounts
	books    books
	scratch  sealScratch
}

type shardCounts struct {
	samples     [metricdef.KindText + 1]int64 // applied since start, by kind; 0 is a float
	overwritten int64                         // samples that replaced another of the same slot
	late        int64                         // samples that went to a late buffer
	sealed      int64                         // chunks sealed
	sealedBytes int64
	failed      int64 // samples lost because no memory could be mapped
	held        held  // what the shard holds, but for what its pools and slabs know themselves; see Store.now
}

type sealScratch struct {
	values [headSlots]float64
	bytes  []byte
	texts  []string
}

func newShard() *shard {
	sh := &shard{
		chunks:  slab.NewSlabs(),
		late:    make(map[metricdef.Ref]*lateSamples),
		eras:    make(map[metricdef.Ref][]grid),
		tiers:   make(map[metricdef.Ref]*tierState),
		writes:  make(map[metricdef.Ref]*writeTimes),
		deletes: make(map[metricdef.Ref][]tombstone),
		unsaved: make(map[metricdef.Ref]bool),
		books:   books{accounts: make(map[tenant.Num]*held)},
	}
	for w := range sh.texts {
		sh.texts[w] = make(map[metricdef.Ref]*textColumn)
	}
	for i, n := range headRooms {
		sh.values[i], sh.times[i] = slab.NewPool(int(n)), slab.NewPool(int(n))
	}
	return sh
}

// put applies one sample. t lies on the series' grid if it has one.
//
// REQUIRES: sh.mu.
func (sh *shard) put(ref metricdef.Ref, sr *series, t int64, v float64, wrote int64) {
	sh.counts.samples[sr.kind()]++
	if wrote > sr.wrote {
		sr.wrote = wrote
	}
	if sr.flags&hasTags != 0 {
		sh.untag(ref, sr, t, wrote)
	}
	// The usual case: a series with an open head gets the sample of its next slot.
	if t == sr.next && sr.filled < sr.room && sr.era.step != 0 {
		sh.values[sr.class].Floats(sr.values)[sr.filled] = v
		sr.present.set(int(sr.filled))
		sr.filled++
		sr.next += sr.era.step
		sr.newest = t
		if sr.filled == headSlots && sr.present.count() == headSlots {
			sh.seal(ref, sr)
		}
		return
	}
	if sr.flags&hasData == 0 || t > sr.newest {
		sr.newest = t
		sr.flags |= hasData
	} else if sr.flags&hasTiers != 0 {
		sh.tierLate(ref, sr, t, wrote)
	}
	if sr.era.step == 0 {
		sh.putOwn(ref, sr, t, v)
		return
	}
	sh.putGrid(ref, sr, t, v)
}

// seal turns the open head into a chunk. If no slab can be had the head's samples are lost and counted; the journal still
// has them. REQUIRES: sh.mu and an open head.
func (sh *shard) seal(ref metricdef.Ref, sr *series) {
	n := int(sr.filled)
	values := sh.values[sr.class].Floats(sr.values)[:n]
	var e entry
	var end int64
	b := sh.scratch.bytes[:0]
	if sr.era.step == 0 {
		times := sh.times[sr.class].Ints(sr.times)[:n]
		e.start, end = times[0], times[n-1]
		b = appendOwn(b, times, values, sr.kind())
		e.shape = shape(n) | shapeOwn
	} else {
		// A chunk begins and ends with a sample; only the head may begin with holes.
		skip := sr.present.first()
		e.start, end = sr.headStart+int64(skip)*sr.era.step, sr.next-sr.era.step
		values = values[skip:]
		e.shape = shape(len(values))
		if present := sr.present.from(skip); present.count() < len(values) {
			e.shape |= shapeHole
			b = chunk.AppendBitmap(b, present[:(len(values)+63)/64], len(values))
			k := 0
			for i := range present.all {
				sh.scratch.values[k] = values[i]
				k++
			}
			values = sh.scratch.values[:k]
		}
		b = appendWords(b, values, sr.kind())
	}
	sh.scratch.bytes = b
	sh.counts.held.samples -= sr.inHead()
	if !sh.keep(sr, &e, end, b) {
		sh.counts.failed += int64(n)
		sh.counts.held.samples += int64(n) // which takes them off
	} else {
		sh.counts.held.samples += int64(e.shape.span())
		sh.setChunks(sr, appendEntry(sr.chunks, e))
	}
	sr.sealedEnd = end
	sr.flags |= hasSealed
	sh.closeHead(sr)
	if pol := sr.policy.Load(); pol != nil && pol.tiers != nil {
		sh.tierDue(ref, sr)
	}
}

// appendOwn appends the form of a chunk that brings its own times.
func appendOwn(b []byte, times []int64, values []float64, k metricdef.Kind) []byte {
	mark := len(b)
	b = append(b, 0, 0)
	b = chunk.AppendTimes(b, times)
	n := len(b) - mark - 2
	b[mark], b[mark+1] = byte(n), byte(n>>8)
	return appendWords(b, values, k)
}

// appendWords appends values of a kind. The kind decides only how well they are packed: either form gives back all bits,
// and its first byte says which it is.
func appendWords(b []byte, values []float64, k metricdef.Kind) []byte {
	if k == metricdef.KindInt {
		return chunk.AppendIntWords(b, values)
	}
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

// setChunks gives a series another list of chunks. REQUIRES: sh.mu.
func (sh *shard) setChunks(sr *series, list []entry) {
	sh.counts.held.lists += int64(cap(list)-cap(sr.chunks)) * entryBytes
	sr.chunks = list
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
