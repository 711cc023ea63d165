package measures

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"granary/measures/segment"
	"granary/metricdef"
	"granary/policy"
)

func init() {
	extensions = append(extensions, extension{what: extTiers, append: appendTiers, restore: restoreTiers})
}

// What the state file has of the tiers of a series, version 2; their chunks lie in segments:
//
//	byte     version, 2
//	varint   top
//	uvarint  number of groups; a group is columns of one granularity that are finished up to the same border:
//	         uvarint granularity, varint border, uvarint born, uvarint number of methods, and for each of them
//	         uvarint method, uvarint number of chunks, and of each varint (start - start of the one before) / granularity
//	uvarint  number of stale spans; for each: varint from, uvarint to - from, varint raw, varint limit
//
// Version 1 lacks the chunks: of those that segments have, the ones that were written last are taken.
const (
	tierStateVersion  = 2
	tierStateUnlisted = 1
)

func appendTiers(b []byte, _ *Store, sh *shard, ref metricdef.Ref, sr *series) []byte {
	if sr.flags&hasTiers == 0 {
		return b
	}
	st := sh.tiers[ref]
	if len(st.columns) == 0 && len(st.stale) == 0 && st.top == 0 {
		return b
	}
	b = append(b, tierStateVersion)
	b = binary.AppendVarint(b, st.top)
	alike := func(x, y *tierColumn) bool { return x.step == y.step && x.done == y.done && x.born == y.born }
	groups := 0
	for i := range st.columns {
		if i == 0 || !alike(&st.columns[i-1], &st.columns[i]) {
			groups++
		}
	}
	b = binary.AppendUvarint(b, uint64(groups))
	for i := 0; i < len(st.columns); {
		c := &st.columns[i]
		n := 1
		for i+n < len(st.columns) && alike(c, &st.columns[i+n]) {
			n++
		}
		b = binary.AppendUvarint(b, uint64(c.step))
		b = binary.AppendVarint(b, c.done)
		b = binary.AppendUvarint(b, c.born)
		b = binary.AppendUvarint(b, uint64(n))
		for k := range n {
			b = binary.AppendUvarint(b, uint64(st.columns[i+k].method))
			b = st.columns[i+k].appendStarts(b)
		}
		i += n
	}
	b = binary.AppendUvarint(b, uint64(len(st.stale)))
	for _, s := range st.stale {
		b = binary.AppendVarint(b, s.from)
		b = binary.AppendUvarint(b, uint64(s.to-s.from))
		b = binary.AppendVarint(b, s.raw)
		b = binary.AppendVarint(b, s.limit)
	}
	return b
}

// appendStarts appends the starts of the chunks of a column, in steps. They are multiples of it.
func (c *tierColumn) appendStarts(b []byte) []byte {
	if c.listed != nil { // not attached yet
		b = binary.AppendUvarint(b, uint64(len(c.listed)))
		prev := int64(0)
		for _, t := range c.listed {
			b, prev = binary.AppendVarint(b, (t-prev)/c.step), t
		}
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(c.chunks)))
	prev := int64(0)
	for i := range c.chunks {
		t := c.chunks[i].start
		b, prev = binary.AppendVarint(b, (t-prev)/c.step), t
	}
	return b
}

// starts reads what appendStarts wrote.
func (d *decoder) starts(step int64) ([]int64, error) {
	n := d.uvarint()
	if n > uint64(len(d.p)) {
		return nil, errors.New("tiers: chunks")
	}
	list, at := make([]int64, 0, n), int64(0)
	for range n {
		k := d.varint()
		if k > maxTime/step || k < minTime/step {
			return nil, errors.New("tiers: start of a chunk")
		}
		next := at + k*step
		if len(list) > 0 && next <= at {
			return nil, errors.New("tiers: chunks out of order")
		}
		list, at = append(list, next), next
	}
	return list, nil
}

func restoreTiers(p []byte, _ *Store, sh *shard, ref metricdef.Ref, sr *series) error {
	if len(p) == 0 || p[0] != tierStateVersion && p[0] != tierStateUnlisted {
		return errors.New("tiers: unknown version")
	}
	d := decoder{p: p[1:]}
	st := &tierState{top: d.varint()}
	groups := d.uvarint()
	if groups > uint64(len(d.p)) {
		return errors.New("tiers: groups")
	}
	for range groups {
		step, done, born, n := d.uvarint(), d.varint(), d.uvarint(), d.uvarint()
		if d.failed || step == 0 || step > maxTime || n > uint64(len(d.p)) {
			return errors.New("tiers: granularity")
		}
		for range n {
			m := d.uvarint()
			if m > math.MaxUint32 || !policy.Method(m).Valid() || st.column(int64(step), policy.Method(m)) != nil {
				return fmt.Errorf("tiers: method %d", m)
			}
			c := tierColumn{step: int64(step), method: policy.Method(m), done: done, born: born}
			if p[0] != tierStateUnlisted {
				var err error
				if c.listed, err = d.starts(c.step); err != nil {
					return err
				}
			}
			st.columns = append(st.columns, c)
		}
	}
	n := d.uvarint()
	if n > uint64(len(d.p)) {
		return errors.New("tiers: stale spans")
	}
	for range n {
		s := staleSpan{from: d.varint()}
		s.to = s.from + int64(d.uvarint())
		s.raw, s.limit = d.varint(), d.varint()
		if s.to < s.from {
			return errors.New("tiers: stale span")
		}
		st.stale = append(st.stale, s)
	}
	if d.failed || len(d.p) > 0 {
		return errors.New("tiers: cut short")
	}
	st.due = true
	sh.due = append(sh.due, ref)
	sh.tiers[ref] = st
	sr.flags |= hasTiers
	sh.weighTiers(st)
	return nil
}

// tierKey names a column of a series; the zero value is none.
type tierKey struct {
	step   int64
	method policy.Method
}

// methodBits is where the method begins in the flags of a segment entry.
const methodBits = 32

// tiers writes the chunks of a series' tiers that no segment holds. The Step of their entries is the granularity, the method lies in
// the upper half of the flags, and the write time is the start of the last bucket that the chunk covers: of chunks that overlap, the
// one of the higher Seq has taken the place of the other. REQUIRES: sh.mu, at least for reading.
func (w *snapshotWriter) tiers(sh *shard, ref metricdef.Ref) error {
	st := sh.tiers[ref]
	for i := range st.columns {
		c := &st.columns[i]
		for k := len(c.chunks) - 1; k >= 0; k-- {
			e := &c.chunks[k]
			if e.seg != 0 {
				continue // one that was computed anew may stand before it
			}
			se := segment.Entry{Ref: uint32(ref), Start: e.start, Step: c.step, Wrote: c.tierEnd(k), Flags: entryTier | uint64(c.method)<<methodBits}
			if err := w.put(sh, tierWindow(c.step, e.start), se, e, placed{ref: ref, start: e.start, tier: tierKey{c.step, c.method}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tierEntry finds a chunk of a tier by its start, nil if there is none. REQUIRES: sh.mu, at least for reading.
func (sh *shard) tierEntry(ref metricdef.Ref, k tierKey, start int64) *entry {
	c := sh.tiers[ref].column(k.step, k.method)
	if c == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(c.chunks, start, func(e entry, t int64) int { return cmp.Compare(e.start, t) })
	if !ok {
		return nil
	}
	return &c.chunks[i]
}

// tierFound is a chunk of a tier that a start has found in a segment.
type tierFound struct {
	entry
	tierKey
	end int64
	seq uint64
}

func tierKeyOf(se *segment.Entry) tierKey {
	if se.Flags&entryTier == 0 {
		return tierKey{}
	}
	return tierKey{se.Step, policy.Method(se.Flags >> methodBits)}
}

// attachTier takes down a chunk of a tier; placeTiers gives it to its series when all files are known. Recovery only.
func (s *Store) attachTier(sf *segmentFile, se *segment.Entry, sr *series, a *attaching) error {
	ref, k := metricdef.Ref(se.Ref), tierKeyOf(se)
	if k.step <= 0 || !k.method.Valid() || se.Wrote < se.Start {
		return &segment.DamagedError{Path: sf.info.Name, Reason: fmt.Sprintf("chunk of a tier of series %d with granularity %d, method %d", ref, k.step, uint32(k.method))}
	}
	c := s.shardOf(ref).tiers[ref].column(k.step, k.method)
	if s.shardOf(ref).restored && (c == nil || se.Seq < c.born || !c.lists(se.Start)) {
		return nil // of a column that has gone, or a chunk that had gone when the state was written
	}
	f := tierFound{entry: entry{start: se.Start, seg: newSegLoc(sf.id, se.Off, se.Len), shape: shape(se.Span)}, tierKey: k, end: se.Wrote, seq: se.Seq}
	if se.Flags&entryOwn != 0 {
		f.shape |= shapeOwn
	}
	if se.Flags&entryHole != 0 {
		f.shape |= shapeHole
	}
	sf.live.Add(1)
	a.tiers[ref] = append(a.tiers[ref], f)
	return nil
}

// lists says whether a chunk may be one of a column that a state file has told of. Recovery only.
func (c *tierColumn) lists(start int64) bool {
	if c.listed == nil {
		return true
	}
	_, ok := slices.BinarySearch(c.listed, start)
	return ok
}

// placeTiers gives the series the chunks of their tiers: of those that overlap the one that was written last. Recovery only.
func (s *Store) placeTiers(found map[metricdef.Ref][]tierFound) {
	for ref, list := range found {
		sr, sh := s.table.at(ref), s.shardOf(ref)
		sh.bill(sr)
		st := sh.tiers[ref]
		if st == nil {
			st = new(tierState)
			sh.tiers[ref] = st
			sr.flags |= hasTiers
		}
		slices.SortFunc(list, func(a, b tierFound) int {
			return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.method, b.method), cmp.Compare(b.seq, a.seq))
		})
		for len(list) > 0 {
			n := 1
			for n < len(list) && list[n].tierKey == list[0].tierKey {
				n++
			}
			s.placeColumn(ref, st, list[:n])
			list = list[n:]
		}
		slices.SortFunc(st.columns, func(a, b tierColumn) int {
			return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.method, b.method))
		})
		if !sh.restored {
			s.repairTiers(ref, sr, sh, st)
		}
		sh.weighTiers(st)
	}
	for _, sh := range s.shards {
		for _, st := range sh.tiers {
			for i := range st.columns {
				st.columns[i].listed = nil
			}
		}
	}
}

// dropFinished gives up the raw samples of finished buckets that files have still and the state has not, where they live in the
// window only: a deletion since then has passed them over. Recovery only.
func (s *Store) dropFinished() {
	for i, sh := range s.shards {
		s.eachOf(i, func(ref metricdef.Ref, sr *series) {
			if sr.flags&hasTiers == 0 {
				return
			}
			plan := s.policyOf(ref, sr).tiers
			if plan == nil || !plan.window {
				return
			}
			sh.mu.Lock()
			sh.bill(sr)
			sh.dropFinished(s, ref, sr, plan)
			sh.mu.Unlock()
		})
	}
}

// placeColumn gives one column its chunks, the newest first in list. Recovery only.
func (s *Store) placeColumn(ref metricdef.Ref, st *tierState, list []tierFound) {
	k, sh := list[0].tierKey, s.shardOf(ref)
	c := st.column(k.step, k.method)
	if c == nil {
		st.columns = append(st.columns, tierColumn{step: k.step, method: k.method, done: minTime})
		c = &st.columns[len(st.columns)-1]
	}
	var ends []int64 // of c.chunks
	for _, f := range list {
		i, taken := slices.BinarySearchFunc(c.chunks, f.start, func(e entry, t int64) int { return cmp.Compare(e.start, t) })
		if taken || i > 0 && ends[i-1] >= f.start || i < len(c.chunks) && c.chunks[i].start <= f.end {
			s.segments.forget(f.seg.file())
			continue
		}
		sh.counts.held.file += int64(f.seg.len())
		c.chunks, ends = slices.Insert(c.chunks, i, f.entry), slices.Insert(ends, i, f.end)
		c.done = max(c.done, min(f.end, maxTime)+c.step)
	}
	sh.counts.held.lists += int64(cap(c.chunks)) * entryBytes
}

// repairTiers makes the best of chunks whose borders were lost with the state of the shard: what the chunks have is finished,
// and late samples may be missing in it. Recovery only.
func (s *Store) repairTiers(ref metricdef.Ref, sr *series, sh *shard, st *tierState) {
	if sr.flags&hasData == 0 {
		sr.newest, sr.flags = max(sr.newest, st.finished()-1), sr.flags|hasData
	}
	pol := s.policyOf(ref, sr)
	if l := sh.late[ref]; l != nil && pol.tiers != nil {
		raw := pol.tiers.rawFrom(s.o.Now().UnixNano())
		late := func(from, to int64) {
			if from = max(from, raw); from < min(to, st.finished()) {
				st.addStale(staleSpan{from: from, to: to, raw: raw})
			}
		}
		if n := len(l.times); n > 0 {
			late(l.times[0], l.times[n-1]+1)
		}
		for i := range l.sealed {
			late(l.sealed[i].start, l.sealed[i].end+1)
		}
	}
}
