package identity

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxFile bounds a file that is read, in bytes.
const maxFile = 1 << 20

// ReadFile reads a file of a size that keys, tokens and lists of users have.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: has more than %d bytes", name, maxFile)
	}
	return b, err
}

// files are files that a source is made of. They are read again when one of them changes.
type files struct {
	names []string
	read  func(string) ([]byte, error)
	take  func(contents [][]byte) error // brings the contents into force; an error leaves what was

	// report is told why files that have changed are not in force; the same once. taken is told of those that are, once they have changed or
	// what was reported is over.
	report func(error)
	taken  func(names []string)

	mu      sync.Mutex
	states  []os.FileInfo
	inForce digest
	refused digest
	why     error // of refused
	said    string
	took    bool // the last reload brought other contents into force
}

// digest stands for the contents of files, some of which hold secrets.
type digest [sha256.Size]byte

func newFiles(read func(string) ([]byte, error), take func([][]byte) error, names ...string) *files {
	return &files{names: names, read: read, take: take, report: func(error) {}, taken: func([]string) {}, states: make([]os.FileInfo, len(names))}
}

// load reads the files for the first time.
func (f *files) load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed()
	return f.reload()
}

// loadChanged reads the files if one has changed, or in any case. Contents that are in force already, or were refused before, are
// not taken again. What was in force stays if there is a fault, which is reported.
func (f *files) loadChanged(always bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := f.changed()
	if len(names) == 0 && !always {
		return
	}
	reported := f.said != ""
	err := f.reload()
	switch {
	case err == nil:
		f.said = ""
		if len(names) == 0 {
			names = f.names
		}
		if f.took || reported {
			f.taken(names)
		}
	case f.said != err.Error():
		f.said = err.Error()
		f.report(err)
	}
}

// changed names the files that are others than when it was last asked. One that is gone counts until it is back, for reading it says why.
// REQUIRES: f.mu.
func (f *files) changed() (names []string) {
	for i, name := range f.names {
		now, err := os.Stat(name)
		if err != nil {
			names = append(names, name)
			continue
		}
		was := f.states[i]
		if was == nil || was.Size() != now.Size() || !was.ModTime().Equal(now.ModTime()) || !os.SameFile(was, now) {
			f.states[i] = now
			names = append(names, name)
		}
	}
	return names
}

// reload reads the files and brings them into force. REQUIRES: f.mu.
func (f *files) reload() error {
	f.took = false
	contents := make([][]byte, len(f.names))
	for i, name := range f.names {
		var err error
		if contents[i], err = f.read(name); err != nil {
			f.states[i] = nil // look at it again
			return err
		}
	}
	switch now := digestOf(contents); now {
	case f.inForce:
		f.refused = digest{}
	case f.refused:
		return f.why
	default:
		f.said = "" // another content is another fault
		if err := f.take(contents); err != nil {
			f.refused, f.why = now, err
			return err
		}
		f.inForce, f.refused, f.took = now, digest{}, true
	}
	return nil
}

func digestOf(contents [][]byte) digest {
	h := sha256.New()
	for _, c := range contents {
		d := sha256.Sum256(c)
		h.Write(d[:])
	}
	return digest(h.Sum(nil))
}
