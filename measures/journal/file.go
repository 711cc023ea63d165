package journal

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"math"
	"sync"
	"time"
)

// SyncMode says when records are brought to the medium.
type SyncMode uint8

const (
	// Interval syncs in the background, Options.Interval after the first record that is not synced yet. A power cut
	// costs what was acknowledged in that time, a crash of the process nothing.
	Interval SyncMode = iota
	// Always syncs before Append returns.
	Always
	// Never leaves it to the kernel and to calls of Sync.
	Never
)

// String is the mode's name in the configuration.
func (m SyncMode) String() string {
	switch m {
	case Interval:
		return "interval"
	case Always:
		return "always"
	case Never:
		return "never"
	}
	return "unknown"
}

// Options are the settings of a File. The zero value is good.
type Options struct {
	Sync      SyncMode
	Interval  time.Duration // for Sync Interval; default 1 s
	Partition uint32
	// Quarantine is the directory that damaged bytes are copied to before they are stepped over or cut off. Without one
	// they are only reported.
	Quarantine string
	Logger     *slog.Logger // for what happens in the background and in replay; default: none
	FS         FS           // default: OS
}

// segment is one segment file. Fields without a remark do not change.
type segment struct {
	id        uint64
	path      string
	partition uint32
	headOK    bool   // the head could be read
	first     uint64 // if the head is damaged: of the first record that can be read, 0 if there is none
	prev      uint64 // MaxUint64 if the head is damaged, so that it makes nothing void
	marker    uint32

	size   int64  // guarded by File.mu: the end of the last record that is in the log
	handle Handle // guarded by File.flush and File.mu; nil when synced and no longer written
	dirty  bool   // guarded by File.mu: has records that are not synced
}

// File is a Log in a directory of segment files.
//
// Lock order: write, flush, mu; trim before flush. DESIGN.md says what each is for.
type File struct {
	dir       string
	fs        FS
	o         Options
	newMarker func() uint32

	write sync.Mutex // one change of the log's end at a time
	flush sync.Mutex // one fsync at a time, and no handle is closed during it
	trim  sync.Mutex // one Trim at a time

	mu       sync.Mutex // never held during input or output
	segments []*segment // ascending ids
	active   *segment   // the last of segments, or nil: the next Append opens a new one
	nextID   uint64     // of the segment to be opened next
	tail     uint64     // number of the last record in the log
	last     uint64     // highest number taken; above tail after SetFloor
	synced   uint64
	dirDirty bool  // a segment was made whose name is not synced
	failed   error // an fsync failed: what is not synced has to be carried over before anything else
	closed   bool
	problems []Problem
	known    map[place]bool

	wake, stop, done chan struct{} // of the background goroutine; nil without one
}

type place struct {
	segment uint64
	offset  int64
}

func (o Options) withDefaults() Options {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = OS{}
	}
	return o
}

// randomMarker is a number that the writers of payloads cannot guess.
func randomMarker() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}

func (f *File) position(seq uint64) Position { return Position{Partition: f.o.Partition, Seq: seq} }

// Last is part of Log.
func (f *File) Last() Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.position(f.last)
}

// Synced is part of Log.
func (f *File) Synced() Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.position(f.synced)
}

// Segment is part of Log.
func (f *File) Segment() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active == nil || f.failed != nil {
		return f.nextID
	}
	return f.active.id
}

// Begins is part of Log.
func (f *File) Begins(seq uint64) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := uint64(0)
	for i, below := range voidFrom(f.segments) {
		s := f.segments[i]
		if s.first > seq {
			break
		}
		// Of a damaged head the first record that can be read is known, and one that nothing can be read of says nothing.
		if s.first != 0 && s.first < below {
			first = s.first
		}
	}
	return first
}

// Size is part of Log.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active == nil || f.failed != nil {
		return 0
	}
	return f.active.size
}

// Bytes is part of Log.
func (f *File) Bytes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var n int64
	for _, s := range f.segments {
		n += s.size
	}
	return n
}

// Problems returns what reads of this log have found damaged since Open and Open has not reported, each place once.
func (f *File) Problems() []Problem {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Problem(nil), f.problems...)
}

// SetFloor takes all numbers up to seq: the next record gets a higher one. At start the owner names the highest position
// that it finds stored anywhere, since a journal that lost its unsynced end must not give the same numbers to other
// records. It is to be called before the first Append, or while everything is synced: numbers that are left out between
// unsynced records may be reported as missing after a failed fsync.
func (f *File) SetFloor(seq uint64) {
	f.write.Lock()
	defer f.write.Unlock()
	f.flush.Lock()
	defer f.flush.Unlock()
	f.mu.Lock()
	if seq <= f.last {
		f.mu.Unlock()
		return
	}
	if f.synced == f.last {
		f.synced = seq
	}
	f.last = seq
	idle := f.retire() // the head of the next segment says why numbers are left out
	f.mu.Unlock()
	if idle != nil {
		idle.Close() // all that was written through it is synced
	}
}

// Rotate is part of Log.
func (f *File) Rotate() error {
	f.write.Lock()
	defer f.write.Unlock()
	f.flush.Lock()
	defer f.flush.Unlock()
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return f.unavailable("append to", f.dir, ErrClosed)
	}
	var idle Handle
	if f.active != nil && f.active.size > segmentHeaderSize {
		idle = f.retire()
	}
	f.mu.Unlock()
	if idle != nil {
		return idle.Close()
	}
	return nil
}

// retire ends the segment that is being written and returns its handle if nobody needs it any more. One that is not
// synced keeps it until it is.
//
// REQUIRES: f.write, f.flush, f.mu.
func (f *File) retire() (idle Handle) {
	if s := f.active; s != nil && !s.dirty {
		idle, s.handle = s.handle, nil
	}
	f.active = nil
	return idle
}

// voidFrom returns, for each of segments, the number from which its records were written again in newer ones.
func voidFrom(segments []*segment) []uint64 {
	v := make([]uint64, len(segments))
	below := uint64(math.MaxUint64)
	for i := len(segments) - 1; i >= 0; i-- {
		v[i] = below
		if p := segments[i].prev; p != math.MaxUint64 {
			below = min(below, p+1)
		}
	}
	return v
}

// Trim is part of Log.
func (f *File) Trim(seq uint64) error {
	f.trim.Lock()
	defer f.trim.Unlock()
	gone, err := f.detach(seq)
	for i, s := range gone {
		if err == nil {
			err = f.fs.Remove(s.path)
		}
		if err != nil {
			f.mu.Lock()
			f.segments = append(append([]*segment(nil), gone[i:]...), f.segments...)
			f.mu.Unlock()
			return err
		}
	}
	return nil
}

// detach takes the segments that Trim(seq) removes out of the list and closes them.
func (f *File) detach(seq uint64) ([]*segment, error) {
	f.flush.Lock()
	defer f.flush.Unlock()
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, f.unavailable("append to", f.dir, ErrClosed)
	}
	n := 0
	for i, below := range voidFrom(f.segments) {
		// The newest stays even if nothing is written to it any more: its head says where the numbers go on.
		if i == len(f.segments)-1 || f.segments[i] == f.active || below > seq {
			break
		}
		n = i + 1
	}
	gone := append([]*segment(nil), f.segments[:n]...)
	f.segments = append([]*segment(nil), f.segments[n:]...)
	f.mu.Unlock()
	for _, s := range gone {
		if s.handle != nil {
			s.handle.Close() // nothing in it is needed any more
			s.handle = nil
		}
	}
	return gone, nil
}

// Close is part of Log.
func (f *File) Close() error {
	f.write.Lock()
	err, first := f.shut()
	f.write.Unlock()
	if first && f.stop != nil {
		<-f.done
	}
	return err
}

// shut syncs what the mode asks for and closes all handles. first is false if that was done before.
//
// REQUIRES: f.write.
func (f *File) shut() (err error, first bool) {
	f.mu.Lock()
	closed, failed := f.closed, f.failed
	f.mu.Unlock()
	if closed {
		return nil, false
	}
	if f.o.Sync != Never && failed != nil {
		err = f.carryOver()
	}
	f.flush.Lock()
	defer f.flush.Unlock()
	if f.o.Sync != Never && err == nil {
		err = f.flushFiles()
	}
	f.mu.Lock()
	f.closed, f.active = true, nil
	segments := f.segments
	f.mu.Unlock()
	for _, s := range segments {
		if s.handle == nil {
			continue
		}
		if e := s.handle.Close(); err == nil {
			err = e
		}
		s.handle = nil
	}
	if f.stop != nil {
		close(f.stop)
	}
	return err, true
}
