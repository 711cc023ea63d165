package measures

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestManySnapshots merges files, and goes on when the numbers of files run out of the bits that a chunk has for them.
func TestManySnapshots(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		if i == 30 {
			h.s.maintenance.Lock()
			h.s.manifest.NextFile = 1<<20 - 3 // what once was the end of the numbers
			h.s.maintenance.Unlock()
		}
		h.put(t, 60+rnd.IntN(60), i%3 == 0)
		h.snapshot(t)
		if i%20 == 19 {
			h.check(t, fmt.Sprintf("snapshot %d", i), nil)
			h.reopen(t)
			h.check(t, fmt.Sprintf("restart at snapshot %d", i), nil)
		}
	}
	if n := h.s.Stats().SegmentFiles; n > 25 {
		t.Errorf("%d segment files", n)
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}
