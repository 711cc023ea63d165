package segment

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the fixture of the newest format anew")

// TestFixtures reads files of every format that was ever released. The directories in testdata are named after the
// formats and are never changed; dump.txt is what they hold.
func TestFixtures(t *testing.T) {
	newest := filepath.Join("testdata", fmt.Sprintf("v%d", Version))
	if *update {
		writeFixture(t, newest)
	}
	dirs, err := filepath.Glob("testdata/v*")
	if err != nil || len(dirs) != Version {
		t.Fatalf("fixtures %v, %v, want one for each of %d formats", dirs, err, Version)
	}
	for _, dir := range dirs {
		want, err := os.ReadFile(filepath.Join(dir, "dump.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if got := dump(t, dir); !bytes.Equal(got, want) {
			t.Errorf("%s holds\n%s\nwant\n%s", dir, got, want)
		}
	}
}

// dump is the content of the files that a manifest names as text.
func dump(t *testing.T, dir string) []byte {
	t.Helper()
	m, err := LoadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Appendf(nil, "%+v\n", *m)
	for _, info := range m.Files {
		f, err := Open(filepath.Join(dir, info.Name))
		if err != nil {
			t.Fatal(err)
		}
		err = f.Entries(func(e Entry) error {
			p, err := f.ReadAt(nil, e.Off, e.Len)
			out = fmt.Appendf(out, "%d %+v %q\n", f.ID(), e, p)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	err = ReadState(filepath.Join(dir, m.State), func(shard int, b []byte) error {
		out = fmt.Appendf(out, "shard %d %q\n", shard, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func writeFixture(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	entries, payloads := testEntries(7, 1)
	for i := range payloads {
		payloads[i] = payloads[i][:min(len(payloads[i]), 20)]
		entries[i].Len = uint32(len(payloads[i]))
	}
	entries[1].Flags = 0x5f_00_0108 // format 1 had 8 bits
	info, err := writeSegment(OS{}, dir, 1, entries, payloads)
	if err != nil {
		t.Fatal(err)
	}
	state, err := writeState(OS{}, dir, 2, []byte("state of shard zero"), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{
		Shards: 2, NextFile: 3, State: state.Name, Positions: []uint64{7, 9},
		Files: []FileInfo{{ID: info.ID, Name: info.Name, Clock: 2, Window: 1_800_000_000_000_000_000, Size: info.Size, Entries: info.Entries}},
	}
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dump.txt"), dump(t, dir), 0o600); err != nil {
		t.Fatal(err)
	}
}
