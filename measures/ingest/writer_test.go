package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"granary/measures"
	"granary/measures/ingest/line"
	"granary/metricdef"
	"granary/tenant"
)

var start = time.Unix(1735693200, 0)

// store is a Store and a Resolver that keeps everything in maps.
type store struct {
	mu      sync.Mutex
	refs    map[string]metricdef.Ref
	live    map[metricdef.Ref]bool
	rows    map[string]float64 // by tenant, key and time
	commits []int              // rows of each
	err     error              // of the next commits
	before  func()             // called before a commit, if not nil
	refuse  string             // metric that is at its limit
}

func newStore() *store {
	return &store{refs: make(map[string]metricdef.Ref), live: make(map[metricdef.Ref]bool), rows: make(map[string]float64)}
}

func (s *store) Resolve(t tenant.Num, _ metricdef.Type, key []byte) (metricdef.Ref, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref, ok := s.refs[fmt.Sprint(t, " ", string(key))]
	return ref, ok
}

func (s *store) Commit(ctx context.Context, b *measures.Batch) error {
	if s.before != nil {
		s.before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.commits = append(s.commits, len(b.Refs))
	for i := range b.Drafts {
		f := &b.Drafts[i]
		if f.Def.Name == s.refuse {
			b.Refused[measures.SeriesLimit]++
			continue
		}
		key := fmt.Sprint(f.Def.Tenant, " ", string(metricdef.AppendKey(nil, f.Def.Name, f.Def.Tags)))
		if s.refs[key] == 0 {
			s.refs[key] = metricdef.Ref(len(s.live) + 1)
			s.live[s.refs[key]] = true
		}
		f.Ref = s.refs[key]
		b.Refs[f.At] = f.Ref
	}
	names := make(map[metricdef.Ref]string)
	for key, ref := range s.refs {
		names[ref] = key
	}
	for i, ref := range b.Refs {
		switch {
		case ref == 0: // refused
		case !s.live[ref]:
			b.Stale = append(b.Stale, i)
			b.Refs[i] = 0
		default:
			s.rows[fmt.Sprint(names[ref], " ", b.Times[i]/1e9)] = b.Values[i]
		}
	}
	return nil
}

// end ends the series whose keys contain text.
func (s *store) end(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, ref := range s.refs {
		if strings.Contains(key, text) {
			s.live[ref] = false
			delete(s.refs, key)
		}
	}
}

func ccMapping() *line.ClusterCockpit {
	return &line.ClusterCockpit{
		Known: func(m string) bool { return m != "nosuch" },
		Tenant: func(cluster string) (tenant.Num, error) {
			switch cluster {
			case "second":
				return 2, nil
			case "closed":
				return 0, errors.New("no such tenant")
			}
			return 1, nil
		},
		Limits: line.Bounds{Past: 100 * 24 * time.Hour, Future: 10 * time.Minute},
	}
}

func writer(s *store, o Options) *Writer {
	if o.Now == nil {
		o.Now = func() time.Time { return start }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return New(s, s, o)
}

func lines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "cpu,cluster=c,hostname=h%04d value=%d 1735693200\n", i, i)
	}
	return b.Bytes()
}

func TestWriteLines(t *testing.T) {
	s := newStore()
	s.refuse = "full"
	w := writer(s, Options{})
	const body = "cpu,cluster=c,hostname=h value=1 1735693200\n" +
		"\n# comment\n" +
		"cpu,cluster=c,hostname=h value=x 1735693260\n" +
		"nosuch,cluster=c,hostname=h value=1 1735693200\nnosuch value=2\n" +
		"cpu,cluster=second,hostname=h value=2 1735693200\n" +
		"full,cluster=c,hostname=h value=2 1735693200\n" +
		"cpu,cluster=c,hostname=h value=1 17\n" +
		"cpu,cluster=c,hostname=h value=4 1735693320\n" +
		"cpu,cluster=c value=4 1735693320"
	for range 3 {
		r, err := w.WriteLines(t.Context(), ccMapping(), []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.Lines != 9 || r.Stored != 3 || r.Malformed != 2 {
			t.Errorf("%+v", r)
		}
		if got, want := r.IgnoredHeader(), "unknown-metric=2, too-old=1, series-limit=1"; got != want {
			t.Errorf("header %q, want %q", got, want)
		}
		if want := (LineError{Line: 4, Text: "cpu,cluster=c,hostname=h value=x 1735693260", Reason: `at line 4:32: value for field "value" ("x") has unrecognized type`}); *r.First != want {
			t.Errorf("first %+v", *r.First)
		}
	}
	want := map[string]float64{
		`1 cpu{cluster="c",hostname="h"} 1735693200`: 1, `1 cpu{cluster="c",hostname="h"} 1735693320`: 4,
		`2 cpu{cluster="second",hostname="h"} 1735693200`: 2,
	}
	if fmt.Sprint(s.rows) != fmt.Sprint(want) {
		t.Errorf("rows %v", s.rows)
	}
	c := w.Counters().Dialect("clustercockpit")
	if c.Bodies.Load() != 3 || c.Lines.Load() != 27 || c.Stored.Load() != 9 || c.Malformed.Load() != 6 || c.Ignored[measures.TooOld].Load() != 3 ||
		c.Ignored[measures.SeriesLimit].Load() != 3 || c.Predicted.Load()+c.LookedUp.Load()+c.Parsed.Load() != 27 || c.Bytes.Load() != 3*uint64(len(body)) {
		t.Errorf("counters do not add up: %v lines", c.Lines.Load())
	}
	var names []string
	w.Counters().Each(func(name string, d *DialectCounters) { names = append(names, name) })
	if fmt.Sprint(names) != "[clustercockpit]" {
		t.Error(names)
	}
}

func TestIgnoredHeaderEmpty(t *testing.T) {
	if got := new(Result).IgnoredHeader(); got != "" {
		t.Errorf("%q", got)
	}
}

func TestLargeBodyIsSplit(t *testing.T) {
	s := newStore()
	w := writer(s, Options{MaxRows: 400})
	for range 2 {
		r, err := w.WriteLines(t.Context(), ccMapping(), lines(1000))
		if err != nil || r.Stored != 1000 || r.Lines != 1000 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if want := "[400 400 200 400 400 200]"; fmt.Sprint(s.commits) != want {
		t.Errorf("%v", s.commits)
	}
}

func TestSeriesThatEnd(t *testing.T) {
	s := newStore()
	w := writer(s, Options{})
	body := lines(50)
	if _, err := w.WriteLines(t.Context(), ccMapping(), body); err != nil {
		t.Fatal(err)
	}
	s.end("h0007")
	s.end("h0031")
	clear(s.rows)
	r, err := w.WriteLines(t.Context(), ccMapping(), body)
	if err != nil || r.Stored != 50 || r.Lines != 50 || len(s.rows) != 50 {
		t.Fatalf("%+v, %v, %d rows", r, err, len(s.rows))
	}
	if c := w.Counters().Dialect("clustercockpit"); c.Stale.Load() != 2 {
		t.Errorf("%d stale", c.Stale.Load())
	}
	// From now on they are known again.
	before := w.Counters().Dialect("clustercockpit").Parsed.Load()
	if r, err := w.WriteLines(t.Context(), ccMapping(), body); err != nil || r.Stored != 50 || w.Counters().Dialect("clustercockpit").Parsed.Load() != before {
		t.Fatalf("%+v, %v", r, err)
	}

	// Series that are removed while they are written, in every round but the last.
	rounds, removed := 0, Rounds-1
	s.before = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if rounds++; rounds > removed {
			return
		}
		for _, ref := range s.refs {
			s.live[ref] = false
		}
		if rounds == removed {
			clear(s.refs) // or others have made them again, and they are removed again
		}
	}
	if r, err := w.WriteLines(t.Context(), ccMapping(), body); err != nil || r.Stored != 50 || rounds != Rounds {
		t.Errorf("%+v, %v, %d rounds", r, err, rounds)
	}
	// And in the last too.
	rounds, removed = 0, Rounds
	var kind interface{ Kind() string }
	r, err = w.WriteLines(t.Context(), ccMapping(), body)
	if r.Stored != 0 || !errors.As(err, &kind) || kind.Kind() != "unavailable" || rounds != Rounds {
		t.Errorf("%+v, %v, %d rounds", r, err, rounds)
	}
	if want := "50 samples not stored: their series were removed 8 times while they were being written; send them again"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

type unavailable struct{}

func (unavailable) Error() string { return "replay" }
func (unavailable) Kind() string  { return "unavailable" }

func TestErrors(t *testing.T) {
	s := newStore()
	w := writer(s, Options{MaxRows: 10})
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func() {
		if len(s.commits) == 2 {
			cancel()
		}
	}
	r, err := w.WriteLines(ctx, ccMapping(), lines(100))
	if !errors.Is(err, context.Canceled) || r.Stored != 30 || len(s.rows) != 30 {
		t.Errorf("cancelled: %+v, %v", r, err)
	}

	s = newStore()
	w = writer(s, Options{})
	s.err = unavailable{}
	var kind interface{ Kind() string }
	if r, err := w.WriteLines(t.Context(), ccMapping(), lines(10)); !errors.As(err, &kind) || kind.Kind() != "unavailable" || r.Stored != 0 {
		t.Errorf("store: %+v, %v", r, err)
	}
	s.err = nil
	// What the failed commit asked for must not be known to the cache.
	if r, err := w.WriteLines(t.Context(), ccMapping(), lines(10)); err != nil || r.Stored != 10 {
		t.Errorf("after: %+v, %v", r, err)
	}

	// The mapping ends the body; what came before it stands.
	body := append(lines(3), "cpu,cluster=closed,hostname=h value=1\ncpu,cluster=c,hostname=h value=1\n"...)
	if r, err := w.WriteLines(t.Context(), ccMapping(), body); err == nil || err.Error() != "no such tenant" || r.Stored != 3 {
		t.Errorf("mapping: %+v, %v", r, err)
	}
	if n := w.Counters().Dialect("clustercockpit").Failed.Load(); n != 2 {
		t.Errorf("%d failed", n)
	}
}

func TestWarnings(t *testing.T) {
	var out bytes.Buffer
	now := start
	w := writer(newStore(), Options{
		Now: func() time.Time { return now },
		Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
	})
	write := func() {
		if _, err := w.WriteLines(t.Context(), ccMapping(), []byte("\nnosuch value=1\ncpu,cluster=c,hostname=h value=x\nnosuch,a=b value=2\n")); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		write()
	}
	now = now.Add(warnEvery)
	write()
	want := `level=WARN msg="samples not stored" dialect=clustercockpit reason=unknown-metric count=2 line=2 example="nosuch value=1" setting=metrics
level=WARN msg="malformed lines" dialect=clustercockpit count=1 error="at line 3:32: value for field \"value\" (\"x\") has unrecognized type" line=3 example="cpu,cluster=c,hostname=h value=x"
level=WARN msg="samples not stored" dialect=clustercockpit reason=unknown-metric count=6 line=2 example="nosuch value=1" setting=metrics
level=WARN msg="malformed lines" dialect=clustercockpit count=3 error="at line 3:32: value for field \"value\" (\"x\") has unrecognized type" line=3 example="cpu,cluster=c,hostname=h value=x"
`
	if out.String() != want {
		t.Errorf("log\n%swant\n%s", out.String(), want)
	}
}

// TestWarningsNameTheLimit: who sees samples refused for their times learns which setting to look at.
func TestWarningsNameTheLimit(t *testing.T) {
	var out bytes.Buffer
	w := writer(newStore(), Options{Now: func() time.Time { return start }, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	body := fmt.Sprintf("cpu,cluster=c,hostname=h value=1 %d\ncpu,cluster=c,hostname=h value=1 1000000000\n", start.Add(time.Hour).Unix())
	if _, err := w.WriteLines(t.Context(), ccMapping(), []byte(body)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"limit=10m0s setting=granary.bounds.future\n", "limit=2400h0m0s setting=granary.bounds.past\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
}

// TestConcurrentWriters has eight writers at work while series end and the cache is dropped; nothing may be lost.
func TestConcurrentWriters(t *testing.T) {
	s := newStore()
	w := writer(s, Options{MaxRows: 64})
	var wg sync.WaitGroup
	var stored, failed atomic.Int64
	for id := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(id), 0))
			for round := range 15 {
				var b bytes.Buffer
				for i := range 100 {
					fmt.Fprintf(&b, "cpu,cluster=%s,hostname=h%d value=%d %d\n", []string{"c", "second"}[r.IntN(2)], r.IntN(200), i, 1735680000+id*1500+round*100+i)
				}
				done, err := w.WriteLines(context.Background(), ccMapping(), b.Bytes())
				stored.Add(int64(done.Stored))
				if err != nil {
					failed.Add(int64(100 - done.Stored))
				} else if done.Stored != 100 {
					t.Errorf("%+v", done)
				}
				switch {
				case round%5 == 4:
					w.Drop()
				case round%3 == 2:
					s.end(fmt.Sprintf("h%d", id))
				}
			}
		})
	}
	wg.Wait()
	if int(stored.Load()) != len(s.rows) || stored.Load()+failed.Load() != 8*15*100 {
		t.Errorf("%d stored, %d rows, %d failed", stored.Load(), len(s.rows), failed.Load())
	}
}
