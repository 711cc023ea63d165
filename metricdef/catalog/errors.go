package catalog

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// DamagedError says that the file cannot be read, and where that was noticed. The caller may put the file into
// quarantine and start with an empty one, since the journal and its dictionaries name what is still in use.
type DamagedError struct {
	Path   string
	Bucket string // "" if the file as a whole is meant
	Key    []byte // nil if the bucket as a whole is meant
	Err    error
}

func (e *DamagedError) Error() string {
	switch {
	case e.Bucket == "":
		return fmt.Sprintf("catalog %s is damaged: %v", e.Path, e.Err)
	case e.Key == nil:
		return fmt.Sprintf("catalog %s is damaged in bucket %s: %v", e.Path, e.Bucket, e.Err)
	}
	return fmt.Sprintf("catalog %s is damaged in bucket %s at key %x: %v", e.Path, e.Bucket, e.Key, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (e *DamagedError) Kind() string { return "internal" }

// Code is the stable code of the error.
func (e *DamagedError) Code() string { return "catalog-damaged" }

// NewerError says that a newer program wrote the file. The file was not changed.
type NewerError struct {
	Path       string
	Got, Known uint32 // formats; Got is 0 if the format of bbolt itself is newer
	Err        error
}

func (e *NewerError) Error() string {
	if e.Got == 0 {
		return fmt.Sprintf("catalog %s was written by a newer program: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("catalog %s has format %d, this program knows formats up to %d", e.Path, e.Got, e.Known)
}

func (e *NewerError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (e *NewerError) Kind() string { return "internal" }

// Code is the stable code of the error.
func (e *NewerError) Code() string { return "catalog-newer" }

// ErrClosed is returned by everything that needs the file after Close.
var ErrClosed = errors.New("catalog is closed")

// guard runs fn and turns what a damaged file does to bbolt, a panic of its own or a fault on a page that the file does
// not have, into a DamagedError.
func guard(path string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case callbackPanic:
			panic(p.value)
		default:
			err = &DamagedError{Path: path, Err: fmt.Errorf("reading it failed: %v", p)}
		}
	}()
	return fn()
}

// callbackPanic carries a panic of the caller's own function past guard.
type callbackPanic struct{ value any }

// shielded calls a function of the caller from inside guard, so that its panics stay its own.
func shielded(fn func() error) error {
	finished := false
	defer func() {
		if !finished {
			panic(callbackPanic{recover()})
		}
	}()
	err := fn()
	finished = true
	return err
}
