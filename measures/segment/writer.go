package segment

import (
	"encoding/binary"
	"fmt"
)

// Options are the settings of writers. The zero value is good.
type Options struct {
	FS FS // default: OS
}

func (o Options) fs() FS {
	if o.FS == nil {
		return OS{}
	}
	return o.FS
}

// Info tells what was written.
type Info struct {
	ID      uint32
	Name    string // in the directory of segments
	Size    int64  // bytes
	Entries uint64 // payloads or sections
}

// Writer writes a segment file. It is not safe for concurrent use.
type Writer struct {
	out   *output
	id    uint32
	count uint64
	block block
	index []byte
}

// Create begins the segment file with an id in dir. It is not seen under its name before Finish.
func Create(dir string, id uint32, o Options) (*Writer, error) {
	out, err := create(o.fs(), dir, SegmentName(id))
	if err != nil {
		return nil, fmt.Errorf("segment: creating file %d: %w", id, err)
	}
	w := &Writer{out: out, id: id}
	if err := out.write(appendHead(nil, segmentMagic, id)); err != nil {
		w.Abort()
		return nil, fmt.Errorf("segment: writing file %d: %w", id, err)
	}
	return w, nil
}

// Size is the number of bytes that the file has so far, without its index.
func (w *Writer) Size() int64 { return int64(w.out.size()) }

// Add appends a payload and returns its offset. Off and Len of e are not looked at. A payload above MaxPayload and a
// file that would grow beyond MaxOffset are a *LimitError, after which the file can still be finished; after other
// errors it cannot.
func (w *Writer) Add(e Entry, payload []byte) (off uint64, err error) {
	if len(payload) > MaxPayload {
		return 0, &LimitError{What: "payload", Got: uint64(len(payload)), Max: MaxPayload}
	}
	off = w.out.size()
	e.Off, e.Len = off, uint32(len(payload))
	end := afterPayload(off, e.Len)
	if end > MaxOffset {
		return 0, &LimitError{What: "file size", Got: end, Max: MaxOffset}
	}
	w.out.reserve(payloadHead)
	w.out.buf = binary.LittleEndian.AppendUint32(w.out.buf, e.Len)
	w.out.buf = binary.LittleEndian.AppendUint32(w.out.buf, payloadSum(w.id, off, payload))
	w.out.write(payload)
	if err := w.out.pad(int(end - w.out.size())); err != nil {
		return 0, fmt.Errorf("segment: writing file %d: %w", w.id, err)
	}
	w.block.add(&e)
	w.count++
	if w.block.n == blockEntries {
		w.index = w.block.append(w.index)
	}
	return off, nil
}

// Finish writes the index, syncs the file and gives it its name. After an error there is no such file, or one that no
// manifest names.
func (w *Writer) Finish() (Info, error) {
	if w.block.n > 0 {
		w.index = w.block.append(w.index)
	}
	t := trailer{end: w.out.size(), length: uint64(len(w.index)), count: w.count, id: w.id}
	w.out.write(w.index)
	w.out.write(t.append(nil, indexMagic))
	info := Info{ID: w.id, Name: w.out.name, Size: int64(w.out.size()), Entries: w.count}
	if err := w.out.finish(); err != nil {
		return Info{}, fmt.Errorf("segment: finishing file %d: %w", w.id, err)
	}
	return info, nil
}

// Abort removes what was written. It does nothing after Finish.
func (w *Writer) Abort() { w.out.abort() }
