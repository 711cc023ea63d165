package line

import (
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
)

// Mapping says what the lines of a sender mean. It must not change while it is in use and is called by many goroutines.
//
// Strings given to a mapping borrow the body: they are valid until the call returns, but may be placed in the Series of
// that call.
type Mapping interface {
	// Dialect names the dialect in counters, in the log and in the definitions that it makes.
	Dialect() string
	// AppendScope appends the text that stands for everything in this mapping that decides which series a line belongs
	// to: two mappings with the same scope share what the cache has learned. It need not hold what Cache.Drop follows,
	// such as the set of wanted metrics.
	AppendScope(dst []byte) []byte
	// Bounds limits the times that are stored.
	Bounds() Bounds
	// Wanted says whether lines of a measurement are stored at all. The rest of a line that is not is not even parsed.
	Wanted(measurement string) bool
	// Series fills s with what the fields of a line have in common. Tags come in the order of the line, with repeats. An
	// error of type Ignore means that the line is well-formed but not wanted; an *AbortError ends the body; any other
	// makes the line malformed.
	Series(measurement string, tags []metricdef.Tag, s *Series) error
	// Metric appends the name of the metric that a numeric field stands for. It is false for a field that is not mapped.
	Metric(dst []byte, measurement, field string) ([]byte, bool)
}

// Typed is a Mapping that keeps what kind of value its senders say: an integer field becomes a whole number, a string field
// a text in a series of texts, whatever type Series names for numbers. A boolean is the number 1 or 0. With any other
// mapping all numbers are floats, and strings and booleans are not mapped.
type Typed interface {
	Mapping
	// Typed does nothing.
	Typed()
}

// Exact is a Typed mapping whose senders know the types of fields as InfluxDB has them. A field keeps the type of its first value: a
// float is none of the values of a series of whole numbers, nor the other way round, a text is none of those of a number, and an unsigned
// integer that int64 does not hold is none of any. Such values are counted as measures.WrongKind, and Tally.Field shows the first.
type Exact interface {
	Typed
	Exactly() Exactness
}

// Exactness is what an Exact mapping decides.
type Exactness struct {
	Strings, Booleans Treatment
	// Unit is what timestamps count; 0: as their size tells.
	Unit time.Duration
}

// Treatment is what becomes of fields of a type that not everybody wants.
type Treatment uint8

// The treatments of fields.
const (
	Take   Treatment = iota // they are stored: a boolean as the number 1 or 0
	Pass                    // they are passed over: measures.UnmappedField
	Refuse                  // they are refused: measures.WrongKind
)

// Deriving is a Mapping of whose samples others are made, beside those that it stores itself. The decoder hands the numbers of
// such fields to Options.Derived, whether or not their series is stored under a name of its own: a measurement that is not
// wanted, or a field that is not mapped, is not ignored if a source takes it.
type Deriving interface {
	Mapping
	// Takes says whether something may be made of a field of a measurement; with the field "" whether of any field of it. It must
	// give the same answer until Cache.Drop.
	Takes(measurement, field string) bool
	// Source is what the samples of a field are handed over with, nil if nothing is made of this series. The tags are those of the
	// series, identity and plain, as Series has sorted them into one list by name; they borrow the body, as field and measurement
	// do. It is remembered with the key of the series until Cache.Drop, and asked for again wherever the key is not known: equal
	// arguments must give the same source.
	Source(num tenant.Num, measurement, field string, tags []metricdef.Tag) Source
}

// Source is one series that others are made of.
type Source interface {
	// Keep says whether the series is stored under its own name too, provided that the mapping wants it.
	Keep() bool
}

// Series is what the fields of one line have in common: all of the definition but the name.
type Series struct {
	Tenant tenant.Num
	Type   metricdef.Type
	Tags   []metricdef.Tag // identity tags, sorted by name, names unique
	Plain  []metricdef.Tag // other tags, sorted by name, names unique, none that is in Tags
	Unit   string          // "" if not known
}

func (s *Series) reset() {
	*s = Series{Tags: s.Tags[:0], Plain: s.Plain[:0]}
}

// Bounds limits how far the time of a sample may be from now. Zero is no bound on that side.
type Bounds struct {
	Past   time.Duration // older than now - Past: measures.TooOld
	Future time.Duration // newer than now + Future: measures.TooNew
}

// Ignore is the error of a Mapping for a line that is well-formed but not wanted.
type Ignore measures.Reason

func (i Ignore) Error() string { return "ignored: " + measures.Reason(i).String() }

// AbortError is the error of a Mapping that ends the whole body, such as a tenant that cannot be made just now. What
// the body held before it stands.
type AbortError struct{ Err error }

func (e *AbortError) Error() string { return e.Err.Error() }

func (e *AbortError) Unwrap() error { return e.Err }

// Error is one malformed line.
type Error struct {
	Line   int    // number of the line in the body from 1, blank lines and comments counted
	Text   string // the line, cut to maxText bytes
	Reason string // "at line L:C: …" in the words of the ClusterCockpit store
}

func (e *Error) Error() string { return e.Reason }
