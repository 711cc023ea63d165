package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// mapped is the address space that bbolt maps at once, about 1.5 million definitions. Each time that a transaction
// outgrows the map, bbolt copies every key that it holds.
const mapped = 256 << 20

// step is the room that bbolt adds to the file when it grows, beyond what it needs.
const step = 256 << 10

// openBolt opens the database. Damage is a DamagedError, also where bbolt panics.
func openBolt(path string, readOnly bool) (db *bbolt.DB, err error) {
	var file *os.File
	options := &bbolt.Options{
		Timeout:         time.Second,
		ReadOnly:        readOnly,
		FreelistType:    bbolt.FreelistMapType,
		NoStatistics:    true,
		InitialMmapSize: mapped,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			file = f
			return f, err
		},
	}
	opened := false
	err = guard(path, func() error {
		db, err = bbolt.Open(path, 0o600, options)
		opened = true
		return err
	})
	if !opened && file != nil {
		file.Close() // bbolt panicked and could not do it
	}
	var damaged *DamagedError
	switch {
	case err == nil:
		db.AllocSize = step
		return db, nil
	case errors.As(err, &damaged):
		return nil, err
	case errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, &NewerError{Path: path, Err: err}
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrInvalidMapping):
		return nil, &DamagedError{Path: path, Err: err}
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("catalog %s is in use by another process: %w", path, err)
	}
	var system *os.PathError
	if errors.As(err, &system) {
		return nil, fmt.Errorf("catalog %s: %w", path, err)
	}
	return nil, &DamagedError{Path: path, Err: err}
}

// create writes a new file under a temporary name, so that a file under the right name always has a format.
func (c *Catalog) create() error {
	dir := filepath.Dir(c.path)
	temp := c.path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("catalog: %w", err)
	}
	db, err := openBolt(temp, false)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error { return putMeta(tx, 0) })
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("catalog %s: %w", temp, err)
	}
	if err := os.Rename(temp, c.path); err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// check reads format and position without a lock for writing and without changing a byte.
func (c *Catalog) check() error {
	db, err := openBolt(c.path, true)
	if err != nil {
		return err
	}
	defer db.Close()
	return guard(c.path, func() error {
		return db.View(func(tx *bbolt.Tx) error {
			if info, err := os.Stat(c.path); err != nil {
				return fmt.Errorf("catalog: %w", err)
			} else if info.Size() < tx.Size() {
				return c.damaged("", nil, fmt.Errorf("%d bytes long, %d expected", info.Size(), tx.Size()))
			}
			meta := tx.Bucket([]byte(metaBucket))
			if meta == nil {
				return c.damaged(metaBucket, nil, errors.New("bucket is missing"))
			}
			f, p := meta.Get([]byte(formatKey)), meta.Get([]byte(posKey))
			if len(f) != 4 {
				return c.damaged(metaBucket, []byte(formatKey), fmt.Errorf("%d bytes, 4 expected", len(f)))
			}
			if got := binary.LittleEndian.Uint32(f); got > format {
				return &NewerError{Path: c.path, Got: got, Known: format}
			} else if got == 0 {
				return c.damaged(metaBucket, []byte(formatKey), errors.New("format 0"))
			}
			if len(p) != 8 {
				return c.damaged(metaBucket, []byte(posKey), fmt.Errorf("%d bytes, 8 expected", len(p)))
			}
			c.queue.stored = binary.LittleEndian.Uint64(p)
			c.queue.advanced = c.queue.stored
			return nil
		})
	})
}

// shortKey is a copy of a key for an error, which in a damaged file may have any length.
func shortKey(k []byte) []byte { return append([]byte(nil), k[:min(len(k), 64)]...) }

func (c *Catalog) damaged(bucket string, key []byte, err error) error {
	return &DamagedError{Path: c.path, Bucket: bucket, Key: key, Err: err}
}

func putMeta(tx *bbolt.Tx, position uint64) error {
	meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
	if err != nil {
		return err
	}
	if err := meta.Put([]byte(formatKey), binary.LittleEndian.AppendUint32(nil, format)); err != nil {
		return err
	}
	return meta.Put([]byte(posKey), binary.LittleEndian.AppendUint64(nil, position))
}
