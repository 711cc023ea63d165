package measures

import (
	"encoding/binary"
	"fmt"
	"math"

	"granary/measures/chunk"
	"granary/metricdef"
)

// The state of a shard, version 2, as one section of a state file: what a snapshot keeps of each series that no sealed
// chunk tells. A byte of version, then for each series in ascending order of ref:
//
//	uvarint  ref - previous ref
//	byte     stateFlags
//	uvarint  step, varint anchor: the grid
//	varint   newest, sealedEnd, low, wrote; each minus the one before, the first as it is
//	uvarint  number of earlier grids, then uvarint step and varint anchor of each
//	head     if stateHead: byte filled; varint headStart; two uint64 present, or column of times without a grid; column of values
//	late     if stateLate: uvarint n; column of times; column of values
//	more     if stateMore: uvarint n; for each: byte what, uvarint length, that many bytes, see extensions.go
//
// A column is a uint32 length and the chunk codec's bytes. Version 1 has no stateMore.
const stateVersion = 2

const (
	stateData = 1 << iota
	stateSealed
	stateHead
	stateLate
	stateAnchored
	stateMore
)

// appendState appends the series of a shard. REQUIRES: sh.mu, at least for reading.
func (s *Store) appendState(b []byte, index int) []byte {
	sh := s.shards[index]
	b = append(b, stateVersion)
	var prev metricdef.Ref
	var values [headSlots]float64
	var ext []byte
	s.eachOf(index, func(ref metricdef.Ref, sr *series) {
		l := sh.late[ref]
		more, count := s.appendExtensions(ext[:0], sh, ref, sr)
		ext = more
		if sr.flags&hasData == 0 && sr.era == (grid{}) && l == nil && count == 0 {
			return
		}
		b = binary.AppendUvarint(b, uint64(ref-prev))
		prev = ref
		flags := byte(stateAnchored)
		if sr.flags&hasData != 0 {
			flags |= stateData
		}
		if sr.flags&hasSealed != 0 {
			flags |= stateSealed
		}
		if sr.values != 0 {
			flags |= stateHead
		}
		if l != nil && len(l.times) > 0 {
			flags |= stateLate
		}
		if count > 0 {
			flags |= stateMore
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, uint64(sr.era.step))
		b = binary.AppendVarint(b, sr.era.anchor)
		b = binary.AppendVarint(b, sr.newest)
		b = binary.AppendVarint(b, sr.sealedEnd-sr.newest)
		b = binary.AppendVarint(b, sr.low-sr.sealedEnd)
		b = binary.AppendVarint(b, sr.wrote-sr.low)
		eras := sh.eras[ref]
		b = binary.AppendUvarint(b, uint64(len(eras)))
		for _, g := range eras {
			b = binary.AppendUvarint(b, uint64(g.step))
			b = binary.AppendVarint(b, g.anchor)
		}
		if flags&stateHead != 0 {
			b = append(b, sr.filled)
			b = binary.AppendVarint(b, sr.headStart)
			all := sh.values[sr.class].Floats(sr.values)[:sr.filled]
			if sr.era.step == 0 {
				b = appendColumn(b, func(b []byte) []byte { return chunk.AppendTimes(b, sh.times[sr.class].Ints(sr.times)[:sr.filled]) })
			} else {
				for _, w := range sr.present {
					b = binary.LittleEndian.AppendUint64(b, w)
				}
				k := 0
				for i := range sr.present.all {
					values[k] = all[i]
					k++
				}
				all = values[:k]
			}
			b = appendColumn(b, func(b []byte) []byte { return appendWords(b, all, sr.kind()) })
		}
		if flags&stateLate != 0 {
			b = binary.AppendUvarint(b, uint64(len(l.times)))
			b = appendColumn(b, func(b []byte) []byte { return chunk.AppendTimes(b, l.times) })
			b = appendColumn(b, func(b []byte) []byte { return appendWords(b, l.values, sr.kind()) })
		}
		if count > 0 {
			b = binary.AppendUvarint(b, uint64(count))
			b = append(b, ext...)
		}
	})
	return b
}

// appendColumn appends what fn appends with its length in front, in four bytes.
func appendColumn(b []byte, fn func([]byte) []byte) []byte {
	mark := len(b)
	b = append(b, 0, 0, 0, 0)
	b = fn(b)
	binary.LittleEndian.PutUint32(b[mark:], uint32(len(b)-mark-4))
	return b
}

// restoreState fills a shard from its section. Recovery only.
func (s *Store) restoreState(index int, p []byte) error {
	bad := func(what string) error { return fmt.Errorf("state of shard %d: %s", index, what) }
	if len(p) == 0 || p[0] == 0 || p[0] > stateVersion {
		return bad("unknown version")
	}
	sh := s.shards[index]
	d := decoder{p: p[1:]}
	var ref metricdef.Ref
	column := func() []byte {
		n := d.bytes(4)
		if n == nil {
			return nil
		}
		return d.bytes(int(binary.LittleEndian.Uint32(n)))
	}
	gridOf := func() grid {
		step, anchor := d.uvarint(), d.varint()
		if step == 0 || step > math.MaxInt64 {
			return grid{}
		}
		return newGrid(anchor, int64(step))
	}
	for len(d.p) > 0 {
		next := uint64(ref) + d.uvarint()
		if next > math.MaxUint32 || next <= uint64(ref) {
			return bad("ref")
		}
		ref = metricdef.Ref(next)
		if s.shardOf(ref) != sh {
			return bad(fmt.Sprintf("series %d belongs to another", ref))
		}
		flags := d.byte()
		g := gridOf()
		newest := d.varint()
		sealedEnd := newest + d.varint()
		low := sealedEnd + d.varint()
		wrote := low + d.varint()
		count := d.uvarint()
		if d.failed || count > uint64(len(d.p)) {
			return bad("series")
		}
		s.raiseRefs(ref)
		sr := s.table.grow(ref)
		if sr.state == unused {
			sr.state = live
		}
		s.own(sh, ref, sr)
		sr.era, sr.grid, sr.anchored = g, g, true
		sr.newest, sr.sealedEnd, sr.low, sr.wrote = newest, sealedEnd, low, wrote
		sr.last, sr.lowMark = newest, low
		if g.step != 0 && flags&stateData == 0 {
			sr.last = g.anchor
		}
		if flags&stateData != 0 {
			sr.flags |= hasData
		}
		if flags&stateSealed != 0 {
			sr.flags |= hasSealed
		}
		for range count {
			sh.setEras(ref, append(sh.eras[ref], gridOf()))
			sr.flags |= hasEras
		}
		if flags&stateHead != 0 {
			if err := s.restoreHead(sh, sr, &d, column); err != nil {
				return bad(err.Error())
			}
		}
		if flags&stateLate != 0 {
			n := d.uvarint()
			tb, vb := column(), column()
			if d.failed || n > maxSpan {
				return bad("late samples")
			}
			l := &lateSamples{times: make([]int64, n), values: make([]float64, n)}
			if err := chunk.DecodeTimes(l.times, tb); err != nil {
				return bad(err.Error())
			}
			if err := chunk.DecodeFloats(l.values, vb); err != nil {
				return bad(err.Error())
			}
			sh.late[ref] = l
			sr.flags |= hasLate
			sh.weighLate(l)
			sh.counts.held.samples += int64(n)
		}
		if flags&stateMore != 0 {
			if err := s.restoreExtensions(sh, ref, sr, &d); err != nil {
				return bad(err.Error())
			}
		}
		if d.failed {
			return bad("cut short")
		}
	}
	return nil
}

func (s *Store) restoreHead(sh *shard, sr *series, d *decoder, column func() []byte) error {
	filled := d.byte()
	start := d.varint()
	if filled == 0 || filled > headSlots {
		return fmt.Errorf("head of %d slots", filled)
	}
	if !sh.openHead(sr, start) {
		return fmt.Errorf("no memory for a head")
	}
	if !sh.growHead(sr, int(filled)) {
		return fmt.Errorf("no memory for a head")
	}
	sr.filled = filled
	values := sh.values[sr.class].Floats(sr.values)
	if sr.era.step == 0 {
		if err := chunk.DecodeTimes(sh.times[sr.class].Ints(sr.times)[:filled], column()); err != nil {
			return err
		}
		sh.counts.held.samples += sr.inHead()
		return chunk.DecodeFloats(values[:filled], column())
	}
	words := d.bytes(8 * len(sr.present))
	if words == nil {
		return fmt.Errorf("head cut short")
	}
	for i := range sr.present {
		sr.present[i] = binary.LittleEndian.Uint64(words[8*i:])
	}
	if sr.present.len() != int(filled) {
		return fmt.Errorf("head of %d slots with presence %x", filled, sr.present)
	}
	sr.next = start + int64(filled)*sr.era.step
	sh.counts.held.samples += sr.inHead()
	var packed [headSlots]float64
	if err := chunk.DecodeFloats(packed[:sr.present.count()], column()); err != nil {
		return err
	}
	k := 0
	for i := range sr.present.all {
		values[i] = packed[k]
		k++
	}
	return nil
}

// eachOf calls fn for every series of a shard that is in use, in ascending order of ref.
func (s *Store) eachOf(index int, fn func(metricdef.Ref, *series)) {
	blocks := *s.table.blocks.Load()
	deletes := s.shards[index].deletes
	for n := index; n < len(blocks); n += len(s.shards) {
		blk := blocks[n]
		if blk == nil {
			continue
		}
		for i := range blk {
			sr := &blk[i]
			ref := metricdef.Ref(n*blockSeries + i)
			if sr.flags != 0 || sr.era.step != 0 || sr.values != 0 || len(deletes) > 0 && deletes[ref] != nil {
				fn(ref, sr)
			}
		}
	}
}
