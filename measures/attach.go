package measures

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"granary/measures/segment"
	"granary/metricdef"
)

// attachSegments opens the segment files and tells the series of their chunks. A damaged file is put aside, and so is,
// when the catalog was lost, a file whose series nobody can name any more.
func (s *Store) attachSegments(catalogLost bool) {
	s.setStep("attaching segments")
	a := &attaching{touched: make(map[metricdef.Ref]bool), late: make(map[metricdef.Ref][]lateChunk), tiers: make(map[metricdef.Ref][]tierFound)}
	keep := s.manifest.Files[:0]
	for _, info := range s.manifest.Files {
		f, err := segment.Open(s.segmentPath(info.Name))
		if err == nil {
			sf := s.segments.add(f, info)
			err = f.Entries(func(e segment.Entry) error {
				s.raiseRefs(metricdef.Ref(e.Ref))
				return s.attach(sf, e, a)
			})
			if err == nil && catalogLost && sf.live.Load() == 0 && info.Entries > 0 {
				err = errors.New("the catalog was lost and with it the names of all series in this file")
			}
			if err != nil {
				s.detach(info.ID, a)
			}
		}
		if err != nil {
			if qerr := s.quarantine(info.Name, err); qerr != nil {
				s.o.Logger.Error("damaged file could not be put aside", "file", info.Name, "error", qerr)
			}
			continue
		}
		keep = append(keep, info)
	}
	s.manifest.Files = keep
	s.settleTexts()
	for ref := range a.touched {
		sr := s.table.at(ref)
		sort.Slice(sr.chunks, func(i, j int) bool { return sr.chunks[i].start < sr.chunks[j].start })
	}
	for ref, list := range a.late {
		sr, sh := s.table.at(ref), s.shardOf(ref)
		sort.Slice(list, func(i, j int) bool { return list[i].seq < list[j].seq })
		l := sh.late[ref]
		if l == nil {
			l = &lateSamples{}
			sh.late[ref] = l
			sr.flags |= hasLate
		}
		l.sealed = append(list, l.sealed...) // what replay sealed is newer
		sh.bill(sr)
		sh.weighLate(l)
		for i := range list {
			sh.counts.held.file += int64(list[i].seg.len())
			sh.counts.held.samples += int64(list[i].shape.span())
		}
	}
	s.placeTiers(a.tiers)
	s.finishDeletes()
	s.dropFinished()
}

// attaching is what a start has found in segments and not yet given to its series.
type attaching struct {
	touched map[metricdef.Ref]bool // series whose chunks have to be put in order
	late    map[metricdef.Ref][]lateChunk
	tiers   map[metricdef.Ref][]tierFound
}

// detach takes back what attach has told of a file.
func (s *Store) detach(id uint32, a *attaching) {
	for ref := range a.touched {
		sr := s.table.at(ref)
		sh := s.shardOf(ref)
		sh.bill(sr)
		sh.setChunks(sr, slices.DeleteFunc(sr.chunks, func(e entry) bool {
			if e.seg == 0 || e.seg.file() != id {
				return false
			}
			sh.counts.held.file -= int64(e.seg.len())
			sh.counts.held.samples -= int64(e.shape.span())
			return true
		}))
	}
	for ref, list := range a.late {
		a.late[ref] = slices.DeleteFunc(list, func(c lateChunk) bool { return c.seg.file() == id })
		if len(a.late[ref]) == 0 {
			delete(a.late, ref)
		}
	}
	for ref, list := range a.tiers {
		a.tiers[ref] = slices.DeleteFunc(list, func(f tierFound) bool { return f.seg.file() == id })
		if len(a.tiers[ref]) == 0 {
			delete(a.tiers, ref)
		}
	}
	s.detachTexts(id)
	s.segments.drop(id)
}

// attach tells one series of one chunk in a segment.
func (s *Store) attach(sf *segmentFile, se segment.Entry, a *attaching) error {
	ref := metricdef.Ref(se.Ref)
	if se.Span > maxSpan {
		return nil
	}
	sr := s.table.at(ref)
	if sr == nil || sr.state == unused {
		if s.Definitions.Owner(ref) == 0 {
			return nil
		}
		sr = s.table.grow(ref)
		sr.state = live
	}
	if sr.state == dead {
		return nil
	}
	if w, ok := whichOf(se.Flags); ok {
		if s.deletedEntry(sf, s.shardOf(ref), &se, se.Start+se.Step) {
			return nil
		}
		return s.attachText(sf, se, w, sr)
	}
	if se.Flags&entryTier != 0 {
		return s.attachTier(sf, &se, sr, a)
	}
	e := entry{start: se.Start, seg: newSegLoc(sf.id, se.Off, se.Len), shape: shape(se.Span)}
	if se.Flags&entryHole != 0 {
		e.shape |= shapeHole
	}
	end := se.Start
	sh := s.shardOf(ref)
	switch {
	case se.Flags&entryOwn != 0:
		e.shape |= shapeOwn
		end += se.Step
		if se.Flags&entryLate == 0 && sr.era.step != 0 {
			sr.flags |= hasEras // the series had no grid before
		}
	case se.Step <= 0 || int64(se.Span) > math.MaxInt64/se.Step:
		return &segment.DamagedError{Path: sf.info.Name, Reason: fmt.Sprintf("chunk of series %d with step %d", ref, se.Step)}
	default:
		end += int64(se.Span-1) * se.Step
		if g := sr.era; g.step != se.Step || (se.Start-g.anchor)%g.step != 0 {
			e.shape |= shape(sh.eraOf(ref, sr, se.Start, se.Step)) << shapeEra
		}
	}
	if sr.low != 0 && end < sr.low || s.deletedEntry(sf, sh, &se, end) {
		return nil
	}
	sf.live.Add(1)
	if sr.flags&hasData == 0 || end > sr.newest {
		sr.newest = max(end, sr.newest)
		sr.flags |= hasData
	}
	if se.Flags&entryLate != 0 {
		a.late[ref] = append(a.late[ref], lateChunk{entry: e, end: end, seq: se.Seq})
		return nil
	}
	if sr.flags&hasSealed == 0 || end > sr.sealedEnd {
		sr.sealedEnd = end
		sr.flags |= hasSealed
	}
	sh.bill(sr)
	sh.counts.held.file += int64(e.seg.len())
	sh.counts.held.samples += int64(e.shape.span())
	sh.setChunks(sr, appendEntry(sr.chunks, e))
	a.touched[ref] = true
	return nil
}

// eraOf is the number of the earlier grid that a chunk lies on; it is added if it is not known. REQUIRES: sh.mu or
// recovery.
func (sh *shard) eraOf(ref metricdef.Ref, sr *series, start, step int64) int {
	for i, g := range sh.eras[ref] {
		if g.step == step && (start-g.anchor)%step == 0 {
			return i + 1
		}
	}
	sh.bill(sr)
	sh.setEras(ref, append(sh.eras[ref], newGrid(start, step)))
	sr.flags |= hasEras
	return len(sh.eras[ref])
}
