package measures

import (
	"fmt"
	"testing"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant/usage"
)

// BenchmarkUsage is what the ledger adds to the commit of a body: its account, its record, the hours and the lives of nodes. Held
// against BenchmarkCommitKnown and BenchmarkWriteLines it says what share of the write path that is. Hosts that send one sample at a
// time, in turn, are the worst that there is.
func BenchmarkUsage(b *testing.B) {
	for _, perHost := range []int{94, 1} {
		b.Run(fmt.Sprint(perHost, "-series-a-host"), func(b *testing.B) {
			s := openTest(b, usageOptions(b.TempDir(), &clock{testEpoch}))
			defer s.crash()
			num := setup(b, s, policy.Forever)
			var all Batch
			for i := range benchSeries {
				d := draftOf(num, "m10", i/perHost)
				d.Def.Tags = append(d.Def.Tags, metricdef.Tag{Name: "type-id", Value: fmt.Sprint(i % perHost)})
				all.AddDraft(d, testEpoch, 1)
			}
			if err := s.Commit(b.Context(), &all); err != nil {
				b.Fatal(err)
			}
			p := &pending{}
			var batch Batch
			var buf []byte
			next, slot := 0, int64(1)
			b.ReportAllocs()
			for b.Loop() {
				if next+benchRows > benchSeries {
					next = 0
					slot++
				}
				batch.Refs = all.Refs[next : next+benchRows]
				if batch.Times = all.Times[next : next+benchRows]; batch.Times[0] != testEpoch+slot*10*second {
					b.StopTimer()
					for i := range batch.Times {
						batch.Times[i] = testEpoch + slot*10*second
					}
					b.StartTimer()
				}
				next += benchRows
				batch.Subject = "collector"
				p.batch = &batch
				s.seq.mu.Lock()
				p.entry = s.entryOf(&batch, 0)
				buf = usage.AppendEntry(usage.AppendAccount(buf[:0]), &p.entry)
				s.seq.mu.Unlock()
				s.applyAccount(p)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRows), "ns/sample")
		})
	}
}
