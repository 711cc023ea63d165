package journal

import "context"

// MaxRecord is the largest payload of a record, in bytes. It is also what a message of a replicated log may hold.
const MaxRecord = 512 << 10

// Position is a place in a log. Numbers begin at 1; 0 is the place before the first record.
type Position struct {
	Partition uint32
	Seq       uint64
}

// Kind says what a payload is. The journal keeps it and gives it no meaning.
type Kind uint8

// Record is one entry of the log.
type Record struct {
	Pos     Position
	Time    int64 // when it was written, nanoseconds since 1970 UTC, as the writer said
	Kind    Kind
	Payload []byte // valid until the callback that received the record returns
}

// Log is the log of one partition. All methods may be called at the same time from several goroutines.
type Log interface {
	// Append puts the records of g at the end of the log, with one write. The first of them must carry the number that
	// follows Last, else the error is a *SequenceError. After nil the bytes are in the kernel, or on the medium where
	// the log syncs always. After an error nothing of the group is in the log, Last is unchanged, and the caller
	// numbers the records anew (Group.Renumber). The group stays the caller's; an empty one is no work.
	//
	// An error whose Kind is "unavailable" may pass: the next Append tries again, in a new segment if need be.
	Append(g *Group) error

	// ReadFrom calls fn for each record with a number of at least seq that was in the log when ReadFrom was called, in
	// ascending order. It ends early with the error of fn or of ctx. Records that are gone, trimmed or damaged, are
	// left out; the numbers show it.
	ReadFrom(ctx context.Context, seq uint64, fn func(Record) error) error

	// Last is the highest number that is taken. The next record has the number after it.
	Last() Position

	// Synced is the last record up to which everything is on the medium.
	Synced() Position

	// Sync brings everything up to Last to the medium and returns the position that it reached. Appending goes on
	// meanwhile.
	Sync() (Position, error)

	// Segment is the id of the segment that the next Append goes to. Ids grow.
	Segment() uint64

	// Begins is the number that the segment begins with that has a record, or would have it; 0 if there is none. A reader that
	// starts there finds what its segment said before of what the record names.
	Begins(seq uint64) uint64

	// Size is the size in bytes of the segment that is being written, 0 if the next Append opens a new one.
	Size() int64

	// Rotate makes the next Append open a new segment. A segment without records stays.
	Rotate() error

	// Trim removes the segments whose records are all below seq, oldest first, and never the newest: it says where the
	// numbers go on.
	Trim(seq uint64) error

	// Bytes is the size in bytes of all segments.
	Bytes() int64

	// Close ends the log; one that syncs is synced first. A second Close does nothing.
	Close() error
}

var _ Log = (*File)(nil)
