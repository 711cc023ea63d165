package measures

import (
	"math"
	"slices"

	"granary/measures/chunk"
	"granary/metricdef"
)

// timeRange is [from, to).
type timeRange struct{ from, to int64 }

func (r timeRange) has(t int64) bool { return t >= r.from && t < r.to }

// overlaps says whether some time of [start, end] may lie in the range, covers whether all of them do.
func (r timeRange) overlaps(start, end int64) bool { return start < r.to && end >= r.from }
func (r timeRange) covers(start, end int64) bool   { return start >= r.from && end < r.to }

// erasure takes ranges of time out of one series. Chunks that lie in a range go; of those that a border cuts, what is left
// is encoded again, as a chunk that no segment holds. So a file's entry either stays as it is or is named no more, and
// readers know nothing of deletions. Bytes that only a segment holds are read before, without a lock; see Store.erase.
type erasure struct {
	s      *Store
	sh     *shard
	ref    metricdef.Ref
	sr     *series
	ranges []timeRange
	// saved leaves alone what no segment holds: the end of recovery, where it is newer than the deletion, or cut already.
	saved bool
	bytes map[place][]byte // of chunks, as read; nil for one that cannot be read
	named bool             // a segment holds something of what was hit
	count int64            // samples that went
	r     Reader
	tr    TextReader
}

// place is where a segment holds the bytes of a chunk.
type place struct {
	file uint32
	off  uint64
	n    uint32
}

func (l segLoc) place() place  { return place{l.file(), l.off(), l.len()} }
func (l textLoc) place() place { return place{l.file, l.off, l.size} }

// cut says what becomes of samples from start to end: untouched, gone, or looked at one by one.
func (x *erasure) cut(start, end int64) (hit, whole bool) {
	for _, r := range x.ranges {
		if r.covers(start, end) {
			return true, true
		}
		hit = hit || r.overlaps(start, end)
	}
	return hit, false
}

func (x *erasure) gone(t int64) bool {
	for _, r := range x.ranges {
		if r.has(t) {
			return true
		}
	}
	return false
}

// need calls fn for each chunk whose bytes erase wants and that is not in memory. REQUIRES: sh.mu, at least for reading.
func (x *erasure) need(fn func(place)) {
	ask := func(mem bool, p place) {
		if _, ok := x.bytes[p]; !mem && !ok {
			fn(p)
		}
	}
	sr, sh := x.sr, x.sh
	last := -1
	for i := range sr.chunks {
		e := &sr.chunks[i]
		hit, whole := x.cut(e.start, sh.chunkEnd(x.ref, sr, i))
		if hit && !whole && !(x.saved && e.seg == 0) {
			ask(e.mem != 0, e.seg.place())
		}
		if !whole {
			last = i
		}
	}
	if last >= 0 && x.gone(sr.newest) && sr.chunks[last].shape&shapeOwn != 0 {
		ask(sr.chunks[last].mem != 0, sr.chunks[last].seg.place()) // for the time of its last sample
	}
	if l := sh.late[x.ref]; l != nil {
		for _, i := range x.involved(len(l.sealed), func(i int) (int64, int64, bool) {
			c := &l.sealed[i]
			return c.start, c.end, c.seg != 0
		}) {
			ask(l.sealed[i].mem != 0, l.sealed[i].seg.place())
		}
	}
	for w := range textColumns {
		if c := sh.texts[w][x.ref]; c != nil {
			for _, i := range x.involved(len(c.chunks), func(i int) (int64, int64, bool) {
				return c.chunks[i].start, c.chunks[i].end, c.chunks[i].loc.file != 0
			}) {
				ask(c.chunks[i].mem != 0, c.chunks[i].loc.place())
			}
		}
	}
}

// involved are the chunks of a list in which later ones win that are cut, and those that win over what is left of one.
func (x *erasure) involved(n int, of func(int) (start, end int64, saved bool)) (list []int) {
	for i := range n {
		start, end, saved := of(i)
		if hit, whole := x.cut(start, end); !hit || whole || x.saved && !saved {
			continue
		}
		list = append(list, i)
		for k := i + 1; k < n; k++ {
			if s, e, _ := of(k); s <= end && e >= start {
				list = append(list, k)
			}
		}
	}
	return list
}

// erase does it. REQUIRES: sh.mu, and that need finds nothing.
func (x *erasure) erase() {
	x.sh.bill(x.sr)
	newest := x.gone(x.sr.newest) && x.sr.flags&hasData != 0
	if !x.saved {
		x.head()
	}
	x.chunks()
	x.late()
	if x.sr.values == 0 {
		x.sh.closeLate(x.ref, x.sr)
	}
	for w := range textColumns {
		if c := x.sh.texts[w][x.ref]; c != nil {
			x.texts(w, c)
		}
	}
	if newest {
		x.newest()
	}
}

// head takes samples out of the open head.
func (x *erasure) head() {
	sr, sh := x.sr, x.sh
	if sr.values == 0 {
		return
	}
	if sr.era.step == 0 {
		times, values := sh.times[sr.class].Ints(sr.times), sh.values[sr.class].Floats(sr.values)
		k := 0
		for i, t := range times[:sr.filled] {
			if !x.gone(t) {
				times[k], values[k] = t, values[i]
				k++
			}
		}
		x.take(int64(int(sr.filled) - k))
		if sr.filled = uint8(k); k == 0 {
			sh.closeHead(sr)
		}
		return
	}
	var left presence
	for i := range sr.present.all {
		if x.gone(sr.headStart + int64(i)*sr.era.step) {
			x.take(1)
		} else {
			left.set(i)
		}
	}
	if sr.present = left; left.count() == 0 {
		sh.closeHead(sr)
		return
	}
	sr.filled = uint8(left.len())
	sr.next = sr.headStart + int64(sr.filled)*sr.era.step
}

// take counts samples that left the head or the late ones.
func (x *erasure) take(n int64) {
	x.count += n
	x.sh.counts.held.samples -= n
}

// samples decodes a chunk of numbers into the reader's columns. It is false if the chunk cannot be read, which is said in the
// log; what it held is lost then.
func (x *erasure) samples(e *entry, g grid) bool {
	b := x.bytes[e.seg.place()]
	if e.mem != 0 {
		b = x.sh.chunks.Get(e.mem)
	}
	x.r.reset()
	if b == nil {
		return false
	}
	if err := x.r.unpack(b, e.shape, e.start, g); err != nil || len(x.r.Times) == 0 {
		x.s.o.Logger.Error("chunk that a deletion cuts is damaged and was given up", "ref", x.ref, "error", err)
		x.r.reset()
		return false
	}
	return true
}

// drop gives up a chunk.
func (x *erasure) drop(e *entry) {
	x.named = x.named || e.seg != 0
	x.sh.dropEntry(x.s, e)
}

// chunks takes samples out of the sealed chunks.
func (x *erasure) chunks() {
	sr, sh := x.sr, x.sh
	var list []entry
	copied := func(i int) {
		if list == nil {
			list = append(make([]entry, 0, len(sr.chunks)), sr.chunks[:i]...)
		}
	}
	for i := range sr.chunks {
		e := sr.chunks[i]
		hit, whole := x.cut(e.start, sh.chunkEnd(x.ref, sr, i))
		if !hit || x.saved && e.seg == 0 {
			if list != nil {
				list = append(list, e)
			}
			continue
		}
		if whole {
			copied(i)
			x.count += int64(e.shape.span())
			x.drop(&e)
			continue
		}
		g := sr.era
		if n := e.shape.eraIndex(); n > 0 {
			g = sh.eras[x.ref][n-1]
		}
		ok := x.samples(&e, g)
		if ok {
			// The end of a chunk with its own times was a guess. A chunk that no range reaches must stay what it is.
			if hit, _ := x.cut(e.start, x.r.Times[len(x.r.Times)-1]); !hit {
				if list != nil {
					list = append(list, e)
				}
				continue
			}
		}
		copied(i)
		times, values := x.left()
		made := e.shape &^ (shapeSpan | shapeHole)
		if len(times) > 0 {
			if kept, ok := x.encode(times, values, made, g); ok {
				list = append(list, kept)
				sh.unsaved[x.ref] = true
			}
		}
		x.drop(&e)
	}
	if list != nil {
		sh.setChunks(sr, slices.Clip(list))
	}
}

// left takes the samples that go out of the reader's columns.
func (x *erasure) left() ([]int64, []float64) {
	k := 0
	for i, t := range x.r.Times {
		if !x.gone(t) {
			x.r.Times[k], x.r.Values[k] = t, x.r.Values[i]
			k++
		}
	}
	x.count += int64(len(x.r.Times) - k)
	return x.r.Times[:k], x.r.Values[:k]
}

// encode makes a chunk of samples that ascend. The shape says whether it brings its own times, and which era's grid it lies on.
func (x *erasure) encode(times []int64, values []float64, made shape, g grid) (entry, bool) {
	sh, n := x.sh, len(times)
	b := sh.scratch.bytes[:0]
	if made&shapeOwn != 0 {
		made |= shape(n)
		b = appendOwn(b, times, values, x.sr.kind())
	} else {
		span := int((times[n-1]-times[0])/g.step) + 1
		if made |= shape(span); n < span {
			made |= shapeHole
			var present [maxSpan / 64]uint64
			for _, t := range times {
				i := (t - times[0]) / g.step
				present[i>>6] |= 1 << (i & 63)
			}
			b = chunk.AppendBitmap(b, present[:(span+63)/64], span)
		}
		b = appendWords(b, values, x.sr.kind())
	}
	sh.scratch.bytes = b
	e := entry{start: times[0], shape: made}
	if !sh.keep(x.sr, &e, times[n-1], b) {
		sh.counts.failed += int64(n)
		sh.counts.held.samples += int64(n) // they went with the chunk
		return entry{}, false
	}
	sh.counts.held.samples += int64(e.shape.span())
	return e, true
}

// late takes samples out of the late ones. What is left of a cut chunk goes to the end of the list, without the times
// that a later chunk has: so it wins over nobody that won over it.
func (x *erasure) late() {
	sh := x.sh
	l := sh.late[x.ref]
	if l == nil {
		return
	}
	if !x.saved {
		k := 0
		for i, t := range l.times {
			if !x.gone(t) {
				l.times[k], l.values[k] = t, l.values[i]
				k++
			}
		}
		x.take(int64(len(l.times) - k))
		l.times, l.values = l.times[:k], l.values[:k]
	}
	var list, made []lateChunk
	changed := false
	for i := range l.sealed {
		c := l.sealed[i]
		hit, whole := x.cut(c.start, c.end)
		if !hit || x.saved && c.seg == 0 {
			list = append(list, c)
			continue
		}
		changed = true
		if whole {
			x.count += int64(c.shape.span())
		} else if x.samples(&c.entry, grid{}) {
			times, values := x.left()
			times, values = slices.Clone(times), slices.Clone(values)
			for k := i + 1; k < len(l.sealed); k++ {
				if o := &l.sealed[k]; o.start <= c.end && o.end >= c.start && x.samples(&o.entry, grid{}) {
					times, values = without(times, values, x.r.Times)
				}
			}
			if len(times) > 0 {
				if e, ok := x.encode(times, values, shapeOwn, grid{}); ok {
					made = append(made, lateChunk{entry: e, end: times[len(times)-1]})
				}
			}
		}
		x.drop(&c.entry)
	}
	if changed {
		l.sealed = append(list, made...)
	}
	sh.settleLate(x.ref, x.sr, l)
}

// without takes out the samples at some times, which ascend too.
func without[V any](times []int64, values []V, other []int64) ([]int64, []V) {
	k, o := 0, 0
	for i, t := range times {
		for o < len(other) && other[o] < t {
			o++
		}
		if o == len(other) || other[o] != t {
			times[k], values[k] = t, values[i]
			k++
		}
	}
	return times[:k], values[:k]
}

// texts takes texts out of a column, as late does with samples.
func (x *erasure) texts(w which, c *textColumn) {
	sh := x.sh
	if !x.saved {
		x.textHead(w, c)
	}
	var gone, made []*textChunk
	for i, t := range c.chunks {
		hit, whole := x.cut(t.start, t.end)
		if !hit || x.saved && t.loc.file == 0 {
			continue
		}
		gone = append(gone, t)
		x.named = x.named || t.loc.file != 0
		if whole {
			if w == valueTexts {
				x.count += int64(t.n)
			}
			continue
		}
		if !x.textsOf(w, t) {
			continue
		}
		var times []int64
		var texts []string
		for k, at := range x.tr.Times {
			if !x.gone(at) {
				times, texts = append(times, at), append(texts, x.tr.Texts[k])
			} else if w == valueTexts {
				x.count++
			}
		}
		for _, o := range c.chunks[i+1:] {
			if o.start <= t.end && o.end >= t.start && x.textsOf(w, o) {
				times, texts = without(times, texts, x.tr.Times)
			}
		}
		if len(times) == 0 {
			continue
		}
		b := appendTextChunk(nil, w, times, texts)
		left := &textChunk{start: times[0], end: times[len(times)-1], n: int32(len(times))}
		if mem, err := sh.chunks.Put(x.sr.window(left.end), b); err != nil || mem == 0 {
			sh.counts.failed += int64(len(times))
			sh.counts.held.samples += int64(len(times)) // they go with the chunk
			continue
		} else {
			left.mem = mem
		}
		sh.counts.held.texts += textChunkBytes
		sh.counts.held.samples += w.samples(len(times))
		made = append(made, left)
	}
	sh.dropTextChunks(x.s, w, c, func(t *textChunk) bool { return slices.Contains(gone, t) })
	c.chunks = append(c.chunks, made...)
}

// textHead takes texts out of the head of a column.
func (x *erasure) textHead(w which, c *textColumn) {
	k := 0
	for i, t := range c.times {
		if x.gone(t) {
			n := len(c.texts[i].Value())
			c.bytes -= n
			x.sh.counts.held.texts -= int64(n) + textEntryBytes
			x.sh.counts.held.samples -= w.samples(1)
			if w == valueTexts {
				x.count++
			}
			continue
		}
		c.times[k], c.texts[k] = t, c.texts[i]
		k++
	}
	clear(c.texts[k:])
	c.times, c.texts = c.times[:k], c.texts[:k]
}

// textsOf decodes a chunk of texts into the reader's columns.
func (x *erasure) textsOf(w which, t *textChunk) bool {
	b := x.bytes[t.loc.place()]
	if t.mem != 0 {
		b = x.sh.chunks.Get(t.mem)
	}
	x.tr.Times, x.tr.Texts = x.tr.Times[:0], x.tr.Texts[:0]
	if b == nil {
		return false
	}
	if err := x.tr.decode(b, w, int(t.n)); err != nil {
		x.s.o.Logger.Error("chunk of texts that a deletion cuts is damaged and was given up", "ref", x.ref, "error", err)
		return false
	}
	return true
}

// newest finds the time of the newest sample, since it went.
func (x *erasure) newest() {
	sr, sh := x.sr, x.sh
	newest := int64(math.MinInt64)
	if sr.values != 0 {
		sh.eachHead(sr, math.MinInt64, math.MaxInt64, func(t int64, _ float64) { newest = t })
	}
	if n := len(sr.chunks); n > 0 {
		e := &sr.chunks[n-1]
		end := sh.chunkEnd(x.ref, sr, n-1)
		if e.shape&shapeOwn != 0 && x.samples(e, grid{}) {
			end = x.r.Times[len(x.r.Times)-1]
		}
		newest = max(newest, end)
	}
	if l := sh.late[x.ref]; l != nil {
		if n := len(l.times); n > 0 {
			newest = max(newest, l.times[n-1])
		}
		for i := range l.sealed {
			newest = max(newest, l.sealed[i].end)
		}
	}
	if c := sh.texts[valueTexts][x.ref]; c != nil {
		if n := len(c.times); n > 0 {
			newest = max(newest, c.times[n-1])
		}
		for _, t := range c.chunks {
			newest = max(newest, t.end)
		}
	}
	if newest == math.MinInt64 {
		sr.flags &^= hasData
		newest = 0
	}
	sr.newest = newest
}
