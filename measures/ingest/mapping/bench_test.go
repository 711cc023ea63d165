package mapping

import (
	"context"
	"fmt"
	"testing"

	"granary/measures"
	"granary/metricdef"
)

// takesAll is a store that takes everything at no cost.
type takesAll struct{}

func (takesAll) Commit(_ context.Context, b *measures.Batch) error {
	b.Stale, b.Refused = b.Stale[:0], [measures.NumReasons]int{}
	for i := range b.Drafts {
		for row := b.Drafts[i].At; row <= b.Drafts[i].At+b.Drafts[i].More; row++ {
			b.Refs[row] = metricdef.Ref(row + 1)
		}
	}
	return nil
}

// BenchmarkAdd is a scrape of 100 nodes, of 16 CPUs and 4 devices each, by the default table: what a sample costs that is handed over, and what comes of
// it but the store.
func BenchmarkAdd(b *testing.B) {
	table := mustCompile(b, Options{}, Defaults()...)
	var sources []*Source
	for node := range 100 {
		add := func(name string, more ...string) {
			s := table.Source("prometheus", 1, name, tags(append(more, "cluster=c", fmt.Sprintf("instance=n%03d:9100", node))...))
			if s == nil {
				b.Fatal(name)
			}
			sources = append(sources, s)
		}
		for cpu := range 16 {
			add("node_cpu_seconds_total", fmt.Sprint("cpu=", cpu), "mode=user")
		}
		for dev := range 4 {
			add("node_network_receive_bytes_total", fmt.Sprint("device=eth", dev))
			add("node_network_transmit_bytes_total", fmt.Sprint("device=eth", dev))
		}
		add("node_load1")
		add("node_memory_MemTotal_bytes")
		add("node_memory_MemAvailable_bytes")
	}
	at := int64(0)
	scrape := func() {
		at += 15e9
		in := table.Begin()
		for i, s := range sources {
			in.Add(s, at, float64(at/1e9+int64(i)))
		}
		if _, err := in.Commit(b.Context(), takesAll{}, "bench"); err != nil {
			b.Fatal(err)
		}
		in.End()
	}
	for range 20 {
		scrape()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		scrape()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(sources)), "ns/sample")
}

// BenchmarkSource is what a known series costs that its sender has not remembered.
func BenchmarkSource(b *testing.B) {
	table := mustCompile(b, Options{}, Defaults()...)
	list := tags("cluster=c", "host=n001", "interface=eth0", "rack=r1")
	b.ReportAllocs()
	for range b.N {
		if table.SourceOfField("influx", 1, "net", "bytes_recv", list) == nil {
			b.Fatal("none")
		}
	}
}
