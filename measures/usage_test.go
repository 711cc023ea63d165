package measures

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/usage"
)

const minute = 60 * second

func usageOptions(dir string, c *clock) Options {
	o := testOptions(dir, c)
	o.Usage = usage.Options{
		Tags:  usage.Tags{Node: []string{"hostname", "host"}, Cluster: []string{"cluster"}, User: []string{"user"}, Template: []string{"template"}},
		Grace: 5 * time.Minute,
	}
	return o
}

// usageModel is what a ledger should say, in plain maps.
type usageModel struct {
	hours  map[tenant.Num]map[int64]*usage.Hour
	series map[tenant.Num]int64
	nodes  map[usage.NodeKey]map[int64]bool // minutes that are covered
}

func (m *usageModel) count(c *clock, num tenant.Num, n usage.Counts) {
	if m.hours[num] == nil {
		m.hours[num] = map[int64]*usage.Hour{}
	}
	start := c.ns / second / 3600 * 3600
	h := m.hours[num][start]
	if h == nil {
		h = &usage.Hour{Start: start, Peak: m.series[num]}
		m.hours[num][start] = h
	}
	h.Add(&n)
	m.series[num] += int64(n.Created) - int64(n.Removed)
	h.Series = m.series[num]
	h.Peak = max(h.Peak, h.Series)
}

func (m *usageModel) sample(k usage.NodeKey, t int64) {
	if m.nodes[k] == nil {
		m.nodes[k] = map[int64]bool{}
	}
	for i := range int64(5) {
		m.nodes[k][t/minute+i] = true
	}
}

func (m *usageModel) text() string {
	var b strings.Builder
	for _, k := range slices.SortedFunc(maps.Keys(m.nodes), func(a, b usage.NodeKey) int { return a.Compare(&b) }) {
		fmt.Fprint(&b, k)
		for _, at := range slices.Sorted(maps.Keys(m.nodes[k])) {
			if !m.nodes[k][at-1] {
				fmt.Fprint(&b, " ", at)
			}
			if !m.nodes[k][at+1] {
				fmt.Fprint(&b, "-", at+1)
			}
		}
		b.WriteByte('\n')
	}
	for _, num := range slices.Sorted(maps.Keys(m.hours)) {
		for _, start := range slices.Sorted(maps.Keys(m.hours[num])) {
			fmt.Fprintf(&b, "%d %+v\n", num, *m.hours[num][start])
		}
	}
	return b.String()
}

// usageText is what the ledger says, in the model's form. Hours in which nothing happened are left out.
func usageText(t *testing.T, s *Store, now int64) string {
	t.Helper()
	var b strings.Builder
	list, err := s.Usage.Nodes(usage.NodeFilter{To: maxTime})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		fmt.Fprint(&b, n.NodeKey)
		for _, l := range n.Lives {
			fmt.Fprint(&b, " ", l.From/minute, "-", l.To/minute)
		}
		b.WriteByte('\n')
	}
	for _, num := range s.Tenants.Known() {
		hours, err := s.Usage.Hours(num, 0, now/second+1)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hours {
			if h.Counts != (usage.Counts{}) {
				fmt.Fprintf(&b, "%d %+v\n", num, h)
			}
		}
	}
	return b.String()
}

// TestUsageAgainstModel: whatever happens to samples, definitions and tenants, and however the process ends, the ledger says what a
// plain model of all acknowledged writes says.
func TestUsageAgainstModel(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { usageAgainstModel(t, seed) })
	}
}

func usageAgainstModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 16))
	c := &clock{testEpoch}
	o := usageOptions(t.TempDir(), c)
	s := openTest(t, o)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	m := &usageModel{map[tenant.Num]map[int64]*usage.Hour{}, map[tenant.Num]int64{}, map[usage.NodeKey]map[int64]bool{}}
	type key struct {
		num          tenant.Num
		metric, host int
	}
	refs := map[key]metricdef.Ref{}
	users := map[key]string{}
	ctx := t.Context()
	tenantOf := func() tenant.Num {
		num, err := s.EnsureTenant(ctx, tenant.ID(fmt.Sprint("t", rng.IntN(3))))
		if err != nil {
			t.Fatal(err)
		}
		return num
	}
	draft := func(k key) Draft {
		d := Draft{Def: metricdef.Draft{Dialect: "native", Identity: metricdef.Identity{Tenant: k.num, Type: metricdef.Gauge, Name: fmt.Sprint("u", k.metric)}}}
		if k.metric == 3 {
			d.Def.Type, d.Def.Kind = metricdef.String, metricdef.KindText
		}
		if k.host > 0 {
			d.Def.Tags = []metricdef.Tag{{Name: "cluster", Value: "c"}, {Name: "hostname", Value: fmt.Sprint("h", k.host)}}
		}
		return d
	}
	anyRef := func() (key, metricdef.Ref) {
		for _, k := range slices.SortedFunc(maps.Keys(refs), func(a, b key) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
			if rng.IntN(len(refs)) == 0 {
				return k, refs[k]
			}
		}
		return key{}, 0
	}
	check := func(when string) {
		t.Helper()
		now := c.ns
		defer func() { c.ns = now }()
		c.ns += 48 * 60 * minute // nothing runs any more
		if got, want := usageText(t, s, c.ns), m.text(); got != want {
			t.Fatalf("%s: got\n%s\nwant\n%s", when, got, want)
		}
	}
	for step := range 120 {
		c.ns += rng.Int64N(20 * minute)
		switch rng.IntN(20) {
		case 0:
			s.crash()
			s = openTest(t, o)
			check(fmt.Sprint("crash at step ", step))
		case 1:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, o)
			check(fmt.Sprint("stop at step ", step))
		case 2:
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
			check("snapshot")
		case 3:
			if err := s.catalog.Flush(s.syncTo); err != nil {
				t.Fatal(err)
			}
		case 4:
			s.rotate.Store(true)
		case 5:
			if k, ref := anyRef(); ref != 0 {
				if n, err := s.DeleteDefinitions(ctx, []metricdef.Ref{ref}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				m.count(c, k.num, usage.Counts{Removed: 1})
				delete(refs, k)
				delete(users, k)
			}
		case 6:
			if _, ref := anyRef(); ref != 0 {
				if err := s.DeleteRange(ctx, []metricdef.Ref{ref}, minTime+1, maxTime-1); err != nil {
					t.Fatal(err)
				}
			}
		case 7:
			if k, ref := anyRef(); ref != 0 {
				users[k] = fmt.Sprint("user", rng.IntN(3))
				if err := s.UpdateDefinition(ctx, ref, metricdef.Update{Set: []metricdef.Tag{{Name: "user", Value: users[k]}}}); err != nil {
					t.Fatal(err)
				}
			}
		case 8:
			if rng.IntN(3) > 0 {
				break
			}
			num := tenantOf()
			if err := s.DeleteTenant(ctx, num); err != nil {
				t.Fatal(err)
			}
			if err := s.SweepTenants(ctx); err != nil {
				t.Fatal(err)
			}
			n := uint64(0)
			for k := range refs {
				if k.num == num {
					delete(refs, k)
					delete(users, k)
					n++
				}
			}
			if n > 0 {
				m.count(c, num, usage.Counts{Removed: n})
			}
		case 9:
			num := tenantOf()
			s.Usage.Asked(num, 1, 10, 100)
			if err := s.JournalReads(); err != nil {
				t.Fatal(err)
			}
			m.count(c, num, usage.Counts{Queries: 1, Read: 10, Sent: 100})
		case 10:
			k := key{tenantOf(), 7, rng.IntN(4)}
			r := s.CreateDefinitions(ctx, []metricdef.Draft{draft(k).Def})[0]
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if !r.Existed {
				refs[k] = r.Ref
				m.count(c, k.num, usage.Counts{Created: 1})
			}
		default:
			var b Batch
			num := tenantOf()
			b.Subject = []string{"", "me", "you"}[rng.IntN(3)]
			b.Bytes = rng.Int64N(1000)
			if rng.IntN(2) == 0 {
				b.Tenant = num
			}
			n := usage.Counts{Bytes: uint64(b.Bytes)}
			at := testEpoch/minute + rng.Int64N(200)
			var rows []key
			for range 1 + rng.IntN(12) {
				k := key{num, rng.IntN(4), rng.IntN(4)}
				if at += rng.Int64N(10) - 3; rng.IntN(10) == 0 {
					at = testEpoch/minute + rng.Int64N(200)
				}
				ref := refs[k]
				if rng.IntN(3) == 0 {
					ref = 0
				}
				if _, there := refs[k]; !there && !slices.Contains(rows, k) {
					n.Created++
				}
				switch {
				case k.metric == 3 && ref != 0:
					b.AddText(ref, at*minute, "x")
				case k.metric == 3:
					b.AddTextDraft(draft(k), at*minute, "y")
				case ref != 0:
					b.Add(ref, at*minute, 1)
				default:
					b.AddDraft(draft(k), at*minute, 2)
				}
				rows = append(rows, k)
				n.Samples++
				if k.host > 0 {
					user := users[k]
					if user == "" {
						user = b.Subject
					}
					m.sample(usage.NodeKey{Tenant: num, Cluster: "c", Name: fmt.Sprint("h", k.host), User: user}, at*minute)
				}
			}
			if err := s.Commit(ctx, &b); err != nil || len(b.Stale) > 0 || b.Refused != [NumReasons]int{} {
				t.Fatal(err, b.Stale, b.Refused)
			}
			for i, k := range rows {
				refs[k] = b.Refs[i]
			}
			m.count(c, num, n)
		}
	}
	check("end")
}
