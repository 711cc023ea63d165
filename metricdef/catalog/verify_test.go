package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	if got := Verify(path); len(got) != 1 || !errors.Is(got[0], os.ErrNotExist) {
		t.Errorf("no file: %v", got)
	}
	c := mustOpen(t, path, Options{})
	for i := range 3000 {
		c.Put(uint64(i+1), change("a", fmt.Sprintf("key%06d", i), fmt.Sprintf("the value of %d", i)))
	}
	c.Advance(3000)
	if err := c.Flush(synced); err != nil {
		t.Fatal(err)
	}
	if got := Verify(path); len(got) != 1 {
		t.Errorf("in use: %v", got)
	}
	if err := c.Close(synced); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := Verify(path); len(got) > 0 {
		t.Errorf("whole file: %v", got)
	}
	try := func(b []byte) []error {
		t.Helper()
		bad := filepath.Join(dir, "bad")
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got := Verify(bad)
		if now, _ := os.ReadFile(bad); !bytes.Equal(now, b) {
			t.Error("the file was changed")
		}
		return got
	}
	for _, text := range []string{"the value of 7", "the value of 2999"} {
		b := bytes.Clone(good)
		b[bytes.Index(b, []byte(text))]++
		var damaged *DamagedError
		if got := try(b); len(got) != 1 || !errors.As(got[0], &damaged) || damaged.Bucket != "a" || damaged.Key == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got := try(bytes.ReplaceAll(good, []byte("the value"), []byte("THE VALUE"))); len(got) != maxProblems+1 {
		t.Errorf("%d problems in 3,000 damaged values: %v", len(got), got[len(got)-1])
	}
	for _, n := range []int{1, 100, 8191, len(good) / 2} {
		if got := try(good[:n]); len(got) == 0 {
			t.Errorf("cut at %d is not noticed", n)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 { // no panic, and no end without one of both answers
		b := bytes.Clone(good)
		for range 8 {
			b[rng.IntN(len(b)/4096)*4096+rng.IntN(64)] ^= byte(1 + rng.IntN(255))
		}
		try(b)
	}
}
