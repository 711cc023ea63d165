package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// maxProblems bounds what Verify lists of one file.
const maxProblems = 100

// Verify reads every key of the file at path, changes nothing, and returns what it finds wrong: a file that cannot be
// opened, is of a newer format or in use, keys out of order, values whose checksum does not hold. It lists the first
// hundred and counts the rest.
func Verify(path string) []error {
	if _, err := os.Stat(path); err != nil {
		return []error{fmt.Errorf("catalog: %w", err)}
	}
	c := &Catalog{path: path}
	if err := c.check(); err != nil {
		return []error{err}
	}
	db, err := openBolt(path, true)
	if err != nil {
		return []error{err}
	}
	defer db.Close()

	var (
		problems []error
		more     int
	)
	found := func(bucket string, key []byte, err error) {
		if len(problems) < maxProblems {
			problems = append(problems, c.damaged(bucket, shortKey(key), err))
		} else {
			more++
		}
	}
	err = guard(path, func() error {
		return db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
				bucket := string(name)
				var last []byte
				return b.ForEach(func(k, stored []byte) error {
					if bucket == metaBucket { // checked above, and without checksums
						return nil
					}
					if _, err := openValue(k, stored, tx.Size()); err != nil {
						found(bucket, k, err)
						return nil
					}
					if last != nil && bytes.Compare(last, k) >= 0 {
						found(bucket, k, errors.New("key is out of order"))
					}
					last = append(last[:0], k...)
					return nil
				})
			})
		})
	})
	if err != nil {
		problems = append(problems, err)
	}
	if more > 0 {
		problems = append(problems, fmt.Errorf("catalog %s: %d further keys are damaged", path, more))
	}
	return problems
}
