package spool

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"granary/measures/journal"
)

// The kinds of records.
const (
	kindBody journal.Kind = 1
	kindMark journal.Kind = 2
)

// MaxBody is the largest body.
const MaxBody = journal.MaxRecord

// The reasons for which bodies are dropped.
const (
	Full    = "full"
	Old     = "old"
	Damaged = "damaged"
)

// The bounds of a segment, and how many bodies are taken before a mark says so.
const (
	maxSegment  = 8 << 20
	markedEvery = 16
)

// Options are the settings of a spool.
type Options struct {
	Size   int64         // bytes on disk, at most, but for one segment
	Age    time.Duration // after which a body is dropped; 0 for never
	Logger *slog.Logger  // nil for none
	Now    func() time.Time
	FS     journal.FS // nil for that of the machine
	// LockWait is how long Open waits for another process, 2 s if it is 0: one that was killed a moment ago may not have let go yet.
	LockWait time.Duration
}

// Body is a body that waits.
type Body struct {
	Bytes []byte
	Lines int
	id    uint64
}

// Stats are figures of a spool.
type Stats struct {
	Bodies  int              // that wait
	Lines   int64            // in them
	Bytes   int64            // on disk
	Dropped map[string]int64 // lines, by reason, since it was opened
	Oldest  time.Time        // when the first one was written; zero if none waits
}

// Spool is a queue on disk. All methods may be called from several goroutines at once.
type Spool struct {
	o       Options
	log     journal.Log
	lock    *lock
	segment int64 // size above which a new one begins

	mu      sync.Mutex
	queue   []place
	lines   int64
	memory  int64 // bytes of bodies that are in memory only
	ids     uint64
	taken   uint64 // the last record that was taken
	marked  uint64 // what the last mark says
	since   int    // bodies taken since the last mark
	handed  uint64 // id of the body that was handed out last
	late    func() // counts the body that was dropped while it was handed out, unless it turns out to have been taken; nil if there is none
	dropped map[string]int64
	closed  bool
	more    chan struct{} // has a token if something was appended
}

// place is a body in the queue.
type place struct {
	id    uint64 // of the process
	seq   uint64 // in the journal; 0 if the journal did not take it
	lines int
	size  int
	time  int64  // nanoseconds since 1970 UTC
	body  []byte // if the journal did not take it
}

// Open opens the spool in a folder, which it makes if need be.
func Open(dir string, o Options) (*Spool, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Spool{o: o, segment: min(o.Size/8, maxSegment), dropped: map[string]int64{}, more: make(chan struct{}, 1)}
	if o.FS == nil {
		var err error
		if s.lock, err = takeLock(dir, cmp.Or(o.LockWait, lockWait)); err != nil {
			return nil, err
		}
	}
	log, found, err := journal.Open(filepath.Join(dir, "lines"), journal.Options{
		Sync: journal.Always, Quarantine: filepath.Join(dir, "damaged"), Logger: o.Logger, FS: o.FS,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("spool %s: %w", dir, err), s.lock.release())
	}
	s.log = log
	for _, p := range append(found.Cut, found.Damaged...) {
		o.Logger.Warn("the spool has bytes that cannot be read", "problem", p.String())
	}
	if err := s.restore(); err != nil {
		return nil, errors.Join(fmt.Errorf("spool %s: %w", dir, err), log.Close(), s.lock.release())
	}
	return s, nil
}

// restore finds what waits.
func (s *Spool) restore() error {
	err := s.log.ReadFrom(context.Background(), 0, func(r journal.Record) error {
		switch r.Kind {
		case kindBody:
			s.push(place{seq: r.Pos.Seq, lines: countLines(r.Payload), size: len(r.Payload), time: r.Time})
		case kindMark:
			if seq, n := binary.Uvarint(r.Payload); n > 0 && seq < r.Pos.Seq {
				s.taken = max(s.taken, seq)
				break
			}
			fallthrough
		default:
			s.o.Logger.Warn("the spool has a record of an unknown form", "number", r.Pos.Seq, "kind", r.Kind)
		}
		return nil
	})
	s.marked = s.taken
	for len(s.queue) > 0 && s.queue[0].seq <= s.taken {
		s.pop()
	}
	return err
}

func countLines(body []byte) int {
	n := bytes.Count(body, []byte("\n"))
	if len(body) > 0 && body[len(body)-1] != '\n' {
		n++
	}
	return n
}

func (s *Spool) push(p place) {
	s.ids++
	p.id = s.ids
	s.queue = append(s.queue, p)
	s.lines += int64(p.lines)
	if p.seq == 0 {
		s.memory += int64(p.size)
	}
}

func (s *Spool) pop() place {
	p := s.queue[0]
	s.queue[0] = place{} // lets go of the body
	s.queue = s.queue[1:]
	s.lines -= int64(p.lines)
	if p.seq == 0 {
		s.memory -= int64(p.size)
	}
	return p
}

// Append puts a body at the end of the queue. After an error it is in the queue all the same, in memory. A body larger than MaxBody is refused.
func (s *Spool) Append(body []byte) error {
	if len(body) > MaxBody {
		return fmt.Errorf("spool: a body of %d bytes is above the limit of %d", len(body), MaxBody)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("spool: closed")
	}
	s.makeRoom(int64(len(body)))
	p := place{lines: countLines(body), size: len(body), time: s.o.Now().UnixNano()}
	seq, err := s.write(kindBody, p.time, body)
	if p.seq = seq; err != nil {
		p.seq, p.body = 0, bytes.Clone(body)
		err = fmt.Errorf("spool: kept in memory only: %w", err)
	}
	s.push(p)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return err
}

// write puts one record into the journal.
func (s *Spool) write(k journal.Kind, now int64, payload []byte) (uint64, error) {
	if s.log.Size() >= s.segment {
		if err := s.log.Rotate(); err != nil {
			return 0, err
		}
	}
	var g journal.Group
	g.Begin(k, now)
	g.Buf = append(g.Buf, payload...)
	seq := s.log.Last().Seq + 1
	if err := g.End(seq); err != nil {
		return 0, err
	}
	return seq, s.log.Append(&g)
}

// makeRoom drops the oldest bodies until there is room for so many bytes more.
func (s *Spool) makeRoom(need int64) {
	s.dropOld()
	for s.log.Bytes()+s.memory+need > s.o.Size && len(s.queue) > 0 {
		if s.queue[0].seq == 0 {
			s.drop(Full)
			continue
		}
		// All that lie in the oldest segment go together; its bytes go with them.
		begin := s.log.Begins(s.queue[0].seq)
		if begin == s.log.Begins(s.log.Last().Seq) {
			return
		}
		for len(s.queue) > 0 && s.queue[0].seq > 0 && s.log.Begins(s.queue[0].seq) == begin {
			s.drop(Full)
		}
		s.trim()
	}
}

// dropOld drops what is older than it may be.
func (s *Spool) dropOld() {
	if s.o.Age <= 0 {
		return
	}
	before, any := s.o.Now().Add(-s.o.Age).UnixNano(), false
	for len(s.queue) > 0 && s.queue[0].time < before {
		s.drop(Old)
		any = true
	}
	if any {
		s.trim()
	}
}

// drop drops the first body.
func (s *Spool) drop(reason string) {
	p := s.pop()
	s.taken = max(s.taken, p.seq)
	count := func() {
		s.dropped[reason] += int64(p.lines)
		s.o.Logger.Error("lines that waited for Granary are dropped", "reason", reason, "lines", p.lines, "written", time.Unix(0, p.time).UTC().Format(time.RFC3339))
	}
	if p.id == s.handed {
		s.late = count
		return
	}
	count()
}

// settle counts what was dropped while it was handed out, and was not taken.
func (s *Spool) settle() {
	if s.late != nil {
		s.late()
		s.late = nil
	}
}

// trim removes segments in which nothing waits.
func (s *Spool) trim() {
	first := s.log.Last().Seq + 1
	for _, p := range s.queue {
		if p.seq > 0 {
			first = p.seq
			break
		}
	}
	if err := s.log.Trim(first); err != nil {
		s.o.Logger.Warn("the spool cannot remove what was sent", "error", err)
	}
}

// Next waits for a body and gives the first one, which stays in the queue. It ends with the error of ctx.
func (s *Spool) Next(ctx context.Context) (Body, error) {
	for {
		b, ok, err := s.Peek()
		if ok || err != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
			return Body{}, ctx.Err()
		case <-s.more:
		}
	}
}

// Peek gives the first body without waiting, and whether there is one.
func (s *Spool) Peek() (Body, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.handed = 0
	s.dropOld()
	for len(s.queue) > 0 {
		p := s.queue[0]
		if p.seq == 0 {
			s.handed = p.id
			return Body{p.body, p.lines, p.id}, true, nil
		}
		var body []byte
		err := s.log.ReadFrom(context.Background(), p.seq, func(r journal.Record) error {
			if r.Pos.Seq == p.seq && r.Kind == kindBody {
				body = bytes.Clone(r.Payload)
			}
			return errFound
		})
		if err != nil && !errors.Is(err, errFound) {
			return Body{}, false, fmt.Errorf("spool: %w", err)
		}
		if body != nil {
			s.handed = p.id
			return Body{body, p.lines, p.id}, true, nil
		}
		s.drop(Damaged)
	}
	return Body{}, false, nil
}

var errFound = errors.New("found")

// Done takes a body out of the queue, which Next or Peek gave. One that was dropped meanwhile is no error.
func (s *Spool) Done(b Body) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 || s.queue[0].id != b.id {
		s.late = nil
		return nil
	}
	p := s.pop()
	s.taken = max(s.taken, p.seq)
	s.since++
	if len(s.queue) > 0 && s.since < markedEvery {
		return nil
	}
	err := s.mark()
	s.trim()
	return err
}

// mark writes down how far the queue was taken.
func (s *Spool) mark() error {
	s.since = 0
	if s.taken <= s.marked {
		return nil
	}
	if _, err := s.write(kindMark, s.o.Now().UnixNano(), binary.AppendUvarint(nil, s.taken)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.marked = s.taken
	return nil
}

// Stats gives the figures.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Stats{Bodies: len(s.queue), Lines: s.lines, Bytes: s.log.Bytes(), Dropped: map[string]int64{}}
	for reason, n := range s.dropped {
		out.Dropped[reason] = n
	}
	if len(s.queue) > 0 {
		out.Oldest = time.Unix(0, s.queue[0].time)
	}
	return out
}

// Close marks what was taken, and lets go of the folder. Bodies that are in memory only are lost, and counted in the error. A second Close does
// nothing.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.settle()
	var lost error
	if n := s.inMemory(); n > 0 {
		lost = fmt.Errorf("spool: %d lines that could not be put on disk are lost", n)
	}
	return errors.Join(lost, s.mark(), s.log.Close(), s.lock.release())
}

func (s *Spool) inMemory() (lines int) {
	for _, p := range s.queue {
		if p.seq == 0 {
			lines += p.lines
		}
	}
	return lines
}
