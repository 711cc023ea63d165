package config

import (
	"os"
	"time"
)

// Watcher tells when a file of the configuration has changed on disk. It looks when it is asked and keeps no goroutine. It
// is for one goroutine.
type Watcher struct {
	files []watched
}

type watched struct {
	name  string
	state fileState
}

type fileState struct {
	size    int64
	changed time.Time
	there   bool
}

// Watch begins to watch the files that c was read from, in the state that they have now.
func (c *Config) Watch() *Watcher {
	w := &Watcher{}
	for _, f := range c.Files {
		w.files = append(w.files, watched{f, stateOf(f)})
	}
	return w
}

// WatchOverrides is Watch for the file of limits by tenant.
func (c *Config) WatchOverrides() *Watcher {
	w := &Watcher{}
	if c.overridesPath != "" {
		w.files = append(w.files, watched{c.overridesPath, stateOf(c.overridesPath)})
	}
	return w
}

// Watch is Watch for the files of TLS.
func (t TLS) Watch() *Watcher {
	w := &Watcher{}
	for _, f := range []string{t.CertFile, t.KeyFile, t.ClientCA} {
		if f != "" {
			w.files = append(w.files, watched{f, stateOf(f)})
		}
	}
	return w
}

// Changed says whether a file has another size or time than when it was last asked. A file that is gone for a moment, as
// editors do, counts once it is back.
func (w *Watcher) Changed() bool {
	changed := false
	for i := range w.files {
		f := &w.files[i]
		if s := stateOf(f.name); s.there && s != f.state {
			f.state = s
			changed = true
		}
	}
	return changed
}

// Gone returns the files that are not there and were when it was last asked. Such a file counts as changed once it is back.
func (w *Watcher) Gone() (names []string) {
	for i := range w.files {
		f := &w.files[i]
		if f.state.there && !stateOf(f.name).there {
			f.state = fileState{}
			names = append(names, f.name)
		}
	}
	return names
}

func stateOf(name string) fileState {
	i, err := os.Stat(name)
	if err != nil {
		return fileState{}
	}
	return fileState{size: i.Size(), changed: i.ModTime(), there: true}
}
