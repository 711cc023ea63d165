package measures

import (
	"context"
	"fmt"
	"granary/policy"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/metricdef"
	"granary/tenant"
)

// checkAccounts holds the account of every tenant in every shard against a walk over all series.
func (s *Store) checkAccounts() error {
	for i, sh := range s.shards {
		if err := s.checkShard(i, sh); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
	}
	return nil
}

func (s *Store) checkShard(index int, sh *shard) error {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	want := make(map[tenant.Num]held)
	blocks := *s.table.blocks.Load()
	for n := index; n < len(blocks); n += len(s.shards) {
		if blocks[n] == nil {
			continue
		}
		for i := range blocks[n] {
			sr, ref := &blocks[n][i], metricdef.Ref(n*blockSeries+i)
			if l := sh.late[ref]; l != nil && l.weight != l.size() {
				return fmt.Errorf("series %d: late samples of %d bytes weigh %d", ref, l.size(), l.weight)
			}
			if st := sh.tiers[ref]; st != nil && st.weight != st.size() {
				return fmt.Errorf("series %d: tiers of %d bytes weigh %d", ref, st.size(), st.weight)
			}
			if wt := sh.writes[ref]; wt != nil && wt.weight != wt.size() {
				return fmt.Errorf("series %d: write times of %d bytes weigh %d", ref, wt.size(), wt.weight)
			}
			h := want[sr.owner]
			one := sh.weigh(ref, sr)
			h.add(&one)
			want[sr.owner] = h
		}
	}
	var all held
	nums := slices.Collect(maps.Keys(want))
	for num := range sh.books.accounts {
		if _, ok := want[num]; !ok {
			nums = append(nums, num)
		}
	}
	for _, num := range nums {
		if got, want := sh.of(num), want[num]; got != want {
			return fmt.Errorf("tenant %d is said to hold\n%+v, and holds\n%+v", num, got, want)
		}
		h := want[num]
		all.add(&h)
	}
	if now := sh.now(); now != all {
		return fmt.Errorf("it says it holds\n%+v, and its series hold\n%+v", now, all)
	}
	return nil
}

// TestAccounts lets three tenants write numbers, texts and tags, early and late, under a policy with tiers, and does to them all that
// a store does; after each step the account is what a walk finds.
func TestAccounts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { t.Parallel(); accounts(t, seed, 200) })
	}
}

func accounts(t *testing.T, seed uint64, steps int) {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(seed, 4))
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	tierSetup(t, s, policy.Policy{Raw: policy.Retention{Length: 6 * time.Hour, Clock: []policy.Clock{policy.SampleClock, policy.WriteClock}[seed%2]},
		Tiers:   []policy.Tier{{Granularity: time.Minute, Points: 600}, {Granularity: 5 * time.Minute, Points: 600}},
		Methods: methodsOf(t, "mean", "max"), BackWindow: 1})
	ids := []tenant.ID{"a", "b", "c"}
	num := func() tenant.Num {
		n, err := s.EnsureTenant(ctx, ids[rnd.IntN(len(ids))])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var last string
	for range steps {
		c.ns += int64(rnd.IntN(600)) * second
		n := num()
		refs := slices.Clone(s.Definitions.OfTenant(n))
		switch k := rnd.IntN(40); {
		case k < 24:
			last = "write"
			var b Batch
			for i := range 5 + rnd.IntN(400) {
				d := nativeDraft(n, fmt.Sprintf("m%d", rnd.IntN(4)))
				at := c.ns + int64(i)*second
				if rnd.IntN(8) == 0 {
					at -= int64(rnd.IntN(3*3600)) * second
				}
				if rnd.IntN(6) == 0 {
					d.Def.Name, d.Def.Type, d.Def.Kind = "texts", metricdef.String, metricdef.KindText
					b.AddTextDraft(d, at, fmt.Sprintf("a text of some length %d", rnd.IntN(9)))
					continue
				}
				b.AddDraft(d, at, rnd.Float64())
				if rnd.IntN(9) == 0 {
					b.AddTags(fmt.Sprintf(`{"k":"%d"}`, rnd.IntN(99)))
				}
			}
			if err := s.Commit(ctx, &b); err != nil {
				t.Fatal(err)
			}
		case k < 26:
			last = "snapshot"
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		case k < 28:
			last = "eviction"
			s.maintenance.Lock()
			s.evictChunks(int64(rnd.IntN(1 << 16)))
			s.maintenance.Unlock()
		case k < 30 && len(refs) > 0:
			last = "range"
			from := c.ns - int64(rnd.IntN(6*3600))*second
			if err := s.DeleteRange(ctx, refs, from, from+int64(1+rnd.IntN(3600))*second); err != nil {
				t.Fatal(err)
			}
		case k == 30 && len(refs) > 0:
			last = "definitions"
			if _, err := s.DeleteDefinitions(ctx, refs[:1]); err != nil {
				t.Fatal(err)
			}
		case k == 31 && rnd.IntN(3) == 0:
			last = "tenant"
			if err := s.DeleteTenant(ctx, n); err != nil {
				t.Fatal(err)
			}
			if rnd.IntN(2) == 0 {
				if err := s.SweepTenants(ctx); err != nil {
					t.Fatal(err)
				}
				if h := s.Held(n); h != (Held{}) {
					t.Fatalf("what is left of a deleted tenant: %+v", h)
				}
			}
		case k == 32:
			last = "restart"
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, o)
		case k == 33:
			last = "crash"
			s.crash()
			s = openTest(t, o)
		case k < 36:
			last = "tiers"
			s.TendTiers()
		case k == 36:
			last = "expiry"
			s.Expire(ctx)
		case k == 37:
			last = "dropping"
			s.maintenance.Lock()
			s.dropOldest(int64(rnd.IntN(1 << 12)))
			s.maintenance.Unlock()
		default:
			last = "read"
			take(t, s)
		}
		if err := s.checkAccounts(); err != nil {
			t.Fatalf("behind %s: %v", last, err)
		}
	}
	if err := s.SweepTenants(ctx); err != nil { // what is left of deleted ones
		t.Fatal(err)
	}
	sum := Held{}
	for _, tn := range s.Tenants.All() {
		h := s.Held(tn.Num)
		sum.Memory.Heads += h.Memory.Heads
		sum.Samples += h.Samples
		if defs := s.Definitions.Count(tn.Num); defs > 0 && (h.Memory.Definitions == 0 || h.Memory.Series < int64(defs)*seriesBytes) {
			t.Errorf("%s with %d definitions holds %+v", tn.ID, defs, h)
		}
	}
	if sum.Memory.Heads != s.Memory().Heads || sum.Samples == 0 {
		t.Errorf("tenants hold %+v, the store %+v", sum, s.Memory())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
