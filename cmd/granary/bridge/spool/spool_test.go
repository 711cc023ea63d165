package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"granary/measures/journal/crashfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const second = 1_735_689_600

func testOptions() Options {
	return Options{Size: 8 << 20, Now: func() time.Time { return time.Unix(second, 0) }}
}

func testOpen(t *testing.T, dir string, o Options) *Spool {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a second one does nothing
	return s
}

// take takes everything that waits.
func take(t *testing.T, s *Spool) (out []string) {
	t.Helper()
	for {
		b, ok, err := s.Peek()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		out = append(out, string(b.Bytes))
		if err := s.Done(b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOrder(t *testing.T) {
	dir := t.TempDir()
	s := testOpen(t, dir, testOptions())
	var want []string
	for i := range 40 {
		body := fmt.Sprintf("m value=%d\nm value=%d\n", i, i)
		want = append(want, body)
		if err := s.Append([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Bodies != 40 || st.Lines != 80 || st.Oldest.Unix() != second || st.Bytes == 0 {
		t.Errorf("%+v", st)
	}
	for i := range 20 {
		b, err := s.Next(t.Context())
		if err != nil || string(b.Bytes) != want[i] || b.Lines != 2 {
			t.Fatalf("%d: %q %v", i, b.Bytes, err)
		}
		if again, _, _ := s.Peek(); string(again.Bytes) != want[i] {
			t.Fatalf("%d: %q", i, again.Bytes)
		}
		if err := s.Done(b); err != nil {
			t.Fatal(err)
		}
		if err := s.Done(b); err != nil { // a second time it is nothing
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = testOpen(t, dir, testOptions())
	if d := cmp.Diff(want[20:], take(t, s)); d != "" {
		t.Error(d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := take(t, testOpen(t, dir, testOptions())); len(got) != 0 {
		t.Errorf("%q was taken already", got)
	}
}

func TestNextWaits(t *testing.T) {
	s := testOpen(t, t.TempDir(), testOptions())
	got := make(chan string)
	go func() {
		b, err := s.Next(t.Context())
		got <- fmt.Sprintf("%s%v", b.Bytes, err)
	}()
	if err := s.Append([]byte("a\n")); err != nil {
		t.Fatal(err)
	}
	if g := <-got; g != "a\n<nil>" {
		t.Errorf("%q", g)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s := testOpen(t, dir, testOptions())
	o := testOptions()
	o.LockWait = time.Millisecond
	_, err := Open(dir, o)
	if inUse, ok := errors.AsType[*InUseError](err); !ok || inUse.Dir != dir || !strings.Contains(err.Error(), "spool.dir") {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	testOpen(t, dir, testOptions())
}

func TestFull(t *testing.T) {
	dir, o := t.TempDir(), testOptions()
	o.Size = 1 << 20
	s := testOpen(t, dir, o)
	body := func(i int) string { return fmt.Sprintf("m value=%d\n", i) + strings.Repeat("x", 50<<10) + "\n" }
	const n = 40
	for i := range n {
		if err := s.Append([]byte(body(i))); err != nil {
			t.Fatal(err)
		}
	}
	st := s.Stats()
	if st.Bytes > o.Size+s.segment || st.Dropped[Full] == 0 || st.Dropped[Full]+st.Lines != 2*n {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = testOpen(t, dir, o)
	got := take(t, s)
	for i, g := range got {
		if g != body(n-len(got)+i) {
			t.Fatalf("%d of %d: %.20q", i, len(got), g)
		}
	}
	if int64(2*len(got)) != st.Lines || len(got) < 15 {
		t.Errorf("%d, want %d", len(got), st.Lines/2)
	}
	// What was taken makes room by itself.
	for i := range n {
		if err := s.Append([]byte(body(i))); err != nil {
			t.Fatal(err)
		}
		take(t, s)
	}
	if st := s.Stats(); len(st.Dropped) != 0 || st.Bytes > 4*s.segment {
		t.Errorf("%+v", st)
	}
}

// TestDroppedWhileHandedOut: what is dropped while it is on its way counts as dropped only if it does not arrive.
func TestDroppedWhileHandedOut(t *testing.T) {
	now := time.Unix(second, 0)
	o := testOptions()
	o.Age, o.Now = time.Hour, func() time.Time { return now }
	s := testOpen(t, t.TempDir(), o)
	for _, arrives := range []bool{true, false} {
		before := s.Stats().Dropped[Old]
		if err := s.Append([]byte("old\n")); err != nil {
			t.Fatal(err)
		}
		b, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Hour)
		if err := s.Append([]byte("new\n")); err != nil { // drops what is too old
			t.Fatal(err)
		}
		want := before + 1
		if arrives {
			want = before
			if err := s.Done(b); err != nil {
				t.Fatal(err)
			}
		}
		if got := take(t, s); !slices.Equal(got, []string{"new\n"}) || s.Stats().Dropped[Old] != want {
			t.Errorf("arrives %v: %q, %+v", arrives, got, s.Stats())
		}
	}
}

func TestTooLarge(t *testing.T) {
	s := testOpen(t, t.TempDir(), testOptions())
	if err := s.Append(make([]byte, MaxBody+1)); err == nil {
		t.Error("a body above the limit was taken")
	}
	if err := s.Append(make([]byte, MaxBody)); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Append(nil); err == nil {
		t.Error("a closed spool takes bodies")
	}
}

// TestDamage: each damaged byte costs the body that it belongs to, and no other.
func TestDamage(t *testing.T) {
	fs := crashfs.New()
	o := testOptions()
	o.FS = crashFS{fs}
	s := testOpen(t, "spool", o)
	var want []string
	for i := range 6 {
		want = append(want, fmt.Sprintf("body,n=%d value=1\n", i))
		if err := s.Append([]byte(want[i])); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const name = "spool/lines/00000001.wal"
	whole := fs.Files()[name]
	if len(whole) == 0 {
		t.Fatalf("%v", fs.Files())
	}
	for at := range whole {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x41
		fs := crashfs.New()
		if err := fs.MkdirAll("spool/lines"); err != nil {
			t.Fatal(err)
		}
		fs.Put(name, damaged)
		o.FS = crashFS{fs}
		s, err := Open("spool", o)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		got := take(t, s)
		if err := s.Close(); err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		next := 0
		for _, g := range got {
			i := slices.Index(want[next:], g)
			if i < 0 {
				t.Fatalf("byte %d: %q is none of the bodies, or not in their order", at, g)
			}
			next += i + 1
		}
		if len(got) < len(want)-1 {
			t.Fatalf("byte %d cost %d bodies", at, len(want)-len(got))
		}
	}
}
