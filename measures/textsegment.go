package measures

import (
	"encoding/binary"
	"fmt"
	"slices"

	"granary/measures/chunk"
	"granary/measures/segment"
	"granary/metricdef"
)

// What columns of texts are in files: chunks in segments, heads in the state.

// flag is the flag of a segment entry that holds a chunk of the column.
func (w which) entryFlag() uint64 {
	if w == tagTexts {
		return entryTags
	}
	return entryText
}

// whichOf is the column that a segment entry belongs to, false if it holds no texts.
func whichOf(flags uint64) (which, bool) {
	switch {
	case flags&entryTags != 0:
		return tagTexts, true
	case flags&entryText != 0:
		return valueTexts, true
	}
	return 0, false
}

// texts writes the chunks of a series' columns that no segment holds. REQUIRES: sh.mu, at least for reading.
func (w *snapshotWriter) texts(sh *shard, ref metricdef.Ref, sr *series) error {
	for k := range textColumns {
		c := sh.texts[k][ref]
		if c == nil {
			continue
		}
		for _, t := range c.chunks {
			if t.loc.file != 0 {
				continue
			}
			f, id, err := w.file(sr.window(t.start))
			if err != nil {
				return err
			}
			b := sh.chunks.Get(t.mem)
			w.order++
			off, err := f.Add(segment.Entry{Ref: uint32(ref), Start: t.start, Step: t.end - t.start, Span: uint32(t.n), Seq: w.order,
				Wrote: sr.wrote, Flags: entryOwn | k.entryFlag(), Len: uint32(len(b))}, b)
			if err != nil {
				return err
			}
			w.written += int64(len(b))
			w.placed = append(w.placed, placed{ref: ref, seq: w.order, text: t, textLoc: textLoc{file: id, size: uint32(len(b)), off: off}})
		}
	}
	return nil
}

// placeText tells a chunk of texts where it lies now, and says whether it still counts. REQUIRES: sh.mu.
func (p *placed) placeText(sh *shard) bool {
	if p.text.gone {
		return false
	}
	if p.text.loc.file == 0 && p.text.mem != 0 {
		sh.counts.held.saved += sh.chunks.Size(p.text.mem)
	}
	sh.counts.held.file += int64(p.textLoc.size) - int64(p.text.loc.size)
	p.text.loc, p.text.seq = p.textLoc, p.seq
	return true
}

// textChunkAt is the chunk of texts that a file's entry is, nil if no column names it any more.
func (s *Store) textChunkAt(ref metricdef.Ref, w which, file uint32, off uint64) *textChunk {
	if s.table.at(ref) == nil {
		return nil
	}
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if c := sh.texts[w][ref]; c != nil {
		for _, t := range c.chunks {
			if t.loc.file == file && t.loc.off == off {
				return t
			}
		}
	}
	return nil
}

// moveText writes a chunk of texts that a column still names into the file with number id. The chunk of what it returns is
// nil if there is none.
func (s *Store) moveText(to *segment.Writer, id uint32, from *segmentFile, e segment.Entry, w which) (placed, error) {
	ref := metricdef.Ref(e.Ref)
	t := s.textChunkAt(ref, w, from.id, e.Off)
	if t == nil {
		return placed{}, nil
	}
	b, err := from.readAt(nil, e.Off, e.Len)
	if isDamaged(err) {
		if b = s.textInMemory(ref, t); b == nil {
			s.leaveOutText(ref, w, t, from, err)
			return placed{}, nil
		}
		from.damage.CompareAndSwap(nil, &err)
	} else if err != nil {
		return placed{}, err
	}
	off, err := to.Add(e, b)
	if err != nil {
		return placed{}, err
	}
	return placed{ref: ref, seq: e.Seq, text: t, textLoc: textLoc{file: id, size: e.Len, off: off}}, nil
}

// textInMemory is a copy of the bytes of a chunk that are in memory beside those in a segment; nil if there are none.
func (s *Store) textInMemory(ref metricdef.Ref, t *textChunk) []byte {
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if t.gone || t.mem == 0 {
		return nil
	}
	return slices.Clone(sh.chunks.Get(t.mem))
}

// attachText tells a column of one chunk in a segment. settleTexts puts them in order.
func (s *Store) attachText(sf *segmentFile, se segment.Entry, w which, sr *series) error {
	ref, end := metricdef.Ref(se.Ref), se.Start+se.Step
	if se.Step < 0 || end < se.Start {
		return &segment.DamagedError{Path: sf.info.Name, Reason: fmt.Sprintf("texts of series %d from %d on for %d nanoseconds", ref, se.Start, se.Step)}
	}
	if sr.low != 0 && end < sr.low {
		return nil
	}
	sf.live.Add(1)
	sh := s.shardOf(ref)
	sh.bill(sr)
	c := sh.column(w, ref, sr)
	c.newest = max(c.newest, end)
	c.chunks = append(c.chunks, &textChunk{start: se.Start, end: end, seq: se.Seq, n: int32(se.Span), loc: textLoc{file: sf.id, size: se.Len, off: se.Off}})
	sh.counts.held.texts += textChunkBytes
	sh.counts.held.file += int64(se.Len)
	sh.counts.held.samples += w.samples(int(se.Span))
	if w == valueTexts && (sr.flags&hasData == 0 || end > sr.newest) {
		sr.newest = end
		sr.flags |= hasData
	}
	return nil
}

// detachTexts takes back what attachText has told of a file.
func (s *Store) detachTexts(file uint32) {
	for _, sh := range s.shards {
		for w := range textColumns {
			for ref, c := range sh.texts[w] {
				sh.bill(s.table.at(ref))
				sh.dropTextChunks(s, w, c, func(t *textChunk) bool { return t.loc.file == file })
			}
		}
	}
}

// settleTexts brings the chunks into the order in which they were sealed: those that replay has sealed are newer than
// those of files. Recovery only.
func (s *Store) settleTexts() {
	for _, sh := range s.shards {
		for w := range textColumns {
			for _, c := range sh.texts[w] {
				slices.SortStableFunc(c.chunks, func(a, b *textChunk) int {
					switch {
					case a.seq == b.seq:
						return 0
					case b.seq == 0 || a.seq != 0 && a.seq < b.seq:
						return -1
					}
					return 1
				})
			}
		}
	}
}

// unsavedTexts is the time of the oldest text of a series that is in a chunk that no segment holds; the end of time if
// there is none. REQUIRES: sh.mu, at least for reading.
func (sh *shard) unsavedTexts(ref metricdef.Ref) int64 {
	oldest := int64(maxTime)
	for w := range textColumns {
		if c := sh.texts[w][ref]; c != nil {
			for _, t := range c.chunks {
				if t.loc.file == 0 {
					oldest = min(oldest, t.start)
				}
			}
		}
	}
	return oldest
}

// dropUnsavedTexts gives up the chunks of texts before a time that no segment holds. REQUIRES: sh.mu.
func (sh *shard) dropUnsavedTexts(s *Store, ref metricdef.Ref, cut int64) (samples int64) {
	for w := range textColumns {
		if c := sh.texts[w][ref]; c != nil {
			n := sh.dropTextChunks(s, w, c, func(t *textChunk) bool { return t.loc.file == 0 && t.end < cut })
			if w == valueTexts {
				samples += n
			}
		}
	}
	return samples
}

// The extension extTexts of a series in the state file: for each column that it has
//
//	byte     which, plus 1
//	varint   newest time that was ever put
//	uvarint  number of texts in the head; if not 0: column of times, column of texts
//
// and a byte 0.
func init() {
	extensions = append(extensions, extension{what: extTexts, append: appendTextState, restore: restoreTextState})
}

func appendTextState(b []byte, _ *Store, sh *shard, ref metricdef.Ref, sr *series) []byte {
	if sr.flags&(hasTexts|hasTags) == 0 {
		return b
	}
	for w := range textColumns {
		c := sh.texts[w][ref]
		if c == nil {
			continue
		}
		b = append(b, byte(w)+1)
		b = binary.AppendVarint(b, c.newest)
		b = binary.AppendUvarint(b, uint64(len(c.times)))
		if len(c.times) == 0 {
			continue
		}
		texts := make([]string, len(c.texts))
		for i, h := range c.texts {
			texts[i] = h.Value()
		}
		b = appendColumn(b, func(b []byte) []byte { return chunk.AppendTimes(b, c.times) })
		b = appendColumn(b, func(b []byte) []byte { return chunk.AppendTexts(b, w.codec(), texts) })
	}
	return append(b, 0)
}

func restoreTextState(p []byte, _ *Store, sh *shard, ref metricdef.Ref, sr *series) error {
	d := decoder{p: p}
	column := func() []byte {
		n := d.bytes(4)
		if n == nil {
			return nil
		}
		return d.bytes(int(binary.LittleEndian.Uint32(n)))
	}
	for {
		k := d.byte()
		if k == 0 {
			break
		}
		w := which(k - 1)
		newest, n := d.varint(), d.uvarint()
		if d.failed || w >= textColumns || n >= headSlots || sh.texts[w][ref] != nil {
			return fmt.Errorf("column of texts %d with %d texts", w, n)
		}
		c := sh.column(w, ref, sr)
		c.newest = newest
		if n == 0 {
			continue
		}
		times, texts := make([]int64, n), make([]string, n)
		if err := chunk.DecodeTimes(times, column()); err != nil {
			return err
		}
		if err := chunk.DecodeTexts(texts, w.codec(), column()); err != nil {
			return err
		}
		if !ascending(times) {
			return fmt.Errorf("column of texts %d out of order", w)
		}
		for i, t := range times {
			sh.insertText(c, t, texts[i])
			sh.counts.held.samples += w.samples(1)
		}
	}
	if d.failed || len(d.p) > 0 {
		return fmt.Errorf("columns of texts cut short or too long")
	}
	return nil
}
