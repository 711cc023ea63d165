package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long Open waits for another process, unless it is told.
const lockWait = 2 * time.Second

// InUseError is a spool that another process has open.
type InUseError struct{ Dir string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("the spool %s is in use by another process; two bridges need a folder each (spool.dir)", e.Dir)
}

type lock struct{ f *os.File }

// takeLock makes the folder and keeps other processes out of it.
func takeLock(dir string, wait time.Duration) (*lock, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("the spool cannot be made (spool.dir): %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("the spool cannot be opened (spool.dir): %w", err)
	}
	for deadline := time.Now().Add(wait); ; time.Sleep(wait / 20) {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &InUseError{dir}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lock{f}, nil
}

// release lets the next process in. A nil lock is none.
func (l *lock) release() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}
