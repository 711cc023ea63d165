package measures

import (
	"slices"
	"unique"
	"unsafe"

	"granary/measures/chunk"
	"granary/measures/slab"
	"granary/metricdef"
)

// A series may have columns of texts: its values, if it is one of texts, and the tags of its samples. Both are kept alike: a
// head of times and texts, and sealed chunks. Samples keep their own times; chunks may overlap, and of equal times the
// later chunk wins, and the head over all chunks. So late texts need no place of their own.
type textColumn struct {
	times  []int64 // of the head, ascending
	texts  []unique.Handle[string]
	bytes  int          // of the head's texts
	chunks []*textChunk // in the order in which they win
	newest int64        // newest time that was ever put
}

// which tells the columns of a series apart. The numbers stand in the journal and in the state file.
type which uint8

const (
	valueTexts which = iota
	tagTexts
	textColumns
)

// flag is the series' flag for the column.
func (w which) flag() seriesFlags {
	if w == tagTexts {
		return hasTags
	}
	return hasTexts
}

// samples is how many samples n texts of the column are: tags are none.
func (w which) samples(n int) int64 {
	if w == tagTexts {
		return 0
	}
	return int64(n)
}

// codec names the column's payloads.
func (w which) codec() chunk.Codec {
	if w == tagTexts {
		return chunk.PointTags
	}
	return chunk.Strings
}

// textChunk is a sealed chunk of texts. It is larger than a segLoc can name, and there are few of them, so its place is
// spelled out.
type textChunk struct {
	start, end int64
	seq        uint64 // order of sealing, given by the snapshot that wrote it; 0: none has
	loc        textLoc
	mem        slab.Loc // 0: evicted, only a segment holds it
	n          int32    // texts
	gone       bool     // no column names it any more
}

// textLoc is a place in a segment file; the file 0 is none.
type textLoc struct {
	file, size uint32
	off        uint64
}

const (
	// DefaultMaxText and LimitMaxText bound the setting of how long a text may be, in bytes.
	DefaultMaxText = 8 << 10
	LimitMaxText   = 16 << 10
	// textHeadBytes is how many bytes of texts a head takes before it is sealed, below its 120 samples: with one more text
	// it fits into a piece of a slab.
	textHeadBytes = 32 << 10

	textEntryBytes  = int64(unsafe.Sizeof(int64(0)) + unsafe.Sizeof(unique.Handle[string]{}))
	textChunkBytes  = int64(unsafe.Sizeof(textChunk{})) + 8
	textColumnBytes = int64(unsafe.Sizeof(textColumn{})) + mapEntry
)

// putText applies one text. REQUIRES: sh.mu.
func (sh *shard) putText(w which, ref metricdef.Ref, sr *series, t int64, text string, wrote int64) {
	if w == valueTexts {
		sh.counts.samples[metricdef.KindText]++
		if sr.flags&hasData == 0 || t > sr.newest {
			sr.newest = t
			sr.flags |= hasData
		}
		if sr.flags&hasTags != 0 {
			sh.untag(ref, sr, t, wrote)
		}
	}
	sr.wrote = max(sr.wrote, wrote)
	c := sh.column(w, ref, sr)
	c.newest = max(c.newest, t)
	if found := sh.insertText(c, t, text); found && w == valueTexts {
		sh.counts.overwritten++
	}
	if len(c.times) >= headSlots || c.bytes >= textHeadBytes {
		sh.sealTexts(w, sr, c)
	}
}

// insertText puts a text into the head, and says whether it took the place of another. REQUIRES: sh.mu.
func (sh *shard) insertText(c *textColumn, t int64, text string) (found bool) {
	handle := unique.Make(text) // equal texts share their bytes
	i := len(c.times)
	if i > 0 && t <= c.times[i-1] {
		i, found = slices.BinarySearch(c.times, t)
	}
	grown := len(text)
	if found {
		grown -= len(c.texts[i].Value())
		c.texts[i] = handle
	} else {
		c.times = slices.Insert(c.times, i, t)
		c.texts = slices.Insert(c.texts, i, handle)
		sh.counts.held.texts += textEntryBytes
	}
	c.bytes += grown
	sh.counts.held.texts += int64(grown)
	return found
}

// column is a column of a series, made if there is none. REQUIRES: sh.mu.
func (sh *shard) column(w which, ref metricdef.Ref, sr *series) *textColumn {
	c := sh.texts[w][ref]
	if c == nil {
		c = &textColumn{newest: minTime}
		sh.counts.held.texts += textColumnBytes
		sh.texts[w][ref] = c
		sr.flags |= w.flag()
	}
	return c
}

// untag takes the tags of a sample away, since it is written again: an empty text wins over what older chunks may have for
// the time. Samples behind all that ever had tags need none. REQUIRES: sh.mu.
func (sh *shard) untag(ref metricdef.Ref, sr *series, t int64, wrote int64) {
	if t <= sh.texts[tagTexts][ref].newest {
		sh.putText(tagTexts, ref, sr, t, "", wrote)
	}
}

// sealTexts turns the head of a column into a chunk. If no slab can be had its texts are lost and counted; the journal still has
// them. REQUIRES: sh.mu and texts in the head.
func (sh *shard) sealTexts(w which, sr *series, c *textColumn) {
	n := len(c.times)
	b := appendTextChunk(sh.scratch.bytes[:0], w, c.times, c.values(&sh.scratch))
	sh.scratch.bytes = b
	clear(sh.scratch.texts)
	t := &textChunk{start: c.times[0], end: c.times[n-1], n: int32(n)}
	mem, err := sh.chunks.Put(sr.window(t.end), b)
	if err != nil || mem == 0 {
		sh.counts.failed += int64(n)
		sh.counts.held.samples += int64(n) - w.samples(n)
	} else {
		t.mem = mem
		sh.counts.sealed++
		sh.counts.sealedBytes += int64(len(b))
		sh.counts.held.texts += textChunkBytes
		c.chunks = append(c.chunks, t)
	}
	sh.cutHead(c, n)
}

// values are the texts of the head, in scratch memory.
func (c *textColumn) values(s *sealScratch) []string {
	s.texts = s.texts[:0]
	for _, h := range c.texts {
		s.texts = append(s.texts, h.Value())
	}
	return s.texts
}

// cutHead takes the first n texts out of the head. REQUIRES: sh.mu.
func (sh *shard) cutHead(c *textColumn, n int) {
	freed := 0
	for _, h := range c.texts[:n] {
		freed += len(h.Value())
	}
	c.bytes -= freed
	sh.counts.held.texts -= int64(freed) + int64(n)*textEntryBytes
	c.times, c.texts = slices.Delete(c.times, 0, n), slices.Delete(c.texts, 0, n)
	if n >= headSlots/2 && len(c.times) == 0 {
		c.times, c.texts = nil, nil // a column that is seldom written does not keep what a burst needed
	}
}

// appendTextChunk appends the form of a chunk of texts: the length of the times in two bytes, the times, the texts.
func appendTextChunk(b []byte, w which, times []int64, texts []string) []byte {
	mark := len(b)
	b = append(b, 0, 0)
	b = chunk.AppendTimes(b, times)
	n := len(b) - mark - 2
	b[mark], b[mark+1] = byte(n), byte(n>>8)
	return chunk.AppendTexts(b, w.codec(), texts)
}

// dropTexts gives up what lies wholly out of sight, of heads what does so in front of all else. The columns stay, since replay may be
// about to go on with them. REQUIRES: sh.mu.
func (sh *shard) dropTexts(s *Store, ref metricdef.Ref, v sight) (samples int64) {
	for w := range textColumns {
		c := sh.texts[w][ref]
		if c == nil {
			continue
		}
		n := 0
		for n < len(c.times) && !v.shows(c.times[n]) {
			n++
		}
		sh.cutHead(c, n)
		sh.counts.held.samples -= w.samples(n)
		dropped := int64(n)
		dropped += sh.dropTextChunks(s, w, c, func(t *textChunk) bool { return t.end < v.from && !v.meets(t.start, t.end) })
		if w == valueTexts {
			samples += dropped
		}
	}
	return samples
}

// dropTextChunks gives up the chunks that fn holds for. REQUIRES: sh.mu.
func (sh *shard) dropTextChunks(s *Store, w which, c *textColumn, fn func(*textChunk) bool) (texts int64) {
	c.chunks = slices.DeleteFunc(c.chunks, func(t *textChunk) bool {
		if !fn(t) {
			return false
		}
		if t.mem != 0 {
			if t.loc.file != 0 {
				sh.counts.held.saved -= sh.chunks.Size(t.mem)
			}
			sh.chunks.Free(t.mem)
			t.mem = 0
		}
		if t.loc.file != 0 {
			s.segments.forget(t.loc.file)
			sh.counts.held.file -= int64(t.loc.size)
		}
		t.gone = true
		texts += int64(t.n)
		sh.counts.held.texts -= textChunkBytes
		sh.counts.held.samples -= w.samples(int(t.n))
		return true
	})
	return texts
}

// endTexts takes columns away that have nothing. REQUIRES: sh.mu.
func (sh *shard) endTexts(ref metricdef.Ref, sr *series) {
	for w := range textColumns {
		if c := sh.texts[w][ref]; c != nil && len(c.times) == 0 && len(c.chunks) == 0 {
			delete(sh.texts[w], ref)
			sh.counts.held.texts -= textColumnBytes
			sr.flags &^= w.flag()
		}
	}
}

// oldestText is the time of the oldest text of a series at or behind cut, the end of time if there is none. Of a chunk that
// begins before cut and ends behind it, cut is taken. REQUIRES: sh.mu, at least for reading.
func (sh *shard) oldestText(ref metricdef.Ref, cut, first int64) int64 {
	c := sh.texts[valueTexts][ref]
	if c == nil {
		return first
	}
	if i, _ := slices.BinarySearch(c.times, cut); i < len(c.times) {
		first = min(first, c.times[i])
	}
	for _, t := range c.chunks {
		if t.end >= cut {
			first = min(first, max(t.start, cut))
		}
	}
	return first
}
