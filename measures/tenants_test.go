package measures

import (
	"fmt"
	"runtime"
	"testing"

	"granary/measures/slab"
	"granary/policy"
	"granary/tenant"
)

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIdleTenants makes 10,000 tenants that have nothing, and then gives each one sample: what they cost is counted in
// hundreds of bytes, not in pages.
func TestIdleTenants(t *testing.T) {
	n := 10_000
	if testing.Short() || raceEnabled {
		n = 1000
	}
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	setup(t, s, policy.Forever)
	before, mapped := heap(), slab.Mapped()
	nums := make([]tenant.Num, n)
	for i := range nums {
		var err error
		if nums[i], err = s.EnsureTenant(t.Context(), tenant.ID(fmt.Sprintf("tenant-%05d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.catalog.Flush(s.syncTo); err != nil {
		t.Fatal(err)
	}
	per := (heap() - before) / int64(n)
	t.Logf("%d bytes of heap for an idle tenant", per)
	if per > 600 {
		t.Errorf("%d bytes of heap for an idle tenant", per)
	}
	if got := slab.Mapped() - mapped; got != 0 {
		t.Errorf("%d bytes mapped for idle tenants", got)
	}

	var b Batch
	for i, num := range nums {
		b.AddDraft(draftOf(num, "m10", 0), testEpoch, float64(i))
	}
	if err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	b = Batch{}
	if err := s.catalog.Flush(s.syncTo); err != nil {
		t.Fatal(err)
	}
	per = (heap() - before + slab.Mapped() - mapped) / int64(n)
	t.Logf("%d bytes for a tenant with one sample", per)
	if per > 5000 {
		t.Errorf("%d bytes for a tenant with one sample", per)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, o)
	if got := s.Tenants.Len(); got != n+1 {
		t.Errorf("%d tenants after a restart", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
