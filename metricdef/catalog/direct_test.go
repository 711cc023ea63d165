package catalog

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

func TestDirect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	c := mustOpen(t, path, Options{})
	broken := errors.New("no")
	for _, fail := range []error{broken, nil} {
		err := c.Update(func(tx *Tx) error {
			for i := range 5 {
				if err := tx.Put("d", fmt.Append(nil, "k", i), fmt.Append(nil, "v", i)); err != nil {
					return err
				}
			}
			if err := errors.Join(tx.Delete("d", []byte("k2")), tx.Delete("none", []byte("k"))); err != nil {
				return err
			}
			if v, err := tx.Get("d", []byte("k1")); string(v) != "v1" || err != nil {
				t.Errorf("%q %v", v, err)
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
		if fail != nil && len(load(t, c, "d")) != 0 {
			t.Error("a transaction that failed was committed")
		}
	}
	read := func() (got string) {
		t.Helper()
		if err := c.View(func(tx *Tx) error {
			if v, err := tx.Get("none", []byte("k")); v != nil || err != nil {
				t.Errorf("%q %v", v, err)
			}
			if v, err := tx.Get("d", []byte("k2")); v != nil || err != nil {
				t.Errorf("%q %v", v, err)
			}
			if err := tx.Each("none", nil, func(_, _ []byte, _ error) bool { t.Error("a key of none"); return true }); err != nil {
				return err
			}
			return tx.Each("d", []byte("k1"), func(k, v []byte, damaged error) bool {
				if got += fmt.Sprintf("%s=%s ", k, v); damaged != nil {
					got += "damaged "
				}
				return string(k) != "k3"
			})
		}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := read(); got != "k1=v1 k3=v3 " {
		t.Error(got)
	}
	// The queue goes on beside it, and a damaged value does not hide the others.
	c.Put(3, change("a", "x", "1"))
	c.Advance(3)
	if err := c.Flush(synced); err != nil {
		t.Fatal(err)
	}
	if err := c.flush.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("d")).Put([]byte("k1"), []byte("sum?bad")) }); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "k1= damaged k3=v3 " {
		t.Error(got)
	}
	var damaged *DamagedError
	if err := c.View(func(tx *Tx) error { _, err := tx.Get("d", []byte("k1")); return err }); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "checksum") {
		t.Error(err)
	}
	for _, call := range []func(func(*Tx) error) error{c.View, c.Update} {
		func() {
			defer func() {
				if recover() != "mine" {
					t.Error("a panic of the caller is gone")
				}
			}()
			_ = call(func(*Tx) error { panic("mine") })
		}()
	}
	if err := c.Close(synced); err != nil {
		t.Fatal(err)
	}
	if err := c.View(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
