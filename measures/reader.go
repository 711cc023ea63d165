package measures

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sort"
	"sync"

	"granary/measures/chunk"
	"granary/metricdef"
)

// Reader holds the columns of one read and the scratch memory for it. The zero value is ready; it serves one goroutine.
type Reader struct {
	Times  []int64
	Values []float64      // as the kind has them: see Floats
	Kind   metricdef.Kind // of the values, 0 if the series is not known

	// parts are runs of the columns in the order in which they win: a later one over an earlier one.
	deferred []deferred
	store    *Store // that the deferred chunks belong to
	raw      []byte // for the bytes of one chunk
	err      error
	disorder bool

	// What order works with.
	runs        []int
	spareTimes  []int64
	spareValues []float64
}

// deferred is a chunk that only a segment holds: it is read after the shard's lock is given back. at is how many samples
// stood in the columns before it, so that the order of winning can be kept.
type deferred struct {
	ref   metricdef.Ref
	file  *segmentFile
	loc   segLoc
	shape shape
	start int64
	grid  grid
	at    int
	from  int64
	to    int64
}

var readers = sync.Pool{New: func() any { return new(Reader) }}

func (r *Reader) reset() {
	r.Times, r.Values, r.deferred = r.Times[:0], r.Values[:0], r.deferred[:0]
	r.Kind, r.err, r.disorder = 0, nil, false
}

func (r *Reader) release() {
	r.dropDeferred()
	readers.Put(r)
}

func (r *Reader) dropDeferred() {
	for i := range r.deferred {
		r.deferred[i].file.release()
	}
	clear(r.deferred)
	r.deferred = r.deferred[:0]
}

func (r *Reader) push(t int64, v float64) {
	if n := len(r.Times); n > 0 && t <= r.Times[n-1] {
		r.disorder = true
	}
	r.Times = append(r.Times, t)
	r.Values = append(r.Values, v)
}

// add gathers the samples of one chunk, now if it is in memory, else in finish. REQUIRES: sh.mu.
func (r *Reader) add(s *Store, sh *shard, ref metricdef.Ref, sr *series, e *entry, from, to int64) {
	g := sr.era
	if n := e.shape.eraIndex(); n > 0 {
		g = sh.eras[ref][n-1]
	}
	r.addChunk(s, sh, ref, e, g, from, to)
}

// addChunk is add for a chunk whose slots lie on a grid of that step. REQUIRES: sh.mu, at least for reading.
func (r *Reader) addChunk(s *Store, sh *shard, ref metricdef.Ref, e *entry, g grid, from, to int64) {
	if e.mem == 0 {
		r.deferChunk(s, ref, e, g)
		d := &r.deferred[len(r.deferred)-1]
		d.from, d.to = from, to
		return
	}
	r.decode(sh.chunks.Get(e.mem), e.shape, e.start, g, from, to)
}

func (r *Reader) deferChunk(s *Store, ref metricdef.Ref, e *entry, g grid) {
	r.store = s
	f := s.segments.acquire(e.seg.file())
	r.deferred = append(r.deferred, deferred{ref: ref, file: f, loc: e.seg, shape: e.shape, start: e.start, grid: g, at: len(r.Times), from: math.MinInt64, to: math.MaxInt64})
}

// decode appends the samples of a chunk inside [from, to).
func (r *Reader) decode(b []byte, sp shape, start int64, g grid, from, to int64) {
	n := len(r.Times)
	if err := r.unpack(b, sp, start, g); err != nil {
		r.Times, r.Values = r.Times[:n], r.Values[:n]
		r.err = err
		return
	}
	r.settle(n, sp, from, to)
}

// settle takes away what was appended from index n on and lies outside of [from, to), and looks whether the rest is in
// order.
func (r *Reader) settle(n int, sp shape, from, to int64) {
	times := r.Times[n:]
	if len(times) == 0 {
		return
	}
	// Slots of a grid ascend by themselves; what a chunk says of its own times is looked at.
	if sp&shapeOwn != 0 && !ascending(times) {
		r.disorder = true
		k := n
		for i, t := range times {
			if t >= from && t < to {
				r.Times[k], r.Values[k] = t, r.Values[n+i]
				k++
			}
		}
		r.Times, r.Values = r.Times[:k], r.Values[:k]
		return
	}
	lo, hi := 0, len(times)
	if times[hi-1] >= to {
		hi, _ = slices.BinarySearch(times, to)
	}
	if times[0] < from {
		lo, _ = slices.BinarySearch(times[:hi], from)
		copy(times, times[lo:hi])
		copy(r.Values[n:], r.Values[n+lo:n+hi])
	}
	r.Times, r.Values = r.Times[:n+hi-lo], r.Values[:n+hi-lo]
	if n > 0 && hi > lo && r.Times[n] <= r.Times[n-1] {
		r.disorder = true
	}
}

func ascending(times []int64) bool {
	for i := 1; i < len(times); i++ {
		if times[i] <= times[i-1] {
			return false
		}
	}
	return true
}

// extend appends n samples to the columns, for the caller to fill.
func (r *Reader) extend(n int) (times []int64, values []float64) {
	k := len(r.Times)
	r.Times, r.Values = slices.Grow(r.Times, n)[:k+n], slices.Grow(r.Values, n)[:k+n]
	return r.Times[k:], r.Values[k:]
}

// unpack appends all samples of a chunk to the columns.
func (r *Reader) unpack(b []byte, sp shape, start int64, g grid) error {
	n := sp.span()
	if n > maxSpan {
		return fmt.Errorf("chunk spans %d slots, at most %d are possible", n, maxSpan)
	}
	switch {
	case sp&shapeOwn != 0:
		if len(b) < 2 || int(b[0])|int(b[1])<<8 > len(b)-2 {
			return fmt.Errorf("chunk of %d bytes is too short", len(b))
		}
		times, values := r.extend(n)
		k := int(b[0]) | int(b[1])<<8
		if err := chunk.DecodeTimes(times, b[2:2+k]); err != nil {
			return err
		}
		return chunk.DecodeFloats(values, b[2+k:])
	case sp&shapeHole != 0:
		var present [maxSpan / 64]uint64
		rest, err := chunk.DecodeBitmap(present[:(n+63)/64], n, b)
		if err != nil {
			return err
		}
		count := 0
		for _, w := range present {
			count += bits.OnesCount64(w)
		}
		times, values := r.extend(count)
		k := 0
		eachBit(present[:], func(bit int) bool {
			times[k] = start + int64(bit)*g.step
			k++
			return true
		})
		return chunk.DecodeFloats(values, rest)
	default:
		times, values := r.extend(n)
		t, step := start, g.step
		for i := range times {
			times[i] = t
			t += step
		}
		return chunk.DecodeFloats(values, b)
	}
}

// finish reads what only segments hold and puts the columns in order: ascending, of equal times the one that came last.
func (r *Reader) finish() error {
	if len(r.deferred) > 0 && r.err == nil {
		r.mergeDeferred()
	}
	if r.err != nil {
		return r.err
	}
	if r.disorder {
		r.order()
	}
	return nil
}

// mergeDeferred reads the deferred chunks into their places in the order of winning.
func (r *Reader) mergeDeferred() {
	times, values := slices.Clone(r.Times), slices.Clone(r.Values)
	r.Times, r.Values = r.Times[:0], r.Values[:0]
	at := 0
	upTo := func(n int) {
		if n == at {
			return
		}
		if k := len(r.Times); k > 0 && times[at] <= r.Times[k-1] {
			r.disorder = true
		}
		r.Times, r.Values = append(r.Times, times[at:n]...), append(r.Values, values[at:n]...)
		at = n
	}
	for i := range r.deferred {
		d := &r.deferred[i]
		upTo(d.at)
		b, err := r.fetch(d)
		if err != nil {
			r.err = err
			break
		}
		if b == nil {
			continue
		}
		r.decode(b, d.shape, d.start, d.grid, d.from, d.to)
	}
	upTo(len(times))
	r.dropDeferred()
}

// fetch reads a chunk from its segment and, while there is room, brings it back into memory: what was asked for once is
// asked for again. The bytes are valid until the next fetch; nil is a chunk that is damaged and has been left out.
func (r *Reader) fetch(d *deferred) ([]byte, error) {
	if r.raw == nil {
		r.raw = make([]byte, 0, maxChunk+64)
	}
	b, err := d.file.read(r.raw, d.loc)
	if isDamaged(err) {
		r.store.leaveOut(d.ref, d.file, d.loc, err)
		return nil, nil
	}
	if err == nil && r.store.room.Add(-int64(len(b))) > 0 {
		r.store.promote(d.ref, d.start, d.loc, b)
	}
	return b, err
}

// promote keeps the bytes of a chunk in memory that only a segment held. It can be evicted again at any time.
func (s *Store) promote(ref metricdef.Ref, start int64, loc segLoc, b []byte) {
	sr, sh := s.table.at(ref), s.shardOf(ref)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.bill(sr)
	i := sort.Search(len(sr.chunks), func(i int) bool { return sr.chunks[i].start >= start })
	if i == len(sr.chunks) || sr.chunks[i].start != start || sr.chunks[i].seg != loc {
		if s.mayReturn(sr, len(b)) {
			sh.promoteTier(ref, start, loc, b)
		}
		return
	}
	if sr.chunks[i].mem != 0 {
		return // somebody else has brought it
	}
	if !s.mayReturn(sr, len(b)) {
		return
	}
	if mem, err := sh.chunks.Put(sr.window(start), b); err == nil && mem != 0 {
		sr.chunks[i].mem = mem
		sh.counts.held.saved += sh.chunks.Size(mem)
	}
}

// placeDeferred is the form of mergeDeferred for the usual grid read, whose chunks all lie on the output's grid.
func (r *Reader) placeDeferred(dst []float64, base, step int64) error {
	for i := range r.deferred {
		d := &r.deferred[i]
		b, err := r.fetch(d)
		if err != nil {
			return err
		}
		if b == nil {
			continue
		}
		if err := placeChunk(dst, b, d.shape, (d.start-base)/step); err != nil {
			return err
		}
	}
	return nil
}

// order brings the columns into the order of time, keeping of equal times the last. They consist of runs that ascend, each part that was read being
// one or a few: neighbours are merged two by two, until one is left.
func (r *Reader) order() {
	r.runs = r.runs[:0]
	for i := 1; i < len(r.Times); i++ {
		if r.Times[i] <= r.Times[i-1] {
			r.runs = append(r.runs, i)
		}
	}
	r.runs = append(r.runs, len(r.Times)) // their ends
	for len(r.runs) > 1 {
		r.spareTimes = slices.Grow(r.spareTimes[:0], len(r.Times))
		r.spareValues = slices.Grow(r.spareValues[:0], len(r.Times))
		start := 0
		for i := 0; i < len(r.runs); i += 2 {
			end := r.runs[min(i+1, len(r.runs)-1)]
			r.mergeRuns(start, r.runs[i], end)
			r.runs[i/2], start = len(r.spareTimes), end
		}
		r.runs = r.runs[:(len(r.runs)+1)/2]
		r.Times, r.spareTimes = r.spareTimes, r.Times
		r.Values, r.spareValues = r.spareValues, r.Values
	}
	r.disorder = false
}

// mergeRuns appends the runs [start, mid) and [mid, end) to the spare columns as one. Of equal times that of the second stands.
func (r *Reader) mergeRuns(start, mid, end int) {
	times, values := r.spareTimes, r.spareValues
	a, b := start, mid
	for a < mid && b < end {
		at, other := r.Times[a], r.Times[b]
		switch {
		case at < other:
			times, values = append(times, at), append(values, r.Values[a])
			a++
		case at > other:
			times, values = append(times, other), append(values, r.Values[b])
			b++
		default:
			a++
		}
	}
	times, values = append(times, r.Times[a:mid]...), append(values, r.Values[a:mid]...)
	r.spareTimes, r.spareValues = append(times, r.Times[b:end]...), append(values, r.Values[b:end]...)
}
