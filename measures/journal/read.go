package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
)

// view is what a reader needs of a segment, as it was at one moment.
type view struct {
	id    uint64
	path  string
	head  segmentHeader
	ok    bool
	size  int64
	below uint64 // records from this number on are void
}

// void reports whether newer segments hold all that this one could.
func (v *view) void() bool { return v.ok && v.head.first >= v.below }

func viewsOf(segments []*segment) []view {
	below := voidFrom(segments)
	views := make([]view, len(segments))
	for i, s := range segments {
		views[i] = view{id: s.id, path: s.path, head: s.header(), ok: s.headOK, size: s.size, below: below[i]}
	}
	return views
}

// ReadFrom is part of Log. A damaged place is reported by Problems, copied to quarantine, and logged, once.
func (f *File) ReadFrom(ctx context.Context, seq uint64, fn func(Record) error) error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return f.unavailable("read", f.dir, ErrClosed)
	}
	views := viewsOf(f.segments)
	to := f.tail
	f.mu.Unlock()
	r := reader{file: f, from: seq, to: to}
	n := 0
	return r.each(views, func(rec Record, _ []byte) error {
		if n++; n%64 == 1 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return fn(rec)
	})
}

// reader reads records from one number to another, both included.
type reader struct {
	file     *File
	from, to uint64
	buf      []byte
}

var errEnough = errors.New("enough")

func (r *reader) each(views []view, fn func(Record, []byte) error) error {
	if r.from > r.to {
		return nil
	}
	seen := uint64(0) // the last record read or stepped over, 0 before the first segment
	for i, v := range views {
		if v.void() || v.below <= r.from || i+1 < len(views) && lastOf(views[i+1:]) < r.from {
			continue
		}
		if v.ok && seen > 0 && v.head.prev > seen {
			r.file.found(v, damage{after: seen, reason: missing(seen+1, v.head.prev)})
		}
		last, err := r.segment(v, fn)
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
		seen = max(seen, last)
	}
	return nil
}

// lastOf is the number before the first one that the given segments can hold, MaxUint64 if it is not known.
func lastOf(views []view) uint64 {
	for _, v := range views {
		if v.ok {
			return v.head.prev
		}
	}
	return math.MaxUint64
}

// segment reads one segment and returns the number of its last record.
func (r *reader) segment(v view, fn func(Record, []byte) error) (uint64, error) {
	if v.size <= segmentHeaderSize {
		return 0, nil
	}
	h, err := r.file.fs.Open(v.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("journal: segment %d was trimmed while it was read: %w", v.id, err)
	}
	if err != nil {
		return 0, err
	}
	defer h.Close()
	s := newScanner(h, v.size, v.head, v.ok, r.buf)
	r.buf = s.buf
	s.from, s.below = r.from, v.below
	s.report = func(d damage) { r.file.found(v, d) }
	if !v.ok {
		r.file.found(v, damage{length: segmentHeaderSize, reason: "the head of the segment is damaged"})
	}
	for {
		head, payload, ok := s.scan()
		if !ok {
			break
		}
		if head.seq > r.to {
			return s.last, errEnough
		}
		rec := Record{Pos: r.file.position(head.seq), Time: head.time, Kind: head.kind, Payload: payload}
		if err := fn(rec, s.raw); err != nil {
			return s.last, err
		}
		if head.seq == r.to {
			return s.last, errEnough
		}
	}
	if s.err != nil {
		return s.last, fmt.Errorf("journal: reading %s at %d: %w", v.path, s.offset(), s.err)
	}
	return s.last, nil
}
