package journal

import (
	"errors"
	"fmt"
	"syscall"
)

// UnavailableError says that the log cannot take or sync records at the moment. Trying again may succeed.
type UnavailableError struct {
	Path string // the file or directory that failed
	Op   string // what was tried: "write", "sync", "create", "carry over to", "append to", "read"
	Err  error
}

// ErrClosed is the cause of the errors of a closed log.
var ErrClosed = errors.New("the journal is closed")

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("journal: cannot %s %s: %v", e.Op, e.Path, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// Kind is "unavailable".
func (e *UnavailableError) Kind() string { return "unavailable" }

// Code is the stable name of the cause.
func (e *UnavailableError) Code() string {
	switch {
	case errors.Is(e.Err, ErrClosed):
		return "journal-closed"
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "journal-disk-full"
	case e.Op == "sync":
		return "journal-sync-failed"
	}
	return "journal-write-failed"
}

// SequenceError is a record number that does not follow the one before it.
type SequenceError struct{ Got, Want uint64 }

func (e *SequenceError) Error() string {
	return fmt.Sprintf("journal: record has number %d, the next one is %d", e.Got, e.Want)
}

// Kind is "internal": the caller numbers the records, so the mistake is ours.
func (e *SequenceError) Kind() string { return "internal" }

// Code is the stable name of the error.
func (e *SequenceError) Code() string { return "journal-sequence" }

// SizeError is a payload that is larger than a record may be.
type SizeError struct{ Size, Max int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("journal: payload of %d bytes, at most %d are allowed", e.Size, e.Max)
}

// Kind is "over limit".
func (e *SizeError) Kind() string { return "over limit" }

// Code is the stable name of the error.
func (e *SizeError) Code() string { return "journal-record-too-large" }

// NewerFormatError is a segment that a newer program wrote. It was not changed.
type NewerFormatError struct {
	Path           string
	Version, Known uint32
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("journal: %s has format %d, this program knows up to %d; it was left as it is", e.Path, e.Version, e.Known)
}

// Kind is "internal".
func (e *NewerFormatError) Kind() string { return "internal" }

// Code is the stable name of the error.
func (e *NewerFormatError) Code() string { return "journal-newer-format" }

// PartitionError is a segment of another partition.
type PartitionError struct {
	Path      string
	Got, Want uint32
}

func (e *PartitionError) Error() string {
	return fmt.Sprintf("journal: %s belongs to partition %d, want %d", e.Path, e.Got, e.Want)
}

// Kind is "internal".
func (e *PartitionError) Kind() string { return "internal" }

// Code is the stable name of the error.
func (e *PartitionError) Code() string { return "journal-partition" }
