package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// sectionHead stands before each section: magic, shard, length, checksum of the bytes, checksum of the head.
const sectionHead = 24

const sectionMagic = 0x5443_4553 // "SECT" in the file

// StateWriter writes a state file: what a snapshot keeps of each shard beside its chunks. It is not safe for concurrent
// use.
type StateWriter struct {
	out   *output
	id    uint32
	count uint64
}

// CreateState begins the state file with an id in dir. It is not seen under its name before Finish.
func CreateState(dir string, id uint32, o Options) (*StateWriter, error) {
	out, err := create(o.fs(), dir, StateName(id))
	if err != nil {
		return nil, fmt.Errorf("segment: creating state file %d: %w", id, err)
	}
	w := &StateWriter{out: out, id: id}
	if err := out.write(appendHead(nil, stateMagic, id)); err != nil {
		w.Abort()
		return nil, fmt.Errorf("segment: writing state file %d: %w", id, err)
	}
	return w, nil
}

// Section appends the bytes of a shard. A shard may have several sections; they are read in the order in which they were
// written. b may be used again when Section returns.
func (w *StateWriter) Section(shard uint32, b []byte) error {
	var head [sectionHead]byte
	at := w.out.size()
	binary.LittleEndian.PutUint32(head[0:], sectionMagic)
	binary.LittleEndian.PutUint32(head[4:], shard)
	binary.LittleEndian.PutUint64(head[8:], uint64(len(b)))
	binary.LittleEndian.PutUint32(head[16:], payloadSum(w.id, at, b))
	binary.LittleEndian.PutUint32(head[20:], sum(head[:20]))
	w.out.write(head[:])
	if err := w.out.write(b); err != nil {
		return fmt.Errorf("segment: writing state file %d: %w", w.id, err)
	}
	w.count++
	return nil
}

// Finish syncs the file and gives it its name. After an error there is no such file, or one that no manifest names.
func (w *StateWriter) Finish() (Info, error) {
	t := trailer{end: w.out.size(), count: w.count, id: w.id}
	w.out.write(t.append(nil, stateEnd))
	info := Info{ID: w.id, Name: w.out.name, Size: int64(w.out.size()), Entries: w.count}
	if err := w.out.finish(); err != nil {
		return Info{}, fmt.Errorf("segment: finishing state file %d: %w", w.id, err)
	}
	return info, nil
}

// Abort removes what was written. It does nothing after Finish.
func (w *StateWriter) Abort() { w.out.abort() }

// ReadState calls fn for each section of a state file. b is valid until fn returns.
//
// A section that is damaged is left out and reading goes on behind it, so that damage in one shard costs that shard
// only; the errors, each a *DamagedError, are joined and returned at the end. An error of fn ends the reading.
func ReadState(path string, fn func(shard int, b []byte) error) error {
	return readState(OS{}, path, fn)
}

func readState(fs FS, path string, fn func(shard int, b []byte) error) error {
	h, err := fs.Open(path)
	if err != nil {
		return err
	}
	defer h.Close()
	size, err := h.Size()
	if err != nil {
		return err
	}
	id, headErr := readHead(h, path, stateMagic, size)
	if headErr != nil && !isDamage(headErr) {
		return headErr
	}
	end := size
	t, trailerErr := readTrailer(h, path, stateEnd, size)
	switch {
	case trailerErr == nil:
		end = int64(t.end)
		if headErr != nil {
			id = t.id // both ends hold the id, so that the sections can be checked while one of them is whole
		} else if id != t.id || t.length != 0 {
			trailerErr = &DamagedError{Path: path, Offset: end, Reason: "the trailer does not belong to the file"}
		}
	case headErr != nil || !isDamage(trailerErr):
		return errors.Join(headErr, trailerErr)
	}
	damage := errors.Join(headErr, trailerErr)
	note := func(at int64, reason string) {
		damage = errors.Join(damage, &DamagedError{Path: path, Offset: at, Reason: reason})
	}
	var buf []byte
	count := uint64(0)
	for at := int64(headSize); at < end; {
		var head [sectionHead]byte
		if end-at < sectionHead {
			note(at, "a section is cut off")
			break
		}
		if err := readFull(h, path, head[:], at); err != nil {
			return errors.Join(damage, err)
		}
		if binary.LittleEndian.Uint32(head[:]) != sectionMagic || sum(head[:20]) != binary.LittleEndian.Uint32(head[20:]) {
			note(at, "the head of a section is damaged; what follows it is lost")
			break
		}
		shard, length := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint64(head[8:])
		if length > uint64(end-at-sectionHead) {
			note(at, fmt.Sprintf("the section of shard %d is cut off", shard))
			break
		}
		if uint64(cap(buf)) < length {
			buf = make([]byte, length)
		}
		b := buf[:length]
		if err := readFull(h, path, b, at+sectionHead); err != nil {
			return errors.Join(damage, err)
		}
		if payloadSum(id, uint64(at), b) != binary.LittleEndian.Uint32(head[16:]) {
			note(at, fmt.Sprintf("the checksum of the section of shard %d does not hold", shard))
		} else if err := fn(int(shard), b); err != nil {
			return err
		}
		at += sectionHead + int64(length)
		count++
	}
	if damage == nil && count != t.count {
		note(end, fmt.Sprintf("the file has %d sections, its trailer counts %d", count, t.count))
	}
	return damage
}

func isDamage(err error) bool {
	var d *DamagedError
	return errors.As(err, &d)
}
