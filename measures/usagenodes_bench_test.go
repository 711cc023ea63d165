package measures

import (
	"fmt"
	"testing"

	"granary/metricdef"
	"granary/tenant"
	"granary/tenant/usage"
)

// BenchmarkUsageNodes asks for the lives of 100,000 nodes with three lives each, of which memory and the file both have a part.
func BenchmarkUsageNodes(b *testing.B) {
	c := &clock{testEpoch}
	s := openTest(b, usageOptions(b.TempDir(), c))
	num, err := s.EnsureTenant(b.Context(), tenant.ID("t"))
	if err != nil {
		b.Fatal(err)
	}
	for life := range int64(3) {
		for from := 0; from < 100_000; from += 5000 {
			w := Batch{Tenant: num}
			for i := from; i < from+5000; i++ {
				d := draftOf(num, "up", 0)
				d.Def.Tags = []metricdef.Tag{{Name: "cluster", Value: "alex"}, {Name: "hostname", Value: fmt.Sprintf("n%06d", i)}}
				w.AddDraft(d, testEpoch+life*60*minute, 1)
			}
			if err := s.Commit(b.Context(), &w); err != nil {
				b.Fatal(err)
			}
		}
		if life == 1 {
			if err := s.Snapshot(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		lives := 0
		err := s.Usage.EachNode(usage.NodeFilter{To: maxTime}, nil, func(n *usage.Node) bool {
			lives += len(n.Lives)
			return true
		})
		if err != nil || lives != 300_000 {
			b.Fatal(lives, err)
		}
	}
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
