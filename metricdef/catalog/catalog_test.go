package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func synced(uint64) error { return nil }

func mustOpen(t testing.TB, path string, o Options) *Catalog {
	t.Helper()
	c, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(nil); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return c
}

func load(t testing.TB, c *Catalog, bucket string) map[string]string {
	t.Helper()
	got := map[string]string{}
	if err := c.Load(bucket, func(k, v []byte) error { got[string(k)] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func change(bucket, key, value string) Change {
	return Change{Bucket: bucket, Key: []byte(key), Value: []byte(value)}
}

// TestSecret: it stays with the file, and each file has another.
func TestSecret(t *testing.T) {
	dir := t.TempDir()
	secret := func(name string) [16]byte {
		c := mustOpen(t, filepath.Join(dir, name), Options{})
		first, err := c.Secret()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := c.Secret(); err != nil || again != first {
			t.Error(again, err)
		}
		c.Put(1, change("a", "x", "1"))
		c.Advance(1)
		if err := c.Close(synced); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Secret(); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		return first
	}
	a, b := secret("a.db"), secret("b.db")
	if a == b || a == [16]byte{} || secret("a.db") != a {
		t.Errorf("%x, %x", a, b)
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "definitions.db")
	c := mustOpen(t, path, Options{})
	c.Put(3, change("a", "x", "1"), change("b", "y", "2"))
	c.Put(4, change("a", "x", "3"), change("a", "z", ""), Change{Bucket: "b", Key: []byte("y")})
	c.Advance(4)
	c.Put(5, change("a", "late", "not advanced to"))
	if got := c.Pending(); got != 6 {
		t.Errorf("%d changes pending, want 6", got)
	}
	if err := c.Flush(synced); err != nil {
		t.Fatal(err)
	}
	check := func(c *Catalog) {
		t.Helper()
		if got, want := load(t, c, "a"), (map[string]string{"x": "3", "z": ""}); !cmp.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
		if got := load(t, c, "b"); len(got) != 0 {
			t.Errorf("deleted key is there: %q", got)
		}
		if got := load(t, c, "none"); len(got) != 0 {
			t.Errorf("bucket that does not exist holds %q", got)
		}
		if got := c.Position(); got != 4 {
			t.Errorf("position %d, want 4", got)
		}
	}
	check(c)
	if got := c.Pending(); got != 1 {
		t.Errorf("%d changes pending, want 1", got)
	}
	if err := c.Close(nil); err != nil {
		t.Fatal(err)
	}
	check(mustOpen(t, path, Options{}))
}

func TestReplayedChangesAreDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	c := mustOpen(t, path, Options{})
	c.Put(7, change("a", "k", "new"))
	c.Advance(7)
	if err := c.Close(synced); err != nil {
		t.Fatal(err)
	}
	c = mustOpen(t, path, Options{})
	c.Put(6, change("a", "k", "old"))
	c.Put(7, change("a", "k", "also old"))
	c.Advance(6)
	if c.Pending() != 0 {
		t.Error("a record that the file holds was queued again")
	}
	c.Put(8, change("a", "k2", "v"))
	c.Advance(8)
	if err := c.Flush(synced); err != nil {
		t.Fatal(err)
	}
	if got, want := load(t, c, "a"), (map[string]string{"k": "new", "k2": "v"}); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

// The journal must be synced up to the position before the transaction that stores it is committed.
func TestJournalIsSyncedBeforeCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	c := mustOpen(t, path, Options{})
	c.Put(9, change("a", "k", "v"))
	c.Advance(12)
	var order []string
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Flush(func(seq uint64) error {
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if seq != 12 || !bytes.Equal(before, now) || c.Position() != 0 {
			t.Errorf("at the sync to %d the file had changed (position %d)", seq, c.Position())
		}
		order = append(order, "sync")
		return nil
	})
	if err != nil || len(order) != 1 || c.Position() != 12 {
		t.Fatalf("flush: %v, %v, position %d", err, order, c.Position())
	}

	before, _ = os.ReadFile(path)
	broken := errors.New("disk is gone")
	c.Put(13, change("a", "k", "v13"))
	c.Advance(13)
	if err := c.Flush(func(uint64) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("flush: %v", err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(before, now) || c.Position() != 12 || c.Pending() != 1 {
		t.Error("the file changed although the journal could not be synced")
	}
	c.Put(14, change("a", "k", "v14"))
	c.Advance(14)
	if err := c.Close(synced); err != nil {
		t.Fatal(err)
	}
	c = mustOpen(t, path, Options{})
	if got, want := load(t, c, "a"), (map[string]string{"k": "v14"}); !cmp.Equal(got, want) || c.Position() != 14 {
		t.Errorf("position %d: %s", c.Position(), cmp.Diff(want, got))
	}
}

func TestNothingNewWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	c := mustOpen(t, path, Options{})
	before, _ := os.ReadFile(path)
	if err := c.Flush(func(uint64) error { t.Error("synced for nothing"); return nil }); err != nil {
		t.Fatal(err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(before, now) {
		t.Error("the file changed")
	}
}

func TestClosed(t *testing.T) {
	c := mustOpen(t, filepath.Join(t.TempDir(), "db"), Options{})
	if err := c.Close(synced); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"close": c.Close(synced), "flush": c.Flush(synced), "load": c.Load("a", nil)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s of a closed catalog: %v", name, err)
		}
	}
}

func TestLoadReturnsTheCallersError(t *testing.T) {
	c := mustOpen(t, filepath.Join(t.TempDir(), "db"), Options{})
	c.Put(1, change("a", "k", "v"))
	c.Advance(1)
	if err := c.Flush(synced); err != nil {
		t.Fatal(err)
	}
	mine := errors.New("mine")
	if err := c.Load("a", func(_, _ []byte) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("load: %v", err)
	}
	func() {
		defer func() {
			if p := recover(); p != "mine too" {
				t.Errorf("a panic of the caller became %v", p)
			}
		}()
		_ = c.Load("a", func(_, _ []byte) error { panic("mine too") })
	}()
	if got := load(t, c, "a"); got["k"] != "v" {
		t.Errorf("afterwards the catalog holds %q", got)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := mustOpen(t, filepath.Join(t.TempDir(), "db"), Options{MaxChanges: 10, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, stop := context.WithCancel(t.Context())
		fail := false
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx, func(uint64) error {
				if fail {
					return errors.New("no sync today")
				}
				return nil
			})
		}()
		c.Put(1, change("a", "k", "v"))
		c.Advance(1)
		synctest.Wait()
		if c.Position() != 0 {
			t.Error("flushed before the interval")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if c.Position() != 1 {
			t.Error("not flushed after the interval")
		}
		c.Advance(2)
		time.Sleep(time.Minute)
		synctest.Wait()
		if c.Position() != 1 {
			t.Error("a transaction without changes")
		}
		c.Advance(100)
		for i := range 10 {
			c.Put(100, change("a", fmt.Sprint(i), "v"))
		}
		synctest.Wait()
		if c.Position() != 100 {
			t.Error("not flushed although the queue was full")
		}
		fail = true
		c.Put(101, change("a", "k", "w"))
		c.Advance(101)
		time.Sleep(time.Second)
		synctest.Wait()
		if c.Position() != 100 || !bytes.Contains(log.Bytes(), []byte("no sync today")) {
			t.Errorf("position %d, log %q", c.Position(), log.String())
		}
		stop()
		<-done
		if err := c.Close(synced); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNewerFormatIsRefusedAndUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	c := mustOpen(t, path, Options{})
	err := c.flush.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put([]byte(formatKey), binary.LittleEndian.AppendUint32(nil, format+1))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(nil); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	_, err = Open(path, Options{})
	var newer *NewerError
	if !errors.As(err, &newer) || newer.Got != format+1 || newer.Path != path {
		t.Errorf("open: %v", err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(before, now) {
		t.Error("the newer file was changed")
	}
}

func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	mustOpen(t, path, Options{})
	var damaged *DamagedError
	if _, err := Open(path, Options{}); err == nil || errors.As(err, &damaged) {
		t.Errorf("opened twice: %v", err)
	}
}

// A damaged file gives either a DamagedError (or a NewerError, if a version was hit) or what was stored, never a panic, and never other values.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	c := mustOpen(t, path, Options{})
	want := map[string]string{}
	for i := range 3000 {
		k, v := fmt.Sprintf("key%06d", i), fmt.Sprintf("the value of %d", i)
		c.Put(uint64(i+1), change("a", k, v))
		want[k] = v
		if i%500 == 499 {
			c.Advance(uint64(i + 1))
			if err := c.Flush(synced); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Close(nil); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(name string, b []byte) {
		t.Helper()
		bad := filepath.Join(dir, "bad")
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		c, err := Open(bad, Options{})
		if err == nil {
			defer c.Close(nil)
			got := map[string]string{}
			err = c.Load("a", func(k, v []byte) error { got[string(k)] = string(v); return nil })
			for k, v := range got {
				if want[k] != v {
					t.Errorf("%s: key %q became %q", name, k, v)
				}
			}
		} else if now, _ := os.ReadFile(bad); len(b) > 0 && sha256.Sum256(now) != sum {
			t.Errorf("%s: the file was changed by a failed open", name)
		}
		var damaged *DamagedError
		var newer *NewerError
		if err != nil && !errors.As(err, &damaged) && !errors.As(err, &newer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{0, 1, 100, 4096, 8191, 16384, len(good) / 2, len(good) - 4096, len(good) - 1} {
		try(fmt.Sprintf("cut at %d", n), good[:n])
	}
	try("text", []byte("this is no database at all, but some other file that lies here"))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		b := bytes.Clone(good)
		at := rng.IntN(len(b))
		if i%3 == 0 { // the headers of the pages are where it hurts
			at = at/4096*4096 + rng.IntN(64)
		}
		for j := at; j < min(at+1+rng.IntN(16), len(b)); j++ {
			b[j] ^= byte(1 + rng.IntN(255))
		}
		try(fmt.Sprintf("round %d, byte %d", i, at), b)
	}
}

// BenchmarkFlush is one flush of 18,800 new definitions of 140 bytes, the first body of a cluster of 200 hosts.
func BenchmarkFlush(b *testing.B) {
	value := bytes.Repeat([]byte("definition"), 14)
	for i := range b.N {
		b.StopTimer()
		c := mustOpen(b, filepath.Join(b.TempDir(), fmt.Sprint(i)), Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		b.StartTimer()
		var key [4]byte
		for j := range 18_800 {
			binary.BigEndian.PutUint32(key[:], uint32(j+1))
			c.Put(uint64(j+1), Change{Bucket: "definitions", Key: key[:], Value: value})
		}
		c.Advance(18_800)
		if err := c.Flush(synced); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		c.Close(nil)
	}
	b.ReportAllocs()
}
