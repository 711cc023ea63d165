package segment

import (
	"errors"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"granary/measures/journal/crashfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crashFS makes a crashfs.FS an FS.
type crashFS struct{ *crashfs.FS }

func handle(h *crashfs.Handle, err error) (Handle, error) {
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (f crashFS) Create(path string) (Handle, error) { return handle(f.FS.Create(path)) }
func (f crashFS) Open(path string) (Handle, error)   { return handle(f.FS.Open(path)) }

const testDir = "/data/segments"

func newFS() crashFS {
	fs := crashfs.New()
	_ = fs.MkdirAll(testDir)
	_ = fs.MkdirAll("/data")
	return crashFS{fs}
}

// testEntries are entries like those of a store: several chunks a series, most on a grid, and their payloads.
func testEntries(n int, seed uint64) ([]Entry, [][]byte) {
	r := rand.New(rand.NewPCG(seed, 5))
	entries, payloads := make([]Entry, n), make([][]byte, n)
	const minute = 60_000_000_000
	start := int64(1_700_000_000_000_000_000)
	for i := range entries {
		e := Entry{
			Ref: uint32(64 * (i/3 + 1)), Start: start + int64(i%3)*512*minute + r.Int64N(600)*1_000_000_000, Step: minute, Span: 512,
			Seq: 1_000_000 + r.Uint64N(100_000), Wrote: start + r.Int64N(1<<45), Flags: uint64(i % 2),
		}
		if r.IntN(20) == 0 {
			e.Step, e.Span = 0, r.Uint32N(512)
		}
		p := make([]byte, r.IntN(300))
		for j := range p {
			p[j] = byte(r.Uint32())
		}
		e.Len = uint32(len(p))
		entries[i], payloads[i] = e, p
	}
	return entries, payloads
}

// writeSegment writes a segment file and fills in the offsets of entries.
func writeSegment(fs FS, dir string, id uint32, entries []Entry, payloads [][]byte) (Info, error) {
	w, err := Create(dir, id, Options{FS: fs})
	if err != nil {
		return Info{}, err
	}
	for i := range entries {
		off, err := w.Add(entries[i], payloads[i])
		if err != nil {
			w.Abort()
			return Info{}, err
		}
		entries[i].Off = off
	}
	return w.Finish()
}

// writeState writes a state file of two shards.
func writeState(fs FS, dir string, id uint32, a, b []byte) (Info, error) {
	w, err := CreateState(dir, id, Options{FS: fs})
	if err != nil {
		return Info{}, err
	}
	for shard, s := range [][]byte{a, b} {
		if err := w.Section(uint32(shard), s); err != nil {
			w.Abort()
			return Info{}, err
		}
	}
	return w.Finish()
}

func wantDamaged(t *testing.T, err error) {
	t.Helper()
	var d *DamagedError
	if !errors.As(err, &d) || d.Path == "" || d.Reason == "" {
		t.Errorf("error %v, want a DamagedError with path and reason", err)
	}
}
