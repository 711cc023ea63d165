package measures

import (
	"errors"
	"math"
	"slices"

	"granary/measures/segment"
	"granary/metricdef"
)

// A chunk in a segment whose checksum does not hold is found when it is read, which may be long after the start. It is
// left out of the series then, all others of the file stay, and the next snapshot writes them to another file and puts the
// damaged one into quarantine. Should the process end before that, the next start attaches the chunk again and the next
// read finds it again.

// isDamaged says whether an error tells of bytes that are not what was written, not of a medium that cannot be read.
func isDamaged(err error) bool {
	var damaged *segment.DamagedError
	return errors.As(err, &damaged)
}

// damaged says whether a chunk of a file was found to be damaged.
func (ss *segmentSet) damaged(id uint32) bool {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	f := ss.files[id]
	return f != nil && f.damage.Load() != nil
}

// leaveOut takes a damaged chunk out of its series.
func (s *Store) leaveOut(ref metricdef.Ref, f *segmentFile, loc segLoc, cause error) {
	sr, sh := s.table.at(ref), s.shardOf(ref)
	sh.mu.Lock()
	sh.bill(sr)
	found := false
	is := func(e *entry) bool {
		is := e.seg == loc && e.mem == 0
		found = found || is
		return is
	}
	if i := slices.IndexFunc(sr.chunks, func(e entry) bool { return is(&e) }); i >= 0 {
		sh.counts.held.samples -= int64(sr.chunks[i].shape.span())
		sh.setChunks(sr, slices.Delete(slices.Clone(sr.chunks), i, i+1))
	} else if found = sh.leaveTierOut(s, ref, sr, loc); found {
	} else if l := sh.late[ref]; l != nil {
		l.sealed = slices.DeleteFunc(l.sealed, func(c lateChunk) bool {
			if is(&c.entry) {
				sh.counts.held.samples -= int64(c.shape.span())
				return true
			}
			return false
		})
		sh.settleLate(ref, sr, l)
	}
	if found {
		sh.counts.held.file -= int64(loc.len())
	}
	sh.mu.Unlock()
	if !found {
		return // somebody else was faster
	}
	s.segments.forget(loc.file())
	f.damage.CompareAndSwap(nil, &cause)
	s.o.Logger.Error("damaged chunk left out; the next snapshot puts its file aside", "file", f.info.Name, "series", s.Definitions.Name(ref), "ref", ref, "error", cause)
}

// leaveTierOut takes a damaged chunk of a tier out. Its buckets are computed anew, if their raw samples are there. REQUIRES:
// sh.mu.
func (sh *shard) leaveTierOut(s *Store, ref metricdef.Ref, sr *series, loc segLoc) bool {
	st := sh.tiers[ref]
	if st == nil {
		return false
	}
	for i := range st.columns {
		c := &st.columns[i]
		k := slices.IndexFunc(c.chunks, func(e entry) bool { return e.seg == loc && e.mem == 0 })
		if k < 0 {
			continue
		}
		st.changed++
		lost := staleSpan{from: c.chunks[k].start, to: c.tierEnd(k) + c.step, raw: math.MaxInt64}
		if pol := sr.policy.Load(); pol != nil && pol.tiers != nil {
			lost.raw = pol.tiers.rawFrom(s.o.Now().UnixNano())
		}
		if lost.raw < lost.to {
			st.addStale(lost)
			sh.weighTiers(st)
		}
		sh.setTierChunks(c, slices.Delete(slices.Clone(c.chunks), k, k+1))
		return true
	}
	return false
}

// inMemory appends the bytes of a chunk that are in memory beside those in a segment; nil if there are none.
func (s *Store) inMemory(dst []byte, p *placed) []byte {
	sh := s.shardOf(p.ref)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.find(s, p); e != nil && e.mem != 0 {
		return append(dst, sh.chunks.Get(e.mem)...)
	}
	return nil
}
