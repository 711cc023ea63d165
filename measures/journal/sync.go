package journal

import "time"

// Sync is part of Log. After a failure it tries to carry over what is not synced.
func (f *File) Sync() (Position, error) {
	f.flush.Lock()
	f.mu.Lock()
	failed, closed := f.failed, f.closed
	f.mu.Unlock()
	if closed {
		f.flush.Unlock()
		return f.Synced(), f.unavailable("sync", f.dir, ErrClosed)
	}
	if failed != nil {
		f.flush.Unlock() // the order of locks is write, flush
		return f.heal()
	}
	defer f.flush.Unlock()
	err := f.flushFiles()
	return f.Synced(), err
}

// heal carries over what a failed fsync has left.
func (f *File) heal() (Position, error) {
	f.write.Lock()
	defer f.write.Unlock()
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed {
		return f.Synced(), f.unavailable("sync", f.dir, ErrClosed)
	}
	err := f.carryOver()
	return f.Synced(), err
}

// flushFiles syncs all segments that need it, oldest first, so that what is synced is always a front part of the log.
// Appending goes on: f.mu is not held during fsync.
//
// REQUIRES: f.flush.
func (f *File) flushFiles() error {
	type part struct {
		*segment
		size int64
	}
	f.mu.Lock()
	target, active, dir := f.last, f.active, f.dirDirty
	var parts []part
	for _, s := range f.segments {
		if s.dirty {
			parts = append(parts, part{s, s.size})
		}
	}
	f.mu.Unlock()
	if len(parts) == 0 {
		return nil
	}
	var err error
	path := f.dir
	for _, p := range parts {
		if err = p.handle.Sync(); err != nil {
			path = p.path
			break
		}
	}
	if err == nil && dir {
		err = f.fs.SyncDir(f.dir)
	}
	f.mu.Lock()
	if err != nil {
		f.fail(err)
		f.mu.Unlock()
		return f.unavailable("sync", path, err)
	}
	f.synced = max(f.synced, target)
	if dir && active == f.active {
		f.dirDirty = false // no segment was made meanwhile
	}
	var idle []Handle
	for _, p := range parts {
		p.dirty = p.size != p.segment.size
		if !p.dirty && p.segment != f.active {
			idle = append(idle, p.handle)
			p.handle = nil
		}
	}
	f.mu.Unlock()
	for _, h := range idle {
		if e := h.Close(); e != nil {
			f.o.Logger.Warn("journal segment did not close", "error", e)
		}
	}
	return nil
}

// wakeSyncer tells the background that there is something to sync.
func (f *File) wakeSyncer() {
	if f.wake == nil {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// syncInBackground syncs one interval after the first record that needs it. While nothing is written it sleeps.
func (f *File) syncInBackground() {
	defer close(f.done)
	timer := time.NewTimer(f.o.Interval)
	timer.Stop()
	failing := false
	for {
		select {
		case <-f.stop:
			return
		case <-f.wake:
		}
		timer.Reset(f.o.Interval)
		select {
		case <-f.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
		_, err := f.Sync()
		if err != nil {
			select {
			case <-f.stop:
				return
			default:
			}
			if !failing {
				// Logged here, since no caller of this Sync could hear of it; an Append that fails says so itself.
				f.o.Logger.Error("journal cannot sync and keeps trying", "error", err)
			}
			f.wakeSyncer()
		}
		failing = err != nil
	}
}
