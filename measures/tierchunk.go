package measures

import (
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
// which holds all starts, so that they take the place of chunks that did; to is the start of a bucket.
func appendTierChunks(list []tierChunk, step int64, times []int64, values []float64, from, to int64) []tierChunk {
	for {
		// How many buckets one chunk on the grid would hold, and up to where it would reach.
		n := 0
		for n < len(times) && (times[n]-from)/step < tierSlots {
			n++
		}
		end := to
		if (to-from)/step >= tierSlots {
			end = from + (tierSlots-1)*step
		}
		if span := (end-from)/step + 1; int64(n)*8 >= span {
			if c := gridTierChunk(step, times[:n], values[:n], from, int(span)); len(c.bytes) <= maxChunk {
				list = append(list, c)
				if end == to {
					return list
				}
				times, values, from = times[n:], values[n:], end+step
				continue
			}
		}
		n = min(len(times), tierSlots/2)
		list = append(list, tierChunk{entry: entry{start: from, shape: shape(n) | shapeOwn}, bytes: appendOwn(nil, times[:n], values[:n], metricdef.KindFloat)})
		if n == len(times) {
			return list
		}
		from, times, values = times[n], times[n:], values[n:]
	}
}

// gridTierChunk encodes buckets as slots, the first at from, with a bitmap if some have no value.
func gridTierChunk(step int64, times []int64, values []float64, from int64, span int) tierChunk {
	c := tierChunk{entry: entry{start: from, shape: shape(span)}}
	if len(times) < span {
		var present [maxSpan / 64]uint64
		for _, t := range times {
			i := (t - from) / step
			present[i>>6] |= 1 << (i & 63)
		}
		c.shape |= shapeHole
		c.bytes = chunk.AppendBitmap(c.bytes, present[:(span+63)/64], span)
	}
	c.bytes = chunk.AppendFloats(c.bytes, values)
	return c
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
func (c *tierColumn) from(t int64) int {
	lo, hi := 0, len(c.chunks)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if c.chunks[mid].start > t {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return max(lo-1, 0)
}

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
