package measures

import (
	"cmp"
	"math/bits"
	"slices"

	"granary/measures/segment"
	"granary/metricdef"
)

// mergeAt is how many segment files of one window and about one size are merged into one.
const mergeAt = 8

// tier says which files are about as large as each other: a factor of 8 between two. A chunk is so rewritten at most
// once a tier.
func tier(size int64) int { return bits.Len64(uint64(size)) / 3 }

// mergeFiles keeps the number of segment files small, and their size: what no series names any more is left behind, and a file that
// has more of it than of the rest is written anew. REQUIRES:
// s.maintenance.
func (s *Store) mergeFiles() error {
	type key struct {
		window int64
		tier   int
	}
	groups := make(map[key][]segment.FileInfo)
	for _, f := range slices.Clone(s.manifest.Files) {
		if s.segments.damaged(f.ID) || s.segments.mostlyDead(f) {
			// What can be read of it is written anew, and a damaged file is put aside.
			if err := s.merge([]segment.FileInfo{f}); err != nil {
				return err
			}
			continue
		}
		if f.Size >= wholeFile/mergeAt {
			continue // eight of these would be more than a chunk's place can name
		}
		k := key{f.Window, tier(f.Size)}
		groups[k] = append(groups[k], f)
	}
	for _, g := range groups {
		if len(g) >= mergeAt {
			if err := s.merge(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// merge writes the live chunks of some files into one. REQUIRES: s.maintenance.
func (s *Store) merge(group []segment.FileInfo) (err error) {
	id := s.manifest.NextFile
	if id > maxFile {
		return nil // the next snapshot says so
	}
	w, err := segment.Create(s.segmentDir(), id, s.segmentOptions())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.Abort()
		}
	}()
	slices.SortFunc(group, func(a, b segment.FileInfo) int { return cmp.Compare(a.ID, b.ID) })
	var moved []placed
	var buf []byte
	for _, info := range group {
		f := s.segments.acquire(info.ID)
		err := f.file.Entries(func(e segment.Entry) error {
			if column, ok := whichOf(e.Flags); ok {
				p, err := s.moveText(w, id, f, e, column)
				if p.text != nil {
					moved = append(moved, p)
				}
				return err
			}
			p := placed{ref: metricdef.Ref(e.Ref), start: e.Start, late: e.Flags&entryLate != 0, tier: tierKeyOf(&e), seq: e.Seq, was: newSegLoc(info.ID, e.Off, e.Len)}
			if !s.names(&p) {
				return nil
			}
			b, err := f.read(buf[:0], p.was)
			if isDamaged(err) {
				if b = s.inMemory(buf[:0], &p); b == nil {
					s.leaveOut(p.ref, f, p.was, err)
					return nil
				}
				f.damage.CompareAndSwap(nil, &err)
			} else if err != nil {
				return err
			}
			buf = b
			off, err := w.Add(e, b)
			if err != nil {
				return err
			}
			p.loc = newSegLoc(id, off, e.Len)
			moved = append(moved, p)
			return nil
		})
		f.release()
		if err != nil {
			return err
		}
	}
	next := *s.manifest
	next.Files = slices.DeleteFunc(slices.Clone(s.manifest.Files), func(f segment.FileInfo) bool {
		return slices.ContainsFunc(group, func(g segment.FileInfo) bool { return g.ID == f.ID })
	})
	if s.cutSince() {
		w.Abort()
		return nil // a replay may want what was left out
	}
	var infos []segment.FileInfo
	if len(moved) == 0 {
		w.Abort()
	} else {
		made, err := w.Finish()
		if err != nil {
			return err
		}
		infos = append(infos, segment.FileInfo{ID: made.ID, Name: made.Name, Window: group[0].Window, Size: made.Size, Entries: made.Entries})
		next.NextFile = id + 1
		next.Files = append(next.Files, infos...)
	}
	if err := next.Save(s.segmentDir()); err != nil {
		return err
	}
	s.manifest = &next
	if err := s.publish(infos, moved); err != nil {
		return err
	}
	s.dropUnlisted()
	return nil
}

// names says whether a series still names a chunk of a file.
func (s *Store) names(p *placed) bool {
	sr := s.table.at(p.ref)
	if sr == nil {
		return false
	}
	sh := s.shardOf(p.ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if p.tier.step != 0 {
		e := sh.tierEntry(p.ref, p.tier, p.start)
		return e != nil && e.seg == p.was
	}
	if p.late {
		l := sh.late[p.ref]
		return l != nil && slices.ContainsFunc(l.sealed, func(c lateChunk) bool { return c.seg == p.was })
	}
	i, ok := slices.BinarySearchFunc(sr.chunks, p.start, func(e entry, t int64) int { return cmp.Compare(e.start, t) })
	return ok && sr.chunks[i].seg == p.was
}
