package measures_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/line"
	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// world is a store with the real writer in front of it, and a clock.
type world struct {
	dir   string
	now   atomic.Int64
	s     *measures.Store
	w     *ingest.Writer
	lines *line.ClusterCockpit
}

func newWorld(tb testing.TB, keep time.Duration) *world {
	tb.Helper()
	v := &world{dir: tb.TempDir()}
	v.now.Store(1_700_000_040 * 1e9)
	v.open(tb)
	set, err := policy.FromClusterCockpit([]policy.ClusterCockpitMetric{{Name: "load", Frequency: time.Minute, Across: policy.Sum}},
		policy.Retention{Length: keep, Clock: policy.SampleClock}, true)
	if err != nil {
		tb.Fatal(err)
	}
	if err := v.s.SetPolicies(context.Background(), set); err != nil {
		tb.Fatal(err)
	}
	return v
}

func (v *world) clock() time.Time { return time.Unix(0, v.now.Load()) }

func (v *world) open(tb testing.TB) {
	tb.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := measures.Open(measures.Options{Dir: v.dir, Sync: journal.Never, Now: v.clock, Logger: quiet})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Recover(context.Background()); err != nil {
		tb.Fatal(err)
	}
	num, err := s.EnsureTenant(context.Background(), "default")
	if err != nil {
		tb.Fatal(err)
	}
	v.s = s
	v.w = ingest.New(s, s.Definitions, ingest.Options{Now: v.clock, Logger: quiet})
	v.lines = &line.ClusterCockpit{Tenant: func(string) (tenant.Num, error) { return num, nil }}
}

func (v *world) write(tb testing.TB, hosts int) {
	tb.Helper()
	var body []byte
	for h := range hosts {
		body = fmt.Appendf(body, "load,cluster=alex,hostname=n%03d,type=node value=%d %d\n", h, h, v.now.Load()/1e9)
	}
	r, err := v.w.WriteLines(context.Background(), v.lines, body)
	if err != nil || r.Stored != hosts || r.Malformed != 0 {
		tb.Fatalf("%+v, %v", r, err)
	}
}

func (v *world) ref(host int) (metricdef.Ref, bool) {
	return v.s.Definitions.Resolve(1, metricdef.Gauge, fmt.Appendf(nil, `load{cluster="alex",hostname="n%03d"}`, host))
}

// TestEndedSeries lets series fall silent for one retention. They end, and a later write, from the writer's cache or not,
// makes them anew under new refs.
func TestEndedSeries(t *testing.T) {
	ctx := context.Background()
	v := newWorld(t, time.Hour)
	for range 5 {
		v.now.Add(60e9)
		v.write(t, 3)
	}
	v.s.Expire(ctx)
	if n := v.s.Definitions.Len(); n != 3 {
		t.Errorf("%d definitions while there are samples", n)
	}
	v.now.Add(7200e9)
	v.write(t, 1) // one goes on
	v.s.Expire(ctx)
	if n := v.s.Definitions.Len(); n != 1 {
		t.Errorf("%d definitions", n)
	}
	kept, _ := v.ref(0)
	if _, ok := v.ref(1); ok {
		t.Error("an ended series resolves")
	}
	v.write(t, 3) // the writer's cache still names the dead refs
	for h := range 3 {
		ref, ok := v.ref(h)
		if !ok || (ref == kept) != (h == 0) || h > 0 && ref <= 3 {
			t.Errorf("host %d: ref %d %v", h, ref, ok)
		}
		if at, _, ok := v.s.Newest(ref); !ok || at > v.now.Load()+30e9 || at < v.now.Load()-30e9 {
			t.Errorf("host %d: newest %d %v", h, at, ok)
		}
	}
	v.write(t, 3)
	if n := v.s.Definitions.Len(); n != 3 {
		t.Errorf("%d definitions", n)
	}
	if err := v.s.Close(); err != nil {
		t.Fatal(err)
	}
	v.open(t)
	if n := v.s.Definitions.Len(); n != 3 {
		t.Errorf("%d definitions after a restart", n)
	}
	v.write(t, 3)
	if ref, _ := v.ref(0); ref != kept {
		t.Errorf("ref %d, before %d", ref, kept)
	}
	if err := v.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestEndWhileWriting ends series over and over while writers write to them. No write fails, and what was acknowledged
// last is there.
func TestEndWhileWriting(t *testing.T) {
	ctx := context.Background()
	v := newWorld(t, time.Hour)
	const rounds = 40
	for range rounds {
		v.write(t, 8)
		v.now.Add(7200e9) // all of it has expired
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for h := w; h < 8; h += 4 {
					body := fmt.Appendf(nil, "load,cluster=alex,hostname=n%03d,type=node value=7 %d\n", h, v.now.Load()/1e9)
					if r, err := v.w.WriteLines(ctx, v.lines, body); err != nil || r.Stored != 1 {
						t.Errorf("%+v, %v", r, err)
					}
				}
			})
		}
		wg.Go(func() { v.s.Expire(ctx) })
		wg.Wait()
		for h := range 8 {
			ref, ok := v.ref(h)
			if at, _, found := v.s.Newest(ref); !ok || !found || at < v.now.Load()-30e9 {
				t.Fatalf("host %d: ref %d %v, newest %d %v", h, ref, ok, at, found)
			}
		}
	}
	if err := v.s.Close(); err != nil {
		t.Fatal(err)
	}
}
