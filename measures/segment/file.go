package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// File is a segment file for reading. All methods but Close may be called from several goroutines.
type File struct {
	path string
	h    Handle
	size int64
	id   uint32
	t    trailer
}

// Open opens a segment file and checks its head, its trailer and its index.
func Open(path string) (*File, error) { return openFile(OS{}, path) }

func openFile(fs FS, path string) (*File, error) {
	h, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, h: h}
	if err := f.check(); err != nil {
		h.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) check() (err error) {
	if f.size, err = f.h.Size(); err != nil {
		return err
	}
	if f.id, err = readHead(f.h, f.path, segmentMagic, f.size); err != nil {
		return err
	}
	if f.t, err = readTrailer(f.h, f.path, indexMagic, f.size); err != nil {
		return err
	}
	if f.t.id != f.id {
		return &DamagedError{Path: f.path, Offset: f.size - trailerSize, Reason: fmt.Sprintf("the trailer belongs to file %d, the head to file %d", f.t.id, f.id)}
	}
	if f.t.end%align != 0 || f.t.end > MaxOffset {
		return &DamagedError{Path: f.path, Offset: f.size - trailerSize, Reason: "the index does not begin where one can begin"}
	}
	return f.blocks(func(int, []byte, int64) error { return nil })
}

// readHead reads the head of a file and returns its id.
func readHead(h Handle, path, magic string, size int64) (id uint32, err error) {
	var b [headSize]byte
	head := b[:min(headSize, size)]
	if err := readFull(h, path, head, 0); err != nil {
		return 0, err
	}
	return parseHead(path, head, magic)
}

// readTrailer reads the trailer of a file.
func readTrailer(h Handle, path, magic string, size int64) (trailer, error) {
	if size < headSize+trailerSize {
		return trailer{}, &DamagedError{Path: path, Offset: size, Reason: "the file was cut off: it has no room for a trailer"}
	}
	var b [trailerSize]byte
	if err := readFull(h, path, b[:], size-trailerSize); err != nil {
		return trailer{}, err
	}
	return parseTrailer(path, b[:], magic, size)
}

// readFull fills b. A file that ends before is damaged; other errors are those of the medium.
func readFull(h io.ReaderAt, path string, b []byte, at int64) error {
	n, err := h.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return &DamagedError{Path: path, Offset: at + int64(n), Reason: "the file ends here"}
	}
	return fmt.Errorf("segment: reading %s at %d: %w", path, at, err)
}

// blocks calls fn for each block of the index with the number of its entries, its body and the offset of that.
func (f *File) blocks(fn func(n int, body []byte, at int64) error) error {
	at, end := int64(f.t.end), f.size-trailerSize
	damaged := func(reason string) error { return &DamagedError{Path: f.path, Offset: at, Reason: reason} }
	left := f.t.count
	if left > uint64(f.size) || (left+blockEntries-1)/blockEntries > f.t.length/(blockHead+minBlock) {
		return damaged("the index is too short for the entries that the trailer counts")
	}
	var window []byte // of the index, from at on
	buf := make([]byte, min(indexRead, int64(f.t.length)))
	for ; left > 0; left -= min(left, blockEntries) {
		if len(window) < blockHead || len(window) < blockHead+int(binary.LittleEndian.Uint32(window)) {
			window = buf[:min(int64(len(buf)), end-at)]
			if err := readFull(f.h, f.path, window, at); err != nil {
				return err
			}
		}
		if len(window) < blockHead {
			return damaged("the index ends within a block")
		}
		length := binary.LittleEndian.Uint32(window)
		if length > maxBlock || int(length) > len(window)-blockHead {
			return damaged("a block of the index has an impossible length")
		}
		body := window[blockHead : blockHead+length]
		if sum(body) != binary.LittleEndian.Uint32(window[4:]) {
			return damaged("the checksum of a block of the index does not hold")
		}
		if err := fn(int(min(left, blockEntries)), body, at); err != nil {
			return err
		}
		window = window[blockHead+length:]
		at += blockHead + int64(length)
	}
	if at != end {
		return damaged("the index is longer than its entries")
	}
	return nil
}

// indexRead is how much of the index is read at once: several blocks of the largest size.
const indexRead = 256 << 10

// Entries calls fn for each entry in the order in which they were added. It reads the index from the file.
func (f *File) Entries(fn func(Entry) error) error {
	b := new(block)
	off := uint64(headSize)
	err := f.blocks(func(n int, body []byte, at int64) error {
		if !b.decode(n, body) {
			return &DamagedError{Path: f.path, Offset: at, Reason: "a block of the index cannot be decoded"}
		}
		for i := range n {
			e := b.entry(i)
			e.Off = off
			if off = afterPayload(off, e.Len); e.Len > MaxPayload || off > f.t.end {
				return &DamagedError{Path: f.path, Offset: at, Reason: "an entry of the index lies outside of the payloads"}
			}
			if err := fn(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && off != f.t.end {
		err = &DamagedError{Path: f.path, Offset: int64(f.t.end), Reason: "the payloads do not end where the index begins"}
	}
	return err
}

// ReadAt reads the payload of n bytes at offset off, as an entry names them, with one read of the file. The payload is
// returned as a part of dst, or of new memory if dst has less than n + 8 bytes of capacity; the bytes of dst before its
// length are not kept.
func (f *File) ReadAt(dst []byte, off uint64, n uint32) ([]byte, error) {
	if off < headSize || off%align != 0 || n > MaxPayload || off > f.t.end || payloadHead+uint64(n) > f.t.end-off {
		return nil, fmt.Errorf("segment: %s has no place for a payload of %d bytes at %d", f.path, n, off)
	}
	size := payloadHead + int(n)
	if cap(dst) < size {
		dst = make([]byte, size)
	}
	dst = dst[:size]
	if err := readFull(f.h, f.path, dst, int64(off)); err != nil {
		return nil, err
	}
	payload := dst[payloadHead:]
	if stored := binary.LittleEndian.Uint32(dst); stored != n {
		return nil, &DamagedError{Path: f.path, Offset: int64(off), Reason: fmt.Sprintf("a payload of %d bytes stands where one of %d is due", stored, n)}
	}
	if payloadSum(f.id, off, payload) != binary.LittleEndian.Uint32(dst[4:]) {
		return nil, &DamagedError{Path: f.path, Offset: int64(off), Reason: "the checksum of a payload does not hold"}
	}
	return payload, nil
}

// ID is the id that the file was created with.
func (f *File) ID() uint32 { return f.id }

// Len is the number of entries.
func (f *File) Len() int { return int(f.t.count) }

// Size is the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// Path is the path that the file was opened with.
func (f *File) Path() string { return f.path }

// Close closes the file. Reads that are under way may fail.
func (f *File) Close() error { return f.h.Close() }

// Verify reads a segment file as a whole and checks every checksum. It returns the first thing that is wrong.
func Verify(path string) error { return verify(OS{}, path) }

func verify(fs FS, path string) error {
	f, err := openFile(fs, path)
	if err != nil {
		return err
	}
	defer f.Close()
	var buf []byte
	return f.Entries(func(e Entry) error {
		if need := payloadHead + int(e.Len); cap(buf) < need {
			buf = make([]byte, need)
		}
		_, err := f.ReadAt(buf, e.Off, e.Len)
		return err
	})
}
