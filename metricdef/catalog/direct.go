package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"
)

// Tx is a transaction on the file itself, beside the queue: for rooms that keep more than fits into memory and a position of their
// own. Their buckets take no changes from the queue.
type Tx struct {
	c  *Catalog
	tx *bbolt.Tx
}

// View calls fn with a transaction that reads. It should be short: what it has read cannot be used again by writers meanwhile.
func (c *Catalog) View(fn func(*Tx) error) error {
	return c.direct(func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			return shielded(func() error { return fn(&Tx{c, tx}) })
		})
	})
}

// Update calls fn with a transaction that is committed if fn returns nil. A position that fn stores must be one up to which the
// journal is durable.
func (c *Catalog) Update(fn func(*Tx) error) error {
	return c.direct(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			return shielded(func() error { return fn(&Tx{c, tx}) })
		})
	})
}

func (c *Catalog) direct(fn func(*bbolt.DB) error) error {
	c.handle.RLock()
	defer c.handle.RUnlock()
	db := c.flush.db
	if db == nil {
		return ErrClosed
	}
	return guard(c.path, func() error { return fn(db) })
}

// Get returns the value of a key, nil if there is none. It is valid until the transaction ends. The error is a DamagedError.
func (t *Tx) Get(bucket string, key []byte) (value []byte, err error) {
	err = guard(t.c.path, func() error {
		b := t.tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		stored := b.Get(key)
		if stored == nil {
			return nil
		}
		var err error
		if value, err = openValue(key, stored, t.tx.Size()); err != nil {
			return t.c.damaged(bucket, shortKey(key), err)
		}
		return nil
	})
	return value, err
}

// Each calls fn for the keys from one on, in their order, until it answers false. Key and value are valid until the transaction ends.
// A value that is damaged comes with the error.
func (t *Tx) Each(bucket string, from []byte, fn func(key, value []byte, damaged error) bool) error {
	return guard(t.c.path, func() error {
		b := t.tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, stored := c.Seek(from); k != nil; k, stored = c.Next() {
			v, err := openValue(k, stored, t.tx.Size())
			if err != nil {
				err = t.c.damaged(bucket, shortKey(k), err)
			}
			more := false
			if err := shielded(func() error { more = fn(k, v, err); return nil }); err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// Put stores a value.
func (t *Tx) Put(bucket string, key, value []byte) error {
	return guard(t.c.path, func() error {
		b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return fmt.Errorf("bucket %q: %w", bucket, err)
		}
		sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
		stored := append(binary.LittleEndian.AppendUint32(make([]byte, 0, sumLen+len(value)), sum), value...)
		if err := b.Put(bytes.Clone(key), stored); err != nil {
			return fmt.Errorf("bucket %s, key %x: %w", bucket, key, err)
		}
		return nil
	})
}

// Delete removes a key, if it is there.
func (t *Tx) Delete(bucket string, key []byte) error {
	return guard(t.c.path, func() error {
		b := t.tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		return b.Delete(key)
	})
}
