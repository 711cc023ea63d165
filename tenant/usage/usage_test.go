package usage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/tenant"
)

// memory is a store.
type memory struct {
	buckets map[string]map[string][]byte
	fail    error
	damaged map[string]bool // keys
}

func (m *memory) View(fn func(Reader) error) error { return fn(m) }
func (m *memory) Update(fn func(Writer) error) error {
	if m.fail != nil {
		return m.fail
	}
	before := map[string]map[string][]byte{}
	for b, keys := range m.buckets {
		before[b] = maps.Clone(keys)
	}
	if err := fn(m); err != nil {
		m.buckets = before
		return err
	}
	return nil
}

func (m *memory) Get(bucket string, key []byte) ([]byte, error) {
	if m.damaged[string(key)] {
		return nil, errRecord
	}
	return m.buckets[bucket][string(key)], nil
}

func (m *memory) Each(bucket string, from []byte, fn func(k, v []byte, damaged error) bool) error {
	for _, k := range slices.Sorted(maps.Keys(m.buckets[bucket])) {
		if k < string(from) {
			continue
		}
		v, err := m.Get(bucket, []byte(k))
		if !fn([]byte(k), v, err) {
			break
		}
	}
	return nil
}

func (m *memory) Put(bucket string, key, value []byte) error {
	if m.buckets == nil {
		m.buckets = map[string]map[string][]byte{}
	}
	if m.buckets[bucket] == nil {
		m.buckets[bucket] = map[string][]byte{}
	}
	m.buckets[bucket][string(key)] = bytes.Clone(value)
	return nil
}

func (m *memory) Delete(bucket string, key []byte) error {
	delete(m.buckets[bucket], string(key))
	return nil
}

const minute = int64(time.Minute)

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

type world struct {
	t   *testing.T
	l   *Ledger
	now time.Time
	m   *memory
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: start, m: &memory{}}
	w.open()
	return w
}

func (w *world) open() {
	w.l = New(Options{
		Tags:  Tags{Node: []string{"hostname", "host"}, Cluster: []string{"cluster"}, User: []string{"user"}, Template: []string{"template"}},
		Store: w.m, Now: func() time.Time { return w.now }, Logger: slog.New(slog.DiscardHandler),
		TenantID: func(n tenant.Num) tenant.ID { return tenant.ID(fmt.Sprint("t", n)) },
	})
	if err := w.l.Load(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) name(series uint32, num tenant.Num, tags ...string) {
	w.l.Name(series, num, func(name string) string {
		for i := 0; i < len(tags); i += 2 {
			if tags[i] == name {
				return tags[i+1]
			}
		}
		return ""
	})
}

// rows are pairs of a series and a time in minutes behind start.
func (w *world) rows(subject string, pairs ...int64) {
	var series []uint32
	var times []int64
	for i := 0; i < len(pairs); i += 2 {
		series = append(series, uint32(pairs[i]))
		times = append(times, start.UnixNano()+pairs[i+1]*minute)
	}
	w.l.Begin(&Entry{Subject: subject}, 0)
	Rows(w.l, series, times)
	w.l.End()
}

func (w *world) save(position uint64) {
	w.t.Helper()
	if err := w.l.Save(w.l.Take(position), func(uint64) error { return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// nodes is the answer in minutes behind start.
func (w *world) nodes(f NodeFilter) string {
	w.t.Helper()
	list, err := w.l.Nodes(f)
	if err != nil {
		w.t.Fatal(err)
	}
	var out string
	for _, n := range list {
		out += fmt.Sprintf("%s %s/%s/%s/%s", n.TenantID, n.Cluster, n.Name, n.User, n.Template)
		for _, l := range n.Lives {
			out += fmt.Sprintf(" %d-%d", (l.From-start.UnixNano())/minute, (l.To-start.UnixNano())/minute)
			if l.Running {
				out += "r"
			}
		}
		out += "\n"
	}
	return out
}

func TestLives(t *testing.T) {
	w := newWorld(t)
	w.now = start.Add(100 * time.Minute)
	w.name(1, 1, "hostname", "a", "host", "x", "cluster", "c")
	w.name(2, 1, "host", "a", "cluster", "c")
	w.name(3, 1, "hostname", "b", "user", "u", "template", "m")
	w.name(4, 1, "name", "none")
	w.name(5, 2, "hostname", "a", "cluster", "c")
	w.rows("", 1, 0, 2, 1, 4, 1, 3, 1, 1, 2, 1, 10, 1, 15, 0, 99)
	w.rows("me", 5, 97, 3, 98)
	const want = "t1 /b/u/m 1-6 98-100r\nt1 c/a// 0-7 10-20\nt2 c/a/me/ 97-100r\n"
	if got := w.nodes(NodeFilter{}); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	w.save(7)
	for range 2 {
		if got := w.nodes(NodeFilter{}); got != want {
			t.Errorf("saved:\n%swant\n%s", got, want)
		}
		w.open()
		if w.l.Position() != 7 {
			t.Error("position", w.l.Position())
		}
	}
	// What closes a gap, before and behind a save.
	w.name(2, 1, "host", "a", "cluster", "c")
	w.rows("", 2, 5)
	if got := w.nodes(NodeFilter{Cluster: "c", Tenants: []tenant.Num{1}}); got != "t1 c/a// 0-20\n" {
		t.Error(got)
	}
	for _, c := range []struct {
		f    NodeFilter
		want string
	}{
		{NodeFilter{Tenants: []tenant.Num{}}, ""},
		{NodeFilter{Tenants: []tenant.Num{2, 3, 2}}, "t2 c/a/me/ 97-100r\n"},
		{NodeFilter{User: "me"}, "t2 c/a/me/ 97-100r\n"},
		{NodeFilter{Template: "m"}, "t1 /b/u/m 1-6 98-100r\n"},
		{NodeFilter{Template: "m", From: start.UnixNano() + 6*minute}, "t1 /b/u/m 98-100r\n"},
		{NodeFilter{Template: "m", To: start.UnixNano() + 98*minute}, "t1 /b/u/m 1-6\n"},
		{NodeFilter{Name: "a", To: start.UnixNano()}, ""},
	} {
		if got := w.nodes(c.f); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
	// Another user of the same series is another node.
	w.name(5, 2, "hostname", "a", "cluster", "c")
	w.rows("you", 5, 99)
	w.rows("me", 5, 99)
	if got := w.nodes(NodeFilter{Tenants: []tenant.Num{2}}); got != "t2 c/a/me/ 97-100r\nt2 c/a/you/ 99-100r\n" {
		t.Error(got)
	}
}

// TestLivesAgainstModel: whatever the order of rows, the batches, saves that fail or not, and starts anew, the lives are the union of
// what each sample covers.
func TestLivesAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		w.now = start.Add(10_000 * time.Minute)
		covered := map[string]map[int64]bool{}
		named := func() {
			for s := range uint32(6) {
				w.name(s+1, 1, "host", fmt.Sprint("h", s/2))
			}
		}
		asked := func() {
			w.l.o.Series = func(s uint32) (tenant.Num, func(string) string, bool) {
				return 1, func(name string) string {
					if name == "host" {
						return fmt.Sprint("h", (s-1)/2)
					}
					return ""
				}, true
			}
		}
		asked()
		named()
		var since [][]int64 // rows since the last save
		for step := range rng.Uint64N(40) {
			switch rng.IntN(8) {
			case 0:
				w.m.fail = nil
				if rng.IntN(3) == 0 {
					w.m.fail = errors.New("full")
				}
				if err := w.l.Save(w.l.Take(step+1), func(uint64) error { return nil }); (err != nil) != (w.m.fail != nil) {
					t.Fatal(err)
				} else if err == nil {
					since = nil
				}
				w.m.fail = nil
			case 1:
				w.open()
				if asked(); rng.IntN(2) == 0 {
					named()
				}
				for _, rows := range since {
					w.rows("", rows...)
				}
			default:
				var rows []int64
				at := rng.Int64N(300)
				for range rng.IntN(20) {
					s := rng.Int64N(6)
					if at += rng.Int64N(12) - 3; rng.IntN(10) == 0 {
						at = rng.Int64N(300)
					}
					rows = append(rows, s+1, at)
					h := fmt.Sprint("h", s/2)
					if covered[h] == nil {
						covered[h] = map[int64]bool{}
					}
					for m := range int64(5) {
						covered[h][at+m] = true
					}
				}
				w.rows("", rows...)
				since = append(since, rows)
			}
		}
		want := ""
		for _, h := range slices.Sorted(maps.Keys(covered)) {
			want += "t1 /" + h + "//"
			for _, m := range slices.Sorted(maps.Keys(covered[h])) {
				if !covered[h][m-1] {
					want += fmt.Sprintf(" %d-", m)
				}
				if !covered[h][m+1] {
					want += fmt.Sprint(m + 1)
				}
			}
			want += "\n"
		}
		if got := w.nodes(NodeFilter{}); got != want {
			t.Fatalf("seed %d: got\n%swant\n%s", seed, got, want)
		}
	}
}

func TestHours(t *testing.T) {
	w := newWorld(t)
	at := func(h int, m int) int64 {
		return start.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute).UnixNano()
	}
	show := func(from, to int) string {
		t.Helper()
		list, err := w.l.Hours(1, start.Unix()+int64(from)*hour, start.Unix()+int64(to)*hour)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, h := range list {
			out += fmt.Sprintf("%d: %d %d +%d -%d =%d ^%d q%d r%d s%d\n", (h.Start-start.Unix())/hour, h.Samples, h.Bytes, h.Created, h.Removed, h.Series, h.Peak, h.Queries, h.Read, h.Sent)
		}
		return out
	}
	w.now = start.Add(50 * time.Hour)
	w.l.Count(1, at(0, 1), &Counts{Samples: 10, Bytes: 100, Created: 5})
	w.l.Count(1, at(0, 2), &Counts{Removed: 2})
	w.l.Count(2, at(0, 2), &Counts{Samples: 1000})
	w.l.Count(1, at(1, 0), &Counts{Samples: 1})
	w.l.Count(1, at(0, 59), &Counts{Created: 1, Samples: 2}) // took its time before the one above
	w.l.Count(1, at(3, 0), &Counts{Queries: 1, Read: 2, Sent: 3})
	w.l.Count(1, at(25, 0), &Counts{Removed: 4})
	const want = "0: 12 100 +6 -2 =4 ^5 q0 r0 s0\n1: 1 0 +0 -0 =4 ^4 q0 r0 s0\n2: 0 0 +0 -0 =4 ^4 q0 r0 s0\n3: 0 0 +0 -0 =4 ^4 q1 r2 s3\n"
	for range 2 {
		if got := show(-30, 4); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if got := show(24, 50); got != "24: 0 0 +0 -0 =4 ^4 q0 r0 s0\n25: 0 0 +0 -4 =0 ^4 q0 r0 s0\n" {
			t.Errorf("got\n%s", got)
		}
		if got := show(30, 40); got != "" {
			t.Errorf("got\n%s", got)
		}
		w.m.fail = errors.New("full")
		if err := w.l.Save(w.l.Take(1), func(uint64) error { return nil }); !errors.Is(err, w.m.fail) {
			t.Error(err)
		}
		if w.l.Position() != 0 {
			t.Error("a position that is not saved")
		}
		w.m.fail = nil
	}
	w.save(9)
	// Nothing is counted twice, and what is counted behind a save is added to it.
	w.l.Count(1, at(3, 1), &Counts{Queries: 1, Created: 9})
	for range 2 {
		if got := show(3, 4); got != "3: 0 0 +9 -0 =9 ^9 q2 r2 s3\n" {
			t.Errorf("got\n%s", got)
		}
		w.save(10)
		w.open()
	}
	w.now = start.Add(26 * time.Hour)
	if got := show(25, 1000); got != "25: 0 0 +0 -4 =0 ^4 q0 r0 s0\n26: 0 0 +0 -0 =9 ^9 q0 r0 s0\n" {
		t.Errorf("got\n%s", got)
	}
	w.l.Settle(1, 3)
	w.l.Settle(2, 0)
	if got := show(26, 1000); got != "26: 0 0 +0 -0 =3 ^3 q0 r0 s0\n" {
		t.Errorf("got\n%s", got)
	}
}

func TestKeep(t *testing.T) {
	w := newWorld(t)
	w.name(1, 1, "host", "a")
	w.rows("", 1, 0)
	w.l.Count(1, start.UnixNano(), &Counts{Samples: 1})
	w.save(1)
	w.now = start.Add(399 * 24 * time.Hour)
	w.save(2)
	if len(w.m.buckets[BucketNodes]) != 1 || len(w.m.buckets[BucketHours]) != 1 {
		t.Error("removed too early")
	}
	w.now = start.Add(402 * 24 * time.Hour)
	w.save(3)
	if len(w.m.buckets[BucketNodes])+len(w.m.buckets[BucketHours]) != 0 {
		t.Errorf("%v", w.m.buckets)
	}
	if got := w.l.Totals(); got.Nodes != 0 || got.Samples != 1 || got.Saves != 3 {
		t.Errorf("%+v", got)
	}
	// A series whose node was forgotten is asked for again.
	w.l.o.Series = func(uint32) (tenant.Num, func(string) string, bool) {
		return 1, func(name string) string { return map[string]string{"host": "a"}[name] }, true
	}
	w.rows("", 1, 402*24*60)
	if got := w.nodes(NodeFilter{}); got != "t1 /a// 578880-578880r\n" {
		t.Error(got)
	}
}

func TestDamage(t *testing.T) {
	w := newWorld(t)
	w.name(1, 1, "host", "a")
	w.name(2, 1, "host", "b")
	w.rows("", 1, 0, 2, 0)
	w.l.Count(1, start.UnixNano(), &Counts{Samples: 1, Created: 2})
	w.save(1)
	w.m.damaged = map[string]bool{string((&NodeKey{Tenant: 1, Name: "a"}).Bytes()): true, string(dayKey(1, start.Unix())): true, string(tenantKey(1)): true}
	w.open()
	w.now = start.Add(time.Hour)
	if got := w.nodes(NodeFilter{}); got != "t1 /b// 0-5\n" {
		t.Error(got)
	}
	if list, err := w.l.Hours(1, 0, w.now.Unix()); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	w.name(1, 1, "host", "a")
	w.rows("", 1, 10)
	w.save(2)
	w.m.damaged = nil
	if got := w.nodes(NodeFilter{}); got != "t1 /a// 10-15\nt1 /b// 0-5\n" {
		t.Error(got)
	}
}

// TestPages: what is listed from a key on goes on where it has ended.
func TestPages(t *testing.T) {
	w := newWorld(t)
	w.now = start.Add(time.Hour)
	const n = 2*pageNodes + 10
	for i := range n {
		w.name(uint32(i+1), tenant.Num(i%3+1), "host", fmt.Sprint("h\x00", i), "cluster", "c\xff")
		if w.rows("", int64(i+1), 0); i == n/2 {
			w.save(1)
		}
	}
	all, err := w.l.Nodes(NodeFilter{})
	if err != nil || len(all) != n || !slices.IsSortedFunc(all, func(a, b Node) int { return a.Compare(&b.NodeKey) }) {
		t.Fatal(len(all), err)
	}
	for _, f := range []NodeFilter{{}, {Tenants: []tenant.Num{3, 1}}} {
		var after *NodeKey
		var got []Node
		for {
			k := 0
			if err := w.l.EachNode(f, after, func(n *Node) bool {
				got = append(got, *n)
				k++
				return k < 7
			}); err != nil {
				t.Fatal(err)
			}
			if k == 0 {
				break
			}
			after = &got[len(got)-1].NodeKey
		}
		want := slices.DeleteFunc(slices.Clone(all), func(n Node) bool { return f.Tenants != nil && n.Tenant == 2 })
		if !slices.EqualFunc(got, want, func(a, b Node) bool { return a.NodeKey == b.NodeKey }) {
			t.Errorf("%d in pages, %d at once", len(got), len(want))
		}
	}
}

func TestReads(t *testing.T) {
	w := newWorld(t)
	if w.l.Reads() != nil {
		t.Error("reads of nobody")
	}
	w.l.Asked(1, 1, 2, 3)
	w.l.Asked(1, 1, 0, 0)
	r := w.l.Reads()
	w.l.Return(r)
	w.l.Asked(7, 0, 0, 9)
	r = w.l.Reads()
	var got []Entry
	if err := ParseAccount(r.Account, func(e *Entry) { got = append(got, *e) }); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b Entry) int { return cmp.Compare(a.Tenant, b.Tenant) })
	if want := []Entry{{Tenant: 1, Counts: Counts{Queries: 2, Read: 2, Sent: 3}}, {Tenant: 7, Counts: Counts{Sent: 9}}}; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if w.l.Reads() != nil {
		t.Error("reads twice")
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(AppendEntry(AppendAccount(nil), &Entry{Tenant: 3, Counts: Counts{Samples: 300, Bytes: 70000}, Subject: "me"}))
	f.Add(appendDay(nil, []Hour{{Start: 3600, Counts: Counts{Samples: 1}, Series: 2, Peak: 3}}))
	f.Add(appendSpans(nil, []span{{-5, 3}, {9, 1 << 60}}))
	f.Add((&NodeKey{Tenant: 9, Cluster: "c", Name: "a\x00b", Template: "\xff"}).Bytes())
	f.Fuzz(func(t *testing.T, p []byte) {
		var list []Entry
		if ParseAccount(p, func(e *Entry) { list = append(list, *e) }) == nil {
			b := AppendAccount(nil)
			for i := range list {
				b = AppendEntry(b, &list[i])
			}
			var again []Entry
			if err := ParseAccount(b, func(e *Entry) { again = append(again, *e) }); err != nil || !slices.Equal(list, again) {
				t.Fatalf("%+v %+v %v", list, again, err)
			}
		} else if list != nil {
			t.Fatal("a damaged account counts in part")
		}
		if day, err := parseDay(p, 0); err == nil {
			if again, err := parseDay(appendDay(nil, day), 0); err != nil || !slices.Equal(day, again) {
				t.Fatalf("%v %v %v", day, again, err)
			}
		}
		if spans, err := parseSpans(p); err == nil {
			if again, err := parseSpans(appendSpans(nil, spans)); err != nil || !slices.Equal(spans, again) {
				t.Fatalf("%v %v %v", spans, again, err)
			}
		}
		if k, ok := ParseNodeKey(p); ok {
			if again, ok := ParseNodeKey(k.Bytes()); !ok || again != k {
				t.Fatalf("%+v %+v", k, again)
			}
		}
	})
}

// TestTidy: what has ended and is saved leaves memory without a save, and the number of its base goes to another, which series that
// had it before are not taken for.
func TestTidy(t *testing.T) {
	w := newWorld(t)
	w.name(1, 1, "host", "a")
	w.rows("", 1, 0)
	w.now = start.Add(time.Hour)
	w.l.Tidy()
	if len(w.l.nodes) != 1 {
		t.Fatal("a node that is not saved is forgotten")
	}
	w.now = start
	w.save(1)
	w.l.Tidy()
	if len(w.l.nodes) != 1 {
		t.Fatal("a node that runs is forgotten")
	}
	w.now = start.Add(time.Hour)
	w.l.Tidy()
	if len(w.l.nodes) != 0 || len(w.l.known) != 0 {
		t.Fatalf("%d nodes, %d bases", len(w.l.nodes), len(w.l.known))
	}
	w.l.o.Series = func(uint32) (tenant.Num, func(string) string, bool) {
		return 1, func(name string) string { return map[string]string{"host": "a"}[name] }, true
	}
	w.name(2, 1, "host", "b")
	w.rows("", 2, 60)
	w.rows("", 1, 3, 1, 60)
	if got := w.nodes(NodeFilter{}); got != "t1 /a// 0-8 60-60r\nt1 /b// 60-60r\n" {
		t.Error(got)
	}
	if n := len(w.l.bases); n != firstBase+2 {
		t.Errorf("%d numbers", n)
	}
}
