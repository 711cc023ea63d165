package line

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
)

// TestEscapedKeys: an escaped space is no end of a key, so that what stands in front of it must not be remembered.
func TestEscapedKeys(t *testing.T) {
	d, r := open(t, Options{Cache: NewCache(CacheOptions{})})
	for range 2 {
		got := decode(d, r, cockpit(), "cpu_load,host=a\\ b,cluster=7 value=1 1735689600\ncpu_load,host=a\\ b,cluster=7 1735689600\n")
		if len(got.samples) != 1 || got.malformed != 1 {
			t.Errorf("%+v", got)
		}
	}
}

func body(scope string, from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "cpu_load,cluster=%s,hostname=host%06d,type=node value=%d 1735689600\n", scope, i, i)
	}
	return b.String()
}

func TestCacheGrows(t *testing.T) {
	c := NewCache(CacheOptions{})
	d, r := open(t, Options{Cache: c})
	const n = 30_000
	for range 2 {
		for at := 0; at < n; at += 1000 {
			decode(d, r, cockpit(), body("c", at, at+1000))
		}
	}
	s := c.Stats()
	if s.Entries != n || s.Scopes != 1 {
		t.Errorf("%+v", s)
	}
	// Keys are 57 bytes long.
	if per := float64(s.Bytes) / n; per > 100 {
		t.Errorf("%.1f bytes a key", per)
	}
	if err := d.Begin(cockpit(), []byte(body("c", 0, n))); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	if x := d.Tally(); x.Parsed != 0 || x.LookedUp > n/500 {
		t.Errorf("%d predicted, %d looked up, %d parsed", x.Predicted, x.LookedUp, x.Parsed)
	}
	d.End()
}

func TestCacheFull(t *testing.T) {
	c := NewCache(CacheOptions{Bytes: 4 * blockBytes})
	d, r := open(t, Options{Cache: c})
	decode(d, r, cockpit(), body("c", 0, 4000))
	full := c.Stats()
	if full.Bytes > 4*blockBytes || full.Entries < 2000 || full.Entries+full.Refused != 4000 {
		t.Fatalf("%+v", full)
	}
	// The same series again: what was kept is of use, and stays.
	decode(d, r, cockpit(), body("c", 0, full.Entries))
	if s := c.Stats(); s != full {
		t.Errorf("%+v, was %+v", s, full)
	}
	// Others instead: they get their place in the end.
	for range 20 {
		decode(d, r, cockpit(), body("c", 50_000, 51_000))
	}
	decode(d, r, cockpit(), body("c", 50_000, 51_000))
	if s := c.Stats(); s.Refused != 0 || s.Entries < 1000 {
		t.Errorf("%+v", s)
	}
}

func TestCacheScopes(t *testing.T) {
	at := now
	clock := func() time.Time { return at }
	c := NewCache(CacheOptions{Scopes: 2, Now: clock})
	d, r := open(t, Options{Cache: c, Now: clock})
	m := func(cluster string) *ClusterCockpit { m := cockpit(); m.Cluster = cluster; return m }
	const body = "cpu_load,hostname=h value=1 1735689600\n"
	parsed := func(cluster string) int {
		if err := d.Begin(m(cluster), []byte(body)); err != nil {
			t.Fatal(err)
		}
		defer d.End()
		if _, err := d.Decode(); err != nil {
			t.Fatal(err)
		}
		return d.Tally().Parsed
	}
	for _, cluster := range []string{"a", "b", "c", "d"} {
		decode(d, r, m(cluster), body)
	}
	if s := c.Stats(); s.Scopes != 2 || parsed("a")+parsed("b") != 0 || parsed("c")+parsed("d") != 2 {
		t.Errorf("scopes that are in use were pushed out: %+v", s)
	}
	at = at.Add(idleScope * time.Second)
	parsed("b")
	decode(d, r, m("c"), body)
	if s := c.Stats(); s.Scopes != 2 || s.Entries != 2 || parsed("b")+parsed("c") != 0 || parsed("a") != 1 {
		t.Errorf("the idle scope did not give way: %+v", s)
	}
	if want := 2 * (tableBytes + 4*firstWords + 8*firstSlots); c.Stats().Bytes != int64(want) {
		t.Errorf("%d bytes, want %d", c.Stats().Bytes, want)
	}
}

// TestDrop: what a body learns that began before the drop is not taken.
func TestDrop(t *testing.T) {
	c := NewCache(CacheOptions{})
	d, r := open(t, Options{Cache: c, MaxRows: 1})
	if err := d.Begin(cockpit(), []byte(body("c", 0, 10))); err != nil {
		t.Fatal(err)
	}
	for more, i := true, 0; more; i++ {
		more, _ = d.Decode()
		p := d.Parts()[0]
		r.commit(&p.Batch)
		if i == 5 {
			c.Drop()
		}
		d.Done(p)
	}
	d.End()
	if s := c.Stats(); s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
	decode(d, r, cockpit(), body("c", 0, 10))
	if s := c.Stats(); s.Entries != 10 {
		t.Errorf("%+v", s)
	}
}

func TestForget(t *testing.T) {
	c := NewCache(CacheOptions{})
	d, r := open(t, Options{Cache: c})
	decode(d, r, cockpit(), body("c", 0, 5000))
	r.end(3)
	r.end(4999)
	c.Forget([]metricdef.Ref{3, 4999, 70_000})
	got := decode(d, r, cockpit(), body("c", 0, 5000))
	if len(got.samples) != 5000 || len(r.keys) != 5003 || r.keys[5001] != r.keys[3] {
		t.Errorf("%d samples, %d series", len(got.samples), len(r.keys)-1)
	}
	if s := c.Stats(); s.Entries != 5000 {
		t.Errorf("%+v", s)
	}
}

func TestLongKeys(t *testing.T) {
	c := NewCache(CacheOptions{})
	d, r := open(t, Options{Cache: c})
	for _, n := range []int{1, 100, maxKey - 60, maxKey, 3 * maxKey} {
		for range 2 {
			got := decode(d, r, cockpit(), "cpu_load,cluster=c,hostname="+strings.Repeat("h", n)+" value=1 1735689600\n")
			if len(got.samples) != 1 {
				t.Errorf("%d: %+v", n, got)
			}
		}
	}
	if s := c.Stats(); s.Entries != 3 {
		t.Errorf("%+v", s)
	}
}

// TestConcurrentDecoders has eight decoders in different orders, while the cache is dropped and refs are forgotten. The
// race detector looks on.
func TestConcurrentDecoders(t *testing.T) {
	c := NewCache(CacheOptions{Bytes: 8 * blockBytes})
	r := newRegistry()
	stop := make(chan struct{})
	var others, decoders sync.WaitGroup
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if i%50 == 49 {
				c.Drop()
			}
			c.Forget([]metricdef.Ref{metricdef.Ref(i % 3000), metricdef.Ref(i % 100)})
		}
	})
	for w := range 8 {
		decoders.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 0))
			d := NewDecoder(r, Options{Now: clock, Cache: c, MaxRows: 700})
			for range 10 {
				from := rnd.IntN(2000)
				cluster := []string{"c", "second"}[rnd.IntN(2)]
				if got := decode(d, r, cockpit(), body(cluster, from, from+1000)); len(got.samples) != 1000 {
					t.Errorf("%d samples", len(got.samples))
				}
			}
		})
	}
	decoders.Wait()
	close(stop)
	others.Wait()
	for _, key := range r.keys[1:] {
		if !strings.Contains(key, `{cluster="c",hostname="host`) && !strings.Contains(key, `{cluster="second",hostname="host`) {
			t.Errorf("series %s", key)
		}
	}
}

// TestManyTenants spreads one scope over more tenants than it may have.
func TestManyTenants(t *testing.T) {
	tb := newTable(0)
	for i := range maxTenants + 10 {
		key := fmt.Appendf(nil, "key%d", i)
		id := tb.put(uint32(i), &known{key: key, ref: metricdef.Ref(i + 1), tenant: tenant.Num(i + 1)}, 0)
		if got := id != 0; got != (i < maxTenants) {
			t.Fatalf("tenant %d: %v", i, got)
		}
		if i < maxTenants && tb.own.tenants[tb.own.at(id).owner()] != tenant.Num(i+1) {
			t.Fatalf("tenant %d is another", i)
		}
	}
}

func TestReasonsOfTheMapping(t *testing.T) {
	if got := Ignore(measures.BadName).Error(); got != "ignored: bad-name" {
		t.Error(got)
	}
}

// TestManyScopes teaches more scopes than one map holds, finds all of them, and forgets those that fell silent.
func TestManyScopes(t *testing.T) {
	at := now
	clock := func() time.Time { return at }
	c := NewCache(CacheOptions{Now: clock})
	d, r := open(t, Options{Cache: c, Now: clock})
	m := func(i int) *ClusterCockpit { m := cockpit(); m.Cluster = fmt.Sprintf("cluster-%d", i); return m }
	const n, text = 500, "cpu_load,hostname=h value=1 1735689600\n"
	for i := range n {
		decode(d, r, m(i), text)
	}
	parsed := func(i int) int {
		if err := d.Begin(m(i), []byte(text)); err != nil {
			t.Fatal(err)
		}
		defer d.End()
		if _, err := d.Decode(); err != nil {
			t.Fatal(err)
		}
		return d.Tally().Parsed
	}
	at = at.Add(TidyAfter / 2)
	for i := range n {
		if i%5 == 0 && parsed(i) != 0 {
			t.Fatalf("scope %d is not known", i)
		}
	}
	if s := c.Stats(); s.Scopes != n || s.Entries != n {
		t.Errorf("%+v", s)
	}
	at = at.Add(TidyAfter/2 + time.Second)
	c.Tidy()
	if s := c.Stats(); s.Scopes != n/5 || s.Entries != n/5 || s.Bytes != int64(n/5*(tableBytes+4*firstWords+8*firstSlots)) {
		t.Errorf("behind the tidying: %+v", s)
	}
	if parsed(0) != 0 || parsed(1) != 1 {
		t.Error("the wrong ones went")
	}
}
