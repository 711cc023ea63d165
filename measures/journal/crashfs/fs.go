package crashfs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sort"
	"sync"
)

// ErrStopped is the error of every step after the last one that was allowed.
var ErrStopped = errors.New("crashfs: the machine stands still")

// Kind is the kind of a step.
type Kind string

// The steps, all of which change something.
const (
	Create   Kind = "create"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	SyncDir  Kind = "sync-dir"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	MkdirAll Kind = "mkdir"
)

// Op is a step about to be made.
type Op struct {
	N    int // from 1, over the life of the FS
	Kind Kind
	Path string
	Size int // bytes of a Write
}

// Fault makes a step fail. The zero value lets it pass.
type Fault struct {
	Err   error
	Wrote int // how many bytes of a Write go through before the error
}

// FS is a file system. All methods may be called from several goroutines.
type FS struct {
	mu      sync.Mutex
	files   map[string]*inode // what the kernel knows
	medium  map[string]*inode // names on the medium
	pending []change          // changes of names that are not synced, oldest first
	dirs    map[string]bool
	steps   int
	stopAt  int // 0: never
	hook    func(Op) Fault
}

// change is one change of names: to gets the inode of file, from (if not empty) is gone.
type change struct {
	from, to string
	file     *inode
}

// New makes an empty file system.
func New() *FS {
	return &FS{files: map[string]*inode{}, medium: map[string]*inode{}, dirs: map[string]bool{}}
}

// StopAfter lets n more steps pass; every one after them fails with ErrStopped and does nothing.
func (f *FS) StopAfter(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopAt = f.steps + n + 1
}

// Steps is the number of steps made so far.
func (f *FS) Steps() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.steps
}

// Hook has fn called before each step, outside of all locks. fn may block.
func (f *FS) Hook(fn func(Op) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = fn
}

// step counts a step, asks the hook, and returns with f.mu held.
func (f *FS) step(kind Kind, path string, size int) (Fault, error) {
	f.mu.Lock()
	f.steps++
	if f.stopAt > 0 && f.steps >= f.stopAt {
		return Fault{}, ErrStopped
	}
	op, hook := Op{N: f.steps, Kind: kind, Path: path, Size: size}, f.hook
	if hook == nil {
		return Fault{}, nil
	}
	f.mu.Unlock()
	fault := hook(op)
	f.mu.Lock()
	return fault, fault.Err
}

func pathError(op Kind, path string, err error) error {
	return &fs.PathError{Op: string(op), Path: path, Err: err}
}

// MkdirAll makes a directory. Directories are always safe.
func (f *FS) MkdirAll(dir string) error {
	_, err := f.step(MkdirAll, dir, 0)
	defer f.mu.Unlock()
	if err != nil {
		return pathError(MkdirAll, dir, err)
	}
	f.dirs[filepath.Clean(dir)] = true
	return nil
}

// ReadDir returns the names of the files in a directory, sorted.
func (f *FS) ReadDir(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir = filepath.Clean(dir)
	if !f.dirs[dir] {
		return nil, pathError("readdir", dir, fs.ErrNotExist)
	}
	var names []string
	for p := range f.files {
		if filepath.Dir(p) == dir {
			names = append(names, filepath.Base(p))
		}
	}
	sort.Strings(names)
	return names, nil
}

// Create makes a new file.
func (f *FS) Create(path string) (*Handle, error) {
	path = filepath.Clean(path)
	_, err := f.step(Create, path, 0)
	defer f.mu.Unlock()
	switch {
	case err != nil:
		return nil, pathError(Create, path, err)
	case f.files[path] != nil:
		return nil, pathError(Create, path, fs.ErrExist)
	case !f.dirs[filepath.Dir(path)]:
		return nil, pathError(Create, path, fs.ErrNotExist)
	}
	i := &inode{dirty: map[int]bool{}}
	f.files[path] = i
	f.pending = append(f.pending, change{to: path, file: i})
	return &Handle{fs: f, path: path, inode: i}, nil
}

// Open opens a file for reading.
func (f *FS) Open(path string) (*Handle, error) {
	h, err := f.OpenWrite(path)
	if err != nil {
		return nil, err
	}
	h.readOnly = true
	return h, nil
}

// OpenWrite opens a file for reading and writing.
func (f *FS) OpenWrite(path string) (*Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path = filepath.Clean(path)
	if f.stopped() {
		return nil, pathError("open", path, ErrStopped)
	}
	i := f.files[path]
	if i == nil {
		return nil, pathError("open", path, fs.ErrNotExist)
	}
	return &Handle{fs: f, path: path, inode: i}, nil
}

func (f *FS) stopped() bool { return f.stopAt > 0 && f.steps >= f.stopAt }

// Rename gives a file another name.
func (f *FS) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	_, err := f.step(Rename, from, 0)
	defer f.mu.Unlock()
	if err != nil {
		return pathError(Rename, from, err)
	}
	i := f.files[from]
	if i == nil {
		return pathError(Rename, from, fs.ErrNotExist)
	}
	delete(f.files, from)
	f.files[to] = i
	f.pending = append(f.pending, change{from: from, to: to, file: i})
	return nil
}

// Remove removes a file.
func (f *FS) Remove(path string) error {
	path = filepath.Clean(path)
	_, err := f.step(Remove, path, 0)
	defer f.mu.Unlock()
	if err != nil {
		return pathError(Remove, path, err)
	}
	if f.files[path] == nil {
		return pathError(Remove, path, fs.ErrNotExist)
	}
	delete(f.files, path)
	f.pending = append(f.pending, change{from: path})
	return nil
}

// SyncDir brings the names in a directory to the medium.
func (f *FS) SyncDir(dir string) error {
	dir = filepath.Clean(dir)
	_, err := f.step(SyncDir, dir, 0)
	defer f.mu.Unlock()
	if err != nil {
		return pathError(SyncDir, dir, err)
	}
	var rest []change
	for _, c := range f.pending {
		name := c.to
		if name == "" {
			name = c.from
		}
		if filepath.Dir(name) == dir {
			c.apply(f.medium)
		} else {
			rest = append(rest, c)
		}
	}
	f.pending = rest
	return nil
}

func (c change) apply(names map[string]*inode) {
	if c.from != "" {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.file
	}
}

func sorted(names map[string]*inode) []string {
	paths := make([]string, 0, len(names))
	for p := range names {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	return paths
}
