package measures

import (
	"cmp"
	"context"
	"math"
	"slices"

	"granary/metricdef"
)

// Weight bounds how many samples a Read of [from, to) would go through, without decoding anything: the slots of the chunks
// that lie there at least in part. Queries are held against their limits by it before they begin.
func (s *Store) Weight(ref metricdef.Ref, from, to int64) int64 {
	sr := s.table.at(ref)
	if sr == nil || from >= to {
		return 0
	}
	cut := s.cut(ref, sr)
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	v := sh.shown(ref, sr, cut)
	from = max(from, v.oldest())
	if sr.flags&hasTexts != 0 && sr.flags&hasData != 0 && sr.newest >= from {
		return sh.textWeight(ref, from, to)
	}
	return sh.rawWeight(ref, sr, from, to)
}

// rawWeight bounds how many samples lie in a range, whether they are shown or not. REQUIRES: sh.mu, at least for reading.
func (sh *shard) rawWeight(ref metricdef.Ref, sr *series, from, to int64) int64 {
	if sr.flags&hasData == 0 || sr.newest < from {
		return 0
	}
	n := int64(0)
	for i := sr.chunkAt(from); i < len(sr.chunks) && sr.chunks[i].start < to; i++ {
		n += int64(sr.chunks[i].shape.span())
	}
	if sr.flags&hasLate != 0 {
		l := sh.late[ref]
		n += int64(len(l.times))
		for i := range l.sealed {
			if c := &l.sealed[i]; c.start < to && c.end >= from {
				n += int64(c.shape.span())
			}
		}
	}
	if sr.values != 0 && sr.headStart < to {
		n += int64(sr.filled)
	}
	return n
}

// Before reads the newest visible sample that is older than t; false if there is none. The columns of r are used for it.
func (s *Store) Before(ctx context.Context, r *Reader, ref metricdef.Ref, t int64) (at int64, v float64, ok bool, err error) {
	sr := s.table.at(ref)
	if sr == nil {
		return 0, 0, false, nil
	}
	// A chunk begins with a sample, so that what is looked for is not older than the last chunk that begins before t. Only if
	// nothing of that chunk is shown, the one before it is looked at.
	for to := t; ; {
		from := s.lastStart(ref, sr, to)
		if err := s.Read(ctx, r, ref, from, t); err != nil {
			return 0, 0, false, err
		}
		if n := len(r.Times); n > 0 {
			return r.Times[n-1], r.Values[n-1], true, nil
		}
		if from == math.MinInt64 {
			return 0, 0, false, nil
		}
		to = from
	}
}

// lastStart is where the last of the chunks begins that begin before t, the end of time on the other side if there is none.
func (s *Store) lastStart(ref metricdef.Ref, sr *series, t int64) int64 {
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	last := int64(math.MinInt64)
	if len(sr.chunks) > 0 && t > math.MinInt64 {
		if c := sr.chunks[sr.chunkAt(t-1)]; c.start < t {
			last = c.start
		}
	}
	if sr.flags&hasLate != 0 {
		for i := range sh.late[ref].sealed {
			if c := &sh.late[ref].sealed[i]; c.start < t {
				last = max(last, c.start)
			}
		}
	}
	return last
}

// Border divides [from, to) at a time where chunks meet, so that one part of it has about n samples: the part before it, or
// the part behind it if back. It is the other end of the range if that has no more.
func (s *Store) Border(ref metricdef.Ref, from, to, n int64, back bool) int64 {
	end := to
	if back {
		end = from
	}
	sr := s.table.at(ref)
	if sr == nil {
		return end
	}
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if sr.flags&hasTexts != 0 {
		return sh.textBorder(ref, from, to, n, back)
	}
	sum := int64(0)
	if !back {
		for i := sr.chunkAt(from); i < len(sr.chunks) && sr.chunks[i].start < to; i++ {
			if sum >= n && sr.chunks[i].start > from {
				return sr.chunks[i].start
			}
			sum += int64(sr.chunks[i].shape.span())
		}
		if sum >= n && sr.values != 0 && sr.headStart > from && sr.headStart < to {
			return sr.headStart
		}
		return end
	}
	if sr.values != 0 && sr.headStart < to {
		if sum += int64(sr.filled); sum >= n && sr.headStart > from {
			return sr.headStart
		}
	}
	for i := len(sr.chunks) - 1; i >= 0 && sr.chunks[i].start > from; i-- {
		if sr.chunks[i].start >= to {
			continue
		}
		if sum += int64(sr.chunks[i].shape.span()); sum >= n {
			return sr.chunks[i].start
		}
	}
	return end
}

// textWeight is Weight for the texts of a series. REQUIRES: sh.mu, at least for reading.
func (sh *shard) textWeight(ref metricdef.Ref, from, to int64) (n int64) {
	c := sh.texts[valueTexts][ref]
	if c == nil {
		return 0
	}
	for _, t := range c.chunks {
		if t.start < to && t.end >= from {
			n += int64(t.n)
		}
	}
	return n + int64(len(c.times))
}

// textBorder is Border for the texts of a series. REQUIRES: sh.mu, at least for reading.
func (sh *shard) textBorder(ref metricdef.Ref, from, to, n int64, back bool) int64 {
	end := to
	if back {
		end = from
	}
	c := sh.texts[valueTexts][ref]
	if c == nil {
		return end
	}
	// Chunks may overlap: those that begin on the near side of a border are more or less what is read with it.
	type begin struct{ at, n int64 }
	list := make([]begin, 0, len(c.chunks)+1)
	for _, t := range c.chunks {
		if t.start < to && t.end >= from {
			list = append(list, begin{t.start, int64(t.n)})
		}
	}
	if k := len(c.times); k > 0 && c.times[k-1] >= from {
		list = append(list, begin{c.times[0], int64(len(c.times))})
	}
	slices.SortFunc(list, func(a, b begin) int { return cmp.Compare(a.at, b.at) })
	sum := int64(0)
	if back {
		for _, b := range slices.Backward(list) {
			if b.at <= from {
				break
			}
			if b.at < to {
				if sum += b.n; sum >= n {
					return b.at
				}
			}
		}
		return end
	}
	for _, b := range list {
		if b.at >= to {
			break
		}
		if sum >= n && b.at > from {
			return b.at
		}
		sum += b.n
	}
	return end
}
