// Package verify reads every file of a data folder and says what is wrong with it. It changes nothing, and it refuses a
// folder that a server has open, since what is being written looks damaged to another reader.
package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"granary/measures/journal"
	"granary/measures/segment"
	"granary/metricdef/catalog"
)

// Report is what was found.
type Report struct {
	Files int // that were read
	// Problems are one line each. The next start deals with every one of them: it quarantines what is damaged and goes on.
	Problems []string
	// Notes are what is unusual but costs nothing: a journal that a crash tore, a file that the next start removes.
	Notes []string
}

// Folder reads the data folder dir. The error says why it could not be judged.
func Folder(dir string) (Report, error) {
	var r Report
	if err := recognize(dir); err != nil {
		return r, err
	}
	release, err := lock(dir)
	if err != nil {
		return r, err
	}
	defer release()
	r.catalog(filepath.Join(dir, "definitions.db"))
	r.journal(filepath.Join(dir, "journal"))
	if err := r.segments(filepath.Join(dir, "segments")); err != nil {
		return r, err
	}
	return r, r.quarantine(filepath.Join(dir, "quarantine"))
}

// recognize refuses a folder that has nothing of a data folder: to call it sound would hide a mistyped path.
func recognize(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	for _, name := range []string{"definitions.db", "journal", "segments"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("%s is no data folder: it has no definitions.db, journal or segments", dir)
}

// lock keeps a server from starting on the folder meanwhile. A copy of a folder may have no LOCK file, and none is made.
func lock(dir string) (release func(), err error) {
	f, err := os.Open(filepath.Join(dir, "LOCK"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return func() {}, nil
	case err != nil:
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by a running server; stop it, or verify a copy: %w", dir, err), f.Close())
	}
	return func() { f.Close() }, nil // closing gives the lock back
}

func (r *Report) problem(err error) { r.Problems = append(r.Problems, err.Error()) }

func (r *Report) catalog(path string) {
	problems := catalog.Verify(path)
	if len(problems) == 1 && errors.Is(problems[0], fs.ErrNotExist) {
		r.Notes = append(r.Notes, path+": not there; the next start makes it from the journal")
		return
	}
	r.Files++
	for _, err := range problems {
		r.problem(err)
	}
}

func (r *Report) journal(dir string) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		r.Notes = append(r.Notes, dir+": not there")
		return
	}
	r.Files += len(entries)
	for _, p := range journal.Verify(dir) {
		if p.Torn {
			r.Notes = append(r.Notes, p.String()+"; the next start cuts it off")
		} else {
			r.Problems = append(r.Problems, p.String())
		}
	}
}

// segments reads the manifest and every file that it names.
func (r *Report) segments(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		r.Notes = append(r.Notes, dir+": not there")
		return nil
	}
	if err != nil {
		return err
	}
	m, err := segment.LoadManifest(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m = &segment.Manifest{}
	case err != nil:
		r.Files++
		r.problem(err)
		return nil // without it nobody knows which files count
	default:
		r.Files++
	}
	named := []string{segment.ManifestName}
	if m.State != "" {
		named = append(named, m.State)
		r.Files++
		if err := segment.ReadState(filepath.Join(dir, m.State), func(int, []byte) error { return nil }); err != nil {
			r.problem(err)
		}
	}
	for _, f := range m.Files {
		named = append(named, f.Name)
		r.Files++
		path := filepath.Join(dir, f.Name)
		if err := segment.Verify(path); err != nil {
			r.problem(err)
		} else if info, err := os.Stat(path); err == nil && info.Size() != f.Size {
			r.problem(fmt.Errorf("%s has %d bytes, the manifest says %d", path, info.Size(), f.Size))
		}
	}
	for _, e := range entries {
		if !slices.Contains(named, e.Name()) {
			r.Notes = append(r.Notes, filepath.Join(dir, e.Name())+": not in the manifest; the next start removes it if it is a remainder of a snapshot")
		}
	}
	return nil
}

// quarantine counts what earlier starts set aside, which is lost data and yet no damage that is left.
func (r *Report) quarantine(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".reason" {
			r.Notes = append(r.Notes, filepath.Join(dir, e.Name())+": set aside by an earlier start; the reason is beside it")
		}
	}
	return err
}
