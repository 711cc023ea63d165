package verify

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"granary/measures/journal"
	"granary/measures/segment"
	"granary/metricdef/catalog"
)

// folder makes a data folder with a file of every kind in it.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"journal", "segments", "quarantine"} {
		must(os.Mkdir(filepath.Join(dir, d), 0o750))
	}
	must(os.WriteFile(filepath.Join(dir, "LOCK"), nil, 0o640))

	c, err := catalog.Open(filepath.Join(dir, "definitions.db"), catalog.Options{})
	must(err)
	c.Put(1, catalog.Change{Bucket: "definitions", Key: []byte{1}, Value: []byte("a definition")})
	c.Advance(1)
	must(c.Close(func(uint64) error { return nil }))

	log, _, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Sync: journal.Never})
	must(err)
	for seq := range uint64(3) {
		var g journal.Group
		g.Begin(1, 1)
		g.Buf = append(g.Buf, "a record of the journal"...)
		must(g.End(seq + 1))
		must(log.Append(&g))
	}
	must(log.Close())

	segments := filepath.Join(dir, "segments")
	w, err := segment.Create(segments, 1, segment.Options{})
	must(err)
	_, err = w.Add(segment.Entry{Ref: 1, Step: 1, Span: 1}, []byte("a payload"))
	must(err)
	seg, err := w.Finish()
	must(err)
	sw, err := segment.CreateState(segments, 2, segment.Options{})
	must(err)
	must(sw.Section(0, []byte("a section")))
	state, err := sw.Finish()
	must(err)
	m := segment.Manifest{Shards: 1, NextFile: 3, State: state.Name, Positions: []uint64{3},
		Files: []segment.FileInfo{{ID: seg.ID, Name: seg.Name, Size: seg.Size, Entries: seg.Entries}}}
	must(m.Save(segments))
	return dir
}

// find is the one file that matches a pattern below dir.
func find(t *testing.T, dir, pattern string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(list) == 0 {
		t.Fatalf("%s: %v %v", pattern, list, err)
	}
	return list[0]
}

func TestFolder(t *testing.T) {
	// damage changes the first byte of text in the file.
	damage := func(pattern, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := find(t, dir, pattern)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			i := strings.Index(string(b), text)
			if i < 0 {
				t.Fatalf("%s has no %q", path, text)
			}
			b[i]++
			if err := os.WriteFile(path, b, 0o640); err != nil {
				t.Fatal(err)
			}
		}
	}
	add := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o640); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(pattern string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.RemoveAll(find(t, dir, pattern)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name    string
		change  func(*testing.T, string)
		files   int
		problem string // "" if there is none
		note    string
	}{
		{"whole", func(*testing.T, string) {}, 5, "", ""},
		{"catalog", damage("definitions.db", "a definition"), 5, "bucket definitions", ""},
		{"journal", damage("journal/*", "a record"), 5, "journal", ""},
		{"segment", damage("segments/*.seg*", "a payload"), 5, "checksum of a payload", ""},
		{"state", damage("segments/state-*", "a section"), 5, "state-", ""},
		{"manifest", damage("segments/MANIFEST", `"shards"`), 3, "MANIFEST is damaged", ""},
		{"lost segment", remove("segments/*.seg*"), 5, "no such file", ""},
		{"stray", add("segments/00000009.seg"), 5, "", "not in the manifest"},
		{"quarantine", add("quarantine/old.seg"), 5, "", "set aside"},
		{"no lock", remove("LOCK"), 5, "", ""},
		{"no catalog", remove("definitions.db"), 4, "", "makes it from the journal"},
		{"no journal", remove("journal"), 4, "", "not there"},
		{"no segments", remove("segments"), 2, "", "not there"},
		{"no manifest", remove("segments/MANIFEST"), 2, "", "not in the manifest"},
		{"torn journal", func(t *testing.T, dir string) {
			path := find(t, dir, "journal/*")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b[:len(b)-5], 0o640); err != nil {
				t.Fatal(err)
			}
		}, 5, "", "cuts it off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t)
			tt.change(t, dir)
			r, err := Folder(dir)
			if err != nil {
				t.Fatal(err)
			}
			check := func(what, want string, got []string) {
				if want == "" && len(got) > 0 || want != "" && (len(got) == 0 || !strings.Contains(got[0], want)) {
					t.Errorf("%s %q, want %q", what, got, want)
				}
			}
			check("problems", tt.problem, r.Problems)
			check("notes", tt.note, r.Notes)
			if r.Files != tt.files {
				t.Errorf("%d files read, want %d", r.Files, tt.files)
			}
		})
	}
}

func TestFolderCannotBeJudged(t *testing.T) {
	dir := folder(t)
	if _, err := Folder(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is no data folder") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Folder(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	f, err := os.Open(filepath.Join(dir, "LOCK"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := Folder(dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("in use: %v", err)
	}
}
