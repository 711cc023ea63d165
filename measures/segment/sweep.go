package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Sweep removes the segment and state files in dir that m does not name, and what was left under temporary names: the
// remains of a snapshot that did not get to its end, and files that a later manifest let go. Files with other names are
// not ours and stay. A nil m names nothing. The names of the removed files are returned, sorted.
func Sweep(dir string, m *Manifest) (removed []string, err error) { return sweep(OS{}, dir, m) }

func sweep(fsys FS, dir string, m *Manifest) (removed []string, err error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	if m != nil {
		keep[m.State] = true
		for _, f := range m.Files {
			keep[f.Name] = true
		}
	}
	slices.Sort(names)
	for _, name := range names {
		final, tmp := strings.CutSuffix(name, temporary)
		_, ours := fileID(final)
		if !ours && !(tmp && final == ManifestName) || keep[name] {
			continue
		}
		if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// Quarantine moves the file at path into the directory dir, which it makes if need be, and puts the reason beside it in
// a file whose name ends in ".reason". A name that is taken there gets a number. dir must be on the file system of path.
func Quarantine(dir, path, reason string) error { return quarantine(OS{}, dir, path, reason) }

func quarantine(fsys FS, dir, path, reason string) error {
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	for i := 1; slices.Contains(names, name) || slices.Contains(names, name+".reason"); i++ {
		name = fmt.Sprintf("%s.%d", filepath.Base(path), i)
	}
	note, err := create(fsys, dir, name+".reason")
	if err != nil {
		return err
	}
	note.write([]byte(path + ": " + reason + "\n"))
	if err := note.finish(); err != nil {
		return err
	}
	if err := fsys.Rename(path, filepath.Join(dir, name)); err != nil {
		if e := fsys.Remove(filepath.Join(dir, name+".reason")); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
		return err
	}
	return errors.Join(fsys.SyncDir(dir), fsys.SyncDir(filepath.Dir(path)))
}
