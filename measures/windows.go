package measures

import (
	"context"
	"slices"

	"granary/metricdef"
)

// windowSlots is how many slots one of ClusterCockpit's buffers has.
const windowSlots = 512

// Window is a view over stored slots in the manner of ClusterCockpit's buffers: it begins at the first stored slot that
// lies 512 or more slots behind the beginning of the window before it.
type Window struct {
	Start, End int64 // times of its first and its last stored slot, nanoseconds
	Step, Half int64 // slot width, nanoseconds
	Slots      int   // from Start to End
}

// Windows are the windows of the visible samples of a series, oldest first.
func (s *Store) Windows(ctx context.Context, ref metricdef.Ref) ([]Window, error) {
	sr := s.table.at(ref)
	if sr == nil {
		return nil, nil
	}
	r := readers.Get().(*Reader)
	defer r.release()
	if err := s.Read(ctx, r, ref, minTime, maxTime); err != nil {
		return nil, err
	}
	b, ok := s.Bounds(ref, minTime, maxTime)
	if !ok || b.Step == 0 {
		return nil, nil
	}
	var list []Window
	for _, t := range r.Times {
		if n := len(list); n > 0 && t-list[n-1].Start < windowSlots*b.Step {
			w := &list[n-1]
			w.End, w.Slots = t, int((t-w.Start)/b.Step)+1
			continue
		}
		list = append(list, Window{Start: t, End: t, Step: b.Step, Half: b.Half, Slots: 1})
	}
	return list, nil
}

// Free takes the windows of the series away whose end, the time of their first slot plus their length, lies before to.
// It moves the series' low-water marks by a record, so that a restart does not bring the samples back, and returns how
// many windows went.
func (s *Store) Free(ctx context.Context, refs []metricdef.Ref, to int64) (int, error) {
	var marks []lowMark
	freed := 0
	refs = slices.Clone(refs)
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) {
		list, err := s.Windows(ctx, ref)
		if err != nil {
			return 0, err
		}
		n := 0
		for n < len(list) && list[n].Start+int64(list[n].Slots)*list[n].Step < to {
			n++
		}
		if n == 0 {
			continue
		}
		freed += n
		marks = append(marks, lowMark{ref, list[n-1].End + 1})
	}
	for from := 0; from < len(marks); from += rowsPerRecord {
		part := marks[from:min(from+rowsPerRecord, len(marks))]
		wrote := int64(0)
		err := s.change(ctx, recFree, func(now int64) ([]byte, error) {
			wrote = now
			for _, m := range part {
				sr := s.table.at(m.ref)
				s.seq.undo = append(s.seq.undo, undo{ref: m.ref, what: undoMark, time: sr.lowMark})
				sr.raiseMark(m.time)
			}
			return appendMarks(nil, part), nil
		}, func() {
			for _, m := range part {
				s.applyMark(m, wrote)
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return freed, nil
}

// raiseLow moves the low-water mark as applied. A mark at the very zero of time cannot be told from none, and is moved by a
// nanosecond.
func (sr *series) raiseLow(t int64) { sr.low = raised(sr.low, t) }

// raiseMark moves the low-water mark as sequenced.
func (sr *series) raiseMark(t int64) { sr.lowMark = raised(sr.lowMark, t) }

func raised(old, t int64) int64 {
	if t == 0 {
		t = 1
	}
	if old == 0 {
		return t
	}
	return max(old, t)
}

// applyMark hides what is older than a series' new low-water mark and gives its memory back.
func (s *Store) applyMark(m lowMark, wrote int64) {
	sr, sh := s.table.at(m.ref), s.shardOf(m.ref)
	if sr == nil {
		return
	}
	s.policyOf(m.ref, sr) // the tiers ask for it
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.bill(sr)
	sr.raiseLow(m.time)
	sh.tiersChanged(m.ref, sr, minTime, sr.low, wrote)
	sh.drop(s, m.ref, sr, sight{from: sr.low})
}

// drop gives up what lies wholly out of sight: chunks, late samples, the open head. REQUIRES: sh.mu.
func (sh *shard) drop(s *Store, ref metricdef.Ref, sr *series, v sight) (samples int64) {
	gone := func(start, end int64) bool { return end < v.from && !v.meets(start, end) }
	if sr.values != 0 && gone(sr.headStart, sr.newest) {
		samples += int64(sr.filled)
		sh.counts.held.samples -= sr.inHead()
		sr.sealedEnd = sr.next - sr.era.step
		if sr.era.step == 0 {
			sr.sealedEnd = sr.newest
		}
		sr.flags |= hasSealed
		sh.closeHead(sr)
	}
	samples += sh.dropChunks(s, ref, sr, v.from, gone)
	if sr.flags&(hasTexts|hasTags) != 0 {
		samples += sh.dropTexts(s, ref, v)
	}
	if sr.flags&hasLate == 0 {
		return samples
	}
	l := sh.late[ref]
	if len(l.times) > 0 && !v.shows(l.times[0]) || len(v.spans) > 0 {
		k := 0
		for i, t := range l.times {
			if v.shows(t) {
				l.times[k], l.values[k] = t, l.values[i]
				k++
			}
		}
		samples += int64(len(l.times) - k)
		sh.counts.held.samples -= int64(len(l.times) - k)
		l.times, l.values = l.times[:k], l.values[:k]
	}
	l.sealed = slices.DeleteFunc(l.sealed, func(c lateChunk) bool {
		if !gone(c.start, c.end) {
			return false
		}
		samples += sh.dropEntry(s, &c.entry)
		return true
	})
	sh.settleLate(ref, sr, l)
	return samples
}

// dropChunks gives up the chunks that end before low and are gone. REQUIRES: sh.mu.
func (sh *shard) dropChunks(s *Store, ref metricdef.Ref, sr *series, low int64, gone func(start, end int64) bool) (samples int64) {
	var keep []entry // of those that end before low
	n := 0
	for n < len(sr.chunks) {
		end := sh.chunkEnd(ref, sr, n)
		if end >= low {
			break
		}
		if e := &sr.chunks[n]; gone(e.start, end) {
			samples += sh.dropEntry(s, e)
		} else {
			keep = append(keep, *e)
		}
		n++
	}
	if len(keep) < n {
		sh.setChunks(sr, slices.Concat(keep, sr.chunks[n:]))
	}
	return samples
}

// chunkEnd is a time at or behind the last sample of chunk i. REQUIRES: sh.mu.
func (sh *shard) chunkEnd(ref metricdef.Ref, sr *series, i int) int64 {
	e := &sr.chunks[i]
	if e.shape&shapeOwn != 0 {
		if i+1 < len(sr.chunks) {
			return sr.chunks[i+1].start - 1
		}
		return sr.sealedEnd
	}
	g := sr.era
	if n := e.shape.eraIndex(); n > 0 {
		g = sh.eras[ref][n-1]
	}
	return e.start + int64(e.shape.span()-1)*g.step
}

// dropEntry gives up one chunk of samples and returns how many slots it had. REQUIRES: sh.mu.
func (sh *shard) dropEntry(s *Store, e *entry) int64 {
	sh.counts.held.samples -= int64(e.shape.span())
	sh.letGo(s, e)
	return int64(e.shape.span())
}

// letGo gives up the bytes of a chunk, wherever they are. REQUIRES: sh.mu.
func (sh *shard) letGo(s *Store, e *entry) {
	if e.mem != 0 {
		if e.seg != 0 {
			sh.counts.held.saved -= sh.chunks.Size(e.mem)
		}
		sh.chunks.Free(e.mem)
	}
	if e.seg != 0 {
		s.segments.forget(e.seg.file())
		sh.counts.held.file -= int64(e.seg.len())
	}
}
