package measures

import (
	"context"
	"math"
	"slices"
	"sort"

	"granary/metricdef"
)

// Bounds says which visible samples a series has.
type Bounds struct {
	First, Last int64 // times of the oldest and the newest, nanoseconds
	// Step is the slot width of the series, the coarsest of its eras that the range touches, 0 if samples keep their own
	// times. A slot whose time is t covers [t-Half, t-Half+Step).
	Step, Half int64
	// Since is the time from which on all samples are shown. Of older ones those may be that were written late; see
	// policy.WriteClock.
	Since int64
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
	v := sh.shown(ref, sr, cut)
	first, r := sh.oldest(s, ref, sr, v.from)
	g := sr.era
	if sr.flags&hasEras != 0 {
		g = sh.coarsest(ref, sr, from, to)
	}
	last := sr.newest
	sh.touch(sr.chunks[sr.chunkAt(from):], to)
	sh.mu.RUnlock()
	first = oldestOf(first, r, v.from)
	if len(v.spans) > 0 {
		first, last = s.endsOf(ref, sr, v, first, last)
	}
	if first == math.MaxInt64 {
		return Bounds{}, false
	}
	return Bounds{First: first, Last: last, Step: g.step, Half: g.half, Since: v.from}, true
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
	v := sh.sight(ref, sr, cut)
	has, newest, step := sr.flags&hasData != 0, sr.newest, sr.era.step
	sh.mu.RUnlock()
	if has && !v.shows(newest) {
		newest, has = s.newestIn(ref, sr, v)
	}
	if !has {
		return 0, 0, false
	}
	return newest, step, true
}

// cut is the time below which the samples of a series are not shown: what was freed, and what has expired by the clock
// of its policy. REQUIRES: nothing; low is read again under the lock by those who need it.
func (s *Store) cut(ref metricdef.Ref, sr *series) int64 {
	pol := s.policyOf(ref, sr)
	length := s.rawLength(ref, pol)
	if length <= 0 || s.retentionHeld.Load() {
		return math.MinInt64
	}
	return s.o.Now().UnixNano() - int64(length)
}

// oldestOf finishes what oldest began.
func oldestOf(first int64, r *Reader, cut int64) int64 {
	if r == nil {
		return first
	}
	defer r.release()
	if err := r.finish(); err != nil {
		return min(first, cut) // it cannot be read; that is said to who reads it
	}
	if len(r.Times) > 0 {
		first = min(first, r.Times[0])
	}
	return first
}

// endsOf are the times of the oldest and the newest visible sample of a series that shows some amid expired ones: first is the oldest
// of those that have not expired by their own time, last the newest of all. There is none if first is the end of time.
func (s *Store) endsOf(ref metricdef.Ref, sr *series, v sight, first, last int64) (int64, int64) {
	sh := s.shardOf(ref)
	for _, e := range v.spans {
		sh.mu.RLock()
		t, r := sh.oldest(s, ref, sr, e.from)
		sh.mu.RUnlock()
		if t = oldestOf(t, r, e.from); t < e.to {
			first = t
			break
		}
	}
	if first != math.MaxInt64 && !v.shows(last) {
		if newest, ok := s.newestIn(ref, sr, v); ok {
			last = newest
		} else {
			first = math.MaxInt64
		}
	}
	return first, last
}

// newestIn is the time of the newest sample inside of the spans of a sight. Of texts it is that of the newest that was written
// there.
func (s *Store) newestIn(ref metricdef.Ref, sr *series, v sight) (int64, bool) {
	if len(v.spans) == 0 {
		return 0, false
	}
	last := v.spans[len(v.spans)-1].to
	if sr.kind() == metricdef.KindText {
		return last - 1, true
	}
	r := readers.Get().(*Reader)
	defer r.release()
	t, _, ok, err := s.Before(context.Background(), r, ref, last)
	if err != nil {
		return last - 1, true // it cannot be read; that is said to who reads it
	}
	return t, ok
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
	if sr.flags&hasTexts != 0 {
		first = sh.oldestText(ref, cut, first)
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
	return s.readVisible(r, ref, sr, from, to)
}

// readVisible gathers what is visible.
func (s *Store) readVisible(r *Reader, ref metricdef.Ref, sr *series, from, to int64) error {
	cut := s.cut(ref, sr)
	r.reset()
	sh := s.shardOf(ref)
	sh.mu.RLock()
	r.Kind = max(sr.kind(), metricdef.KindFloat)
	v := sh.shown(ref, sr, cut)
	v.each(from, to, func(from, to int64) { s.collect(r, sh, ref, sr, from, to) })
	sh.mu.RUnlock()
	return r.finish()
}

// read gathers samples without asking what is visible.
func (s *Store) read(r *Reader, ref metricdef.Ref, sr *series, from, to int64) error {
	r.reset()
	sh := s.shardOf(ref)
	sh.mu.RLock()
	r.Kind = max(sr.kind(), metricdef.KindFloat)
	s.collect(r, sh, ref, sr, from, to)
	sh.mu.RUnlock()
	return r.finish()
}

// collect gathers the samples of [from, to) behind what r has; the caller finishes r when the lock is given back. REQUIRES:
// sh.mu, at least for reading.
func (s *Store) collect(r *Reader, sh *shard, ref metricdef.Ref, sr *series, from, to int64) {
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
}
