package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
)

// Recovery tells what Open found.
type Recovery struct {
	Segments int
	Bytes    int64
	First    uint64 // lowest number that the oldest segment may hold, 0 if there is none
	Last     uint64 // highest number that is taken
	// Cut is what was removed from the end of the newest segment, or newest segments that never held a record.
	Cut []Problem
	// Damaged is what the newest segment holds that cannot be read. Older ones are looked at by ReadFrom.
	Damaged []Problem
}

// Open opens the log in dir, which it makes if need be. It reads the heads of all segments and the newest segment as a
// whole, cuts off the torn end of that one, and syncs what an earlier process may have left in the kernel's memory.
//
// A segment of a newer format is a *NewerFormatError, one of another partition a *PartitionError; nothing is changed then.
// Only one process may have a log open; the owner of the data directory sees to that.
func Open(dir string, o Options) (*File, *Recovery, error) {
	return openMarked(dir, o, randomMarker)
}

func openMarked(dir string, o Options, marker func() uint32) (*File, *Recovery, error) {
	o = o.withDefaults()
	f := &File{dir: dir, fs: o.FS, o: o, newMarker: marker, known: map[place]bool{}}
	rec := &Recovery{}
	if err := f.recover(rec); err != nil {
		for _, s := range f.segments {
			if s.handle != nil {
				s.handle.Close()
			}
		}
		return nil, nil, err
	}
	if o.Sync == Interval {
		f.wake, f.stop, f.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
		go f.syncInBackground()
	}
	return f, rec, nil
}

func (f *File) recover(rec *Recovery) error {
	if err := f.fs.MkdirAll(f.dir); err != nil {
		return err
	}
	if err := f.list(); err != nil {
		return err
	}
	f.nextID = 1
	if n := len(f.segments); n > 0 {
		f.nextID = f.segments[n-1].id + 1
	}
	for done := false; !done && len(f.segments) > 0; {
		var err error
		if done, err = f.recoverNewest(rec); err != nil {
			return err
		}
	}
	// A head that cannot be read does not say where the segment before it ended.
	for i := len(f.segments) - 1; i > 0 && !f.segments[i].headOK; i-- {
		last, err := f.lastRecord(f.segments[i-1])
		if err != nil {
			return err
		}
		f.tail = max(f.tail, last)
	}
	for _, s := range f.segments {
		if s.headOK {
			f.tail = max(f.tail, s.prev)
			f.last = max(f.last, s.first-1)
		}
		rec.Bytes += s.size
		if rec.First == 0 {
			rec.First = s.first
		}
	}
	f.last = max(f.last, f.tail)
	rec.Segments, rec.Last = len(f.segments), f.last
	if err := f.syncAll(); err != nil {
		return err
	}
	f.synced = f.last
	return nil
}

// list finds the segments and reads their heads. It changes nothing but the remains of a carrying over that did not
// get to its end, and those only once all heads are known.
func (f *File) list() error {
	names, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return err
	}
	var remains []string
	for _, name := range names {
		if _, ok := segmentID(name, carrySuffix); ok {
			remains = append(remains, name)
		}
		id, ok := segmentID(name, segmentSuffix)
		if !ok {
			continue
		}
		s, err := f.readHead(id)
		if err != nil {
			return err
		}
		f.segments = append(f.segments, s)
	}
	slices.SortFunc(f.segments, func(a, b *segment) int { return cmp.Compare(a.id, b.id) })
	for _, name := range remains {
		if err := f.fs.Remove(filepath.Join(f.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// readHead reads the head of a segment.
func (f *File) readHead(id uint64) (*segment, error) {
	s := &segment{id: id, path: segmentPath(f.dir, id), prev: math.MaxUint64}
	h, err := f.fs.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	if s.size, err = h.Size(); err != nil {
		return nil, err
	}
	if s.size < segmentHeaderSize {
		return s, nil
	}
	head, ok, err := readSegmentHeader(h)
	if err != nil {
		return nil, fmt.Errorf("journal: reading the head of %s: %w", s.path, err)
	}
	switch {
	case ok && head.version > Version:
		return nil, &NewerFormatError{Path: s.path, Version: head.version, Known: Version}
	case ok && head.partition != f.o.Partition:
		return nil, &PartitionError{Path: s.path, Got: head.partition, Want: f.o.Partition}
	case ok:
		s.headOK, s.partition, s.first, s.prev, s.marker = true, head.partition, head.first, head.prev, head.marker
		return s, nil
	}
	scan := newScanner(h, s.size, head, false, nil)
	if first, _, ok := scan.scan(); ok {
		s.first = first.seq
	}
	if scan.err != nil {
		return nil, fmt.Errorf("journal: reading %s: %w", s.path, scan.err)
	}
	return s, nil
}

func readSegmentHeader(r io.ReaderAt) (h segmentHeader, ok bool, err error) {
	var b [segmentHeaderSize]byte
	if n, err := r.ReadAt(b[:], 0); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			return h, false, nil
		}
		return h, false, err
	}
	h, ok = parseSegmentHeader(b[:])
	return h, ok, nil
}

// recoverNewest makes the newest segment ready for appending, or removes it if it never held a record. done is false
// in the second case.
func (f *File) recoverNewest(rec *Recovery) (done bool, err error) {
	s := f.segments[len(f.segments)-1]
	v := viewsOf(f.segments[len(f.segments)-1:])[0]
	h, err := f.fs.OpenWrite(s.path)
	if err != nil {
		return false, err
	}
	s.handle = h
	if !s.headOK && s.first == 0 {
		never, err := neverWritten(h, s.size)
		if err != nil {
			return false, fmt.Errorf("journal: reading %s: %w", s.path, err)
		}
		if never {
			p := damage{length: s.size, reason: "the segment was made and never written"}.problem(v)
			p.Torn = true
			rec.Cut = append(rec.Cut, p)
			h.Close()
			f.segments = f.segments[:len(f.segments)-1]
			f.nextID = s.id // nothing has been stored under this id
			return false, f.fs.Remove(s.path)
		}
	}
	var found []damage
	scan := newScanner(h, s.size, v.head, s.headOK, nil)
	scan.report = func(d damage) { found = append(found, d) }
	for {
		if _, _, ok := scan.scan(); !ok {
			break
		}
	}
	if scan.err != nil {
		return false, fmt.Errorf("journal: reading %s at %d: %w", s.path, scan.offset(), scan.err)
	}
	f.tail = max(f.tail, scan.last)
	usable := s.headOK
	if !s.headOK {
		found = append([]damage{{length: segmentHeaderSize, reason: "the head of the segment is damaged"}}, found...)
	}
	var torn damage
	if s.headOK {
		found, torn = splitTorn(found, scan)
	}
	for _, d := range found {
		f.known[place{s.id, d.offset}] = true
		rec.Damaged = append(rec.Damaged, f.quarantined(v, d))
		// Nothing is appended behind damage: among the bad bytes may be a header that names more bytes than there are. It
		// is stepped over now, but would reach over new records once there were enough of them.
		usable = usable && d.length == 0
	}
	if torn.length > 0 {
		p := torn.problem(v)
		if torn.whole {
			// A record that is there in full with a bad checksum may be more than a write that was cut short.
			p = f.quarantined(v, torn)
		}
		p.Torn = true
		if p.Err != nil {
			// Without a copy nothing is cut; the log goes on in a new segment.
			f.known[place{s.id, torn.offset}] = true
			rec.Damaged = append(rec.Damaged, p)
			usable = false
		} else if err := f.cut(s, torn.offset); err != nil {
			return false, err
		} else {
			rec.Cut = append(rec.Cut, p)
		}
	}
	if usable {
		f.active = s
		return true, nil
	}
	s.handle = nil
	return true, h.Close()
}

// splitTorn takes what follows the last whole record, one or more damaged parts without a gap, out of what a scan has
// found and returns it as one part, whose length is 0 if there is none.
func splitTorn(found []damage, scan *scanner) (rest []damage, torn damage) {
	torn = damage{offset: scan.end, length: scan.size - scan.end, after: scan.last}
	for _, d := range found {
		if d.offset < scan.end {
			rest = append(rest, d)
			continue
		}
		if torn.reason == "" {
			torn.reason = d.reason
		}
		torn.whole = torn.whole || d.whole
	}
	return rest, torn
}

// lastRecord reads a segment for the number of its last record, 0 if it has none.
func (f *File) lastRecord(s *segment) (uint64, error) {
	h, err := f.fs.Open(s.path)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	scan := newScanner(h, s.size, s.header(), s.headOK, nil)
	for {
		if _, _, ok := scan.scan(); !ok {
			break
		}
	}
	if scan.err != nil {
		return 0, fmt.Errorf("journal: reading %s at %d: %w", s.path, scan.offset(), scan.err)
	}
	return scan.last, nil
}

func (f *File) cut(s *segment, size int64) error {
	if err := s.handle.Truncate(size); err != nil {
		return fmt.Errorf("journal: cutting %s to %d bytes: %w", s.path, size, err)
	}
	s.size = size
	return nil
}

// neverWritten reports whether a segment without a head and without a record is only what a crash leaves of one that was
// just being made: too short for a head, or nothing but zeros.
func neverWritten(h Handle, size int64) (bool, error) {
	if size < segmentHeaderSize {
		return true, nil
	}
	buf := make([]byte, 64<<10)
	for at := int64(0); at < size; {
		n, err := h.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if n == 0 {
			return false, err
		}
		if !allZero(buf[:n]) {
			return false, nil
		}
		at += int64(n)
	}
	return true, nil
}

// syncAll brings to the medium what earlier processes may have left in the kernel's memory, so that Synced is true.
func (f *File) syncAll() error {
	for _, s := range f.segments {
		h := s.handle
		if h == nil {
			var err error
			if h, err = f.fs.OpenWrite(s.path); err != nil {
				return err
			}
		}
		err := h.Sync()
		if h != s.handle {
			h.Close()
		}
		if err != nil {
			return f.unavailable("sync", s.path, err)
		}
	}
	for _, dir := range []string{f.dir, filepath.Dir(f.dir)} {
		if err := f.fs.SyncDir(dir); err != nil {
			return f.unavailable("sync", dir, err)
		}
	}
	return nil
}
