package measures

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// A cluster of 200 hosts with 94 series each, written in bodies of 5,000 rows: the load of the table in the issue.
const (
	benchSeries = 18_800
	benchRows   = 5000
)

// load writes what a cluster sends, in the order in which it sends it.
type load struct {
	s      *Store
	refs   []metricdef.Ref
	values []float64 // a ring, so that drawing numbers is not measured
	next   int
	slot   int64
	batch  Batch
}

func newLoad(tb testing.TB, o Options) *load {
	tb.Helper()
	l := &load{s: openTest(tb, o), slot: 1}
	num := setup(tb, l.s, policy.Forever)
	var b Batch
	for i := range benchSeries {
		b.AddDraft(draftOf(num, "m10", i), testEpoch, 0)
		if len(b.Refs) == benchRows || i == benchSeries-1 {
			if err := l.s.Commit(context.Background(), &b); err != nil {
				tb.Fatal(err)
			}
			l.refs = append(l.refs, b.Refs...)
			b.Reset()
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	l.values = make([]float64, 1<<16)
	for i := range l.values {
		switch i % 4 {
		case 0:
			l.values[i] = math.Round(1e4*rnd.Float64()) / 100
		case 1:
			l.values[i] = float64(rnd.IntN(64))
		case 2:
			l.values[i] = 1e9 * rnd.Float64()
		}
	}
	return l
}

// body fills the batch with the next rows.
func (l *load) body() *Batch {
	b := &l.batch
	b.Reset()
	for range benchRows {
		b.Add(l.refs[l.next], testEpoch+l.slot*10*second, l.values[(l.next*7+int(l.slot)*13)&(len(l.values)-1)])
		if l.next++; l.next == len(l.refs) {
			l.next = 0
			l.slot++
		}
	}
	return b
}

func (l *load) write(tb testing.TB, slots int64) {
	tb.Helper()
	for until := l.slot + slots; l.slot < until; {
		if err := l.s.Commit(context.Background(), l.body()); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkCommitKnown commits rows of known series: sequencing, one journal write, applying, and sealing as it comes.
func BenchmarkCommitKnown(b *testing.B) {
	l := newLoad(b, testOptions(b.TempDir(), &clock{testEpoch}))
	l.write(b, 2)
	before := l.s.Stats().JournalAppended
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		batch := l.body()
		b.StartTimer()
		if err := l.s.Commit(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	rows := float64(b.N * benchRows)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/rows, "ns/sample")
	b.ReportMetric(float64(l.s.Stats().JournalAppended-before)/rows, "journal-B/sample")
	b.StopTimer()
	l.s.crash()
}

// BenchmarkReplay starts from a journal alone.
func BenchmarkReplay(b *testing.B) {
	o := testOptions(b.TempDir(), &clock{testEpoch})
	l := newLoad(b, o)
	l.write(b, 100)
	samples := 0
	for _, sh := range l.s.shards {
		samples += int(sh.counts.samples[0])
	}
	l.s.crash()
	l.s.release()
	b.ReportAllocs()
	for b.Loop() {
		s := openTest(b, o)
		b.StopTimer()
		if got := s.Stats().Samples; got != int64(samples) {
			b.Fatalf("%d samples, want %d", got, samples)
		}
		s.crash()
		s.release()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N*samples)/b.Elapsed().Seconds(), "samples/s")
}

// release gives back what is mapped, which crash leaves to the end of the process.
func (s *Store) release() {
	for _, sh := range s.shards {
		sh.closeHeads()
		sh.chunks.Close()
	}
}

// BenchmarkSnapshot writes what 10 minutes have brought: open heads of all series, and a chunk of half of them.
func BenchmarkSnapshot(b *testing.B) {
	l := newLoad(b, testOptions(b.TempDir(), &clock{testEpoch}))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		l.write(b, 60)
		b.StartTimer()
		if err := l.s.Snapshot(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*60*benchSeries), "ns/sample")
	b.StopTimer()
	l.s.crash()
}

// BenchmarkReadLate reads a series a tenth of whose samples came late.
func BenchmarkReadLate(b *testing.B) {
	s := openTest(b, testOptions(b.TempDir(), &clock{testEpoch}))
	num := setup(b, s, policy.Forever)
	ref := write(b, s, num, "m10", []int{0}, testEpoch, 0)[0]
	var batch Batch
	for i := range int64(3600) {
		batch.Add(ref, testEpoch+i*10*second, float64(i))
		if i%10 == 0 && i > 200 {
			batch.Add(ref, testEpoch+(i-200)*10*second, float64(i))
		}
	}
	if err := s.Commit(context.Background(), &batch); err != nil {
		b.Fatal(err)
	}
	dst := make([]float64, 360)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.ReadGrid(ref, testEpoch+36000*second-3600*second, 10*second, dst); err != nil {
			b.Fatal(err)
		}
	}
	s.crash()
}
