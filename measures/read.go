package measures

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sort"
	"sync"

	"granary/measures/chunk"
	"granary/metricdef"
)

// Bounds says which visible samples a series has.
type Bounds struct {
	First, Last int64 // times of the oldest and the newest, nanoseconds
	// Step is the slot width of the series, the coarsest of its eras that the range touches, 0 if samples keep their own
	// times. A slot whose time is t covers [t-Half, t-Half+Step).
	Step, Half int64
}

// Bounds reports what a series has inside of [from, to), and false if it has nothing there. First and Last are those of
// the whole series, not cut to the range.
func (s *Store) Bounds(ref metricdef.Ref, from, to int64) (Bounds, bool) {
	sr := s.table.at(ref)
	if sr == nil {
		return Bounds{}, false
	}
	cut := s.cut(ref, sr)
	sh := s.shardOf(ref)
	sh.mu.RLock()
	cut = sr.visible(cut)
	first, r := sh.oldest(s, ref, sr, cut)
	g := sr.era
	if sr.flags&hasEras != 0 {
		g = sh.coarsest(ref, sr, from, to)
	}
	last := sr.newest
	sh.touch(sr.chunks[sr.chunkAt(from):], to)
	sh.mu.RUnlock()
	if r != nil {
		if err := r.finish(); err != nil {
			first = min(first, cut) // it cannot be read; that is said to who reads it
		} else if len(r.Times) > 0 {
			first = min(first, r.Times[0])
		}
		r.release()
	}
	if first == math.MaxInt64 {
		return Bounds{}, false
	}
	return Bounds{First: first, Last: last, Step: g.step, Half: g.half}, true
}

// Newest is the time of the newest visible sample of a series and its slot width, both in nanoseconds; false if it has no
// sample. The width is 0 if samples keep their own times.
func (s *Store) Newest(ref metricdef.Ref) (t, step int64, ok bool) {
	sr := s.table.at(ref)
	if sr == nil {
		return 0, 0, false
	}
	cut := s.cut(ref, sr)
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if sr.flags&hasData == 0 || sr.newest < sr.visible(cut) {
		return 0, 0, false
	}
	return sr.newest, sr.era.step, true
}

// cut is the time below which the samples of a series are not shown: what was freed, and what has expired by the clock
// of its policy. REQUIRES: nothing; low is read again under the lock by those who need it.
func (s *Store) cut(ref metricdef.Ref, sr *series) int64 {
	pol := s.policyOf(ref, sr, s.Policies.Current())
	if pol.Raw.Length <= 0 || s.retentionHeld.Load() {
		return math.MinInt64
	}
	return s.o.Now().UnixNano() - int64(pol.Raw.Length)
}

// visible is the time of the oldest sample that may be shown. REQUIRES: sh.mu, at least for reading.
func (sr *series) visible(cut int64) int64 {
	if sr.flags&spared != 0 {
		cut = math.MinInt64
	}
	if sr.low != 0 {
		cut = max(cut, sr.low)
	}
	return cut
}

// oldest is the time of the oldest sample at or behind cut, as far as that is known without decoding, else the end of
// time. If r is not nil it gathers the chunks that straddle cut, whose samples may be older; the caller finishes it when the
// lock is given back, since that may read files and bring chunks back into memory. REQUIRES: sh.mu, at least for reading.
func (sh *shard) oldest(s *Store, ref metricdef.Ref, sr *series, cut int64) (first int64, r *Reader) {
	first = math.MaxInt64
	if sr.flags&hasData == 0 || sr.newest < cut {
		return first, nil
	}
	straddles := func(e *entry) {
		if r == nil {
			r = readers.Get().(*Reader)
			r.reset()
		}
		r.add(s, sh, ref, sr, e, cut, math.MaxInt64)
	}
	i := sort.Search(len(sr.chunks), func(i int) bool { return sr.chunks[i].start >= cut })
	if i < len(sr.chunks) {
		first = sr.chunks[i].start // a chunk begins with a sample
	}
	if i > 0 && sh.chunkEnd(ref, sr, i-1) >= cut {
		straddles(&sr.chunks[i-1])
	}
	if sr.flags&hasLate != 0 {
		l := sh.late[ref]
		if i, _ := slices.BinarySearch(l.times, cut); i < len(l.times) {
			first = min(first, l.times[i])
		}
		for i := range l.sealed {
			if c := &l.sealed[i]; c.start >= cut {
				first = min(first, c.start)
			} else if c.end >= cut {
				straddles(&c.entry)
			}
		}
	}
	if sr.values != 0 && sr.headStart < first {
		sh.eachHead(sr, cut, math.MaxInt64, func(t int64, _ float64) { first = min(first, t) })
	}
	return first, r
}

// coarsest is the grid with the widest slots of those that samples inside the range lie on. REQUIRES: sh.mu.
func (sh *shard) coarsest(ref metricdef.Ref, sr *series, from, to int64) grid {
	best := sr.era
	if sr.values == 0 || sr.headStart-sr.era.half >= to {
		best = grid{}
	}
	old := sh.eras[ref]
	for i := range sr.chunks {
		e := &sr.chunks[i]
		g := sr.era
		if n := e.shape.eraIndex(); n > 0 {
			g = old[n-1]
		}
		// The last slot reaches behind its time.
		if e.start-g.half >= to || sh.chunkEnd(ref, sr, i)-g.half+g.step <= from {
			continue
		}
		if g.step > best.step {
			best = g
		}
	}
	if best.step == 0 {
		return sr.era
	}
	return best
}

// eachHead calls fn for the samples of the open head inside [from, to), in order. REQUIRES: sh.mu and an open head.
func (sh *shard) eachHead(sr *series, from, to int64, fn func(int64, float64)) {
	values := sh.values[sr.class].Floats(sr.values)[:sr.filled]
	if sr.era.step == 0 {
		for i, t := range sh.times[sr.class].Ints(sr.times)[:sr.filled] {
			if t >= from && t < to {
				fn(t, values[i])
			}
		}
		return
	}
	for i := range sr.present.all {
		if t := sr.headStart + int64(i)*sr.era.step; t >= from && t < to {
			fn(t, values[i])
		}
	}
}

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
	if sr.flags&(hasLate|hasEras) != 0 || sr.era.step != step {
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
func (sr *series) chunkAt(t int64) int {
	lo, hi := 0, len(sr.chunks)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if sr.chunks[mid].start > t {
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
	sh.mu.RUnlock()
	fillNaN(dst)
	k0 := g.slot(t0)
	r := readers.Get().(*Reader)
	defer r.release()
	if err := s.read(r, ref, sr, g.time(k0)-g.half, g.time(k0+int64(len(dst)))-g.half); err != nil {
		return err
	}
	for i, t := range r.Times {
		if k := g.slot(t) - k0; k >= 0 && k < int64(len(dst)) {
			dst[k] = r.Values[i]
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

// Read fills r with the visible samples of a series inside [from, to), ascending in time, each time once. The columns are
// valid until the next use of r.
func (s *Store) Read(ctx context.Context, r *Reader, ref metricdef.Ref, from, to int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sr := s.table.at(ref)
	if sr == nil {
		r.reset()
		return nil
	}
	cut := s.cut(ref, sr)
	sh := s.shardOf(ref)
	sh.mu.RLock()
	from = max(from, sr.visible(cut))
	sh.mu.RUnlock()
	return s.read(r, ref, sr, from, to)
}

// read gathers samples without asking what is visible.
func (s *Store) read(r *Reader, ref metricdef.Ref, sr *series, from, to int64) error {
	r.reset()
	sh := s.shardOf(ref)
	sh.mu.RLock()
	for i := sr.chunkAt(from); i < len(sr.chunks) && sr.chunks[i].start < to; i++ {
		r.add(s, sh, ref, sr, &sr.chunks[i], from, to)
	}
	if sr.flags&hasLate != 0 {
		l := sh.late[ref]
		for i := range l.sealed {
			if c := &l.sealed[i]; c.start < to && c.end >= from {
				r.add(s, sh, ref, sr, &c.entry, from, to)
			}
		}
		for i, t := range l.times {
			if t >= from && t < to {
				r.push(t, l.values[i])
			}
		}
	}
	if sr.values != 0 {
		sh.eachHead(sr, from, to, r.push)
	}
	sh.mu.RUnlock()
	return r.finish()
}

// Reader holds the columns of one read and the scratch memory for it. The zero value is ready; it serves one goroutine.
type Reader struct {
	Times  []int64
	Values []float64

	// parts are runs of the columns in the order in which they win: a later one over an earlier one.
	deferred []deferred
	store    *Store // that the deferred chunks belong to
	raw      []byte // for the bytes of one chunk
	scratch  [maxSpan]float64
	times    [maxSpan]int64
	err      error
	disorder bool
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
	r.err, r.disorder = nil, false
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
	times, values, err := r.unpack(b, sp, start, g)
	if err != nil {
		r.err = err
		return
	}
	for i, t := range times {
		if t >= from && t < to {
			r.push(t, values[i])
		}
	}
}

// unpack decodes a chunk into the scratch columns.
func (r *Reader) unpack(b []byte, sp shape, start int64, g grid) ([]int64, []float64, error) {
	n := sp.span()
	if n > maxSpan {
		return nil, nil, fmt.Errorf("chunk spans %d slots, at most %d are possible", n, maxSpan)
	}
	times, values := r.times[:n], r.scratch[:n]
	switch {
	case sp&shapeOwn != 0:
		if len(b) < 2 || int(b[0])|int(b[1])<<8 > len(b)-2 {
			return nil, nil, fmt.Errorf("chunk of %d bytes is too short", len(b))
		}
		k := int(b[0]) | int(b[1])<<8
		if err := chunk.DecodeTimes(times, b[2:2+k]); err != nil {
			return nil, nil, err
		}
		b = b[2+k:]
	case sp&shapeHole != 0:
		var present [maxSpan / 64]uint64
		rest, err := chunk.DecodeBitmap(present[:(n+63)/64], n, b)
		if err != nil {
			return nil, nil, err
		}
		b = rest
		k := 0
		eachBit(present[:], func(bit int) bool {
			times[k] = start + int64(bit)*g.step
			k++
			return true
		})
		times, values = times[:k], values[:k]
	default:
		for i := range times {
			times[i] = start + int64(i)*g.step
		}
	}
	return times, values, chunk.DecodeFloats(values, b)
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
	r.Times, r.Values, r.disorder = r.Times[:0], r.Values[:0], false
	at := 0
	upTo := func(n int) {
		for ; at < n; at++ {
			r.push(times[at], values[at])
		}
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
	i := sort.Search(len(sr.chunks), func(i int) bool { return sr.chunks[i].start >= start })
	if i == len(sr.chunks) || sr.chunks[i].start != start || sr.chunks[i].seg != loc || sr.chunks[i].mem != 0 {
		return // gone, moved, late, or brought by somebody else
	}
	if mem, err := sh.chunks.Put(sr.window(start), b); err == nil {
		sr.chunks[i].mem = mem
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

// order sorts the columns by time, keeping of equal times the last.
func (r *Reader) order() {
	n := len(r.Times)
	idx := make([]int, n)
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int {
		switch {
		case r.Times[a] < r.Times[b]:
			return -1
		case r.Times[a] > r.Times[b]:
			return 1
		}
		return 0
	})
	times, values := make([]int64, 0, n), make([]float64, 0, n)
	for _, i := range idx {
		if k := len(times); k > 0 && times[k-1] == r.Times[i] {
			values[k-1] = r.Values[i]
			continue
		}
		times = append(times, r.Times[i])
		values = append(values, r.Values[i])
	}
	r.Times, r.Values, r.disorder = times, values, false
}
