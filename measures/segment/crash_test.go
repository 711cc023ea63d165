package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"syscall"
	"testing"

	"granary/measures/journal/crashfs"
)

// snapshot writes two segment files, a state file and the manifest that names them, and keeps the first file of the
// manifest before. It returns the manifest that it set out to save.
func snapshot(fsys crashFS, before *Manifest) (*Manifest, error) {
	m := &Manifest{Shards: 2, Positions: []uint64{100, 100}, NextFile: 1}
	if before != nil {
		m.NextFile, m.Files = before.NextFile, append(m.Files, before.Files[0])
		m.Positions = []uint64{before.Positions[0] + 100, before.Positions[1] + 100}
	}
	for range 2 {
		entries, payloads := testEntries(30, uint64(m.NextFile))
		info, err := writeSegment(fsys, testDir, m.NextFile, entries, payloads)
		if err != nil {
			return m, err
		}
		m.Files = append(m.Files, FileInfo{ID: info.ID, Name: info.Name, Size: info.Size, Entries: info.Entries})
		m.NextFile++
	}
	info, err := writeState(fsys, testDir, m.NextFile, fmt.Append(nil, "zero at ", m.Positions[0]), make([]byte, 3000))
	if err != nil {
		return m, err
	}
	m.State = info.Name
	m.NextFile++
	if err := m.save(fsys, testDir); err != nil {
		return m, err
	}
	_, err = sweep(fsys, testDir, m)
	return m, err
}

// wantUsable loads the manifest, which must be one of those given, and reads all that it names before and after Sweep.
func wantUsable(t *testing.T, fsys crashFS, allowed ...*Manifest) {
	t.Helper()
	m, err := loadManifest(fsys, testDir)
	if err != nil {
		t.Errorf("LoadManifest: %v", err)
		return
	}
	found := false
	for _, a := range allowed {
		found = found || reflect.DeepEqual(m, a)
	}
	if !found {
		t.Errorf("manifest %+v is none that was saved", m)
	}
	for range 2 {
		for _, f := range m.Files {
			if err := verify(fsys, testDir+"/"+f.Name); err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
		sections, err := readSections(fsys, testDir+"/"+m.State)
		if err != nil || len(sections) != 2 || string(sections[0].b) != fmt.Sprint("zero at ", m.Positions[0]) {
			t.Errorf("state: %d sections, %v", len(sections), err)
		}
		if _, err := sweep(fsys, testDir, m); err != nil {
			t.Errorf("Sweep: %v", err)
		}
	}
	names, err := fsys.ReadDir(testDir)
	if err != nil || len(names) != len(m.Files)+2 {
		t.Errorf("left after Sweep: %v, %v", names, err)
	}
	// The next snapshot uses ids that an unfinished one has used.
	if _, err := snapshot(fsys, m); err != nil {
		t.Errorf("snapshot after the crash: %v", err)
	}
}

// TestSnapshotCrashAtEveryStep stops the second snapshot after each step, cuts the power or ends the process, and uses
// what is left.
func TestSnapshotCrashAtEveryStep(t *testing.T) {
	whole := newFS()
	first, err := snapshot(whole, nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := whole.Steps()
	if _, err := snapshot(whole, first); err != nil {
		t.Fatal(err)
	}
	steps := whole.Steps() - begin
	if steps < 20 {
		t.Fatalf("a snapshot of %d steps", steps)
	}
	for stop := range steps + 1 {
		fsys := newFS()
		if _, err := snapshot(fsys, nil); err != nil {
			t.Fatal(err)
		}
		fsys.StopAfter(stop)
		next, err := snapshot(fsys, first)
		if stop < steps && !errors.Is(err, crashfs.ErrStopped) {
			t.Fatalf("stopped after step %d: %v", stop, err)
		}
		next.Version = ManifestVersion
		wantUsable(t, crashFS{fsys.Kill()}, first, next)
		for seed := range uint64(12) {
			wantUsable(t, crashFS{fsys.Crash(uint64(stop)<<4 | seed)}, first, next)
		}
		if t.Failed() {
			t.Fatalf("stopped after step %d of %d", stop, steps)
		}
	}
}

// TestFirstSnapshotCrash has no manifest before it: there is none afterwards, or the whole one.
func TestFirstSnapshotCrash(t *testing.T) {
	whole := newFS()
	if _, err := snapshot(whole, nil); err != nil {
		t.Fatal(err)
	}
	for stop := range whole.Steps() {
		fsys := newFS()
		fsys.StopAfter(stop)
		next, _ := snapshot(fsys, nil)
		next.Version = ManifestVersion
		for seed := range uint64(6) {
			left := crashFS{fsys.Crash(uint64(stop)<<4 | seed)}
			if _, err := loadManifest(left, testDir); !errors.Is(err, fs.ErrNotExist) {
				wantUsable(t, left, next)
			}
		}
	}
}

// TestSnapshotFault makes each step of the second snapshot fail once while the process lives on.
func TestSnapshotFault(t *testing.T) {
	whole := newFS()
	first, err := snapshot(whole, nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := whole.Steps()
	if _, err := snapshot(whole, first); err != nil {
		t.Fatal(err)
	}
	for at := begin + 1; at <= whole.Steps(); at++ {
		for _, wrote := range []int{0, 7} {
			fsys := newFS()
			if _, err := snapshot(fsys, nil); err != nil {
				t.Fatal(err)
			}
			fsys.Hook(func(op crashfs.Op) crashfs.Fault {
				if op.N == at {
					return crashfs.Fault{Err: syscall.ENOSPC, Wrote: wrote}
				}
				return crashfs.Fault{}
			})
			next, err := snapshot(fsys, first)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("step %d failed and the snapshot said %v", at, err)
			}
			fsys.Hook(nil)
			next.Version = ManifestVersion
			for seed := range uint64(4) {
				wantUsable(t, crashFS{fsys.Crash(seed)}, first, next)
			}
			wantUsable(t, fsys, first, next)
			if t.Failed() {
				t.Fatalf("step %d", at)
			}
		}
	}
}
