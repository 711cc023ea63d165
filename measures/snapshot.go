package measures

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"granary/measures/segment"
	"granary/metricdef"
)

// Flags of a segment entry; bits 4 and 5 are taken by chunks of texts and tags of points, the upper half by the methods of
// tiers. The Step of a chunk with its own times is the distance from its first to its last.
const (
	entryLate = 1 << iota
	entryOwn
	entryHole
	entryTier
	entryText = 1 << 4 // texts, the values of a series
	entryTags = 1 << 5 // texts, the tags of samples
)

// maxSegmentsAtOnce bounds how many segment files one snapshot writes: windows beyond share a mixed one.
const maxSegmentsAtOnce = 8

// mixedWindow is the window of a segment file that holds chunks of several.
const mixedWindow = int64(-1) << 63

// Snapshot writes what the segments do not hold yet, and the open heads, and lets the journal go up to there. Writes and
// reads go on meanwhile.
func (s *Store) Snapshot() error {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	return s.snapshot()
}

// placed is a chunk that a snapshot wrote.
type placed struct {
	ref   metricdef.Ref
	start int64
	end   int64 // of a chunk that lay in no segment
	late  bool
	tier  tierKey
	seq   uint64
	was   segLoc // where it lay before; 0: in no segment
	loc   segLoc // where it lies now

	text    *textChunk // a chunk of texts, and instead of loc where it lies now
	textLoc textLoc
}

// snapshotWriter gathers the files of one snapshot.
type snapshotWriter struct {
	s       *Store
	open    map[int64]*segment.Writer
	full    []segment.FileInfo // files that are durable
	ids     map[int64]uint32
	next    uint32
	placed  []placed
	order   uint64 // of sealing, for the entries' Seq
	buf     []byte
	written int64
}

// snapshot is Snapshot. REQUIRES: s.maintenance.
func (s *Store) snapshot() (err error) {
	began := time.Now()
	s.rotate.Store(true) // so that this snapshot frees whole journal segments
	w := &snapshotWriter{s: s, open: make(map[int64]*segment.Writer), ids: make(map[int64]uint32), next: s.manifest.NextFile}
	// Numbers that a snapshot gave that failed are not given again: deletions since then stand between them.
	w.order = max(uint64(s.manifest.NextFile)<<32, s.order)
	s.snapshotting.Store(true)
	s.snapshotCuts = s.cuts.Load()
	s.stampDeletes()
	defer func() {
		s.order = w.order
		s.snapshotting.Store(false)
		if err != nil {
			w.abort()
		}
	}()
	stateID := w.next
	w.next++
	state, err := segment.CreateState(s.segmentDir(), stateID, s.segmentOptions())
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	positions := make([]uint64, len(s.shards))
	var highest uint64
	for i, sh := range s.shards {
		// Between two groups, so that what the shard holds is what the records up to one position made of it.
		s.com.mu.Lock()
		sh.mu.RLock()
		positions[i] = s.applied.Load()
		highest = positions[i]
		w.buf = s.appendState(w.buf[:0], i)
		err := w.shard(i)
		sh.copied = max(sh.copied, w.order) // deletions take it under the lock for writing
		sh.mu.RUnlock()
		s.com.mu.Unlock()
		if err == nil {
			err = state.Section(uint32(i), w.buf)
		}
		if err != nil {
			state.Abort()
			return fmt.Errorf("snapshot: shard %d: %w", i, err)
		}
	}
	stateInfo, err := state.Finish()
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	// Nothing that stores a position may be newer than the journal on disk.
	if err := s.syncTo(highest); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	next := *s.manifest
	m := &next
	infos, err := w.finish()
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	m.Files = append(s.liveFiles(m.Files), infos...)
	m.NextFile = w.next
	m.State = stateInfo.Name
	m.Positions = positions
	if err := m.Save(s.segmentDir()); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := s.publish(infos, w.placed); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	s.manifest = m
	s.dropUnlisted()
	if err := s.mergeFiles(); err != nil {
		return fmt.Errorf("merging segment files: %w", err)
	}
	s.forgetDeletes()
	if err := s.saveUsage(); err != nil {
		// The journal keeps what the ledger has not saved.
		s.o.Logger.Error("the usage ledger was not saved", "error", err)
	}
	if err := s.trim(); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	s.snapshots.Add(1)
	s.lastSnapshot.Store(s.o.Now().UnixNano())
	s.snapshotJournal.Store(s.journaled.Load())
	s.o.Logger.Info("snapshot", "chunks", len(w.placed), "files", len(infos), "bytes", w.written, "state_bytes", stateInfo.Size, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// shard writes the chunks of a shard that no segment holds. REQUIRES: sh.mu, at least for reading.
func (w *snapshotWriter) shard(index int) error {
	s, sh := w.s, w.s.shards[index]
	var failed error
	s.eachOf(index, func(ref metricdef.Ref, sr *series) {
		for i := len(sr.chunks) - 1; i >= 0 && failed == nil; i-- {
			e := &sr.chunks[i]
			if e.seg != 0 {
				if sh.unsaved[ref] {
					continue
				}
				break // chunks are sealed in order, so all before it are in a segment
			}
			g := sr.era
			if n := e.shape.eraIndex(); n > 0 {
				g = sh.eras[ref][n-1]
			}
			step, end := g.step, sh.chunkEnd(ref, sr, i)
			if e.shape&shapeOwn != 0 {
				if end, failed = lastTime(sh.chunks.Get(e.mem), e.shape.span()); failed != nil {
					return
				}
				step = end - e.start
			}
			failed = w.add(sh, ref, sr, e, step, end, nil)
		}
		if sr.flags&(hasTexts|hasTags) != 0 && failed == nil {
			failed = w.texts(sh, ref, sr)
		}
		if sr.flags&hasTiers != 0 && failed == nil {
			failed = w.tiers(sh, ref)
		}
		if sr.flags&hasLate == 0 {
			return
		}
		for i := range sh.late[ref].sealed {
			if c := &sh.late[ref].sealed[i]; c.seg == 0 && failed == nil {
				failed = w.add(sh, ref, sr, &c.entry, c.end-c.start, c.end, c)
			}
		}
	})
	return failed
}

// file is the file that takes a chunk of a window, and its number.
func (w *snapshotWriter) file(window int64) (*segment.Writer, uint32, error) {
	if _, ok := w.open[window]; !ok && len(w.open) >= maxSegmentsAtOnce {
		window = mixedWindow
	}
	if f := w.open[window]; f != nil && f.Size() >= wholeFile {
		if err := w.close(window); err != nil {
			return nil, 0, err
		}
	}
	f := w.open[window]
	if f == nil {
		if w.next > maxFile {
			return nil, 0, errors.New("no numbers are left for segment files; export the data and import it into an empty folder")
		}
		var err error
		if f, err = segment.Create(w.s.segmentDir(), w.next, w.s.segmentOptions()); err != nil {
			return nil, 0, err
		}
		w.open[window], w.ids[window] = f, w.next
		w.next++
	}
	return f, w.ids[window], nil
}

func (w *snapshotWriter) add(sh *shard, ref metricdef.Ref, sr *series, e *entry, step, end int64, late *lateChunk) error {
	se := segment.Entry{Ref: uint32(ref), Start: e.start, Step: step, Wrote: sr.wrote}
	if late != nil {
		se.Flags |= entryLate
	}
	return w.put(sh, sr.window(e.start), se, e, placed{ref: ref, start: e.start, end: end, late: late != nil})
}

// put writes a chunk to the file of a window and takes down where it lies.
func (w *snapshotWriter) put(sh *shard, window int64, se segment.Entry, e *entry, p placed) error {
	f, id, err := w.file(window)
	if err != nil {
		return err
	}
	b := sh.chunks.Get(e.mem)
	w.order++
	se.Span, se.Seq, se.Len = uint32(e.shape.span()), w.order, uint32(len(b))
	if e.shape&shapeOwn != 0 {
		se.Flags |= entryOwn
	}
	if e.shape&shapeHole != 0 {
		se.Flags |= entryHole
	}
	off, err := f.Add(se, b)
	if err != nil {
		return err
	}
	w.written += int64(len(b))
	p.seq, p.loc = w.order, newSegLoc(id, off, uint32(len(b)))
	w.placed = append(w.placed, p)
	return nil
}

// finish makes the files durable under their names; the manifest does not list them yet.
func (w *snapshotWriter) finish() ([]segment.FileInfo, error) {
	windows := make([]int64, 0, len(w.open))
	for win := range w.open {
		windows = append(windows, win)
	}
	sort.Slice(windows, func(i, j int) bool { return w.ids[windows[i]] < w.ids[windows[j]] })
	for _, win := range windows {
		if err := w.close(win); err != nil {
			return nil, err
		}
	}
	return w.full, nil
}

// close makes one file durable.
func (w *snapshotWriter) close(window int64) error {
	info, err := w.open[window].Finish()
	if err != nil {
		return err
	}
	delete(w.open, window)
	w.full = append(w.full, segment.FileInfo{ID: info.ID, Name: info.Name, Window: window, Size: info.Size, Entries: info.Entries})
	return nil
}

func (w *snapshotWriter) abort() {
	for _, f := range w.open {
		f.Abort()
	}
}

// publish opens the new files and tells the series where their chunks lie now. Only then may their memory be evicted.
func (s *Store) publish(infos []segment.FileInfo, list []placed) error {
	files := make(map[uint32]*segmentFile)
	for _, info := range infos {
		f, err := segment.Open(s.segmentPath(info.Name))
		if err != nil {
			return err
		}
		files[info.ID] = s.segments.add(f, info)
	}
	var sh *shard
	for i := range list {
		p := &list[i]
		if now := s.shardOf(p.ref); now != sh {
			if sh != nil {
				sh.mu.Unlock()
			}
			sh = now
			sh.mu.Lock()
		}
		sh.bill(s.table.at(p.ref))
		if p.text != nil {
			if p.placeText(sh) {
				files[p.textLoc.file].live.Add(1)
			}
		} else if e := sh.find(s, p); e != nil {
			if e.seg == 0 && e.mem != 0 {
				sh.counts.held.saved += sh.chunks.Size(e.mem)
			}
			sh.counts.held.file += int64(p.loc.len()) - int64(e.seg.len())
			e.seg = p.loc
			files[p.loc.file()].live.Add(1)
		}
	}
	if sh != nil {
		sh.mu.Unlock()
	}
	return nil
}

// find is the entry that a snapshot or a merge wrote, nil if it has gone since. REQUIRES: sh.mu.
func (sh *shard) find(s *Store, p *placed) *entry {
	sr := s.table.at(p.ref)
	if p.tier.step != 0 {
		if e := sh.tierEntry(p.ref, p.tier, p.start); e != nil && e.seg == p.was {
			return e
		}
		return nil
	}
	if p.was == 0 && sh.replaced(p) {
		return nil // what lies at its place now is what a deletion left of it, or newer
	}
	if !p.late {
		i := sort.Search(len(sr.chunks), func(i int) bool { return sr.chunks[i].start >= p.start })
		if i < len(sr.chunks) && sr.chunks[i].start == p.start && sr.chunks[i].seg == p.was {
			return &sr.chunks[i]
		}
		return nil
	}
	if l := sh.late[p.ref]; l != nil {
		for i := range l.sealed {
			c := &l.sealed[i]
			if c.start == p.start && c.seg == p.was && (c.seq == 0 || c.seq == p.seq) {
				c.seq = p.seq
				return &c.entry
			}
		}
	}
	return nil
}

// liveFiles leaves out files whose last chunk has gone.
func (s *Store) liveFiles(list []segment.FileInfo) []segment.FileInfo {
	var keep []segment.FileInfo
	for _, info := range list {
		s.segments.mu.RLock()
		f := s.segments.files[info.ID]
		s.segments.mu.RUnlock()
		if f != nil && f.live.Load() <= 0 {
			continue
		}
		keep = append(keep, info)
	}
	if s.cutSince() {
		return slices.Clone(list)
	}
	return keep
}

// cutSince says whether a deletion was applied since the snapshot began. The state of a shard may not know of it, so a replay will want to
// cut the chunks that it cut: no file may lose them until the next snapshot. REQUIRES: s.maintenance.
func (s *Store) cutSince() bool { return s.cuts.Load() != s.snapshotCuts }

// dropUnlisted closes and removes the files that the manifest no longer names.
func (s *Store) dropUnlisted() {
	listed := make(map[uint32]bool)
	for _, f := range s.manifest.Files {
		listed[f.ID] = true
	}
	s.segments.mu.RLock()
	var gone []*segmentFile
	for id, f := range s.segments.files {
		if !listed[id] {
			gone = append(gone, f)
		}
	}
	s.segments.mu.RUnlock()
	for _, f := range gone {
		if cause := f.damage.Load(); cause != nil {
			if err := s.quarantine(f.info.Name, *cause); err != nil {
				s.o.Logger.Error("damaged file could not be put aside", "file", f.info.Name, "error", err)
			}
		}
		s.segments.drop(f.id)
	}
	if _, err := segment.Sweep(s.segmentDir(), s.manifest); err != nil {
		s.o.Logger.Warn("old segment files could not be removed", "error", err)
	}
}

// trim lets the journal go below everything that stores a position.
func (s *Store) trim() error {
	s.saveKeyUse()
	if err := s.catalog.Flush(s.syncTo); err != nil {
		return err
	}
	low := min(s.catalog.Position(), s.Usage.Position())
	for _, p := range s.manifest.Positions {
		low = min(low, p)
	}
	return s.log.Trim(low + 1)
}

// syncTo makes the journal durable up to a record.
func (s *Store) syncTo(seq uint64) error {
	if s.log.Synced().Seq >= seq {
		return nil
	}
	_, err := s.log.Sync()
	return err
}
