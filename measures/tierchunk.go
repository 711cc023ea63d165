package measures

import (
	"sort"

	"granary/measures/chunk"
	"granary/metricdef"
)

// tierSlots is how many buckets a chunk of a tier spans at most, so that raw values fit a place in a segment: eight hours of minutes,
// twenty days of hours. Of buckets that lie far apart it holds half as many, with their times.
const tierSlots = 480

// tierChunk is an encoded chunk of a column before it has a place.
type tierChunk struct {
	entry
	bytes []byte
}

// appendTierChunks encodes the buckets of a column, whose starts ascend, into chunks behind list. The chunks cover [from, to] at least,
// which holds all starts, so that they take the place of chunks that did; to is the start of a bucket. The bytes of the chunks are appended to b.
func appendTierChunks(list []tierChunk, b []byte, step int64, times []int64, values []float64, from, to int64) ([]tierChunk, []byte) {
	for {
		// How many buckets one chunk on the grid would hold, and up to where it would reach.
		n := sort.Search(min(len(times), tierSlots), func(i int) bool { return (times[i]-from)/step >= tierSlots })
		end := to
		if (to-from)/step >= tierSlots {
			end = from + (tierSlots-1)*step
		}
		mark := len(b)
		c := tierChunk{entry: entry{start: from}}
		if span := (end-from)/step + 1; int64(n)*8 >= span {
			b, c.shape = appendGridTier(b, step, times[:n], values[:n], from, int(span))
			if c.bytes = b[mark:len(b):len(b)]; len(c.bytes) <= maxChunk {
				list = append(list, c)
				if end == to {
					return list, b
				}
				times, values, from = times[n:], values[n:], end+step
				continue
			}
			b = b[:mark]
		}
		n = min(len(times), tierSlots/2)
		b = appendOwn(b, times[:n], values[:n], metricdef.KindFloat)
		c.bytes, c.shape = b[mark:len(b):len(b)], shape(n)|shapeOwn
		list = append(list, c)
		if n == len(times) {
			return list, b
		}
		from, times, values = times[n], times[n:], values[n:]
	}
}

// appendGridTier encodes buckets as slots, the first at from, with a bitmap if some have no value.
func appendGridTier(b []byte, step int64, times []int64, values []float64, from int64, span int) ([]byte, shape) {
	form := shape(span)
	if len(times) < span {
		var present [maxSpan / 64]uint64
		for _, t := range times {
			i := (t - from) / step
			present[i>>6] |= 1 << (i & 63)
		}
		form |= shapeHole
		b = chunk.AppendBitmap(b, present[:(span+63)/64], span)
	}
	return chunk.AppendFloats(b, values), form
}

// tierEnd is the start of the last bucket of chunk i of a column, or something behind it that belongs to no other chunk. REQUIRES: the
// shard's lock, at least for reading.
func (c *tierColumn) tierEnd(i int) int64 {
	e := &c.chunks[i]
	if e.shape&shapeOwn == 0 {
		return e.start + int64(e.shape.span()-1)*c.step
	}
	if i+1 < len(c.chunks) {
		return c.chunks[i+1].start - c.step
	}
	return max(c.done-c.step, e.start)
}

// from is the index of the first chunk that may hold buckets at or behind t. REQUIRES: the shard's lock, at least for reading.
func (c *tierColumn) from(t int64) int { return chunkAt(c.chunks, t) }

// tierWindow is the window that chunks of a granularity share slabs and segment files by: 32 chunks long. They lie far from
// those of raw samples, which live shorter.
func tierWindow(step, start int64) int64 {
	const apart = int64(1) << 40
	class := int64(1)
	for s := step; s > 0; s >>= 4 {
		class++
	}
	return class*apart + floorDiv(start, max(32*tierSlots*min(step, maxTime/(32*tierSlots)), 3600*second))
}
