package measures

import (
	"unsafe"

	"granary/metricdef"
	"granary/tenant"
)

// The account of what each tenant holds. All that changes what a series holds happens under the lock of its shard, and a
// shard counts what it holds as a whole. So nobody says for each piece of memory whose it is: who begins to work on a series says
// that what the shard holds more or less from now on is that of its tenant (bill), and the difference is put into the account when
// the shard turns to another tenant. A shard that serves one tenant never pays for it.

// held is what a shard holds, or what a tenant holds in it. All but samples is bytes.
type held struct {
	heads   int64 // buffers of open heads
	chunks  int64 // pieces in slabs: chunks of samples, texts and tiers
	saved   int64 // those of them that a segment file holds too
	late    int64 // late samples that are not sealed, and lists of late chunks
	texts   int64 // columns of texts: heads and lists of chunks
	tiers   int64 // what series know of their tiers, without chunks and their lists
	lists   int64 // lists of chunks, of samples and of tiers
	series  int64 // the series themselves
	other   int64 // earlier grids, write times, deletions that files do not know of
	file    int64 // in segment files: chunks that a series names
	samples int64 // in heads and late ones as many as there are, in chunks their slots
}

func (h *held) add(o *held) {
	h.heads += o.heads
	h.chunks += o.chunks
	h.saved += o.saved
	h.late += o.late
	h.texts += o.texts
	h.tiers += o.tiers
	h.lists += o.lists
	h.series += o.series
	h.other += o.other
	h.file += o.file
	h.samples += o.samples
}

func (h *held) sub(o *held) {
	h.heads -= o.heads
	h.chunks -= o.chunks
	h.saved -= o.saved
	h.late -= o.late
	h.texts -= o.texts
	h.tiers -= o.tiers
	h.lists -= o.lists
	h.series -= o.series
	h.other -= o.other
	h.file -= o.file
	h.samples -= o.samples
}

// Sizes of what is counted by number.
const (
	mapEntry       = 16 // about what an entry of a map of pointers takes
	entryBytes     = int64(unsafe.Sizeof(entry{}))
	seriesBytes    = int64(unsafe.Sizeof(series{}))
	gridBytes      = int64(unsafe.Sizeof(grid{}))
	tombstoneBytes = int64(unsafe.Sizeof(tombstone{}))
)

// books are the accounts of a shard. Under its lock.
type books struct {
	owner    tenant.Num // whose what changes is
	closed   held       // what the shard held when it turned to the owner
	accounts map[tenant.Num]*held
}

// bill says that what changes from now on is that of the tenant of the series. REQUIRES: sh.mu.
func (sh *shard) bill(sr *series) {
	if sr.owner != sh.books.owner {
		sh.turn(sr.owner)
	}
}

// turn closes the account of the tenant before. REQUIRES: sh.mu.
func (sh *shard) turn(to tenant.Num) {
	b := &sh.books
	now := sh.now()
	d := now
	d.sub(&b.closed)
	if d != (held{}) {
		a := b.accounts[b.owner]
		if a == nil {
			a = new(held)
			b.accounts[b.owner] = a
		}
		if a.add(&d); *a == (held{}) {
			delete(b.accounts, b.owner) // it has ended
		}
	}
	b.owner, b.closed = to, now
}

// now is what the shard holds. REQUIRES: sh.mu, at least for reading.
func (sh *shard) now() held {
	h := sh.counts.held
	h.heads, h.chunks = sh.headBytes(), sh.chunks.Bytes()
	for _, n := range sh.counts.samples {
		h.samples += n
	}
	h.samples -= sh.counts.overwritten + sh.counts.failed
	return h
}

// of is what a tenant holds in the shard. REQUIRES: sh.mu, at least for reading.
func (sh *shard) of(num tenant.Num) (h held) {
	b := &sh.books
	if a := b.accounts[num]; a != nil {
		h = *a
	}
	if b.owner == num {
		now := sh.now()
		now.sub(&b.closed)
		h.add(&now)
	}
	return h
}

// inHead is how many samples the open head has. REQUIRES: the shard's lock, at least for reading.
func (sr *series) inHead() int64 {
	switch {
	case sr.values == 0:
		return 0
	case sr.era.step == 0:
		return int64(sr.filled)
	}
	return int64(sr.present.count())
}

// weighLate puts the present size of a list of late samples into the account, weighTiers and weighWrites those of what they
// say. Lists count by their room. REQUIRES: sh.mu.
func (sh *shard) weighLate(l *lateSamples) {
	w := l.size()
	sh.counts.held.late += w - l.weight
	l.weight = w
}

func (l *lateSamples) size() int64 {
	return int64(unsafe.Sizeof(*l)) + mapEntry + int64(cap(l.times)+cap(l.values))*8 + int64(cap(l.sealed))*int64(unsafe.Sizeof(lateChunk{}))
}

// settleLate puts what is left of the late samples of a series into the account, and takes an empty list away. REQUIRES: sh.mu.
func (sh *shard) settleLate(ref metricdef.Ref, sr *series, l *lateSamples) {
	if len(l.times) > 0 || len(l.sealed) > 0 {
		sh.weighLate(l)
		return
	}
	sh.counts.held.late -= l.weight
	delete(sh.late, ref)
	sr.flags &^= hasLate
}

func (sh *shard) weighTiers(st *tierState) {
	w := st.size()
	sh.counts.held.tiers += w - st.weight
	st.weight = w
}

func (st *tierState) size() int64 {
	return int64(unsafe.Sizeof(*st)) + mapEntry + int64(cap(st.columns))*int64(unsafe.Sizeof(tierColumn{})) + int64(cap(st.stale))*int64(unsafe.Sizeof(staleSpan{}))
}

func (sh *shard) weighWrites(wt *writeTimes) {
	w := wt.size()
	sh.counts.held.other += w - wt.weight
	wt.weight = w
}

func (wt *writeTimes) size() int64 {
	return int64(unsafe.Sizeof(*wt)) + mapEntry + int64(cap(wt.spans))*int64(unsafe.Sizeof(writeSpan{}))
}

// endWrites forgets the write times of a series. REQUIRES: sh.mu.
func (sh *shard) endWrites(ref metricdef.Ref) {
	if wt := sh.writes[ref]; wt != nil {
		sh.counts.held.other -= wt.weight
		delete(sh.writes, ref)
	}
}

// setEras gives a series another list of earlier grids. REQUIRES: sh.mu.
func (sh *shard) setEras(ref metricdef.Ref, list []grid) {
	sh.counts.held.other += int64(len(list)-len(sh.eras[ref])) * gridBytes
	if sh.eras[ref] = list; len(list) == 0 {
		delete(sh.eras, ref)
	}
}

// learn tells the series of a definition that is visible now whose it is, and what its values are.
func (s *Store) learn(ref metricdef.Ref) {
	k := s.Definitions.Kind(ref)
	sr, sh := s.table.grow(ref), s.shardOf(ref)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.own(sh, ref, sr)
	if k > metricdef.KindFloat {
		sr.flags = sr.flags&(1<<kindShift-1) | seriesFlags(k)<<kindShift
	}
}

// learnAll does so for all definitions. Recovery only.
func (s *Store) learnAll() {
	for ref := range s.Definitions.All() {
		s.learn(ref)
	}
}

// own puts a series into the account of the tenant that its definition names, with what it has already: where the catalog was
// lost, the state file tells of series before the journal tells whose they are. REQUIRES: sh.mu.
func (s *Store) own(sh *shard, ref metricdef.Ref, sr *series) {
	num := s.Definitions.Owner(ref)
	if num == sr.owner {
		sh.bill(sr)
		return
	}
	has := sh.weigh(ref, sr)
	sh.turn(num)
	sh.books.closed.sub(&has) // it comes to the new one
	if sr.owner == 0 {
		sh.counts.held.series += seriesBytes
		has.series = 0 // it was in nobody's
	}
	before := sh.books.accounts[sr.owner]
	if before == nil {
		before = new(held)
		sh.books.accounts[sr.owner] = before
	}
	before.sub(&has)
	sr.owner = num
}

// disown ends the account of a series that holds nothing any more. REQUIRES: sh.mu, and that its tenant is billed.
func (sh *shard) disown(sr *series) {
	if sr.owner != 0 {
		sh.counts.held.series -= seriesBytes
		sr.owner = 0
	}
}

// weigh adds up what a series holds, by looking at all of it. REQUIRES: sh.mu, at least for reading.
func (sh *shard) weigh(ref metricdef.Ref, sr *series) (h held) {
	if sr.owner != 0 {
		h.series = seriesBytes
	}
	if sr.values != 0 {
		h.heads = int64(sr.room) * 8
		if sr.times != 0 {
			h.heads *= 2
		}
		h.samples = sr.inHead()
	}
	chunks := func(e *entry) {
		if e.mem != 0 {
			h.chunks += sh.chunks.Size(e.mem)
			if e.seg != 0 {
				h.saved += sh.chunks.Size(e.mem)
			}
		}
		if e.seg != 0 {
			h.file += int64(e.seg.len())
		}
	}
	h.lists = int64(cap(sr.chunks)) * entryBytes
	for i := range sr.chunks {
		chunks(&sr.chunks[i])
		h.samples += int64(sr.chunks[i].shape.span())
	}
	if l := sh.late[ref]; l != nil {
		h.late = l.weight
		h.samples += int64(len(l.times))
		for i := range l.sealed {
			chunks(&l.sealed[i].entry)
			h.samples += int64(l.sealed[i].shape.span())
		}
	}
	for w := range textColumns {
		c := sh.texts[w][ref]
		if c == nil {
			continue
		}
		h.texts += textColumnBytes + int64(len(c.times))*textEntryBytes + int64(c.bytes) + int64(len(c.chunks))*textChunkBytes
		h.samples += w.samples(len(c.times))
		for _, t := range c.chunks {
			if t.mem != 0 {
				h.chunks += sh.chunks.Size(t.mem)
				if t.loc.file != 0 {
					h.saved += sh.chunks.Size(t.mem)
				}
			}
			h.file += int64(t.loc.size)
			h.samples += w.samples(int(t.n))
		}
	}
	if st := sh.tiers[ref]; st != nil {
		h.tiers = st.weight
		for i := range st.columns {
			h.lists += int64(cap(st.columns[i].chunks)) * entryBytes
		}
		st.eachChunk(func(_ *tierColumn, e *entry) { chunks(e) })
	}
	if wt := sh.writes[ref]; wt != nil {
		h.other = wt.weight
	}
	h.other += int64(len(sh.eras[ref]))*gridBytes + int64(len(sh.deletes[ref]))*tombstoneBytes
	return h
}
