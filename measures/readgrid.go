package measures

import (
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"sort"

	"granary/measures/chunk"
	"granary/metricdef"
)

// ReadGrid fills dst with the values of the slots that hold t0, t0+step, t0+2*step and so on; NaN where there is none.
// Where the series' own slots are narrower than step, or its samples keep their own times, the last value inside a slot
// counts. t0 is at or behind Bounds.First and step is at least Bounds.Step.
func (s *Store) ReadGrid(ref metricdef.Ref, t0, step int64, dst []float64) error {
	sr := s.table.at(ref)
	if sr == nil || len(dst) == 0 {
		fillNaN(dst)
		return nil
	}
	sh := s.shardOf(ref)
	sh.mu.RLock()
	if sr.flags&(hasLate|hasEras) != 0 || sr.era.step != step || sr.kind() == metricdef.KindInt || sh.writtenLate(ref, sr) {
		sh.mu.RUnlock()
		return s.readGridMixed(ref, sr, t0, step, dst)
	}
	g := sr.era
	base := g.time(g.slot(t0))
	end := base + int64(len(dst))*step
	var r *Reader
	var err error
	filled := 0 // slots of dst that are decided
	for i := sr.chunkAt(base); i < len(sr.chunks) && sr.chunks[i].start < end; i++ {
		e := &sr.chunks[i]
		off := (e.start - base) / step
		till := clampInt(off+int64(e.shape.span()), filled, len(dst))
		from := filled
		if e.shape&shapeHole == 0 && e.mem != 0 {
			from = clampInt(off, filled, len(dst))
		}
		// What lies before the chunk is a gap; a chunk with holes writes only what it has.
		if from > filled {
			fillNaN(dst[filled:from])
		} else if e.shape&shapeHole != 0 || e.mem == 0 {
			fillNaN(dst[filled:till])
		}
		filled = till
		if e.mem == 0 {
			if r == nil {
				r = readers.Get().(*Reader)
				r.reset()
			}
			r.deferChunk(s, ref, e, g)
			continue
		}
		if err = placeChunk(dst, sh.chunks.Get(e.mem), e.shape, off); err != nil {
			break
		}
	}
	fillNaN(dst[filled:])
	if sr.values != 0 && sr.headStart < end && sr.next > base {
		placeHead(dst, sh.values[sr.class].Floats(sr.values), sr, int((sr.headStart-base)/step))
	}
	sh.mu.RUnlock()
	if r != nil {
		if err == nil {
			err = r.placeDeferred(dst, base, step)
		}
		r.release()
	}
	return err
}

// chunkAt is the index of the chunk that t lies in or behind, 0 if there is none. REQUIRES: sh.mu, at least for reading.
func (sr *series) chunkAt(t int64) int { return chunkAt(sr.chunks, t) }

// chunkAt is the index of the last chunk of an ascending list that begins at or before t, 0 if there is none.
func chunkAt(list []entry, t int64) int {
	lo, hi := 0, len(list)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if list[mid].start > t {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return max(lo-1, 0)
}

// touch reads a byte of each chunk that is going to be decoded. Who asks for the bounds of many series before reading
// them thus lets the processor fetch their chunks side by side, not one after the other. REQUIRES: sh.mu.
func (sh *shard) touch(chunks []entry, end int64) {
	var sum byte
	for i := range chunks {
		if chunks[i].start >= end || i == 8 {
			break
		}
		if chunks[i].mem != 0 {
			sum += sh.chunks.Peek(chunks[i].mem)
		}
	}
	runtime.KeepAlive(sum) // else the compiler leaves the reads out
}

func clampInt(v int64, lo, hi int) int { return int(min(max(v, int64(lo)), int64(hi))) }

func fillNaN(dst []float64) {
	nan := math.NaN()
	for i := range dst {
		dst[i] = nan
	}
}

// placeHead writes the values of an open head on the output's own grid into dst, the first at index off, which may lie
// outside.
func placeHead(dst, values []float64, sr *series, off int) {
	n := int(sr.filled)
	lo, hi := max(off, 0), min(off+n, len(dst))
	if lo >= hi {
		return
	}
	if sr.present.count() == n {
		copy(dst[lo:hi], values[lo-off:hi-off])
		return
	}
	for i := range sr.present.all {
		if k := off + i; k >= lo && k < hi {
			dst[k] = values[i]
		}
	}
}

// placeChunk writes the values of a chunk on the output's own grid into dst, the first at index off, which may lie
// outside.
func placeChunk(dst []float64, b []byte, sp shape, off int64) error {
	n := int64(sp.span())
	if sp&shapeHole == 0 && off >= 0 && off+n <= int64(len(dst)) {
		return chunk.DecodeFloats(dst[off:off+n], b)
	}
	var values [maxSpan]float64
	if n > maxSpan {
		return fmt.Errorf("chunk spans %d slots, at most %d are possible", n, maxSpan)
	}
	if sp&shapeHole == 0 {
		if err := chunk.DecodeFloats(values[:n], b); err != nil {
			return err
		}
		lo, hi := max(off, 0), min(off+n, int64(len(dst)))
		if lo < hi {
			copy(dst[lo:hi], values[lo-off:hi-off])
		}
		return nil
	}
	var present [maxSpan / 64]uint64
	rest, err := chunk.DecodeBitmap(present[:(n+63)/64], int(n), b)
	if err != nil {
		return err
	}
	count := 0
	for _, w := range present {
		count += bits.OnesCount64(w)
	}
	if err := chunk.DecodeFloats(values[:count], rest); err != nil {
		return err
	}
	k := 0
	eachBit(present[:], func(bit int) bool {
		if i := off + int64(bit); i >= 0 && i < int64(len(dst)) {
			dst[i] = values[k]
		}
		k++
		return true
	})
	return nil
}

// maxSpan is the most slots that a chunk may span.
const maxSpan = 512

// readGridMixed is ReadGrid for a series whose samples do not simply lie on the output's grid.
func (s *Store) readGridMixed(ref metricdef.Ref, sr *series, t0, step int64, dst []float64) error {
	sh := s.shardOf(ref)
	sh.mu.RLock()
	g := sh.gridAt(ref, sr, t0, step, len(dst))
	amid := sh.writtenLate(ref, sr)
	sh.mu.RUnlock()
	fillNaN(dst)
	k0 := g.slot(t0)
	r := readers.Get().(*Reader)
	defer r.release()
	read := s.read
	if amid {
		read = s.readVisible
	}
	if err := read(r, ref, sr, g.time(k0)-g.half, g.time(k0+int64(len(dst)))-g.half); err != nil {
		return err
	}
	values := r.Floats()
	for i, t := range r.Times {
		if k := g.slot(t) - k0; k >= 0 && k < int64(len(dst)) {
			dst[k] = values[i]
		}
	}
	return nil
}

// gridAt is the grid of a width for slots from t0 on: the newest of that width that samples there lie on, so that it hangs
// on the samples alone and not on how they came into memory. REQUIRES: sh.mu, at least for reading.
func (sh *shard) gridAt(ref metricdef.Ref, sr *series, t0, step int64, slots int) grid {
	end := t0 + int64(slots)*step
	if sr.era.step == step && sr.values != 0 && sr.headStart < end {
		return sr.era
	}
	i := sort.Search(len(sr.chunks), func(i int) bool { return sr.chunks[i].start >= end })
	for i--; i >= 0 && sh.chunkEnd(ref, sr, i) > t0-step; i-- {
		g := sr.era
		if n := sr.chunks[i].shape.eraIndex(); n > 0 {
			g = sh.eras[ref][n-1]
		}
		if g.step == step && sr.chunks[i].shape&shapeOwn == 0 {
			return g
		}
	}
	if sr.era.step == step {
		return sr.era
	}
	return newGrid(t0, step)
}
