package line

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"time"
	"unsafe"

	"granary/measures"
)

// Nanoseconds is the time that a bare timestamp of unknown unit stands for. Its size tells the unit: below 1e11 it is
// seconds (until the year 5138), below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds. What int64
// nanoseconds cannot hold (years before 1678 and after 2262) gives the nearest limit and false.
func Nanoseconds(t int64) (ns int64, ok bool) {
	size := t
	if size < 0 {
		size = -max(size, -math.MaxInt64)
	}
	unit := int64(1)
	switch {
	case size < 1e11:
		unit = 1e9
	case size < 1e14:
		unit = 1e6
	case size < 1e17:
		unit = 1e3
	}
	return inUnits(t, unit)
}

// Precision is the unit of timestamps that InfluxDB's writes call by a name: n, ns, u, us, µ, ms, s, m or h.
func Precision(name string) (unit time.Duration, ok bool) {
	unit, ok = precisions[name]
	return unit, ok
}

var precisions = map[string]time.Duration{
	"n": time.Nanosecond, "ns": time.Nanosecond, "u": time.Microsecond, "us": time.Microsecond, "µ": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "m": time.Minute, "h": time.Hour,
}

// inUnits is t units in nanoseconds, or the nearest limit and false.
func inUnits(t, unit int64) (ns int64, ok bool) {
	switch {
	case t > math.MaxInt64/unit:
		return math.MaxInt64, false
	case t < math.MinInt64/unit:
		return math.MinInt64, false
	}
	return t * unit, true
}

var (
	errTimeSyntax = errors.New("invalid syntax")
	errTimeRange  = errors.New("out of range, times are possible from the year 1678 to 2262")
)

// window is what the bounds of a mapping mean for the body that is being decoded.
type window struct {
	now    int64 // whole seconds, in nanoseconds: the time of lines without one
	oldest int64 // math.MinInt64: no bound
	newest int64 // math.MaxInt64: no bound
	unit   int64 // of timestamps, in nanoseconds; 0: as their size tells
}

// nanoseconds is the time of a bare timestamp, or the nearest limit and false.
func (w *window) nanoseconds(t int64) (ns int64, ok bool) {
	if w.unit == 0 {
		return Nanoseconds(t)
	}
	return inUnits(t, w.unit)
}

func newWindow(now int64, b Bounds) window {
	w := window{now: now - now%1e9, oldest: math.MinInt64, newest: math.MaxInt64}
	if b.Past > 0 && now > math.MinInt64+int64(b.Past) {
		w.oldest = now - int64(b.Past)
	}
	if b.Future > 0 && now < math.MaxInt64-int64(b.Future) {
		w.newest = now + int64(b.Future)
	}
	return w
}

// parse reads the digits of a timestamp, as the library cut them out of the line: nil if there were none.
func (w *window) parse(text []byte) (ns int64, err error) {
	if text == nil {
		return w.now, nil
	}
	t, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(text), len(text)), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, errTimeSyntax
	case err != nil:
		return 0, errTimeRange
	}
	ns, ok := w.nanoseconds(t)
	if !ok && !(ns < 0 && w.oldest > ns) && !(ns > 0 && w.newest < ns) {
		// No bound of the mapping tells such a time apart from one that can be stored.
		return 0, errTimeRange
	}
	return ns, nil
}

// check says whether a time is inside the bounds, and if not, why.
func (w *window) check(ns int64) (measures.Reason, bool) {
	switch {
	case ns < w.oldest:
		return measures.TooOld, false
	case ns > w.newest:
		return measures.TooNew, false
	}
	return 0, true
}

// parseTime reads digits at b[i:] that end with a newline or with the body. It is not ok for anything else, for
// negative numbers among it; the library has a look then. next is behind the newline.
func (w *window) parseTime(b []byte, i int) (ns int64, next int, ok bool) {
	first := i
	i, t := digits(b, i, 0)
	if i == first || i-first > maxDigits || t > math.MaxInt64 {
		return 0, i, false
	}
	if i < len(b) {
		if b[i] != '\n' {
			return 0, i, false
		}
		next = i + 1
	} else {
		next = i
	}
	ns, ok = w.nanoseconds(int64(t))
	return ns, next, ok
}

// stamp remembers the last timestamp of a body: most lines of a body have the same.
type stamp struct {
	text        [24]byte // digits and the newline
	n           int      // 0: none; at least 8
	front, back uint64   // the first and the last eight bytes of text
	ns          int64
}

// match says whether the same digits and a newline stand at b[i:].
func (s *stamp) match(b []byte, i int) (ns int64, next int, ok bool) {
	next = i + s.n
	if s.n == 0 || next > len(b) || binary.LittleEndian.Uint64(b[i:]) != s.front || binary.LittleEndian.Uint64(b[next-8:]) != s.back {
		return 0, i, false
	}
	if s.n > 16 && string(b[i:next]) != string(s.text[:s.n]) {
		return 0, i, false
	}
	return s.ns, next, true
}

// keep remembers a timestamp with its newline.
func (s *stamp) keep(text []byte, ns int64) {
	if len(text) < 8 || len(text) > len(s.text) || text[len(text)-1] != '\n' {
		return
	}
	s.n = copy(s.text[:], text)
	s.front = binary.LittleEndian.Uint64(text)
	s.back = binary.LittleEndian.Uint64(text[len(text)-8:])
	s.ns = ns
}
