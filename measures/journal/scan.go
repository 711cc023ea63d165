package journal

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// readSize is how much a scanner reads at once.
const readSize = 1 << 20

// damage is a part of a segment that holds no record that can be read, or, with length 0, a place where records are
// missing.
type damage struct {
	offset, length int64
	after          uint64 // number of the last whole record before it, 0 if there is none in the segment
	reason         string
	whole          bool // a record stands here in full, with a good header, and yet it is no part of the log
}

// scanner reads the records of one segment in order and steps over what is damaged. Its buffer is read in large pieces
// and records are handed out where they lie in it.
type scanner struct {
	r    io.ReaderAt
	size int64 // where the segment ends

	// from is the first number that is wanted; records below are stepped over without a look at their payload.
	from uint64
	// below ends the segment: records from this number on were written again in a newer one.
	below uint64

	pattern []byte // what a record begins with: magic and, if it is known, the segment's marker
	next    uint64 // the number that the next record must have, 0 if any will do
	skipped bool   // bytes were stepped over since the last record, so its number may be further on
	last    uint64 // number of the last whole record, 0 if none
	end     int64  // where it ends
	report  func(damage)

	buf  []byte // window of the file; its capacity, which is fixed, is that of the file or of a read and a record
	base int64  // offset of buf[0]
	pos  int    // place in buf
	err  error
	raw  []byte // the last record with its header
}

// newScanner makes a scanner for a segment of which h is the head; ok is false if the head is damaged. buf is memory
// for the window, and may be nil.
func newScanner(r io.ReaderAt, size int64, h segmentHeader, ok bool, buf []byte) *scanner {
	if need := int(min(readSize+maxFrame, max(size, 0))); cap(buf) < need {
		buf = make([]byte, 0, need)
	}
	s := &scanner{r: r, size: size, below: math.MaxUint64, base: segmentHeaderSize, end: segmentHeaderSize, buf: buf[:0], report: func(damage) {}}
	if ok {
		s.pattern, s.next = recordPattern(h.marker), h.first
	} else {
		s.pattern = recordPattern(0)[:4]
	}
	return s
}

func (s *scanner) offset() int64 { return s.base + int64(s.pos) }

// fill makes at least n bytes available at pos. It returns false at the end of the segment or after an error.
func (s *scanner) fill(n int) bool {
	for len(s.buf)-s.pos < n {
		at := s.base + int64(len(s.buf))
		if s.err != nil || at >= s.size {
			return false
		}
		s.base += int64(s.pos)
		kept := copy(s.buf[:cap(s.buf)], s.buf[s.pos:])
		s.pos = 0
		want := int(min(int64(min(readSize, cap(s.buf)-kept)), s.size-at))
		m, err := s.r.ReadAt(s.buf[kept:kept+want], at)
		s.buf = s.buf[:kept+m]
		if m < want {
			if err == nil || err == io.EOF {
				s.size = at + int64(m) // the file is shorter than it was said to be
			} else {
				s.err = err
			}
		}
	}
	return true
}

// scan returns the next whole record. false is the end of the segment, or an error that err holds.
func (s *scanner) scan() (h recordHeader, payload []byte, ok bool) {
	for {
		if s.next >= s.below || s.err != nil {
			return h, nil, false
		}
		at := s.offset()
		if at >= s.size {
			return h, nil, false
		}
		if !s.fill(recordHeaderSize) {
			s.pos = len(s.buf)
			s.spoil(at, s.size-at, "cut off in a record header", false)
			return h, nil, false
		}
		h, reason := parseRecordHeader(s.buf[s.pos:])
		if reason == "" && !bytes.HasPrefix(s.buf[s.pos:], s.pattern) {
			reason = "the record belongs to another segment"
		}
		frame := recordHeaderSize + h.length
		if reason == "" && at+int64(frame) > s.size {
			reason = "cut off in a payload"
		}
		// A header whose number has passed is not to be believed in its length either.
		passed := reason == "" && s.next != 0 && h.seq < s.next
		if passed {
			reason = fmt.Sprintf("record %d stands where %d is due", h.seq, s.next)
		}
		if reason != "" {
			s.resync()
			s.spoil(at, s.offset()-at, reason, passed)
			continue
		}
		if h.seq < s.from && s.next == h.seq {
			if !s.step(frame) {
				return h, nil, false
			}
			s.whole(&h)
			continue
		}
		if !s.fill(frame) {
			s.pos = len(s.buf)
			s.spoil(at, s.size-at, "cut off in a payload", false)
			return h, nil, false
		}
		payload = s.buf[s.pos+recordHeaderSize : s.pos+frame : s.pos+frame]
		s.raw = s.buf[s.pos : s.pos+frame]
		s.pos += frame
		if !h.holds(payload) {
			s.spoil(at, int64(frame), "the checksum of the record does not hold", true)
			continue
		}
		if h.seq >= s.below {
			return h, nil, false
		}
		if s.next != 0 && h.seq > s.next && !s.skipped {
			s.report(damage{offset: at, after: s.last, reason: missing(s.next, h.seq-1)})
		}
		if len(s.pattern) == 4 {
			s.pattern = recordPattern(h.marker)
		}
		s.whole(&h)
		if h.seq < s.from {
			continue
		}
		return h, payload, true
	}
}

// whole notes that the record that ends at the current place can be read.
func (s *scanner) whole(h *recordHeader) {
	s.last, s.next, s.skipped, s.end = h.seq, h.seq+1, false, s.offset()
}

// spoil reports a damaged part.
func (s *scanner) spoil(at, length int64, reason string, whole bool) {
	if s.err != nil {
		return
	}
	s.skipped = true
	s.report(damage{offset: at, length: length, after: s.last, reason: reason, whole: whole})
}

// step moves over n bytes, of which those that are not in the window need not be read.
func (s *scanner) step(n int) bool {
	if left := len(s.buf) - s.pos; n > left {
		s.base += int64(s.pos + n)
		s.buf, s.pos = s.buf[:0], 0
		return s.err == nil
	}
	s.pos += n
	return true
}

// resync moves to the next place after the current one where the head of a record can stand, or to the end. The
// marker, which no writer of payloads knows, keeps it from taking bytes inside a payload for a record; while the marker
// is not known, because the segment's own head is damaged, a whole record is asked for.
func (s *scanner) resync() {
	s.pos++
	for {
		if !s.fill(recordHeaderSize) {
			s.pos = len(s.buf)
			return
		}
		i := bytes.Index(s.buf[s.pos:], s.pattern)
		if i < 0 {
			s.pos = len(s.buf) - len(s.pattern) + 1
			continue
		}
		s.pos += i
		if !s.fill(recordHeaderSize) {
			s.pos = len(s.buf)
			return
		}
		h, reason := parseRecordHeader(s.buf[s.pos:])
		frame := recordHeaderSize + h.length
		if reason == "" && h.seq > s.last && h.seq >= s.next && s.offset()+int64(frame) <= s.size {
			if len(s.pattern) > 4 || s.fill(frame) && h.holds(s.buf[s.pos+recordHeaderSize:s.pos+frame]) {
				return
			}
		}
		if s.err != nil {
			s.pos = len(s.buf)
			return
		}
		s.pos++
	}
}

func missing(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("record %d is missing", from)
	}
	return fmt.Sprintf("records %d to %d are missing", from, to)
}
