package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// Problem is a place in a journal that cannot be read.
type Problem struct {
	Path    string
	Segment uint64
	Offset  int64  // in the file
	Length  int64  // bytes that were stepped over; 0 if records are missing without a trace, or the file as a whole is meant
	After   uint64 // number of the last record that could be read before it, 0 if there is none
	Reason  string
	Torn    bool   // the end of the newest segment, or one that was being made: the usual trace of a crash
	Copy    string // file in quarantine that holds the bytes, if there is one
	Err     error  // why they could not be copied, or what kept the file from being read
}

// String is the problem in one line.
func (p Problem) String() string {
	s := fmt.Sprintf("%s: at byte %d", p.Path, p.Offset)
	if p.Length > 0 {
		s += fmt.Sprintf(", %d bytes", p.Length)
	}
	if p.After > 0 {
		s += fmt.Sprintf(", after record %d", p.After)
	}
	s += ": " + p.Reason
	if p.Copy != "" {
		s += "; copied to " + p.Copy
	}
	if p.Err != nil {
		s += "; " + p.Err.Error()
	}
	return s
}

func (d damage) problem(v view) Problem {
	return Problem{Path: v.path, Segment: v.id, Offset: d.offset, Length: d.length, After: d.after, Reason: d.reason}
}

// found notes damage that a read came across, unless it is known already.
func (f *File) found(v view, d damage) {
	at := place{v.id, d.offset}
	f.mu.Lock()
	known := f.known[at]
	f.known[at] = true
	f.mu.Unlock()
	if known {
		return
	}
	p := f.quarantined(v, d)
	f.mu.Lock()
	f.problems = append(f.problems, p)
	f.mu.Unlock()
	// Logged although Problems returns it: replay goes on, and its caller may never ask.
	f.o.Logger.Warn("journal is damaged", "problem", p.String())
}

// quarantined copies the damaged bytes to quarantine.
func (f *File) quarantined(v view, d damage) Problem {
	p := d.problem(v)
	if f.o.Quarantine == "" || d.length == 0 {
		return p
	}
	p.Copy = filepath.Join(f.o.Quarantine, fmt.Sprintf("journal-%08d-%012d.bin", v.id, d.offset))
	if err := f.copyOut(v.path, p.Copy, d.offset, d.length, p.Reason); err != nil {
		p.Copy, p.Err = "", fmt.Errorf("journal: cannot copy it to quarantine: %w", err)
	}
	return p
}

// copyOut copies a part of a file to a new one and puts the reason beside it. A copy that an earlier start has finished
// is left as it is; one that it could not finish is made again.
func (f *File) copyOut(from, to string, offset, length int64, reason string) error {
	if err := f.fs.MkdirAll(filepath.Dir(to)); err != nil {
		return err
	}
	note := to + ".reason"
	if h, err := f.fs.Open(note); err == nil {
		return h.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	in, err := f.fs.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := f.writeNew(to, io.NewSectionReader(in, offset, length)); err != nil {
		return err
	}
	text := fmt.Sprintf("%s, %d bytes from %d: %s\n", from, length, offset, reason)
	if err := f.writeNew(note, io.NewSectionReader(stringAt(text), 0, int64(len(text)))); err != nil {
		return err
	}
	return f.fs.SyncDir(filepath.Dir(to))
}

// writeNew makes or replaces a file.
func (f *File) writeNew(path string, r io.Reader) (err error) {
	if err := f.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := f.fs.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	if _, err := io.Copy(io.NewOffsetWriter(out, 0), r); err != nil {
		return err
	}
	return out.Sync()
}

type stringAt string

func (s stringAt) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(s)) {
		return 0, io.EOF
	}
	n := copy(p, s[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
