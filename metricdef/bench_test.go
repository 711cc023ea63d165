package metricdef

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"granary/metricdef/catalog"
	"granary/metricdef/match"
	"granary/tenant"
)

// million is the draft of definition i of a large site: 10,000 hosts with 100 series each, 6 tags from 20 names, keys of
// about 90 bytes.
func million(i int) Draft {
	host, k := i/100, i%100
	return Draft{
		Identity: Identity{Tenant: 1, Type: Gauge, Name: fmt.Sprintf("metric_%02d", k%20), Tags: []Tag{
			{"cluster", "fritz"},
			{"hostname", fmt.Sprintf("f%05d", host)},
			{fmt.Sprintf("tag%02d", k%14), fmt.Sprintf("v%d", host%7)},
			{"type", "hwthread"},
			{"type-id", fmt.Sprint(k / 20)},
			{"unit-of", "node"},
		}},
		Dialect: "native",
	}
}

// site is the draft of definition i of the cluster of the issue: 200 hosts with 30 metrics of the node and 4 of each of
// 16 hardware threads.
func site(i int) Draft {
	host, k := i/94, i%94
	d := Draft{Identity: Identity{Tenant: 1, Type: Gauge, Tags: []Tag{{"cluster", "alex"}, {"hostname", fmt.Sprintf("a%04d", host)}}}, Dialect: "clustercockpit"}
	if k < 30 {
		d.Name = fmt.Sprintf("node_metric_%02d", k)
		return d
	}
	d.Name = fmt.Sprintf("thread_metric_%d", k%4)
	d.Tags = append(d.Tags, Tag{"type", "hwthread"}, Tag{"type-id", fmt.Sprint((k - 30) / 4)})
	return d
}

const siteSize = 200 * 94

func fill(r *Registry, n int, draft func(int) Draft) {
	var rec []byte
	for i := range n {
		d := draft(i)
		rec = r.AppendRecord(rec[:0], r.Reserve(&d, 1))
		if _, _, err := r.Apply(rec); err != nil {
			panic(err)
		}
	}
}

func heap() (live, inUse uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.HeapInuse
}

// BenchmarkMemory reports what a definition costs in the heap.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		name  string
		n     int
		draft func(int) Draft
	}{{"site of 18800", siteSize, site}, {"a million", 1_000_000, million}} {
		b.Run(c.name, func(b *testing.B) {
			if testing.Short() && c.n > siteSize {
				b.Skip("a million definitions")
			}
			for range b.N {
				before, beforeInUse := heap()
				r := NewRegistry(Options{})
				start := time.Now()
				fill(r, c.n, c.draft)
				took := time.Since(start)
				after, afterInUse := heap()
				b.ReportMetric(float64(after-before)/float64(c.n), "B/definition")
				b.ReportMetric(float64(afterInUse-beforeInUse)/float64(c.n), "in-use-B/definition")
				b.ReportMetric(float64(r.Bytes())/float64(c.n), "counted-B/definition")
				b.ReportMetric(float64(took.Nanoseconds())/float64(c.n), "ns/definition")
				runtime.KeepAlive(r)
			}
		})
	}
}

// BenchmarkLoad is a start: a million definitions from the catalog's file.
func BenchmarkLoad(b *testing.B) {
	const n = 1_000_000
	path := filepath.Join(b.TempDir(), "definitions.db")
	c, err := catalog.Open(path, catalog.Options{})
	if err != nil {
		b.Fatal(err)
	}
	synced := func(uint64) error { return nil }
	r := NewRegistry(Options{})
	var rec []byte
	for i := range n {
		d := million(i)
		ref := r.Reserve(&d, 1)
		rec = r.AppendRecord(rec[:0], ref)
		c.Put(uint64(i+1), catalog.Change{Bucket: Bucket, Key: binary.BigEndian.AppendUint32(nil, uint32(ref)), Value: rec})
		if i%20_000 == 19_999 {
			c.Advance(uint64(i + 1))
			if err := c.Flush(synced); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := c.Close(nil); err != nil {
		b.Fatal(err)
	}
	r = nil
	b.ResetTimer()
	for range b.N {
		before, _ := heap()
		c, err := catalog.Open(path, catalog.Options{})
		if err != nil {
			b.Fatal(err)
		}
		r := NewRegistry(Options{})
		if err := c.Load(Bucket, r.Restore); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapSys)/(1<<20), "heap-sys-MiB")
		after, _ := heap()
		b.ReportMetric(float64(after-before)/(1<<20), "live-MiB")
		if r.Len() != n {
			b.Fatalf("%d definitions", r.Len())
		}
		if err := c.Close(nil); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func must(m *match.Matcher, err error) *match.Matcher {
	if err != nil {
		panic(err)
	}
	return m
}

func BenchmarkSelect(b *testing.B) {
	r := NewRegistry(Options{})
	fill(r, 1_000_000, million)
	for _, c := range []struct {
		name string
		e    match.Expr
		want int
	}{
		{"all", nil, 1_000_000},
		{"host=~.*", must(match.Regexp("hostname", ".*")), 1_000_000},
		{"host=~.+", must(match.Regexp("hostname", ".+")), 1_000_000},
		{"host=~f.*", must(match.Regexp("hostname", "f.*")), 1_000_000},
		{"host=~f0.*", must(match.Regexp("hostname", "f0[0-4].*")), 500_000},
		{"host=~.*01", must(match.Regexp("hostname", ".*01")), 10_000},
		{"host=~f[0-9]+01", must(match.Regexp("hostname", "f[0-9]+01")), 10_000},
		{"host!~.*01", must(match.NotRegexp("hostname", ".*01")), 990_000},
		{"host=f00500", match.Equal("hostname", "f00500"), 100},
		{"name=metric_05", match.Equal(NameTag, "metric_05"), 50_000},
		{"name,cluster,host,type-id", match.And{match.Equal(NameTag, "metric_05"), match.Equal("cluster", "fritz"), match.Equal("hostname", "f00500"), match.Equal("type-id", "3")}, 1},
		{"name,host=~.*01", match.And{match.Equal(NameTag, "metric_05"), must(match.Regexp("hostname", ".*01"))}, 500},
		{"host,type-id=~[0-3]+", match.And{match.Equal("hostname", "f00500"), must(match.Regexp("type-id", "[0-3]+"))}, 80},
		{"host|host|host", must(match.Regexp("hostname", "f00001|f00500|f09999")), 300},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				refs, err := r.Select(b.Context(), 1, c.e)
				if err != nil || len(refs) != c.want {
					b.Fatalf("%d refs, want %d (%v)", len(refs), c.want, err)
				}
			}
		})
	}
}

func BenchmarkResolve(b *testing.B) {
	for _, c := range []struct {
		name  string
		n     int
		draft func(int) Draft
	}{{"site of 18800", siteSize, site}, {"a million", 1_000_000, million}} {
		b.Run(c.name, func(b *testing.B) {
			r := NewRegistry(Options{})
			fill(r, c.n, c.draft)
			keys := make([][]byte, 10_000)
			for i := range keys {
				d := c.draft(i * 7919 % c.n)
				keys[i] = AppendKey(nil, d.Name, d.Tags)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if _, ok := r.Resolve(1, Gauge, keys[i%len(keys)]); !ok {
					b.Fatalf("%s is not known", keys[i%len(keys)])
				}
			}
		})
	}
}

// BenchmarkTree looks up (cluster, host, metric) from the root.
func BenchmarkTree(b *testing.B) {
	r := NewRegistry(Options{})
	fill(r, siteSize, site)
	hosts, metrics := make([]string, 200), make([]string, 30)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("a%04d", i)
	}
	for i := range metrics {
		metrics[i] = fmt.Sprintf("node_metric_%02d", i)
	}
	root := r.Root(1)
	b.Run("series", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if _, ok := root.Child("alex").Child(hosts[i*7%200]).Series(metrics[i%30]); !ok {
				b.Fatal("not found")
			}
		}
	})
	b.Run("16 threads below a host", func(b *testing.B) {
		var refs []Ref
		b.ReportAllocs()
		for i := range b.N {
			refs = root.Child("alex").Child(hosts[i*7%200]).AppendNearest(refs[:0], "thread_metric_2")
			if len(refs) != 16 {
				b.Fatal(refs)
			}
		}
	})
}

// BenchmarkIdleTenants reports what a tenant with one definition costs.
func BenchmarkIdleTenants(b *testing.B) {
	const n = 10_000
	for range b.N {
		before, _ := heap()
		r := NewRegistry(Options{})
		fill(r, n, func(i int) Draft {
			d := site(0)
			d.Tenant = tenant.Num(i + 1)
			return d
		})
		after, _ := heap()
		b.ReportMetric(float64(after-before)/n, "B/tenant")
		runtime.KeepAlive(r)
	}
}

// BenchmarkSelectDistinct looks for a tag that has another value on each of 100,000 metrics.
func BenchmarkSelectDistinct(b *testing.B) {
	const n = 100_000
	r := NewRegistry(Options{})
	fill(r, n, func(i int) Draft {
		return Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: fmt.Sprint("machine/", i, "/cpu")}, Dialect: "hawkular",
			Plain: []Tag{{"descriptor_name", "cpu/usage"}, {"node", fmt.Sprintf("node-%05d.example.org", i)}}}
	})
	for _, c := range []struct {
		pattern string
		want    int
	}{
		{"node-00042.example.org", 1},
		{"node-000.*", 100},
		{".*42.example.org", 1000},
		{".*0042.*", 20},
		{"node-[0-9]+.example.org", n},
		{"node-[0-9]{3}42[.]example[.]org", 1000},
		{`node-\d*[13579]\.example\.org`, n / 2},
		{".*-0?[1-9]42[a-z.]+|node-9.*7.example.*", 0},
		{"(?i).*-0[0-9]*7.EXAMPLE.(org|com)", 1000},
		{"[a-z]+-[0-9]+[a-z.]*", n},
	} {
		e := must(match.Regexp("node", c.pattern))
		b.Run(fmt.Sprint(e.Form(), " ", c.pattern), func(b *testing.B) {
			defer reportThread(b)()
			for range b.N {
				refs, err := r.Select(b.Context(), 1, e)
				if err != nil || c.want > 0 && len(refs) != c.want {
					b.Errorf("%d refs, want %d (%v)", len(refs), c.want, err)
				}
			}
		})
	}
}

// BenchmarkList reads 100,000 definitions with their tags, as a dialect streams them: the refs at once, then one after the other.
func BenchmarkList(b *testing.B) {
	const n = 100_000
	r := NewRegistry(Options{})
	fill(r, n, million)
	defer reportThread(b)()
	b.ReportAllocs()
	for range b.N {
		refs, err := r.Select(b.Context(), 1, nil)
		if err != nil || len(refs) != n {
			b.Fatal(len(refs), err)
		}
		for _, ref := range refs {
			if d, ok := r.Get(ref); !ok || len(d.Tags) != 6 {
				b.Fatal(d, ok)
			}
		}
	}
}

// reportThread reports the processor time of this thread from now until what it returns is called. It says more than the clock where
// others work on the same processors.
func reportThread(b *testing.B) (end func()) {
	b.Helper()
	runtime.LockOSThread()
	spent := func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			b.Fatal(err)
		}
		return time.Duration(t.Nano())
	}
	begun := spent()
	return func() {
		b.ReportMetric(float64((spent()-begun).Microseconds())/1000/float64(b.N), "CPU-ms/op")
		runtime.UnlockOSThread()
	}
}

// BenchmarkRetag changes ten tags of each of 20,000 metrics at once, as one request may: to values that each metric has for itself, and
// to values that all of them share.
func BenchmarkRetag(b *testing.B) {
	const n, tags = 20_000, 10
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("shared=%v", shared), func(b *testing.B) {
			r := NewRegistry(Options{})
			fill(r, n, func(i int) Draft { return Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: fmt.Sprint("m", i)}} })
			generation := 0
			for b.Loop() {
				generation++
				var all []byte
				for i := range n {
					u := Update{}
					for k := range tags {
						value := fmt.Sprint(generation)
						if !shared {
							value = fmt.Sprint(i, " ", generation)
						}
						u.Set = append(u.Set, Tag{fmt.Sprint("k", k), value})
					}
					var err error
					if all, err = r.AppendUpdated(all, Ref(i+1), &u); err != nil {
						b.Fatal(err)
					}
				}
				if refs, err := r.UpdateAll(all); err != nil || len(refs) != n {
					b.Fatal(len(refs), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n/tags, "ns/tag")
		})
	}
}
