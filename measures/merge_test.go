package measures

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"granary/measures/segment"
	"granary/metricdef"
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

// TestMostlyDead deletes most of what a file has: the next snapshot writes the rest to another one, and nothing else is lost.
func TestMostlyDead(t *testing.T) {
	t.Parallel()
	c := &clock{ns: testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	ctx := context.Background()
	num := setup(t, s, 24*time.Hour)
	hosts := []int{0, 1, 2, 3, 4}
	var refs []metricdef.Ref
	for k := range int64(300) {
		refs = write(t, s, num, "m10", hosts, testEpoch+k*10*second, float64(k))
	}
	snapshot := func() (bytes int64) {
		t.Helper()
		if err := s.Snapshot(); err != nil {
			t.Fatal(err)
		}
		for _, f := range s.manifest.Files {
			bytes += f.Size
		}
		return bytes
	}
	before := snapshot()
	if err := s.DeleteRange(ctx, refs[:2], testEpoch, testEpoch+100_000*second); err != nil {
		t.Fatal(err)
	}
	if size := snapshot(); size != before {
		t.Errorf("%d bytes and then %d, though most of the file is in use", before, size)
	}
	if err := s.DeleteRange(ctx, refs[2:4], testEpoch, testEpoch+100_000*second); err != nil {
		t.Fatal(err)
	}
	if size := snapshot(); size >= before*3/4 {
		t.Errorf("%d bytes, and %d when four of five series are empty", before, size)
	}
	for range 2 {
		for i, ref := range refs {
			want := 0
			if i == 4 {
				want = 300
			}
			if times, _ := all(t, s, ref); len(times) != want {
				t.Errorf("series %d has %d samples, want %d", i, len(times), want)
			}
		}
		s.crash()
		s = openTest(t, o)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMergeBehindDeletion: a deletion that comes when the state of a snapshot is written already is replayed after a crash, and cuts
// the chunks that it cut: merging has not left them out.
func TestMergeBehindDeletion(t *testing.T) {
	t.Parallel()
	c := &clock{ns: testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, 24*time.Hour)
	var refs []metricdef.Ref
	for k := range int64(240) {
		refs = write(t, s, num, "m10", []int{0, 1, 2}, testEpoch+k*10*second, float64(k))
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	s.maintenance.Lock()
	s.snapshotCuts = s.cuts.Load()
	if err := s.DeleteRange(context.Background(), refs, testEpoch+100*second, testEpoch+2000*second); err != nil {
		t.Fatal(err)
	}
	if list := s.liveFiles(s.manifest.Files); len(list) != len(s.manifest.Files) {
		t.Errorf("%d files are left of %d", len(list), len(s.manifest.Files))
	}
	for _, f := range s.manifest.Files {
		if err := s.merge([]segment.FileInfo{f}); err != nil {
			t.Fatal(err)
		}
	}
	s.maintenance.Unlock()
	s.crash()
	s = openTest(t, o)
	for i, ref := range refs {
		if times, _ := all(t, s, ref); len(times) != 50 {
			t.Errorf("series %d has %d samples, want 50", i, len(times))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
