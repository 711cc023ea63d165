package crashfs

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// sector is what reaches the medium as a whole or not at all.
const sector = 512

type inode struct {
	data   []byte       // what the kernel knows
	medium []byte       // what the medium holds
	dirty  map[int]bool // sectors that the next Sync writes

}

// Handle is an open file.
type Handle struct {
	fs       *FS
	path     string
	inode    *inode
	readOnly bool
	closed   bool
}

// ReadAt is io.ReaderAt.
func (h *Handle) ReadAt(p []byte, at int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return 0, pathError("read", h.path, fs.ErrClosed)
	}
	if h.fs.stopped() {
		return 0, pathError("read", h.path, ErrStopped)
	}
	if at >= int64(len(h.inode.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.inode.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt is io.WriterAt.
func (h *Handle) WriteAt(p []byte, at int64) (int, error) {
	fault, err := h.fs.step(Write, h.path, len(p))
	defer h.fs.mu.Unlock()
	n := len(p)
	switch {
	case h.closed || h.readOnly:
		return 0, pathError(Write, h.path, fs.ErrClosed)
	case err != nil:
		n = min(fault.Wrote, n)
		err = pathError(Write, h.path, err)
	}
	if n > 0 {
		h.inode.resize(max(int(at)+n, len(h.inode.data)))
		copy(h.inode.data[at:], p[:n])
		h.inode.touch(int(at), int(at)+n)
	}
	return n, err
}

// Truncate changes the size.
func (h *Handle) Truncate(size int64) error {
	_, err := h.fs.step(Truncate, h.path, 0)
	defer h.fs.mu.Unlock()
	if err != nil {
		return pathError(Truncate, h.path, err)
	}
	if h.closed || h.readOnly {
		return pathError(Truncate, h.path, fs.ErrClosed)
	}
	old := len(h.inode.data)
	h.inode.resize(int(size))
	h.inode.touch(min(old, int(size)), max(old, int(size)))
	return nil
}

// Sync brings the file to the medium. If it is made to fail, what it should have written stays unwritten for good.
func (h *Handle) Sync() error {
	fault, err := h.fs.step(Sync, h.path, 0)
	defer h.fs.mu.Unlock()
	if h.closed {
		return pathError(Sync, h.path, fs.ErrClosed)
	}
	i := h.inode
	if err != nil {
		if fault.Err != nil {
			clear(i.dirty)
		}
		return pathError(Sync, h.path, err)
	}
	for s := range i.dirty {
		i.medium = i.put(i.medium, s)
	}
	if len(i.medium) > len(i.data) {
		i.medium = i.medium[:len(i.data)]
	}
	clear(i.dirty)
	return nil
}

// Size is the size in bytes.
func (h *Handle) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.stopped() {
		return 0, pathError("stat", h.path, ErrStopped)
	}
	return int64(len(h.inode.data)), nil
}

// Close ends the use of the handle.
func (h *Handle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return pathError("close", h.path, fs.ErrClosed)
	}
	h.closed = true
	return nil
}

func (i *inode) resize(n int) {
	if n > len(i.data) {
		i.data = append(i.data, make([]byte, n-len(i.data))...)
	} else {
		clear(i.data[n:])
		i.data = i.data[:n]
	}
}

func (i *inode) touch(from, to int) {
	for s := from / sector; s*sector < to; s++ {
		i.dirty[s] = true
	}
}

// put copies sector s of what the kernel knows into m, which grows as needed.
func (i *inode) put(m []byte, s int) []byte {
	from := s * sector
	to := min(from+sector, len(i.data))
	if from >= to {
		return m
	}
	if len(m) < to {
		m = append(m, make([]byte, to-len(m))...)
	}
	copy(m[from:to], i.data[from:to])
	return m
}

// crashed is the content after a power cut: what was synced and any choice of the rest.
func (i *inode) crashed(r *rand.Rand) []byte {
	m := append([]byte(nil), i.medium...)
	var keep func() bool
	switch r.IntN(4) {
	case 0:
		keep = func() bool { return false }
	case 1:
		keep = func() bool { return true }
	default:
		keep = func() bool { return r.IntN(2) == 0 }
	}
	for s := 0; s*sector < len(i.data); s++ {
		if i.dirty[s] && keep() {
			m = i.put(m, s)
		}
	}
	if len(m) > len(i.data) && keep() {
		m = m[:len(i.data)]
	}
	// The size may reach the medium before the bytes.
	if len(m) < len(i.data) && len(i.dirty) > 0 && r.IntN(4) == 0 {
		m = append(m, make([]byte, len(i.data)-len(m))...)
	}
	return m
}

// Crash is what is left after a power cut. The seed chooses what of the unsynced state survived.
func (f *FS) Crash(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := rand.New(rand.NewPCG(seed, 1))
	names := map[string]*inode{}
	for p, i := range f.medium {
		names[p] = i
	}
	for _, c := range f.pending[:r.IntN(len(f.pending)+1)] {
		c.apply(names)
	}
	n := f.like()
	for _, p := range sorted(names) {
		n.add(p, names[p].crashed(r))
	}
	return n
}

// Kill is what is left after the end of the process: all that the kernel knows, whether synced or not.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.like()
	for p, i := range f.files {
		n.add(p, append([]byte(nil), i.data...))
	}
	return n
}

func (f *FS) like() *FS {
	n := New()
	for d := range f.dirs {
		n.dirs[d] = true
	}
	return n
}

func (f *FS) add(path string, data []byte) {
	i := &inode{data: data, medium: append([]byte(nil), data...), dirty: map[int]bool{}}
	f.files[path], f.medium[path] = i, i
}

// Files returns the content of all files by path.
func (f *FS) Files() map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string][]byte{}
	for p, i := range f.files {
		all[p] = append([]byte(nil), i.data...)
	}
	return all
}

// Put makes or replaces a file, safe on the medium.
func (f *FS) Put(path string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path = filepath.Clean(path)
	f.dirs[filepath.Dir(path)] = true
	f.add(path, append([]byte(nil), data...))
}

// WriteTo puts all files into a directory of the machine, under their paths.
func (f *FS) WriteTo(dir string) error {
	for p, b := range f.Files() {
		to := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}
