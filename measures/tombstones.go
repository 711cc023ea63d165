package measures

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"granary/measures/chunk"
	"granary/measures/segment"
	"granary/metricdef"
)

// tombstone is a deletion that entries of segment files do not know of: those of the series that are older than it and reach
// into its range are not what the series is any more. What was left of them when it was applied was written again, as newer entries.
type tombstone struct {
	timeRange
	// bound parts older entries, whose Seq is below it, from newer ones.
	bound uint64
	// file is the highest number of a file that may have such entries; 0: not known yet.
	file uint32
	// replayed: no snapshot has what was left of the entries. Recovery only: they are cut when all of them are known.
	replayed bool
	hit      bool // an entry was found. Recovery only
	cuts     bool // an entry has to be cut. Recovery only
}

// The extension extDeletes of a series in the state file: for each tombstone varint from, uvarint to - from, uvarint bound,
// uvarint file.
func init() {
	extensions = append(extensions, extension{what: extDeletes, append: appendTombstones, restore: restoreTombstones})
}

func appendTombstones(b []byte, _ *Store, sh *shard, ref metricdef.Ref, _ *series) []byte {
	for _, t := range sh.deletes[ref] {
		b = binary.AppendVarint(b, t.from)
		b = binary.AppendUvarint(b, uint64(t.to-t.from))
		b = binary.AppendUvarint(b, t.bound)
		b = binary.AppendUvarint(b, uint64(t.file))
	}
	return b
}

func restoreTombstones(p []byte, _ *Store, sh *shard, ref metricdef.Ref, _ *series) error {
	d := decoder{p: p}
	var list []tombstone
	for len(d.p) > 0 {
		var t tombstone
		t.from = d.varint()
		t.to = t.from + int64(d.uvarint())
		t.bound = d.uvarint()
		file := d.uvarint()
		if d.failed || t.to <= t.from || file > maxFile {
			return errors.New("deletion out of range")
		}
		t.file = uint32(file)
		list = append(list, t)
	}
	sh.setTombstones(ref, list)
	return nil
}

// bury adds a tombstone. It takes the place of older ones whose ranges lie in its own. REQUIRES: sh.mu.
func (sh *shard) bury(ref metricdef.Ref, t tombstone) {
	list := slices.DeleteFunc(sh.deletes[ref], func(old tombstone) bool {
		return old.replayed == t.replayed && t.covers(old.from, old.to-1)
	})
	sh.setTombstones(ref, append(list, t))
}

// replaced says whether what a snapshot wrote of a chunk was deleted or cut since. REQUIRES: sh.mu, at least for reading.
func (sh *shard) replaced(p *placed) bool {
	for _, t := range sh.deletes[p.ref] {
		if p.seq < t.bound && t.overlaps(p.start, p.end) {
			return true
		}
	}
	return false
}

// deletedEntry says whether an entry of a file is none of its series any more. Those that have to be cut are, until
// finishDeletes. Recovery only.
func (s *Store) deletedEntry(sf *segmentFile, sh *shard, e *segment.Entry, end int64) bool {
	list := sh.deletes[metricdef.Ref(e.Ref)]
	for i := range list {
		t := &list[i]
		if e.Seq >= t.bound || !t.overlaps(e.Start, end) {
			continue
		}
		whole := t.covers(e.Start, end)
		if !whole && e.Flags&(entryLate|entryOwn|entryText|entryTags) == entryOwn {
			// Such entries were once written with an end that was a guess.
			if exact, err := ownEnd(sf, e); err == nil && !t.overlaps(e.Start, exact) {
				continue
			}
		}
		t.hit = true
		if whole || !t.replayed {
			return true
		}
		t.cuts = true
	}
	return false
}

// ownEnd reads the time of the last sample of a chunk that brings its own times.
func ownEnd(sf *segmentFile, e *segment.Entry) (int64, error) {
	b, err := sf.readAt(nil, e.Off, e.Len)
	if err != nil {
		return 0, err
	}
	return lastTime(b, int(e.Span))
}

// lastTime is the time of the last of n samples in a chunk that brings its own times.
func lastTime(b []byte, n int) (int64, error) {
	if len(b) < 2 || int(b[0])|int(b[1])<<8 > len(b)-2 || n <= 0 || n > maxSpan {
		return 0, fmt.Errorf("chunk of %d samples in %d bytes", n, len(b))
	}
	var times [maxSpan]int64
	if err := chunk.DecodeTimes(times[:n], b[2:2+(int(b[0])|int(b[1])<<8)]); err != nil {
		return 0, err
	}
	return times[n-1], nil
}

// finishDeletes cuts the entries that replayed deletions reach into, and forgets the deletions that no entry is left of.
// Recovery only, when all entries are attached.
func (s *Store) finishDeletes() {
	for _, sh := range s.shards {
		for ref, list := range sh.deletes {
			var ranges []timeRange
			for _, t := range list {
				if t.cuts {
					ranges = append(ranges, t.timeRange)
				}
			}
			if len(ranges) > 0 {
				x := s.erasureOf(ref, s.table.at(ref), ranges...)
				x.saved = true
				s.erase(x, func() {})
			}
			sh.bill(s.table.at(ref))
			list = slices.DeleteFunc(list, func(t tombstone) bool { return !t.hit })
			for i := range list {
				list[i].replayed, list[i].hit, list[i].cuts = false, false, false
			}
			sh.setTombstones(ref, list)
		}
	}
}

func (sh *shard) setTombstones(ref metricdef.Ref, list []tombstone) {
	sh.counts.held.other += int64(len(list)-len(sh.deletes[ref])) * tombstoneBytes
	if sh.deletes[ref] = list; len(list) == 0 {
		delete(sh.deletes, ref)
	}
}

// stampDeletes tells the tombstones which files may have entries of theirs: all that there are when a snapshot begins.
// REQUIRES: s.maintenance.
func (s *Store) stampDeletes() {
	for _, sh := range s.shards {
		sh.mu.Lock()
		for _, list := range sh.deletes {
			for i := range list {
				if list[i].file == 0 {
					list[i].file = s.manifest.NextFile - 1
				}
			}
		}
		sh.mu.Unlock()
	}
}

// forgetDeletes forgets the tombstones whose files are all gone, and which series have chunks amid their lists that no segment
// holds. REQUIRES: s.maintenance.
func (s *Store) forgetDeletes() {
	lowest := uint32(maxFile)
	for _, f := range s.manifest.Files {
		lowest = min(lowest, f.ID)
	}
	for _, sh := range s.shards {
		sh.mu.Lock()
		for ref, list := range sh.deletes {
			sh.bill(s.table.at(ref))
			sh.setTombstones(ref, slices.DeleteFunc(list, func(t tombstone) bool { return t.file != 0 && t.file < lowest }))
		}
		for ref := range sh.unsaved {
			chunks := s.table.at(ref).chunks
			if !slices.ContainsFunc(chunks, func(e entry) bool { return e.seg == 0 }) {
				delete(sh.unsaved, ref)
			}
		}
		sh.mu.Unlock()
	}
}
