package measures

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// noise writes n slots of values that do not compress to some series.
func noise(tb testing.TB, s *Store, refs []metricdef.Ref, from, n int) {
	tb.Helper()
	rnd := rand.New(rand.NewPCG(1, uint64(from)))
	for i := range n {
		var b Batch
		for _, ref := range refs {
			b.Add(ref, testEpoch+int64(from+i)*10*second, math.Float64frombits(rnd.Uint64()>>2))
		}
		if err := s.Commit(context.Background(), &b); err != nil {
			tb.Fatal(err)
		}
	}
}

func hosts(n int) []int {
	h := make([]int, n)
	for i := range h {
		h[i] = i
	}
	return h
}

// TestEviction gives the memory of chunks back that a segment holds: reads are the same from the file, and what was read
// comes back into memory while there is room.
func TestEviction(t *testing.T) {
	t.Parallel()
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	o.MemoryCap = 1 << 30
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	refs := write(t, s, num, "m10", hosts(20), testEpoch, 0)
	noise(t, s, refs, 1, 1000)
	want := take(t, s)
	full := s.Memory()
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	evict := func() {
		s.maintenance.Lock()
		s.evictChunks(math.MaxInt64)
		s.maintenance.Unlock()
	}
	evict()
	if m := s.Memory(); m.Chunks != 0 || m.Heads != full.Heads {
		t.Errorf("%+v, before %+v", m, full)
	}
	s.room.Store(0) // none may come back
	same(t, "from the file", take(t, s), want)
	if m := s.Memory(); m.Chunks != 0 {
		t.Errorf("%+v", m)
	}
	s.EnforceCap() // there is room
	same(t, "while they come back", take(t, s), want)
	if m := s.Memory(); m.Chunks < full.Chunks*9/10 || m.Chunks > full.Chunks*11/10 {
		t.Errorf("%d bytes of chunks came back, before %d", m.Chunks, full.Chunks)
	}
	same(t, "from memory", take(t, s), want)
	evict()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, o)
	same(t, "after a restart", take(t, s), want)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMemoryCap writes ten times more than the cap allows. It holds, nothing is lost, and all of it can be read.
func TestMemoryCap(t *testing.T) {
	t.Parallel()
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	refs := write(t, s, num, "m10", hosts(100), testEpoch, 0)
	s.o.MemoryCap = s.Memory().Total() + 200<<10
	for i := range 30 {
		noise(t, s, refs, 1+i*100, 100)
		s.EnforceCap()
		if over := s.Memory().Total() - s.o.MemoryCap; over > 0 {
			t.Errorf("round %d: %d bytes over the cap: %+v", i, over, s.Memory())
		}
	}
	st := s.Stats()
	if st.Dropped != 0 || st.Snapshots == 0 {
		t.Errorf("%d samples dropped, %d snapshots", st.Dropped, st.Snapshots)
	}
	for _, ref := range refs {
		if times, _ := all(t, s, ref); len(times) != 3001 {
			t.Errorf("series %d: %d samples", ref, len(times))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCapBelowHeads sets a cap that open heads alone exceed. What lies in segments costs no memory and must not be given
// up for it.
func TestCapBelowHeads(t *testing.T) {
	t.Parallel()
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	refs := write(t, s, num, "m10", hosts(10), testEpoch, 0)
	s.o.MemoryCap = 200 << 10
	for i := range 20 {
		noise(t, s, refs, 1+i*100, 100)
		s.EnforceCap()
		if i == 10 {
			s.o.MemoryCap = 1 // every chunk is too much
		}
	}
	if n := s.Stats().Snapshots; n > 16 {
		t.Errorf("%d snapshots, which cannot help", n)
	}
	for _, ref := range refs {
		if times, _ := all(t, s, ref); len(times) != 2001 {
			t.Errorf("series %d: %d samples", ref, len(times))
		}
	}
	if n := s.Stats().Dropped; n != 0 {
		t.Errorf("%d samples dropped", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDropOldest lets no snapshot succeed: then, and only then, the oldest samples that nothing but memory holds go, and
// are counted. What segments hold stays.
func TestDropOldest(t *testing.T) {
	t.Parallel()
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	const n, saved, slots = 200, 600, 6000
	refs := write(t, s, num, "m10", hosts(n), testEpoch, 0)
	noise(t, s, refs, 1, saved-1)
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	noise(t, s, refs, saved, slots-saved)
	dir := filepath.Join(o.Dir, "segments")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	s.o.MemoryCap = s.Memory().Total() - 3<<20
	s.EnforceCap()
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if over := s.Memory().Total() - s.o.MemoryCap; over > 0 {
		t.Errorf("%d bytes over the cap", over)
	}
	dropped, lost := s.Stats().Dropped, int64(0)
	for _, ref := range refs {
		times, _ := all(t, s, ref)
		lost += slots - int64(len(times))
		if len(times) < saved || times[saved-1] != testEpoch+(saved-1)*10*second {
			t.Fatalf("series %d: what a segment holds is gone, %d samples are left", ref, len(times))
		}
		if last := times[len(times)-1]; last != testEpoch+(slots-1)*10*second {
			t.Fatalf("series %d: newest is gone", ref)
		}
	}
	if dropped == 0 || dropped != lost || dropped > n*slots/2 {
		t.Errorf("%d samples counted as dropped, %d are gone", dropped, lost)
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMemoryAccount compares what the store says that it holds with what it must hold.
func TestMemoryAccount(t *testing.T) {
	c := &clock{testEpoch}
	s := openTest(t, testOptions(t.TempDir(), c))
	num := setup(t, s, policy.Forever)
	const n, slots = 1000, 600
	refs := write(t, s, num, "m10", hosts(n), testEpoch, 0)
	noise(t, s, refs, 1, slots-1+10)
	m := s.Memory()
	// Five chunks of 120 values that do not compress, and a head of 10 values in the smallest room.
	if want := int64(n * slots * 8); m.Chunks < want || m.Chunks > want*23/20 {
		t.Errorf("%d bytes of chunks, the values have %d", m.Chunks, want)
	}
	if want := int64(n * int(headRooms[0]) * 8); m.Heads != want {
		t.Errorf("%d bytes of heads, want %d", m.Heads, want)
	}
	if want := int64(n * 24 * slots / headSlots); m.Series < want+n*150 || m.Series > 2*want+n*500 {
		t.Errorf("%d bytes of series; their entries alone have %d", m.Series, want)
	}
	if m.Definitions < n*20 || m.Definitions > n*1000 {
		t.Errorf("%d bytes of definitions", m.Definitions)
	}
	if m.Total() != m.Chunks+m.Heads+m.Series+m.Definitions {
		t.Errorf("total of %+v", m)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
