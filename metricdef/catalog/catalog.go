package catalog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// The file is a bbolt database. Bucket "_catalog" holds "format" (u32, little endian), "position" (u64, little endian) and
// "secret" (16 bytes); each other bucket belongs to the room that puts into it. Every value outside it begins with a checksum, see
// sumLen.
const (
	format     = 1
	metaBucket = "_catalog"
	formatKey  = "format"
	posKey     = "position"
	secretKey  = "secret"
)

// fill is how full bbolt leaves a page that it splits. Keys come in ascending order, so nothing is inserted into the
// pages behind.
const fill = 0.97

// Options configure a catalog. The zero value is of use.
type Options struct {
	Interval   time.Duration // between the transactions of Run; 1 s if 0
	MaxChanges int           // changes that make Run write at once; 20,000 if 0
	Logger     *slog.Logger  // for failed flushes of Run; slog.Default if nil
}

// Catalog is the open file with its queue. It is safe for concurrent use; lock order: flush, handle, queue.
type Catalog struct {
	path string
	o    Options
	full chan struct{} // holds a token when the queue has reached MaxChanges

	// handle is held for reading while somebody reads or writes beside the queue, and for writing while flush.db changes; it is
	// taken behind flush.
	handle sync.RWMutex
	flush  struct {
		sync.Mutex
		db   *bbolt.DB // nil after Close; changed under handle too
		held []batch   // taken from the queue, not yet committed
	}
	queue struct {
		sync.Mutex
		batch
		held     int    // changes in flush.held
		stored   uint64 // the position in the file
		advanced uint64 // records up to this one have been put
	}
}

// Open opens the file, and makes it if it does not exist. The directory must exist.
func Open(path string, o Options) (*Catalog, error) {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.MaxChanges <= 0 {
		o.MaxChanges = 20_000
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	c := &Catalog{path: path, o: o, full: make(chan struct{}, 1)}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && info.Size() == 0:
		err = c.create()
	case err == nil:
		err = c.check()
	default:
		err = fmt.Errorf("catalog: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if c.flush.db, err = openBolt(path, false); err != nil {
		return nil, err
	}
	return c, nil
}

// Position is the sequence number up to which everything is in the file.
func (c *Catalog) Position() uint64 {
	c.queue.Lock()
	defer c.queue.Unlock()
	return c.queue.stored
}

// Secret is a number of this file that nobody can guess. It is made when it is asked for the first time, and stays.
func (c *Catalog) Secret() (secret [16]byte, err error) {
	c.flush.Lock()
	defer c.flush.Unlock()
	if c.flush.db == nil {
		return secret, ErrClosed
	}
	err = guard(c.path, func() error {
		return c.flush.db.Update(func(tx *bbolt.Tx) error {
			meta := tx.Bucket([]byte(metaBucket))
			if kept := meta.Get([]byte(secretKey)); len(kept) == len(secret) {
				copy(secret[:], kept)
				return nil
			}
			if _, err := rand.Read(secret[:]); err != nil {
				return err
			}
			return meta.Put([]byte(secretKey), secret[:])
		})
	})
	if err != nil {
		return secret, fmt.Errorf("catalog %s: %w", c.path, err)
	}
	return secret, nil
}

// Pending is the number of changes that are not in the file yet.
func (c *Catalog) Pending() int {
	c.queue.Lock()
	defer c.queue.Unlock()
	return c.queue.held + len(c.queue.changes)
}

// Load calls fn for each key of the bucket, in the order of the keys; a bucket that does not exist is empty. Key and
// value are valid until fn returns. The first error of fn ends it and is returned, with the bucket and the key. Load is
// meant for the start: it unmaps the pages that it has read, by opening the file anew.
func (c *Catalog) Load(bucket string, fn func(k, v []byte) error) error {
	c.flush.Lock()
	defer c.flush.Unlock()
	if c.flush.db == nil {
		return ErrClosed
	}
	err := guard(c.path, func() error {
		return c.flush.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			if b == nil {
				return nil
			}
			return b.ForEach(func(k, stored []byte) error {
				v, err := openValue(k, stored, tx.Size())
				if err != nil {
					return c.damaged(bucket, shortKey(k), err)
				}
				if err := shielded(func() error { return fn(k, v) }); err != nil {
					return fmt.Errorf("catalog %s: bucket %s, key %x: %w", c.path, bucket, k, err)
				}
				return nil
			})
		})
	})
	if err != nil {
		return err
	}
	c.handle.Lock()
	defer c.handle.Unlock()
	if err := c.flush.db.Close(); err != nil {
		return fmt.Errorf("catalog %s: %w", c.path, err)
	}
	c.flush.db, err = openBolt(c.path, false)
	return err
}

// Put queues changes that the record of that sequence number made. Keys and values are copied. Sequence numbers must not
// descend. Changes of a record that the file already holds, which replay brings again, are dropped.
func (c *Catalog) Put(seq uint64, ch ...Change) {
	c.queue.Lock()
	defer c.queue.Unlock()
	if seq <= c.queue.stored {
		return
	}
	for i := range ch {
		c.queue.add(seq, &ch[i])
	}
	if len(c.queue.changes) >= c.o.MaxChanges {
		select {
		case c.full <- struct{}{}:
		default:
		}
	}
}

// Advance says that every change of the records up to seq has been put.
func (c *Catalog) Advance(seq uint64) {
	c.queue.Lock()
	defer c.queue.Unlock()
	c.queue.advanced = max(c.queue.advanced, seq)
}

// Flush writes, in one transaction, the changes of all records up to the one last advanced to, and that position. It
// calls syncTo with the position first and commits only if that succeeds; syncTo returns when the journal is synced up
// to it. After an error the changes stay queued for the next Flush. If neither a change nor the position is new, nothing
// is written.
func (c *Catalog) Flush(syncTo func(seq uint64) error) error {
	c.flush.Lock()
	defer c.flush.Unlock()
	return c.flushLocked(syncTo)
}

// REQUIRES: c.flush.
func (c *Catalog) flushLocked(syncTo func(seq uint64) error) error {
	if c.flush.db == nil {
		return ErrClosed
	}
	c.queue.Lock()
	position, stored := c.queue.advanced, c.queue.stored
	if taken := c.queue.split(position); len(taken.changes) > 0 {
		c.flush.held = append(c.flush.held, taken)
		c.queue.held += len(taken.changes)
	}
	c.queue.Unlock()
	if len(c.flush.held) == 0 && position == stored {
		return nil
	}
	if err := syncTo(position); err != nil {
		return fmt.Errorf("catalog: journal could not be synced to %d: %w", position, err)
	}
	err := guard(c.path, func() error {
		return c.flush.db.Update(func(tx *bbolt.Tx) error {
			for i := range c.flush.held {
				if err := c.flush.held[i].write(tx); err != nil {
					return err
				}
			}
			return putMeta(tx, position)
		})
	})
	if err != nil {
		return fmt.Errorf("catalog %s: transaction up to %d: %w", c.path, position, err)
	}
	c.flush.held = nil
	c.queue.Lock()
	c.queue.stored, c.queue.held = position, 0
	c.queue.Unlock()
	return nil
}

func (b *batch) write(tx *bbolt.Tx) error {
	b.settle()
	var bucket *bbolt.Bucket
	for i := range b.changes {
		q := &b.changes[i]
		if i == 0 || b.changes[i-1].bucket != q.bucket {
			var err error
			if bucket, err = tx.CreateBucketIfNotExists([]byte(q.bucket)); err != nil {
				return fmt.Errorf("bucket %q: %w", q.bucket, err)
			}
			bucket.FillPercent = fill
		}
		var err error
		if q.value < 0 {
			err = bucket.Delete(b.keyOf(q))
		} else {
			err = bucket.Put(b.keyOf(q), b.valueOf(q))
		}
		if err != nil {
			return fmt.Errorf("bucket %s, key %x: %w", q.bucket, b.keyOf(q), err)
		}
	}
	return nil
}

// Run flushes once an interval if there are changes, and at once when there are many, until ctx ends. A position without
// changes is left to the next explicit Flush, so that a service that only takes samples does not sync this file every
// second. Errors are logged; the next round tries again.
func (c *Catalog) Run(ctx context.Context, syncTo func(seq uint64) error) {
	tick := time.NewTicker(c.o.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.full:
		}
		if c.Pending() == 0 {
			continue
		}
		if err := c.Flush(syncTo); err != nil {
			c.o.Logger.Warn("catalog not brought up to date", "error", err, "pending", c.Pending())
		}
	}
}

// Close flushes and closes the file. It closes the file also if the flush fails, and without a flush if syncTo is nil.
func (c *Catalog) Close(syncTo func(seq uint64) error) error {
	c.flush.Lock()
	defer c.flush.Unlock()
	if c.flush.db == nil {
		return ErrClosed
	}
	var err error
	if syncTo != nil {
		err = c.flushLocked(syncTo)
	}
	c.handle.Lock()
	defer c.handle.Unlock()
	err = errors.Join(err, c.flush.db.Close())
	c.flush.db = nil
	return err
}
