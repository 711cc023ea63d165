package checkpoint

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

const (
	walMagic    = 0xCC1DA701
	recordMagic = 0xCC1DA7A1
	// maxPayload is what a record of the longest metric name and 255 of the longest levels needs.
	maxPayload = 8 + 2 + math.MaxUint16 + 1 + 255*(1+255) + 4
	// walBatch is how many samples of a log are gathered by series before they are handed over.
	walBatch = 1 << 18
	// maxNotes bounds how many damaged places of one log are named; the rest are counted.
	maxNotes = 20
)

var recordMark = binary.LittleEndian.AppendUint32(nil, recordMagic)

// walFunc takes samples of one series from a log, in the order of the log. The slices are valid until it returns.
type walFunc func(levels []string, metric string, times []int64, values []float64) error

// readWAL calls run for the samples of a log, gathered by series, and damaged for every stretch of bytes that holds no
// valid record. Behind such a stretch it goes on at the next valid record: the peer appends behind a record that a crash
// tore, and cannot read it again itself. The error is that of run or of reading.
func readWAL(src io.Reader, run walFunc, damaged func(offset, skipped int64, err error)) error {
	w := walReader{
		src:     bufio.NewReaderSize(src, 2*(maxPayload+12)),
		run:     run,
		damaged: damaged,
		series:  map[string]*walSeries{},
	}
	if err := w.read(); err != nil {
		return err
	}
	return w.flush()
}

type walSeries struct {
	levels []string
	metric string
	times  []int64
	values []float64
}

type walReader struct {
	src     *bufio.Reader
	run     walFunc
	damaged func(offset, skipped int64, err error)

	offset int64 // of the next byte of src
	notes  int

	series  map[string]*walSeries // by the bytes of a payload that name the series
	order   []*walSeries          // in the order of their first sample
	samples int
}

func (w *walReader) read() error {
	head, err := w.src.Peek(4)
	switch {
	case len(head) == 0 && errors.Is(err, io.EOF):
		return nil // made, but never flushed
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case len(head) == 4 && binary.LittleEndian.Uint32(head) == walMagic:
		w.discard(4)
	default:
		if err := w.resync(fmt.Errorf("the file does not start with %#08x", uint32(walMagic))); err != nil {
			return err
		}
	}
	for {
		payload, err := w.record()
		switch {
		case err == nil:
			if bad := w.add(payload); bad != nil {
				w.note(w.offset, int64(len(payload)+12), bad)
			}
			w.discard(len(payload) + 12)
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, new(badRecord)):
			if err := w.resync(err); err != nil {
				return err
			}
		default:
			return err
		}
		if w.samples >= walBatch {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
}

// badRecord says why the bytes at the read position are no record.
type badRecord struct{ err error }

func (e badRecord) Error() string { return e.err.Error() }

// record returns the payload of the record at the read position, without moving on. io.EOF means the end of the file, a
// badRecord bytes that are none; other errors come from reading.
func (w *walReader) record() ([]byte, error) {
	head, err := w.src.Peek(8)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(head) == 0:
		return nil, io.EOF
	case len(head) < 8:
		return nil, badRecord{errShort}
	case binary.LittleEndian.Uint32(head) != recordMagic:
		return nil, badRecord{errors.New("no record starts here")}
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if n > maxPayload {
		return nil, badRecord{fmt.Errorf("a record of %d bytes, at most %d are possible", n, maxPayload)}
	}
	frame, err := w.src.Peek(int(n) + 12)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, badRecord{fmt.Errorf("a record of %d bytes: %w", n, errShort)}
		}
		return nil, err
	}
	payload := frame[8 : 8+n]
	if sum, want := crc32.ChecksumIEEE(payload), binary.LittleEndian.Uint32(frame[8+n:]); sum != want {
		return nil, badRecord{fmt.Errorf("checksum %#08x, expected %#08x", sum, want)}
	}
	return payload, nil
}

// resync moves on to the next valid record, or to the end of the file, and reports the bytes between.
func (w *walReader) resync(cause error) error {
	start := w.offset
	for {
		w.discard(1) // a valid record does not start at the position that is damaged
		for {
			b, err := w.src.Peek(max(w.src.Buffered(), len(recordMark)))
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if len(b) < len(recordMark) {
				w.discard(len(b))
				break
			}
			if i := bytes.Index(b, recordMark); i >= 0 {
				w.discard(i)
				break
			}
			w.discard(len(b) - len(recordMark) + 1)
		}
		_, err := w.record()
		if err == nil || errors.Is(err, io.EOF) {
			w.note(start, w.offset-start, cause)
			return nil
		}
		if !errors.As(err, new(badRecord)) {
			return err
		}
	}
}

func (w *walReader) discard(n int) {
	m, _ := w.src.Discard(n) // what could not be discarded is noticed by the next Peek
	w.offset += int64(m)
}

func (w *walReader) note(offset, skipped int64, err error) {
	w.notes++
	if w.notes == maxNotes {
		err = fmt.Errorf("%w; further places are not listed", err)
	}
	if w.notes <= maxNotes {
		w.damaged(offset, skipped, err)
	}
}

// add gathers one sample. The error says why the payload, though its checksum is right, is none.
func (w *walReader) add(payload []byte) error {
	if len(payload) < 8+2+1+4 {
		return fmt.Errorf("a payload of %d bytes", len(payload))
	}
	name, tail := payload[8:len(payload)-4], payload[len(payload)-4:]
	s := w.series[string(name)]
	if s == nil {
		var err error
		if s, err = newSeries(name); err != nil {
			return err
		}
		w.series[string(name)] = s
	}
	t := int64(binary.LittleEndian.Uint64(payload))
	if t < minTime || t > maxTime {
		return fmt.Errorf("time %d is out of range", t)
	}
	if len(s.times) == 0 {
		w.order = append(w.order, s)
	}
	s.times = append(s.times, t)
	s.values = append(s.values, float64(math.Float32frombits(binary.LittleEndian.Uint32(tail))))
	w.samples++
	return nil
}

// newSeries reads the part of a payload that names the series: the metric and its levels.
func newSeries(b []byte) (*walSeries, error) {
	n := int(binary.LittleEndian.Uint16(b))
	if b = b[2:]; n >= len(b) {
		return nil, fmt.Errorf("a metric name of %d bytes: %w", n, errShort)
	}
	s := &walSeries{metric: string(b[:n])}
	levels := b[n]
	b = b[n+1:]
	for range levels {
		if len(b) == 0 || int(b[0]) >= len(b) {
			return nil, fmt.Errorf("metric %q with %d levels: %w", s.metric, levels, errShort)
		}
		s.levels = append(s.levels, string(b[1:1+int(b[0])]))
		b = b[1+int(b[0]):]
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("metric %q: %d bytes behind the levels", s.metric, len(b))
	}
	return s, nil
}

// flush hands over what was gathered and forgets series without samples in this batch, so that a log of ever new names
// costs no more than one batch.
func (w *walReader) flush() error {
	for _, s := range w.order {
		if err := w.run(s.levels, s.metric, s.times, s.values); err != nil {
			return err
		}
	}
	clear(w.series)
	w.order, w.samples = nil, 0
	return nil
}
