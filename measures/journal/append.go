package journal

import "io"

func (f *File) unavailable(op, path string, err error) error {
	return &UnavailableError{Path: path, Op: op, Err: err}
}

// Append is part of Log.
func (f *File) Append(g *Group) error {
	if err := g.ready(); err != nil {
		return err
	}
	if g.records == 0 {
		return nil
	}
	f.write.Lock()
	defer f.write.Unlock()
	s, err := f.target(g.first)
	if err != nil {
		return err
	}
	g.stamp(s.marker, f.o.Partition)
	n, err := s.handle.WriteAt(g.Buf, s.size)
	if err == nil && n < len(g.Buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		f.cutBack(s)
		return f.unavailable("write", s.path, err)
	}
	if f.o.Sync == Always {
		return f.commitSynced(s, g)
	}
	f.mu.Lock()
	f.extend(s, g)
	s.dirty = true
	f.mu.Unlock()
	f.wakeSyncer()
	return nil
}

// extend counts g, which was written to s, to the log.
//
// REQUIRES: f.write, f.mu.
func (f *File) extend(s *segment, g *Group) {
	s.size += int64(len(g.Buf))
	f.tail, f.last = g.last, g.last
}

// target returns the segment to write a group to that begins with number first.
//
// REQUIRES: f.write.
func (f *File) target(first uint64) (*segment, error) {
	f.mu.Lock()
	s, last, failed, closed := f.active, f.last, f.failed, f.closed
	f.mu.Unlock()
	if closed {
		return nil, f.unavailable("append to", f.dir, ErrClosed)
	}
	if first != last+1 {
		return nil, &SequenceError{Got: first, Want: last + 1}
	}
	if failed != nil {
		if err := f.carryOver(); err != nil {
			return nil, err
		}
		f.mu.Lock()
		s = f.active
		f.mu.Unlock()
	}
	if s != nil {
		return s, nil
	}
	return f.openSegment()
}

// cutBack removes what a failed write has left behind the last record. If that fails too the segment is given up; the
// head of the next one makes the rest void.
//
// REQUIRES: f.write.
func (f *File) cutBack(s *segment) {
	if err := s.handle.Truncate(s.size); err != nil {
		f.mu.Lock()
		f.fail(err)
		f.mu.Unlock()
	}
}

// commitSynced brings g, which was written to s behind the end of the log, to the medium and counts it to the log.
//
// REQUIRES: f.write.
func (f *File) commitSynced(s *segment, g *Group) error {
	f.flush.Lock()
	defer f.flush.Unlock()
	f.mu.Lock()
	failed := f.failed
	s.dirty = true
	f.mu.Unlock()
	if failed == nil {
		failed = f.flushFiles()
	} else {
		failed = f.unavailable("sync", s.path, failed)
	}
	if failed != nil {
		// Cutting the group off spares replay a group that was refused, should the process end before a new segment
		// makes it void. It cannot be relied upon, and nothing is lost if it fails.
		_ = s.handle.Truncate(s.size)
		return failed
	}
	f.mu.Lock()
	f.extend(s, g)
	f.synced = f.last
	f.mu.Unlock()
	return nil
}

// openSegment makes the next segment, with nothing in it but its head.
//
// REQUIRES: f.write.
func (f *File) openSegment() (*segment, error) {
	f.mu.Lock()
	id := f.nextID
	f.nextID++
	s := f.newSegment(id, f.last+1, f.tail)
	f.mu.Unlock()
	h, err := f.fs.Create(s.path)
	if err != nil {
		return nil, f.unavailable("create", s.path, err)
	}
	if err := writeFull(h, s.head(), 0); err != nil {
		h.Close()
		f.discard(s.path)
		return nil, f.unavailable("write", s.path, err)
	}
	s.handle = h
	f.mu.Lock()
	f.segments = append(f.segments, s)
	f.active = s
	f.dirDirty = true
	f.mu.Unlock()
	return s, nil
}

// recordBefore is the number of the last record before seq: numbers that SetFloor has taken lie between what the head of a
// segment says.
//
// REQUIRES: f.mu.
func (f *File) recordBefore(seq uint64) uint64 {
	last := seq - 1
	for _, s := range f.segments {
		if s.headOK && s.prev < last && last < s.first {
			last = s.prev
		}
	}
	return last
}

// newSegment describes a segment that is to be made.
func (f *File) newSegment(id, first, prev uint64) *segment {
	return &segment{
		id: id, path: segmentPath(f.dir, id), partition: f.o.Partition, headOK: true,
		first: first, prev: prev, marker: f.newMarker(), size: segmentHeaderSize,
	}
}

func (s *segment) header() segmentHeader {
	return segmentHeader{version: Version, partition: s.partition, first: s.first, prev: s.prev, marker: s.marker}
}

func (s *segment) head() []byte { return s.header().append(nil) }

// discard removes a file that could not be finished. It holds nothing that counts, so it may as well stay.
func (f *File) discard(path string) { _ = f.fs.Remove(path) }

// carryOver begins a new segment after a failed fsync. All records that are in the log and not synced are read back, which
// works from the kernel's memory although the medium has not taken them, and written to the new segment, which is
// synced under another name before it gets its own: from that moment its head makes void what older segments hold above
// the last synced record.
//
// REQUIRES: f.write.
func (f *File) carryOver() error {
	f.flush.Lock()
	defer f.flush.Unlock()
	f.mu.Lock()
	if f.failed == nil { // a Sync was faster
		f.mu.Unlock()
		return nil
	}
	id := f.nextID
	f.nextID++
	synced, tail, last := f.synced, f.tail, f.last
	first := last + 1
	if synced < tail {
		first = synced + 1
	}
	s := f.newSegment(id, first, f.recordBefore(min(synced, tail)+1))
	views := viewsOf(f.segments)
	f.mu.Unlock()

	temporary := s.path + ".tmp"
	h, err := f.fs.Create(temporary)
	if err != nil {
		return f.unavailable("create", temporary, err)
	}
	s.handle = h
	if err := f.fillCarried(s, views, synced+1, tail); err != nil {
		h.Close()
		f.discard(temporary)
		return f.unavailable("carry over to", temporary, err)
	}
	if err := f.fs.Rename(temporary, s.path); err != nil {
		h.Close()
		f.discard(temporary)
		return f.unavailable("create", s.path, err)
	}
	if err := f.fs.SyncDir(f.dir); err != nil {
		h.Close()
		f.discard(s.path)
		return f.unavailable("sync", f.dir, err)
	}

	f.mu.Lock()
	var old []Handle
	for _, p := range f.segments {
		if p.handle != nil {
			old = append(old, p.handle)
			p.handle = nil
		}
		p.dirty = false
	}
	cause := f.failed
	f.segments = append(f.segments, s)
	f.active, f.failed, f.dirDirty = s, nil, false
	f.synced = last
	f.mu.Unlock()
	for _, h := range old {
		h.Close() // says again what is known
	}
	f.o.Logger.Warn("journal goes on in a new segment after a failure", "segment", s.path, "first", first, "carried", tail-min(synced, tail), "cause", cause)
	return nil
}

// fillCarried writes head and carried records to s and syncs it.
func (f *File) fillCarried(s *segment, views []view, from, to uint64) error {
	if err := writeFull(s.handle, s.head(), 0); err != nil {
		return err
	}
	out := Group{Buf: make([]byte, 0, readSize+maxFrame)}
	flush := func() error {
		out.stamp(s.marker, s.partition)
		if err := writeFull(s.handle, out.Buf, s.size); err != nil {
			return err
		}
		s.size += int64(len(out.Buf))
		out.Reset()
		return nil
	}
	if from <= to {
		r := reader{file: f, from: from, to: to}
		err := r.each(views, func(_ Record, raw []byte) error {
			out.Buf = append(out.Buf, raw...)
			out.records++
			if len(out.Buf) < readSize {
				return nil
			}
			return flush()
		})
		if err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return s.handle.Sync()
}

func writeFull(h Handle, b []byte, at int64) error {
	n, err := h.WriteAt(b, at)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// fail notes that the segments cannot be relied upon beyond what is synced.
//
// REQUIRES: f.mu.
func (f *File) fail(err error) {
	if f.failed == nil {
		f.failed = err
	}
}
