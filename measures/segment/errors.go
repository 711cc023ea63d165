package segment

import "fmt"

// DamagedError is a file whose content does not hold what its checksums say, or that was cut off.
type DamagedError struct {
	Path   string
	Offset int64  // where in the file, as far as it is known
	Reason string // a full sentence without a stop
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("segment: %s is damaged at byte %d: %s", e.Path, e.Offset, e.Reason)
}

// Kind is "internal".
func (e *DamagedError) Kind() string { return "internal" }

// Code is the stable name of the error.
func (e *DamagedError) Code() string { return "segment-damaged" }

// NewerFormatError is a file that a newer program wrote. It was not changed.
type NewerFormatError struct {
	Path           string
	Version, Known uint32
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("segment: %s has format %d, this program knows up to %d; it was left as it is", e.Path, e.Version, e.Known)
}

// Kind is "internal".
func (e *NewerFormatError) Kind() string { return "internal" }

// Code is the stable name of the error.
func (e *NewerFormatError) Code() string { return "segment-newer-format" }

// LimitError is something that does not fit into a file of this format.
type LimitError struct {
	What     string
	Got, Max uint64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("segment: %s of %d, at most %d is possible", e.What, e.Got, e.Max)
}

// Kind is "over limit".
func (e *LimitError) Kind() string { return "over limit" }

// Code is the stable name of the error.
func (e *LimitError) Code() string { return "segment-limit" }
