package measures

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"granary/measures/slab"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// tenantOf makes a tenant with series and some noise in each.
func tenantOf(tb testing.TB, s *Store, id tenant.ID, n int) (tenant.Num, []metricdef.Ref) {
	tb.Helper()
	num, err := s.EnsureTenant(context.Background(), id)
	if err != nil {
		tb.Fatal(err)
	}
	return num, write(tb, s, num, "m10", hosts(n), testEpoch, 0)
}

// TestFloodLeavesOthers lets a tenant write many times what the cap allows, into the same windows as another: what the other has
// in memory stays there, and the cap holds.
func TestFloodLeavesOthers(t *testing.T) {
	t.Parallel()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	// Their refs alternate, and so do their chunks in the slabs.
	var quiet, flood tenant.Num
	var calm, wild []metricdef.Ref
	for i := range 40 {
		var a, b []metricdef.Ref
		quiet, a = tenantOf(t, s, "quiet", 2*(i+1))
		flood, b = tenantOf(t, s, "flood", 2*(i+1))
		calm, wild = a, b
	}
	noise(t, s, calm, 1, 300)
	hot := s.Held(quiet).Memory.Chunks
	s.o.MemoryCap = s.Memory().Total() + 500<<10
	for i := range 20 {
		noise(t, s, wild, 1+i*100, 100)
		s.EnforceCap()
		if over := s.Memory().Total() - s.o.MemoryCap; over > 0 {
			t.Errorf("round %d: %d bytes over the cap: %+v", i, over, s.Memory())
		}
		if now := s.Held(quiet).Memory.Chunks; now < hot {
			t.Fatalf("round %d: of %d bytes of chunks %d are left", i, hot, now)
		}
		if err := s.checkAccounts(); err != nil {
			t.Fatal(err)
		}
	}
	if h := s.Held(flood); h.Memory.Chunks > h.Files/2 {
		t.Errorf("the flood holds %+v", h)
	}
	for _, ref := range wild {
		if times, _ := all(t, s, ref); len(times) != 2001 {
			t.Fatalf("series %d: %d samples", ref, len(times))
		}
	}
	if s.Stats().Dropped != 0 {
		t.Error("samples were dropped")
	}
	s.crash()
}

// TestShares divides what has to go: by weight, from above, and no more than one can give.
func TestShares(t *testing.T) {
	t.Parallel()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	a, refsA := tenantOf(t, s, "a", 30)
	b, refsB := tenantOf(t, s, "b", 30)
	c, _ := tenantOf(t, s, "c", 30)
	noise(t, s, refsA, 1, 1000)
	noise(t, s, refsB, 1, 500)
	chunks := func(h *held) int64 { return h.chunks }
	use := func(n tenant.Num) int64 { return s.Held(n).Memory.Total() }
	for _, want := range []int64{1000, use(a) - use(b), use(a) - use(b) + 2000, 1 << 40} {
		q := s.share(want, chunks)
		switch {
		case want <= use(a)-use(b):
			if q[a] < want || q[a] > want+2 || len(q) > 1 && q[b] > 1 || q[c] > 0 {
				t.Errorf("%d of %d and %d: %v", want, use(a), use(b), q)
			}
		case want < 1<<40:
			if d := use(a) - q[a] - use(b) + q[b]; d > 2 || d < -2 || q[a]+q[b] < want || q[c] > 0 {
				t.Errorf("%d of %d and %d: %v", want, use(a), use(b), q)
			}
		default:
			if q[a] != s.Held(a).Memory.Chunks || q[b] != s.Held(b).Memory.Chunks {
				t.Errorf("all: %v", q)
			}
		}
	}
	set := tenant.Settings{Limits: tenant.Limits{Weight: 4}}
	if err := s.UpdateTenant(context.Background(), a, set); err != nil {
		t.Fatal(err)
	}
	if q := s.share(1000, chunks); q[b] < 1000 || q[a] > 0 {
		t.Errorf("a may hold four times as much: %v", q)
	}
	s.crash()
}

// TestMemoryLimit gives a tenant less than it writes: its chunks go to files, others keep theirs; with a limit below its heads and
// definitions it gets no new series.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	a, refsA := tenantOf(t, s, "a", 100)
	b, refsB := tenantOf(t, s, "b", 100)
	noise(t, s, refsA, 1, 3000)
	noise(t, s, refsB, 1, 3000)
	limit := func(n int64) {
		t.Helper()
		if err := s.UpdateTenant(ctx, a, tenant.Settings{Limits: tenant.Limits{Memory: n}}); err != nil {
			t.Fatal(err)
		}
	}
	limit(1 << 20)
	before := s.Held(b)
	s.EnforceCap()
	if h := s.Held(a); h.Memory.Total() < 1<<20 {
		t.Fatalf("chunks that no file holds went: %+v", h)
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	s.EnforceCap()
	h := s.Held(a)
	if h.Memory.Total() > 1<<20 || h.Memory.Chunks == 0 {
		t.Errorf("limit of 1 MiB: %+v", h)
	}
	if now := s.Held(b); now.Memory != before.Memory {
		t.Errorf("the other holds %+v, before %+v", now.Memory, before.Memory)
	}
	// What is read does not come back.
	for _, ref := range refsA {
		if times, _ := all(t, s, ref); len(times) != 3001 {
			t.Fatalf("%d samples", len(times))
		}
	}
	if now := s.Held(a); now.Memory.Total() > 1<<20 {
		t.Errorf("behind a read: %+v", now)
	}
	if got := s.Memory().Chunks; got > h.Memory.Chunks+before.Memory.Chunks+before.Memory.Chunks/2+16*slab.Size/16 {
		t.Errorf("%d bytes of slabs for %d and %d", got, h.Memory.Chunks, before.Memory.Chunks)
	}
	// The smallest limit, and series until it is reached.
	var batch Batch
	refused := 0
	for i := 0; refused == 0 && i < 200; i++ {
		batch.Reset()
		for k := range 50 {
			batch.AddDraft(draftOf(a, fmt.Sprintf("x%d", i), k), testEpoch, 1)
			batch.AddDraft(draftOf(a, "m10", k), testEpoch+40000*second, 1)
		}
		if err := s.Commit(ctx, &batch); err != nil {
			t.Fatal(err)
		}
		if refused = batch.Refused[MemoryLimit]; refused > 50 {
			t.Fatalf("%v", batch.Refused)
		}
	}
	if refused == 0 || s.Held(a).Memory.Total()-s.Held(a).Memory.Chunks > 1<<20+64<<10 {
		t.Fatalf("no series is refused: %+v", s.Held(a).Memory)
	}
	made := s.CreateDefinitions(ctx, []metricdef.Draft{draftOf(a, "one more", 1).Def})
	if e, ok := errors.AsType[*tenant.LimitError](made[0].Err); !ok || e.Max != 1<<20 || e.Setting != "granary.limits.memory" || e.Kind() != "over limit" {
		t.Errorf("%+v", made[0])
	}
	if write(t, s, b, "new", hosts(1), testEpoch, 0)[0] == 0 {
		t.Error("another tenant gets no series")
	}
	limit(64 << 20)
	if write(t, s, a, "new", hosts(1), testEpoch, 0)[0] == 0 {
		t.Error("no series although the limit was raised")
	}
	s.crash()
}
