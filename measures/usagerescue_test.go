package measures

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/usage"
)

// damageValue changes a byte of a value of the catalog: that of a key, or of the first.
func damageValue(t *testing.T, path, bucket, key string) {
	t.Helper()
	change(t, path, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		k, v := b.Cursor().First()
		if key != "" {
			k, v = []byte(key), b.Get([]byte(key))
		}
		if len(v) == 0 {
			return fmt.Errorf("nothing in %s", bucket)
		}
		v = append([]byte(nil), v...)
		v[len(v)-1] ^= 0x55
		return b.Put(append([]byte(nil), k...), v)
	})
}

func change(t *testing.T, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(fn); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUsageRescue damages the file that the ledger lies in. What can be read of it is kept, and counted on from where it stood; what is
// lost is counted from what the journal has; and nothing is counted twice.
func TestUsageRescue(t *testing.T) {
	for _, c := range []struct {
		name          string
		saved, behind bool // something is in the file; something is in the journal alone
		damage        func(t *testing.T, path string)
	}{
		{"a definition", true, true, func(t *testing.T, path string) { damageValue(t, path, metricdef.Bucket, "") }},
		{"a tenant", true, true, func(t *testing.T, path string) { damageValue(t, path, tenant.Bucket, "") }},
		{"the position", true, false, func(t *testing.T, path string) { damageValue(t, path, usage.BucketState, "position") }},
		{"the whole file", false, true, func(t *testing.T, path string) {
			if err := os.WriteFile(path, make([]byte, 8192), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"the buckets are gone", false, true, func(t *testing.T, path string) {
			change(t, path, func(tx *bbolt.Tx) error {
				for _, name := range usage.Buckets {
					if tx.Bucket([]byte(name)) == nil {
						continue
					}
					if err := tx.DeleteBucket([]byte(name)); err != nil {
						return err
					}
				}
				return nil
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := &clock{testEpoch}
			o := usageOptions(t.TempDir(), clock)
			s := openTest(t, o)
			write := func(from int) {
				t.Helper()
				for i := range 30 {
					num, err := s.EnsureTenant(t.Context(), tenant.ID(fmt.Sprint("t", i%2)))
					if err != nil {
						t.Fatal(err)
					}
					clock.ns += 5 * minute
					b := Batch{Tenant: num, Bytes: int64(100 + i), Subject: "me"}
					for m := range 3 {
						d := draftOf(num, fmt.Sprint("r", m), i%5)
						b.AddDraft(d, clock.ns/minute*minute, float64(from+i))
					}
					if err := s.Commit(t.Context(), &b); err != nil || b.Refused != [NumReasons]int{} {
						t.Fatal(err, b.Refused)
					}
					s.Usage.Asked(num, 1, 3, 30)
				}
				if err := s.JournalReads(); err != nil {
					t.Fatal(err)
				}
			}
			write(0)
			if c.saved {
				if err := s.Snapshot(); err != nil {
					t.Fatal(err)
				}
				if err := s.catalog.Flush(s.syncTo); err != nil {
					t.Fatal(err)
				}
			}
			if c.behind {
				write(100)
			}
			at := clock.ns
			text := func() string {
				clock.ns = at + 48*60*minute // nothing runs any more
				defer func() { clock.ns = at }()
				return usageText(t, s, clock.ns)
			}
			want := text()
			if len(want) < 200 {
				t.Fatal(want)
			}
			s.crash()
			c.damage(t, filepath.Join(o.Dir, "definitions.db"))
			for range 2 {
				s = openTest(t, o)
				if got := text(); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s = openTest(t, o)
			if write(200); text() == want {
				t.Error("nothing is counted any more")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
