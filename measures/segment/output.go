package segment

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
)

const outputBuffer = 256 << 10

// output is a file that is being written under a temporary name.
type output struct {
	fs        FS
	dir, name string
	h         Handle
	buf       []byte
	flushed   int64
	err       error // the first failure; everything after it fails the same way
}

// create begins the file name in dir. What an earlier process has left under the temporary name is removed.
func create(fsys FS, dir, name string) (*output, error) {
	path := filepath.Join(dir, name+temporary)
	h, err := fsys.Create(path)
	if errors.Is(err, fs.ErrExist) {
		if err := fsys.Remove(path); err != nil {
			return nil, err
		}
		h, err = fsys.Create(path)
	}
	if err != nil {
		return nil, err
	}
	return &output{fs: fsys, dir: dir, name: name, h: h, buf: make([]byte, 0, outputBuffer)}, nil
}

// size is the number of bytes written so far.
func (o *output) size() uint64 { return uint64(o.flushed) + uint64(len(o.buf)) }

// write appends b to the file. Large pieces are not copied into the buffer. An error is returned again by all that
// follows, so a caller need only look at the last one.
func (o *output) write(b []byte) error {
	if len(b) <= cap(o.buf)-len(o.buf) {
		o.buf = append(o.buf, b...)
		return o.err
	}
	if err := o.flush(); err != nil {
		return err
	}
	if len(b) < cap(o.buf) {
		o.buf = append(o.buf, b...)
		return nil
	}
	return o.put(b)
}

// reserve makes room for n bytes in the buffer, which the caller appends.
func (o *output) reserve(n int) {
	if cap(o.buf)-len(o.buf) < n {
		o.flush() // keeps its error for the next write
	}
}

// pad appends n zeros, which are fewer than align.
func (o *output) pad(n int) error {
	o.reserve(align)
	for range n {
		o.buf = append(o.buf, 0)
	}
	return o.err
}

func (o *output) flush() error {
	if len(o.buf) == 0 {
		return o.err
	}
	err := o.put(o.buf)
	o.buf = o.buf[:0]
	return err
}

func (o *output) put(b []byte) error {
	if o.err != nil {
		return o.err
	}
	n, err := o.h.WriteAt(b, o.flushed)
	o.flushed += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	o.err = err
	return err
}

// finish makes the file visible under its name: bytes first, then the name, then the directory. After an error the
// file is gone, unless it is the directory that failed; then it may be there or not, and no manifest names it.
func (o *output) finish() error {
	if err := o.flush(); err != nil {
		o.abort()
		return err
	}
	if err := o.h.Sync(); err != nil {
		o.abort()
		return err
	}
	err := o.h.Close()
	o.h = nil
	if err == nil {
		err = o.fs.Rename(filepath.Join(o.dir, o.name+temporary), filepath.Join(o.dir, o.name))
	}
	if err != nil {
		o.abort()
		return err
	}
	o.err = errFinished
	return o.fs.SyncDir(o.dir)
}

// abort removes the file. It does nothing after finish.
func (o *output) abort() {
	if errors.Is(o.err, errFinished) {
		return
	}
	o.err = errFinished
	if o.h != nil {
		o.h.Close()
	}
	// A file that stays is swept away at the next start.
	_ = o.fs.Remove(filepath.Join(o.dir, o.name+temporary))
}

var errFinished = errors.New("segment: the file is finished or aborted")
