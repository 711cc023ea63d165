package measures

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"granary/measures/chunk"
	"granary/metricdef"
)

// TextReader holds the columns of one read of texts. The zero value is ready; it serves one goroutine. The texts may be
// kept.
type TextReader struct {
	Times []int64
	Texts []string

	raw   []byte
	parts []textPart
}

// textPart is a chunk to be read from a segment behind the lock.
type textPart struct {
	chunk *textChunk
	file  *segmentFile
	loc   textLoc
	at    int // how many texts stood in the columns before it
}

// ReadText fills r with the visible texts of a series of texts inside [from, to), ascending in time, each time once.
func (s *Store) ReadText(ctx context.Context, r *TextReader, ref metricdef.Ref, from, to int64) error {
	return s.readTexts(ctx, r, valueTexts, ref, from, to)
}

// ReadTags fills r with the tags of the visible samples of a series inside [from, to) that have some, ascending in time.
func (s *Store) ReadTags(ctx context.Context, r *TextReader, ref metricdef.Ref, from, to int64) error {
	if err := s.readTexts(ctx, r, tagTexts, ref, from, to); err != nil {
		return err
	}
	k := 0
	for i, text := range r.Texts {
		if text != "" { // else a sample that lost its tags
			r.Times[k], r.Texts[k] = r.Times[i], text
			k++
		}
	}
	r.Times, r.Texts = r.Times[:k], r.Texts[:k]
	return nil
}

func (s *Store) readTexts(ctx context.Context, r *TextReader, w which, ref metricdef.Ref, from, to int64) error {
	r.Times, r.Texts = r.Times[:0], r.Texts[:0]
	if err := ctx.Err(); err != nil {
		return err
	}
	sr := s.table.at(ref)
	if sr == nil {
		return nil
	}
	cut := s.cut(ref, sr)
	sh := s.shardOf(ref)
	sh.mu.RLock()
	v := sh.sight(ref, sr, cut)
	from = max(from, v.oldest())
	err := r.gather(s, sh, w, ref, from, to)
	sh.mu.RUnlock()
	if derr := r.fetch(ctx, s, w, ref); err == nil {
		err = derr
	}
	if err != nil {
		r.Times, r.Texts = r.Times[:0], r.Texts[:0]
		return err
	}
	r.settle(from, to)
	if len(v.spans) > 0 {
		k := 0
		for i, t := range r.Times {
			if v.shows(t) {
				r.Times[k], r.Texts[k] = t, r.Texts[i]
				k++
			}
		}
		r.Times, r.Texts = r.Times[:k], r.Texts[:k]
	}
	return nil
}

// gather decodes what lies in memory. REQUIRES: sh.mu, at least for reading.
func (r *TextReader) gather(s *Store, sh *shard, w which, ref metricdef.Ref, from, to int64) error {
	c := sh.texts[w][ref]
	if c == nil {
		return nil
	}
	var failed error
	for _, t := range c.chunks {
		if t.start >= to || t.end < from || failed != nil {
			continue
		}
		if t.mem == 0 {
			r.parts = append(r.parts, textPart{chunk: t, file: s.segments.acquire(t.loc.file), loc: t.loc, at: len(r.Times)})
			continue
		}
		failed = r.decode(sh.chunks.Get(t.mem), w, int(t.n))
	}
	lo, _ := slices.BinarySearch(c.times, from)
	hi, _ := slices.BinarySearch(c.times, to)
	for i := lo; i < hi; i++ {
		r.Times, r.Texts = append(r.Times, c.times[i]), append(r.Texts, c.texts[i].Value())
	}
	return failed
}

// decode appends the texts of a chunk.
func (r *TextReader) decode(b []byte, w which, n int) error {
	if len(b) < 2 || int(b[0])|int(b[1])<<8 > len(b)-2 || n > maxSpan {
		return fmt.Errorf("chunk of %d texts in %d bytes", n, len(b))
	}
	k := int(b[0]) | int(b[1])<<8
	at := len(r.Times)
	r.Times, r.Texts = slices.Grow(r.Times, n)[:at+n], slices.Grow(r.Texts, n)[:at+n]
	err := chunk.DecodeTimes(r.Times[at:], b[2:2+k])
	if err == nil {
		err = chunk.DecodeTexts(r.Texts[at:], w.codec(), b[2+k:])
	}
	if err != nil {
		r.Times, r.Texts = r.Times[:at], r.Texts[:at]
	}
	return err
}

// fetch reads what only segments hold into its place in the order of winning, and while there is room brings it back into
// memory. A chunk that is damaged is left out.
func (r *TextReader) fetch(ctx context.Context, s *Store, w which, ref metricdef.Ref) (err error) {
	if len(r.parts) == 0 {
		return nil
	}
	times, texts, at := slices.Clone(r.Times), slices.Clone(r.Texts), 0
	r.Times, r.Texts = r.Times[:0], r.Texts[:0]
	for i := range r.parts {
		p := &r.parts[i]
		r.Times, r.Texts = append(r.Times, times[at:p.at]...), append(r.Texts, texts[at:p.at]...)
		at = p.at
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = r.fetchPart(s, w, ref, p)
		}
		p.file.release()
	}
	r.Times, r.Texts = append(r.Times, times[at:]...), append(r.Texts, texts[at:]...)
	clear(r.parts)
	r.parts = r.parts[:0]
	return err
}

func (r *TextReader) fetchPart(s *Store, w which, ref metricdef.Ref, p *textPart) error {
	if need := int(p.loc.size) + 64; cap(r.raw) < need {
		r.raw = make([]byte, 0, need)
	}
	b, err := p.file.readAt(r.raw, p.loc.off, p.loc.size)
	if isDamaged(err) {
		s.leaveOutText(ref, w, p.chunk, p.file, err)
		return nil
	}
	if err != nil {
		return err
	}
	if s.room.Add(-int64(len(b))) > 0 {
		s.promoteText(ref, p.chunk, p.loc, b)
	}
	return r.decode(b, w, int(p.chunk.n))
}

// promoteText keeps the bytes of a chunk in memory that only a segment held.
func (s *Store) promoteText(ref metricdef.Ref, t *textChunk, loc textLoc, b []byte) {
	sr, sh := s.table.at(ref), s.shardOf(ref)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if t.gone || t.mem != 0 || t.loc != loc || sr == nil {
		return
	}
	sh.bill(sr)
	if !s.mayReturn(sr, len(b)) {
		return
	}
	if mem, err := sh.chunks.Put(sr.window(t.end), b); err == nil && mem != 0 {
		t.mem = mem
		sh.counts.held.saved += sh.chunks.Size(mem)
	}
}

// leaveOutText takes a damaged chunk out of its column.
func (s *Store) leaveOutText(ref metricdef.Ref, w which, t *textChunk, f *segmentFile, cause error) {
	sh := s.shardOf(ref)
	sh.mu.Lock()
	n := int64(0)
	if c := sh.texts[w][ref]; c != nil && t.mem == 0 {
		sh.bill(s.table.at(ref))
		n = sh.dropTextChunks(s, w, c, func(x *textChunk) bool { return x == t })
	}
	sh.mu.Unlock()
	if n == 0 {
		return // somebody else was faster, or it came back into memory
	}
	f.damage.CompareAndSwap(nil, &cause)
	s.o.Logger.Error("damaged chunk of texts left out; the next snapshot puts its file aside", "file", f.info.Name, "series", s.Definitions.Name(ref), "ref", ref, "error", cause)
}

// settle puts the columns in order, ascending and of equal times the one that came last, and cuts them to [from, to).
func (r *TextReader) settle(from, to int64) {
	if !ascending(r.Times) {
		order := make([]int, len(r.Times))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.Times[a], r.Times[b]) })
		times, texts := make([]int64, 0, len(order)), make([]string, 0, len(order))
		for _, i := range order {
			if k := len(times); k > 0 && times[k-1] == r.Times[i] {
				texts[k-1] = r.Texts[i]
				continue
			}
			times, texts = append(times, r.Times[i]), append(texts, r.Texts[i])
		}
		r.Times, r.Texts = times, texts
	}
	hi, _ := slices.BinarySearch(r.Times, to)
	lo, _ := slices.BinarySearch(r.Times[:hi], from)
	r.Times, r.Texts = append(r.Times[:0], r.Times[lo:hi]...), append(r.Texts[:0], r.Texts[lo:hi]...)
}
