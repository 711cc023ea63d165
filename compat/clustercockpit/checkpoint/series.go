package checkpoint

import (
	"errors"
	"fmt"
)

// Times of samples, in Unix seconds, that int64 nanoseconds can hold.
const minTime, maxTime = -9_223_372_036, 9_223_372_036

// Series is one run of samples of one series, as a file holds it.
type Series struct {
	Cluster, Host string
	Path          []string // the levels below the host, outermost first; empty for the host itself
	Metric        string
	// Freq is the distance of the values in seconds, Start the Unix time of the first. Both are 0 if Times is set.
	Freq, Start int64
	// Times are the Unix seconds of the values, for samples from a write-ahead log; nil for a snapshot.
	Times  []int64
	Values []float64 // NaN is a hole
}

// At returns the Unix time, in seconds, of value i.
func (s *Series) At(i int) int64 {
	if s.Times != nil {
		return s.Times[i]
	}
	return s.Start + int64(i)*s.Freq
}

// checkGrid says whether n values from start, freq seconds apart, have times that can be held.
func checkGrid(freq, start int64, n int) error {
	if freq <= 0 {
		return fmt.Errorf("frequency %d s is not positive", freq)
	}
	if start < minTime || start > maxTime {
		return fmt.Errorf("start %d is out of range", start)
	}
	if n > 1 && freq > (maxTime-start)/int64(n-1) {
		return fmt.Errorf("%d values every %d s from %d end out of range", n, freq, start)
	}
	return nil
}

// Problem is something that could not be used: a file, or the part of one from Offset on.
type Problem struct {
	Path    string
	Offset  int64 // where the damage starts; 0: the file as a whole
	Skipped int64 // bytes passed over in a file of which the rest was used; 0: the file was left out, or nothing was lost
	Err     error
}

// String is the problem in one line.
func (p Problem) String() string {
	switch {
	case p.Skipped > 0:
		return fmt.Sprintf("%s: %d bytes from offset %d passed over: %v", p.Path, p.Skipped, p.Offset, p.Err)
	case p.Offset > 0:
		return fmt.Sprintf("%s: offset %d: %v", p.Path, p.Offset, p.Err)
	}
	return fmt.Sprintf("%s: %v", p.Path, p.Err)
}

// Report says what Walk found.
type Report struct {
	Hosts   int
	Files   int   // files that gave samples
	Runs    int   // calls of the callback
	Samples int64 // values handed over, holes not counted
	// Damaged names what could not be read, in the order found, Stray what does not belong into such a directory.
	Damaged []Problem
	Stray   []Problem
}

// errStop wraps what the callback answered, so that Walk can tell it from damage.
type errStop struct{ err error }

func (e errStop) Error() string { return e.err.Error() }
func (e errStop) Unwrap() error { return e.err }

// stopped returns the callback's own error, or nil if err is damage.
func stopped(err error) error {
	if stop, ok := errors.AsType[errStop](err); ok {
		return stop.err
	}
	return nil
}
