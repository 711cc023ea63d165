package segment

import (
	"io"
	"os"
)

// FS is what the package asks of a file system. Tests put one in its place that can be stopped after any step.
type FS interface {
	// MkdirAll makes a directory and those above it; one that is there is no error.
	MkdirAll(dir string) error
	// ReadDir returns the names in a directory, in any order.
	ReadDir(dir string) ([]string, error)
	// Create makes a new file for writing. One that is there already is an error like fs.ErrExist.
	Create(path string) (Handle, error)
	// Open opens a file for reading.
	Open(path string) (Handle, error)
	// Rename gives a file another name, in one step, and replaces one that has it.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(path string) error
	// SyncDir brings the names in a directory to the medium.
	SyncDir(dir string) error
}

// Handle is an open file.
type Handle interface {
	io.ReaderAt
	io.WriterAt
	// Sync brings the bytes and the size of the file to the medium.
	Sync() error
	Size() (int64, error)
	Close() error
}

// OS is the file system of the machine.
type OS struct{}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	i, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

func open(path string, flag int) (Handle, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// MkdirAll is part of FS.
func (OS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

// ReadDir is part of FS.
func (OS) ReadDir(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// Create is part of FS.
func (OS) Create(path string) (Handle, error) { return open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL) }

// Open is part of FS.
func (OS) Open(path string) (Handle, error) { return open(path, os.O_RDONLY) }

// Rename is part of FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove is part of FS.
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncDir is part of FS.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
