package metricdef

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/google/uuid"

	"granary/metricdef/match"
	"granary/tenant"
)

// A cloud of 100,000 metrics: 2,000 machines with 50 metrics each, and ten tags that each machine's metrics have by it.
const (
	cloudMetrics = 100_000
	perMachine   = 50
)

func machine(i int) uuid.UUID {
	id := uuid.UUID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(id[:], uint32(i))
	return id
}

// cloud is a registry of those metrics. What generation says is one tag of each machine.
func cloud(generation *int, derived bool) *Registry {
	o := Options{}
	if derived {
		o.Derived = func(_ tenant.Num, id uuid.UUID) []Tag {
			i := int(binary.BigEndian.Uint32(id[:]))
			return []Tag{
				{"display_name", fmt.Sprintf("vm-%05d", i)}, {"flavor_name", fmt.Sprintf("m1.%d", i%10)}, {"host", fmt.Sprintf("c%03d", i%200)},
				{"image_ref", fmt.Sprintf("image-%d", i%40)}, {"original_resource_id", id.String()}, {"project_id", fmt.Sprintf("p%03d", i%100)},
				{"resource_type", "instance"}, {"state", []string{"active", "stopped"}[*generation%2]}, {"user_id", fmt.Sprintf("u%03d", i%300)},
			}
		}
	}
	r := NewRegistry(o)
	fill(r, cloudMetrics, func(i int) Draft { return gnocchi(i+1, machine(i/perMachine), fmt.Sprintf("metric.%d", i%perMachine)) })
	return r
}

// BenchmarkLinkMemory reports what a metric that belongs to a resource costs in the heap, with the tags that it has by it and without.
func BenchmarkLinkMemory(b *testing.B) {
	for _, derived := range []bool{false, true} {
		b.Run(fmt.Sprintf("derived=%v", derived), func(b *testing.B) {
			for range b.N {
				before, _ := heap()
				r := cloud(new(int), derived)
				after, _ := heap()
				b.ReportMetric(float64(after-before)/cloudMetrics, "B/definition")
				b.ReportMetric(float64(r.BytesOf(1))/cloudMetrics, "told-B/definition")
				runtime.KeepAlive(r)
			}
		})
	}
}

// BenchmarkRelink changes one tag of a machine, of all machines, and looks a metric up by machine and label.
func BenchmarkRelink(b *testing.B) {
	generation := 0
	r := cloud(&generation, true)
	b.Run("one of 50 metrics", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			generation++
			r.Relink(1, machine(1000))
		}
	})
	b.Run("nothing changes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Relink(1, machine(1000))
		}
	})
	b.Run("all of 100,000 metrics", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			generation++
			r.RelinkAll()
		}
	})
	b.Run("by label", func(b *testing.B) {
		b.ReportAllocs()
		id := machine(1000)
		for b.Loop() {
			if _, ok := r.LinkedAs(1, id, "metric.7"); !ok {
				b.Fatal("not there")
			}
		}
	})
}

// BenchmarkSelectDerived finds metrics by what their machines say.
func BenchmarkSelectDerived(b *testing.B) {
	r := cloud(new(int), true)
	hosts, err := match.Regexp("display_name", "vm-0.*7")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		e     match.Expr
		found int
	}{
		{"one machine", match.Equal("display_name", "vm-01000"), 50},
		{"a flavor", match.Equal("flavor_name", "m1.3"), 10_000},
		{"label and project", match.And{match.Equal(LabelTag, "metric.7"), match.Equal("project_id", "p042")}, 20},
		{"pattern over 2,000 names", hosts, 10_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				refs, err := r.Select(b.Context(), 1, c.e)
				if err != nil || len(refs) != c.found {
					b.Fatal(len(refs), err)
				}
			}
		})
	}
}
