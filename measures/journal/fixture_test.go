package journal

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the fixture of the newest format anew")

// TestFixtures reads a journal of every format that was ever released. The directories in testdata are named after the
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
		if p := Verify(dir); len(p) > 0 {
			t.Errorf("Verify(%s): %v", dir, p)
		}
		want, err := os.ReadFile(filepath.Join(dir, "dump.txt"))
		if err != nil {
			t.Fatal(err)
		}
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if got := dump(t, copied); !bytes.Equal(got, want) {
			t.Errorf("%s holds\n%s\nwant\n%s", dir, got, want)
		}
	}
}

// dump is the content of a journal as text, as it is read by the program of today.
func dump(t *testing.T, dir string) []byte {
	t.Helper()
	f, rec, err := Open(dir, Options{Partition: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := fmt.Appendf(nil, "segments %d, first %d, last %d\n", rec.Segments, rec.First, rec.Last)
	err = f.ReadFrom(t.Context(), 0, func(r Record) error {
		out = fmt.Appendf(out, "%d/%d time %d kind %d %q\n", r.Pos.Partition, r.Pos.Seq, r.Time, r.Kind, r.Payload)
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
	f, _, err := openMarked(dir, Options{Partition: 5, Sync: Always}, testMarker)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, f, 1, "first", "")
	mustAppend(t, f, 3, "bytes \x00\xff\n")
	if err := f.Rotate(); err != nil {
		t.Fatal(err)
	}
	f.SetFloor(10)
	mustAppend(t, f, 11, "after numbers that were left out")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dump.txt"), dump(t, dir), 0o600); err != nil {
		t.Fatal(err)
	}
}
