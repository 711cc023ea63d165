package measures

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"granary/metricdef"
	"granary/policy"
)

// mediumPolicy is Gnocchi's "medium".
func mediumPolicy(tb testing.TB, more ...string) policy.Policy {
	tb.Helper()
	return policy.Policy{
		Raw:     policy.Retention{Length: policy.WindowOnly, Clock: policy.NewestClock},
		Tiers:   []policy.Tier{{Granularity: time.Minute, Points: 10_080}, {Granularity: time.Hour, Points: 8_760}},
		Methods: methodsOf(tb, append([]string{"mean", "min", "max", "sum", "std", "count"}, more...)...),
	}
}

// percent is a walk of two decimals between 0 and 100, as the load of a machine is.
type percent struct {
	rnd *rand.Rand
	v   float64
}

func (p *percent) next() float64 {
	p.v = min(max(p.v+p.rnd.NormFloat64()*3, 0), 100)
	return math.Round(p.v*100) / 100
}

// tierLoad writes samples of many series, one every 10 s, in bodies of 5,000 rows.
type tierLoad struct {
	s      *Store
	refs   []metricdef.Ref
	values []percent
	slot   int64
	batch  Batch
}

func newTierLoad(tb testing.TB, o Options, p policy.Policy, series int) *tierLoad {
	tb.Helper()
	l := &tierLoad{s: openTest(tb, o), slot: 1}
	num := tierSetup(tb, l.s, p)
	var b Batch
	for i := range series {
		b.AddDraft(draftOf(num, "m", i), testEpoch, 0)
		l.values = append(l.values, percent{rand.New(rand.NewPCG(uint64(i), 3)), 50})
	}
	if err := l.s.Commit(context.Background(), &b); err != nil {
		tb.Fatal(err)
	}
	l.refs = append(l.refs, b.Refs...)
	// Heads fill up at different times, as they do when series began at different times.
	for slot := range int64(headSlots) {
		b.Reset()
		for i := range series {
			if int64(i%headSlots) > slot {
				b.Add(l.refs[i], testEpoch+l.slot*10*second, l.values[i].next())
			}
		}
		l.slot++
		if err := l.s.Commit(context.Background(), &b); err != nil {
			tb.Fatal(err)
		}
	}
	return l
}

// body fills the batch with one slot of every series.
func (l *tierLoad) body() *Batch {
	l.batch.Reset()
	for i, ref := range l.refs {
		l.batch.Add(ref, testEpoch+l.slot*10*second, l.values[i].next())
	}
	l.slot++
	return &l.batch
}

// write writes slots, and looks after the tiers as a store does that runs.
func (l *tierLoad) write(tb testing.TB, slots int) {
	tb.Helper()
	for i := range slots {
		if err := l.s.Commit(context.Background(), l.body()); err != nil {
			tb.Fatal(err)
		}
		if i%10 == 9 {
			l.s.TendTiers()
		}
	}
}

// BenchmarkCommitTiers commits what 2,000 series send in twelve hours, one body of 2,000 rows after the other, with all that
// finishing buckets costs: of a metric that keeps raw samples only, and of one of policy medium.
func BenchmarkCommitTiers(b *testing.B) {
	for _, c := range []struct {
		name string
		p    policy.Policy
	}{
		{"raw", policy.Policy{Raw: policy.Retention{Length: policy.Forever}}},
		{"medium", mediumPolicy(b)},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newTierLoad(b, testOptions(b.TempDir(), &clock{testEpoch}), c.p, 2000)
			l.write(b, 720)
			b.ReportAllocs()
			// Time of the processor, since other work on the machine would blur what is compared.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var cpu time.Duration
			rows := 0
			for b.Loop() {
				for i := range 720 {
					b.StopTimer()
					batch := l.body()
					b.StartTimer()
					began := threadTime(b)
					if err := l.s.Commit(context.Background(), batch); err != nil {
						b.Fatal(err)
					}
					rows += len(batch.Refs)
					if i%10 == 9 {
						l.s.TendTiers()
					}
					cpu += threadTime(b) - began
				}
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(rows), "cpu-ns/sample")
			b.StopTimer()
			l.s.crash()
			l.s.release()
		})
	}
}

// threadTime is the time that the processor has spent on this thread.
func threadTime(tb testing.TB) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// BenchmarkReadTier reads the means of a day in five-minute buckets of 1,000 series, the newest of which are not finished.
func BenchmarkReadTier(b *testing.B) {
	p := policy.Policy{
		Raw:     policy.Retention{Length: policy.Forever},
		Tiers:   []policy.Tier{{Granularity: 5 * time.Minute}},
		Methods: methodsOf(b, "mean", "max"),
	}
	l := newTierLoad(b, testOptions(b.TempDir(), &clock{testEpoch}), p, 1000)
	l.write(b, 9500)
	mean := methodsOf(b, "mean")[0]
	end := testEpoch + l.slot*10*second
	from := bucketOf(end, 300*second) - 287*300*second
	var r Reader
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	began := threadTime(b)
	for b.Loop() {
		for _, ref := range l.refs {
			if err := l.s.ReadTier(context.Background(), &r, ref, 0, mean, from, end); err != nil {
				b.Fatal(err)
			}
			if len(r.Times) != 288 {
				b.Fatalf("%d buckets", len(r.Times))
			}
		}
	}
	b.ReportMetric(float64((threadTime(b)-began).Microseconds())/float64(b.N)/1000, "cpu-ms/1000-series")
	b.StopTimer()
	l.s.crash()
	l.s.release()
}

// TestTierBytes weighs the chunks of a metric of policy medium, with first and last besides, that is full to the brim: a month of
// samples fills the minutes, and the hours of a year are reckoned from those of the month.
func TestTierBytes(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("a month of samples")
	}
	p := mediumPolicy(t, "first", "last")
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	num := tierSetup(t, s, p)
	ref := write(t, s, num, "m", []int{0}, testEpoch, 0)[0]
	for i := range 100 { // heads of other series, so that the memory of heads does not come and go
		write(t, s, num, "m", []int{1 + i%2, 3}[:1+i%2], testEpoch+int64(i)*second, 0)
	}
	walk := percent{rand.New(rand.NewPCG(1, 3)), 50}
	var b Batch
	const days = 32
	const slots = days * 8640
	for slot := 1; slot < slots; slot++ {
		b.Add(ref, testEpoch+int64(slot)*10*second, walk.next())
		if len(b.Refs) == 8640 || slot == slots-1 {
			if err := s.Commit(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
			b.Reset()
			s.TendTiers()
		}
	}
	s.Expire(context.Background())
	total, chunks := 0, 0
	sh := s.shardOf(ref)
	column, bytes, buckets := "", 0, 0
	weigh := func() {
		if buckets > 8760/365*days/2 && column[:2] == "1h" {
			bytes = bytes * 8760 / buckets
		}
		total += bytes
		t.Logf("%-14s %6d bytes", column, bytes)
		bytes, buckets = 0, 0
	}
	sh.tiers[ref].eachChunk(func(c *tierColumn, e *entry) {
		if name := time.Duration(c.step).String() + " " + c.method.String(); name != column {
			if column != "" {
				weigh()
			}
			column = name
		}
		bytes += len(sh.chunks.Get(e.mem))
		buckets += e.shape.span()
		chunks++
	})
	weigh()
	t.Logf("%d bytes; %d chunks in %d days", total, chunks, days)
	if total > 450_000 || total < 200_000 {
		t.Errorf("%d bytes of chunks, at most 450000 are wanted", total)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
