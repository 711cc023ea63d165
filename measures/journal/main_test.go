package journal

import (
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

func (f crashFS) Create(path string) (Handle, error)    { return handle(f.FS.Create(path)) }
func (f crashFS) Open(path string) (Handle, error)      { return handle(f.FS.Open(path)) }
func (f crashFS) OpenWrite(path string) (Handle, error) { return handle(f.FS.OpenWrite(path)) }

const (
	testDir        = "/data/journal"
	testQuarantine = "/data/quarantine"
)

// testMarker makes segments the same in every run.
func testMarker() uint32 { return 0x5eed_1234 }

func testOpen(t *testing.T, fs *crashfs.FS, o Options) (*File, *Recovery) {
	t.Helper()
	f, rec, err := tryOpen(fs, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return f, rec
}

func tryOpen(fs *crashfs.FS, o Options) (*File, *Recovery, error) {
	o.FS, o.Quarantine = crashFS{fs}, testQuarantine
	return openMarked(testDir, o, testMarker)
}

// groupOf makes a group of records with the given payloads, numbered from first.
func groupOf(t *testing.T, first uint64, payloads ...string) *Group {
	t.Helper()
	g := new(Group)
	for i, p := range payloads {
		g.Begin(Kind(first+uint64(i)), int64(first)+int64(i))
		g.Buf = append(g.Buf, p...)
		if err := g.End(first + uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// contents reads the whole log.
func contents(t *testing.T, l Log) map[uint64]string {
	t.Helper()
	all := map[uint64]string{}
	last := uint64(0)
	err := l.ReadFrom(t.Context(), 0, func(r Record) error {
		if r.Pos.Seq <= last {
			t.Errorf("record %d read after record %d", r.Pos.Seq, last)
		}
		last = r.Pos.Seq
		all[last] = string(r.Payload)
		return nil
	})
	if err != nil {
		t.Fatalf("ReadFrom: %v", err)
	}
	return all
}
