package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.UnixMilli(1_700_000_000_000)

// fakeMetrics are metrics of one tenant, "t", in memory. Ids that begin with "n" are found by any query.
type fakeMetrics struct {
	mu     sync.Mutex
	ids    []string
	points map[string]fakePoint
	err    error
}

type fakePoint struct {
	at time.Time
	v  float64
}

func (m *fakeMetrics) set(id string, at time.Time, v float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.points == nil {
		m.points = map[string]fakePoint{}
	}
	if !slices.Contains(m.ids, id) {
		m.ids = append(m.ids, id)
	}
	m.points[id] = fakePoint{at, v}
}

func (m *fakeMetrics) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *fakeMetrics) Tenant(id tenant.ID) tenant.Num {
	if id == "t" {
		return 1
	}
	return 0
}

func (m *fakeMetrics) Find(_ tenant.Num, _ metricdef.Type, id string) (metricdef.Ref, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.ids, id)
	return metricdef.Ref(i + 1), i >= 0
}

func (m *fakeMetrics) Select(context.Context, tenant.Num, metricdef.Type, match.Expr) (refs []metricdef.Ref, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, id := range m.ids {
		if id[0] == 'n' {
			refs = append(refs, metricdef.Ref(i+1))
		}
	}
	return refs, m.err
}

func (m *fakeMetrics) ID(ref metricdef.Ref) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ids[ref-1]
}

func (m *fakeMetrics) Newest(_ context.Context, ref metricdef.Ref, from, to int64) (int64, float64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.points[m.ids[ref-1]]
	at := p.at.UnixNano()
	return at, p.v, at >= from && at <= to, m.err
}

// receiver takes what is sent, and answers with the statuses of a list, the last of them for ever.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	bodies   []map[string]any
	headers  []http.Header
	methods  []string
	took     chan struct{} // a request has been answered
}

func newReceiver(t *testing.T, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{statuses: statuses, took: make(chan struct{}, 1000)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	status := http.StatusOK
	if len(r.statuses) > 0 {
		status = r.statuses[0]
		if len(r.statuses) > 1 {
			r.statuses = r.statuses[1:]
		}
	}
	if status < 300 {
		var body map[string]any
		if err := json.Unmarshal(b, &body); err != nil {
			body = map[string]any{"error": err.Error(), "body": string(b)}
		}
		r.bodies, r.headers, r.methods = append(r.bodies, body), append(r.headers, req.Header.Clone()), append(r.methods, req.Method)
	}
	r.mu.Unlock()
	if status/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
	r.took <- struct{}{}
}

func (r *receiver) wait(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-r.took:
		case <-time.After(30 * time.Second):
			t.Fatal("nothing was sent")
		}
	}
}

// got are the ids and statuses that were taken, in their order.
func (r *receiver) got() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bodies {
		id, _ := b["ID"].(string)
		status, _ := b["Status"].(string)
		list = append(list, id+" "+status)
	}
	return list
}

// bed is a watch of which a test makes each look, with a clock of its own.
type bed struct {
	*Watch
	t       *testing.T
	metrics *fakeMetrics
	now     atomic.Int64
	pauses  chan time.Duration
	goOn    chan struct{} // ends a pause; closed: pauses end at once
	settled chan struct{} // a change has been sent or given up
	log     *lockedBuffer
	stop    func()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newBed is a bed whose alerts are sent at changes alone.
func newBed(t *testing.T, hook Hook, rules ...Rule) *bed {
	t.Helper()
	return startBed(t, AtStartFiring, hook, rules...)
}

func startBed(t *testing.T, start AtStart, hook Hook, rules ...Rule) *bed {
	t.Helper()
	b := &bed{t: t, metrics: &fakeMetrics{}, pauses: make(chan time.Duration, 1000), goOn: make(chan struct{}), log: &lockedBuffer{}}
	b.now.Store(epoch.UnixNano())
	for i := range rules {
		if rules[i].Tenant == "" {
			rules[i].Tenant = "t"
		}
		rules[i].Type = metricdef.Gauge
	}
	var err error
	b.Watch, err = New(Options{Metrics: b.metrics, Rules: rules, AtStart: start, Hook: hook, Now: b.clock, Logger: slog.New(slog.NewTextHandler(b.log, nil)),
		Wait: func(ctx context.Context, d time.Duration) error {
			b.pauses <- d
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-b.goOn:
				return nil
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	b.settled = make(chan struct{}, 1000)
	b.hook.settled = func() { b.settled <- struct{}{} }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.hook.run(ctx) }()
	b.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(b.stop)
	return b
}

func (b *bed) clock() time.Time         { return time.Unix(0, b.now.Load()) }
func (b *bed) pass(d time.Duration)     { b.now.Add(int64(d)) }
func (b *bed) put(id string, v float64) { b.metrics.set(id, b.clock(), v) }

func (b *bed) look() {
	b.t.Helper()
	b.Look(b.t.Context())
}

// is compares what the only rule was found to be.
func (b *bed) is(status Status) {
	b.t.Helper()
	if got := b.Alerts("t")[0]; got.Status() != status {
		b.t.Errorf("it is %v, want %v", got.Status(), status)
	}
}

// settle waits until so many changes have been sent or given up.
func (b *bed) settle(n int) {
	b.t.Helper()
	for range n {
		select {
		case <-b.settled:
		case <-time.After(30 * time.Second):
			b.t.Fatalf("nothing happens: %+v", b.Stats())
		}
	}
}

var errBroken = errors.New("the store is broken")
