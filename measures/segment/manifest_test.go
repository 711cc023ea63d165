package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testManifest() *Manifest {
	return &Manifest{
		Version: ManifestVersion, Shards: 2, NextFile: 9, State: StateName(8),
		Files: []FileInfo{
			{ID: 3, Name: SegmentName(3), Clock: 1, Window: 1_700_000_000_000_000_000, Size: 1234, Entries: 5},
			{ID: 5, Name: SegmentName(5), Window: math.MinInt64, Size: math.MaxInt64},
		},
		Positions: []uint64{17, math.MaxUint64},
	}
}

func TestManifestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadManifest(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadManifest of an empty directory: %v", err)
	}
	for _, m := range []*Manifest{testManifest(), {}, {Shards: 1, Positions: []uint64{0}}} {
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		got, err := LoadManifest(dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, got); d != "" {
			t.Errorf("manifest differs (-saved +loaded):\n%s", d)
		}
	}
}

func TestManifestIsChecked(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(m *Manifest)
	}{
		{"positions", func(m *Manifest) { m.Positions = m.Positions[:1] }},
		{"state name", func(m *Manifest) { m.State = "../state-00000008" }},
		{"state is a segment", func(m *Manifest) { m.State = SegmentName(3) }},
		{"state id", func(m *Manifest) { m.State = StateName(9) }},
		{"segment name", func(m *Manifest) { m.Files[0].Name = SegmentName(4) }},
		{"segment path", func(m *Manifest) { m.Files[0].Name = "x/" + SegmentName(3) }},
		{"segment id", func(m *Manifest) { m.NextFile = 5 }},
		{"twice", func(m *Manifest) { m.Files[1] = m.Files[0] }},
	} {
		fs, m := newFS(), testManifest()
		c.spoil(m)
		if err := m.save(fs, testDir); err == nil {
			t.Errorf("%s: saved", c.name)
		}
		if len(fs.Files()) > 0 {
			t.Errorf("%s: files were written", c.name)
		}
	}
}

func TestManifestEveryByte(t *testing.T) {
	fs := newFS()
	if err := testManifest().save(fs, testDir); err != nil {
		t.Fatal(err)
	}
	path := testDir + "/" + ManifestName
	b := fs.Files()[path]
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 7)
		_, err := parseManifest(path, c)
		var newer *NewerFormatError
		if !errors.As(err, &newer) || i != strings.IndexByte(string(b), '1') {
			wantDamaged(t, err)
		}
		_, err = parseManifest(path, b[:i])
		wantDamaged(t, err)
		if t.Failed() {
			t.Fatalf("byte %d of %d: %q", i, len(b), c)
		}
	}
	_, err := parseManifest(path, append(b, '\n'))
	wantDamaged(t, err)
}

func TestManifestNewerFormat(t *testing.T) {
	fs := newFS()
	path := testDir + "/" + ManifestName
	fs.Put(path, []byte("granary-manifest 2 and whatever the next format says\n\x00\x01"))
	_, err := loadManifest(fs, testDir)
	var newer *NewerFormatError
	if !errors.As(err, &newer) || newer.Path != path || newer.Version != 2 {
		t.Errorf("LoadManifest: %v", err)
	}
	m := testManifest()
	m.Version = 2
	if err := m.save(fs, testDir); !errors.As(err, &newer) {
		t.Errorf("Save: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	fs := newFS()
	if err := testManifest().save(fs, testDir); err != nil {
		f.Fatal(err)
	}
	_, body, _ := bytes.Cut(fs.Files()[testDir+"/"+ManifestName], []byte("\n"))
	f.Add(body, true)
	f.Add([]byte("granary-manifest 1 crc32c=00000000 bytes=0\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		if head {
			b = append([]byte(manifestLine(string(b))+"\n"), b...)
		}
		m, err := parseManifest("MANIFEST", b)
		if err != nil {
			return
		}
		fs := newFS()
		if err := m.save(fs, testDir); err != nil {
			t.Fatalf("a manifest that was loaded cannot be saved: %v", err)
		}
	})
}

func TestSweep(t *testing.T) {
	fs := newFS()
	m := testManifest()
	keep := []string{"00000003.seg", "00000005.seg", "state-00000008", "MANIFEST", "README", "notes.tmp", "3.seg", "state-8", "00000004.seg.reason", "00000007.segment"}
	drop := []string{"00000004.seg", "00000006.seg.tmp", "MANIFEST.tmp", "state-00000007", "state-00000009.tmp"}
	for _, name := range slices.Concat(keep, drop) {
		fs.Put(filepath.Join(testDir, name), []byte("x"))
	}
	removed, err := sweep(fs, testDir, m)
	if err != nil || !slices.Equal(removed, drop) {
		t.Errorf("removed %v, %v, want %v", removed, err, drop)
	}
	names, _ := fs.ReadDir(testDir)
	slices.Sort(keep)
	if !slices.Equal(names, keep) {
		t.Errorf("left %v, want %v", names, keep)
	}
	if removed, err := sweep(fs, testDir, nil); err != nil || len(removed) != 3 {
		t.Errorf("without a manifest removed %v, %v", removed, err)
	}
}

func TestQuarantine(t *testing.T) {
	dir := t.TempDir()
	to := filepath.Join(dir, "quarantine")
	for i := range 3 {
		path := filepath.Join(dir, "00000003.seg")
		if err := os.WriteFile(path, fmt.Append(nil, i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Quarantine(to, path, fmt.Sprintf("reason %d", i)); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
	}
	for i, name := range []string{"00000003.seg", "00000003.seg.1", "00000003.seg.2"} {
		b, err := os.ReadFile(filepath.Join(to, name))
		if err != nil || string(b) != fmt.Sprint(i) {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
		b, err = os.ReadFile(filepath.Join(to, name+".reason"))
		if err != nil || !strings.Contains(string(b), fmt.Sprintf("reason %d", i)) {
			t.Errorf("%s.reason holds %q, %v", name, b, err)
		}
	}
	if err := Quarantine(to, filepath.Join(dir, "nothing"), "gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Quarantine of a file that is not there: %v", err)
	}
	if names, _ := (OS{}).ReadDir(to); len(names) != 6 {
		t.Errorf("quarantine holds %v", names)
	}
}
