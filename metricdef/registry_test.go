package metricdef

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"granary/metricdef/catalog"
	"granary/metricdef/match"
	"granary/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// follow is a sink that writes into a catalog with the sequence number of the record that is being applied.
type follow struct {
	c   *catalog.Catalog
	seq uint64
}

func (f *follow) Put(bucket string, key, value []byte) {
	f.c.Put(f.seq, catalog.Change{Bucket: bucket, Key: key, Value: value})
}

func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "definitions.db")
	open := func() (*Registry, *follow) {
		c, err := catalog.Open(path, catalog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := &follow{c: c, seq: c.Position()}
		r := NewRegistry(Options{Sink: f})
		if err := c.Load(Bucket, r.Restore); err != nil {
			t.Fatal(err)
		}
		return r, f
	}
	stop := func(f *follow) {
		f.c.Advance(f.seq)
		if err := f.c.Close(func(uint64) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	r, f := open()
	for i := range 1000 {
		d := site(i)
		rec := r.AppendRecord(nil, r.Reserve(&d, int64(i)))
		f.seq++
		if _, _, err := r.Apply(rec); err != nil {
			t.Fatal(err)
		}
	}
	f.seq++
	r.Remove([]Ref{7, 999, 1000})
	withdrawn := site(999)
	r.Withdraw(r.Reserve(&withdrawn, 1))
	stop(f)

	again, f := open()
	defer stop(f)
	if err := again.check(); err != nil {
		t.Fatal(err)
	}
	if again.Len() != 997 {
		t.Errorf("%d definitions after the restart, want 997", again.Len())
	}
	for ref := Ref(1); ref <= 1001; ref++ {
		if a, b := r.AppendRecord(nil, ref), again.AppendRecord(nil, ref); !slices.Equal(a, b) {
			t.Errorf("ref %d: %x after the restart, %x before", ref, b, a)
		}
	}
	d := site(999)
	if ref := again.Reserve(&d, 1); ref != 1001 {
		t.Errorf("the next ref is %d; 1000 was in use before the restart", ref)
	}
}

// A catalog that is ahead of the journal's beginning: replay brings definitions that the catalog has, that it has
// removed since, and whose key belongs to a newer definition by now.
func TestReplayOfWhatTheCatalogIsAheadOf(t *testing.T) {
	live := NewRegistry(Options{})
	d := site(1)
	first := live.AppendRecord(nil, live.Reserve(&d, 1))
	if _, _, err := live.Apply(first); err != nil {
		t.Fatal(err)
	}
	live.Remove([]Ref{1})
	second := live.AppendRecord(nil, live.Reserve(&d, 2))

	r := NewRegistry(Options{})
	if err := r.Restore([]byte{0, 0, 0, 2}, second); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(){
		func() { _, _, _ = r.Apply(first) },
		func() { r.Remove([]Ref{1}) },
		func() { _, _, _ = r.Apply(second) },
	} {
		step()
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
	}
	if ref, ok := r.Resolve(1, Gauge, AppendKey(nil, d.Name, d.Tags)); ref != 2 || !ok || r.Len() != 1 {
		t.Errorf("the key resolves to %d, want 2", ref)
	}
}

func TestRecordsOutOfOrder(t *testing.T) {
	r := NewRegistry(Options{})
	var records [][]byte
	for i := range 300 {
		d := site(i)
		records = append(records, r.AppendRecord(nil, r.Reserve(&d, 1)))
	}
	again := NewRegistry(Options{})
	for _, i := range rand.New(rand.NewPCG(3, 4)).Perm(300) {
		if _, _, err := again.Apply(records[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := again.check(); err != nil {
		t.Fatal(err)
	}
	d := site(300)
	if ref := again.Reserve(&d, 1); ref != 301 {
		t.Errorf("next ref %d, want 301", ref)
	}
}

func TestRefsRunOut(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, 2000, site)
	r.Remove([]Ref{2000})
	r.Raise(5_000_000)
	r.Raise(7)
	if r.Next() != 5_000_000 {
		t.Errorf("next ref %d", r.Next())
	}
	fill(r, 1, func(int) Draft { return site(1999) })
	r.Raise(maxRef)
	defer func() {
		if all := slices.Collect(r.All()); len(all) != 2001 || !slices.IsSorted(all) || all[2000] != maxRef || all[1999] != 5_000_000 {
			t.Errorf("%d refs", len(all))
		}
	}()
	d, e := site(2000), site(2001)
	rec := r.AppendRecord(nil, r.Reserve(&d, 1))
	if _, ref, err := r.Apply(rec); ref != maxRef || err != nil {
		t.Errorf("the last ref is %d, %v", ref, err)
	}
	if ref := r.Reserve(&e, 1); ref != 0 {
		t.Errorf("ref %d behind the last one", ref)
	}
	if _, ok := r.Get(maxRef); !ok {
		t.Error("the last ref is not found")
	}
}

func TestReservedIsForWritersOnly(t *testing.T) {
	r := NewRegistry(Options{})
	d := site(40)
	ref := r.Reserve(&d, 1)
	key := AppendKey(nil, d.Name, d.Tags)
	if got, ok := r.Resolve(1, Gauge, key); got != ref || !ok {
		t.Error("writers do not see it")
	}
	if _, ok := r.Resolve(1, Counter, key); ok {
		t.Error("it has two types")
	}
	if _, ok := r.Resolve(2, Gauge, key); ok {
		t.Error("another tenant sees it")
	}
	refs, err := r.Select(t.Context(), 1, nil)
	if _, ok := r.Get(ref); ok || err != nil || len(refs) > 0 || r.Root(1) != nil || r.Len() > 0 || r.Count(1) > 0 || r.Claimed(1) != 1 || len(tagsOf(t, r, 1)) > 0 {
		t.Error("readers see it")
	}
	r.Withdraw(ref)
	r.Withdraw(ref)
	if _, ok := r.Resolve(1, Gauge, key); ok || r.Claimed(1) != 0 || len(r.tenants) != 0 {
		t.Error("it is still there after its withdrawal")
	}
	if next := r.Reserve(&d, 1); next != ref+1 {
		t.Errorf("ref %d, want %d: a withdrawn ref is not used again", next, ref+1)
	}
}

func TestSearchLimits(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, 100, site)
	var deep match.Expr = match.Exists("a")
	for range match.MaxDepth + 1 {
		deep = match.Not{Expr: deep}
	}
	var wide match.Or
	for range match.MaxMatchers + 1 {
		wide = append(wide, match.Exists("a"))
	}
	for name, e := range map[string]match.Expr{"deep": deep, "wide": wide, "foreign": foreign{}} {
		var bad *SearchError
		if _, err := r.Select(t.Context(), 1, e); !errors.As(err, &bad) || bad.Kind() != "invalid" {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Select(ctx, 1, must(match.Regexp("hostname", ".*1"))); !errors.Is(err, context.Canceled) {
		t.Errorf("search after the end of its context: %v", err)
	}
	if _, err := r.Values(ctx, 1, "hostname", nil, TagPage{}); !errors.Is(err, context.Canceled) {
		t.Errorf("values after the end of the context: %v", err)
	}
}

type foreign struct{}

func (foreign) Eval(func(string) string) bool { return true }

// tagsOf are all tag names of a tenant.
func tagsOf(t *testing.T, r *Registry, tn tenant.Num) []TagCount {
	t.Helper()
	found, err := r.Tags(t.Context(), tn, nil, TagPage{})
	if err != nil {
		t.Fatal(err)
	}
	return found.Tags
}

func TestValues(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, 94*12, site)
	got, err := r.Values(t.Context(), 1, "hostname", nil, TagPage{Match: []*match.Matcher{match.Prefix("", "a001")}})
	if want := []ValueCount{{"a0010", 94}, {"a0011", 94}}; err != nil || !slices.Equal(got.Values, want) {
		t.Errorf("hosts %v, want %v (%v)", got, want, err)
	}
	got, err = r.Values(t.Context(), 1, NameTag, nil, TagPage{Match: []*match.Matcher{must(match.Regexp("", "thread_.*[01]"))}})
	if want := []ValueCount{{"thread_metric_0", 192}, {"thread_metric_1", 192}}; err != nil || !slices.Equal(got.Values, want) {
		t.Errorf("names %v, want %v (%v)", got, want, err)
	}
	names := tagsOf(t, r, 1)
	if want := []TagCount{{"cluster", 1128, 1}, {"hostname", 1128, 12}, {"type", 768, 1}, {"type-id", 768, 16}}; !slices.Equal(names, want) {
		t.Errorf("tags %v, want %v", names, want)
	}
	if got, err := r.Values(t.Context(), 2, "hostname", nil, TagPage{}); len(got.Values) > 0 || err != nil || len(tagsOf(t, r, 2)) > 0 {
		t.Errorf("another tenant sees %v, %v", got, err)
	}
}

func TestFilter(t *testing.T) {
	r := NewRegistry(Options{})
	for i := range 5000 {
		d := site(i)
		if i%2 == 0 {
			d.Type = Counter
		}
		if i%5 == 0 {
			d.Dialect = "hawkular"
		}
		ref := r.Reserve(&d, 1)
		if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := r.Select(t.Context(), 1, nil)
	if err != nil || len(all) != 5000 {
		t.Fatal(len(all), err)
	}
	for _, c := range []struct {
		f    Filter
		want int
	}{
		{Filter{}, 5000}, {Filter{Types: []Type{Counter}}, 2500}, {Filter{Types: []Type{Counter, Gauge}}, 5000}, {Filter{Types: []Type{String}}, 0},
		{Filter{Dialect: "hawkular"}, 1000}, {Filter{Dialect: "hawkular", Types: []Type{Gauge}}, 500}, {Filter{Dialect: "nobody"}, 0},
	} {
		if refs, err := r.Filter(t.Context(), all, c.f); err != nil || len(refs) != c.want || !slices.IsSorted(refs) {
			t.Errorf("%v: %d, %v, want %d", c.f, len(refs), err, c.want)
		}
		found, err := r.Values(t.Context(), 1, "cluster", nil, TagPage{Among: c.f})
		n := 0
		for _, v := range found.Values {
			n += v.Definitions
		}
		if err != nil || n != c.want {
			t.Errorf("%v: %d definitions have the tag, %v, want %d", c.f, n, err, c.want)
		}
	}
	several, err := r.ValuesOf(t.Context(), 1, []string{"nosuch", "cluster", "", "type", NameTag}, match.Prefix("cluster", ""), Filter{Types: []Type{Gauge}})
	if err != nil || len(several) != 5 || len(several[0])+len(several[2]) > 0 {
		t.Fatal(several, err)
	}
	for i, name := range map[int]string{1: "cluster", 3: "type", 4: NameTag} {
		one, err := r.ValuesOf(t.Context(), 1, []string{name}, nil, Filter{Types: []Type{Gauge}})
		want, werr := r.Values(t.Context(), 1, name, nil, TagPage{Among: Filter{Types: []Type{Gauge}}})
		if err != nil || werr != nil || len(want.Values) == 0 || !slices.Equal(several[i], want.Values) || !slices.Equal(one[0], want.Values) {
			t.Errorf("%s: %v, %v (%v), want %v", name, several[i], one, err, want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if refs, err := r.Filter(ended, all, Filter{Dialect: "hawkular"}); !errors.Is(err, context.Canceled) {
		t.Error(len(refs), err)
	}
	r.Remove(all[:10])
	if refs, err := r.Filter(t.Context(), all, Filter{Types: []Type{Counter, Gauge}}); err != nil || len(refs) != 4990 {
		t.Error(len(refs), err)
	}
}

func TestNoAllocations(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, 94*70, site)
	d := site(94*3 + 40)
	key := AppendKey(nil, d.Name, d.Tags)
	refs := make([]Ref, 0, 100)
	for name, fn := range map[string]func(){
		"resolve":       func() { r.Resolve(1, Gauge, key) },
		"tree":          func() { r.Root(1).Child("alex").Child("a0042").Series("node_metric_07") },
		"tree, nearest": func() { refs = r.Root(1).Child("alex").Child("a0042").AppendNearest(refs[:0], "thread_metric_1") },
		"name":          func() { r.Name(7); r.Tenant(7) },
	} {
		if n := testing.AllocsPerRun(100, fn); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// Definitions that come and go for ever must not make the registry grow.
func TestChurn(t *testing.T) {
	r := NewRegistry(Options{})
	size := 0
	for round := range 20 {
		var refs []Ref
		for i := range 1000 {
			d := site(i)
			d.Tags = append(slices.Clip(d.Tags), Tag{"job", fmt.Sprintf("the job of round %d number %d with a long name", round, i)})
			slices.SortFunc(d.Tags, func(a, b Tag) int { return compareTags(a, b) })
			ref := r.Reserve(&d, 1)
			refs = append(refs, ref)
			if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
				t.Fatal(err)
			}
		}
		if round == 3 {
			size = r.Bytes()
		}
		r.Remove(refs)
		if r.Len() != 0 || len(r.tenants) != 0 {
			t.Fatal("something is left")
		}
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
		if round > 3 && r.Bytes() > size+4<<20 {
			t.Fatalf("%d bytes after %d rounds, %d at first", r.Bytes(), round, size)
		}
	}
}

func compareTags(a, b Tag) int {
	if a.Name < b.Name {
		return -1
	}
	return 1
}

// TestConcurrent has writers, an applier and readers at work at the same time. Two sets of hosts come and go, one stays;
// the one that stays must be seen by everybody all the time.
func TestConcurrent(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, 94*10, site)
	stays := must(match.Regexp("hostname", "a000[0-9]"))
	slow := must(match.Regexp("hostname", "a0+[0-9]{1}"))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 2 {
		readers.Go(func() {
			for n := i; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				for _, e := range []match.Expr{stays, slow, match.And{match.Equal("cluster", "alex"), stays}, match.And{match.Equal(NameTag, "thread_metric_1"), slow}} {
					refs, err := r.Select(t.Context(), 1, e)
					want := 940
					if and, ok := e.(match.And); ok && and[0].(*match.Matcher).Name() == NameTag {
						want = 160
					}
					if err != nil || len(refs) != want || !slices.IsSorted(refs) {
						t.Errorf("%v finds %d, want %d (%v)", e, len(refs), want, err)
						return
					}
				}
				others, err := r.Select(t.Context(), 1, match.Not{Expr: stays})
				if err != nil || len(others) > 0 && others[0] <= 940 {
					t.Errorf("not %v finds %v (%v)", stays, others[:1], err)
					return
				}
				for _, ref := range others {
					if d, ok := r.Get(ref); ok && d.Tags[1].Value < "a0010" {
						t.Errorf("not %v finds %v", stays, d)
						return
					}
				}
				d := site(n * 31 % 940)
				if _, ok := r.Resolve(1, Gauge, AppendKey(nil, d.Name, d.Tags)); !ok {
					t.Errorf("%v is gone", d)
					return
				}
				hosts := 0
				for name, host := range r.Root(1).Child("alex").Children() {
					if refs := host.AppendNearest(nil, "thread_metric_0"); name < "a0010" {
						if hosts++; len(refs) != 16 {
							t.Errorf("%s has %d threads", name, len(refs))
							return
						}
					}
				}
				if hosts != 10 {
					t.Errorf("%d hosts of 10", hosts)
					return
				}
				if values, err := r.Values(t.Context(), 1, "hostname", nil, TagPage{Match: []*match.Matcher{stays}}); err != nil || len(values.Values) != 10 {
					t.Errorf("%d values of 10 (%v)", len(values.Values), err)
					return
				}
			}
		})
	}
	var sequencer, applier sync.Mutex
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for round := range 5 {
				var records [][]byte
				var refs []Ref
				for i := range 94 * 8 {
					d := site((10+w*8)*94 + i)
					d.Tags[1].Value += fmt.Sprintf("-%d", round)
					sequencer.Lock()
					ref := r.Reserve(&d, 1)
					if i%50 == 0 {
						r.Withdraw(ref)
						sequencer.Unlock()
						continue
					}
					sequencer.Unlock()
					records = append(records, r.AppendRecord(nil, ref))
					refs = append(refs, ref)
				}
				applier.Lock()
				for _, rec := range records {
					if _, _, err := r.Apply(rec); err != nil {
						t.Error(err)
					}
				}
				r.Remove(refs)
				applier.Unlock()
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	if r.Len() != 940 {
		t.Errorf("%d definitions are left", r.Len())
	}
}

func TestTree(t *testing.T) {
	r := NewRegistry(Options{})
	add := func(name string, typ Type, plain []Tag, tags ...Tag) Ref {
		d := Draft{Identity: Identity{Tenant: 1, Type: typ, Name: name, Tags: tags}, Plain: plain}
		ref := r.Reserve(&d, 1)
		if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
			t.Fatal(err)
		}
		return ref
	}
	c, h := Tag{"cluster", "alex"}, Tag{"hostname", "a1"}
	node := add("load", Gauge, nil, c, h)
	typed := add("load", Gauge, nil, c, h, Tag{"type", "node"}, Tag{"type-id", "0"})
	socket := add("power", Counter, nil, c, h, Tag{"type", "socket"}, Tag{"type-id", "1"})
	bare := add("power", Gauge, nil, c, h, Tag{"type", "socket"})
	disk := add("io", Gauge, nil, c, h, Tag{"stype", "disk"}, Tag{"stype-id", "sda"}, Tag{"type", "node"})
	sub := add("io", Gauge, nil, c, h, Tag{"stype", "disk"}, Tag{"stype-id", "sda"}, Tag{"type", "socket"}, Tag{"type-id", "1"})
	plain := add("temp", Gauge, []Tag{c, h})
	lone := add("io", Gauge, nil, c, h, Tag{"type-id", "7"})
	add("up", Availability, nil, c, h)
	add("text", String, nil, c, h)
	add("other", Gauge, nil, c)
	add("other", Gauge, nil, h)

	host := r.Root(1).Child("alex").Child("a1")
	if got, want := maps.Collect(host.AllSeries()), (map[string]Ref{"load": node, "io": disk, "temp": plain}); !maps.Equal(got, want) {
		t.Errorf("the node has %v, want %v", got, want)
	}
	var names []string
	for name := range host.Children() {
		names = append(names, name)
	}
	if want := []string{"7", "socket", "socket1"}; !slices.Equal(names, want) {
		t.Errorf("children %v, want %v", names, want)
	}
	if got := host.AppendNearest(nil, "power"); !slices.Equal(got, []Ref{bare, socket}) {
		t.Errorf("power is %v", got)
	}
	if ref, ok := host.Child("socket1").Child("disksda").Series("io"); ref != sub || !ok {
		t.Errorf("io of the sub level is %v", ref)
	}
	if _, ok := host.Child("nothing").Child("here").Series("io"); ok {
		t.Error("a node that does not exist has a series")
	}
	r.Remove([]Ref{node})
	if ref, _ := host.Series("load"); ref != typed {
		t.Errorf("load is %d after the lowest ref went away, want %d", ref, typed)
	}
	old := host.Child("socket1")
	r.Remove([]Ref{typed, socket, bare, disk, sub, plain, lone})
	if r.Root(1) != nil {
		t.Error("an empty tree has a root")
	}
	if got := old.AppendNearest(nil, "power"); len(got) > 0 || old.Child("disksda") != nil {
		t.Error("a node that is gone has series")
	}
}

// A cluster of many hosts changes from a sorted slice to a map and stays sorted.
func TestTreeOfManyHosts(t *testing.T) {
	r := NewRegistry(Options{})
	hosts := rand.New(rand.NewPCG(5, 6)).Perm(500)
	fill(r, 500, func(i int) Draft { return site(hosts[i] * 94) })
	check := func(want int) {
		t.Helper()
		var names []string
		for name, k := range r.Root(1).Child("alex").Children() {
			names = append(names, name)
			if r.Root(1).Child("alex").Child(name) != k {
				t.Fatalf("%s leads to another node", name)
			}
		}
		if len(names) != want || !slices.IsSorted(names) {
			t.Fatalf("%d hosts, want %d: %v", len(names), want, names)
		}
	}
	check(500)
	var refs []Ref
	for ref := Ref(1); ref <= 480; ref++ {
		refs = append(refs, ref)
	}
	r.Remove(refs)
	check(20)
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
}

func TestOwnTree(t *testing.T) {
	r := NewRegistry(Options{
		TenantID: func(n tenant.Num) tenant.ID { return "the tenant" },
		Tree: func(path []string, _ Type, tags []Tag) ([]string, bool) {
			return append(path, tags[0].Value), true
		},
	})
	fill(r, 3, site)
	if _, ok := r.Root(1).Child("alex").Series("node_metric_02"); !ok {
		t.Error("the series is not at its place")
	}
	d, _ := r.Get(1)
	if want := NewID("the tenant", Gauge, string(AppendKey(nil, d.Name, d.Tags))); d.ID != want {
		t.Errorf("id %v, want %v", d.ID, want)
	}
}
