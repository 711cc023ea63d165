package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"granary/cmd/granary/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the time at which the tests begin: 5 s behind a whole minute.
const start = 1_735_689_605

// fakeClock stands still, but for those who sleep.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
	wake  func(n int) error // is told of each sleep; an error ends it
}

func (f *fakeClock) clock() Clock {
	return Clock{Now: f.Now, Sleep: func(ctx context.Context, d time.Duration) error {
		f.mu.Lock()
		f.now = f.now.Add(d)
		f.slept = append(f.slept, d)
		n := len(f.slept)
		f.mu.Unlock()
		if f.wake != nil {
			if err := f.wake(n); err != nil {
				return err
			}
		}
		return ctx.Err()
	}}
}

func (f *fakeClock) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func newClock() *fakeClock { return &fakeClock{now: time.Unix(start, 0)} }

// store is a Granary that keeps what it gets.
type store struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	fields []http.Header
	answer func(n int, body string, w http.ResponseWriter) // of the n-th request; nil takes all
}

func newStore(t *testing.T) *store {
	s := &store{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bodies, s.fields = append(s.bodies, string(b)), append(s.fields, r.Header)
		if s.answer != nil {
			s.answer(len(s.bodies), string(b), w)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *store) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.bodies...)
}

// asked answers queries as a Prometheus does, with what stands for each of them; a query that is not there is refused.
func asked(t *testing.T, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/query" || r.Method != http.MethodPost {
			http.NotFound(w, r)
			return
		}
		at := r.FormValue("time")
		if at == "" {
			at = "1735689590.25"
		}
		result, ok := answers[r.FormValue("query")]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"status":"error","errorType":"bad_data","error":"parse error: no such query"}`)
			return
		}
		io.WriteString(w, `{"status":"success","data":`+strings.ReplaceAll(result, "AT", at)+`}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func vector(series ...string) string {
	return `{"resultType":"vector","result":[` + strings.Join(series, ",") + `]}`
}

// series is one of a vector: pairs of labels, and the value.
func series(value string, labels ...string) string {
	var b strings.Builder
	for i := 0; i < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%q", labels[i], labels[i+1])
	}
	return `{"metric":{` + b.String() + `},"value":[AT,"` + value + `"]}`
}

// logged keeps what is logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// open makes a bridge of a file, in which SOURCE and GRANARY stand for addresses.
func open(t *testing.T, clock *fakeClock, kind, sourceURL, granaryURL, file string) (*Bridge, *logged) {
	t.Helper()
	content := strings.NewReplacer("SOURCE", sourceURL, "GRANARY", granaryURL).Replace(file)
	cfg, err := config.LoadBridge("b.yaml", kind, config.Options{ReadFile: func(string) ([]byte, error) { return []byte(content), nil }})
	if err != nil {
		t.Fatal(err)
	}
	log := &logged{}
	b, err := Open(cfg, Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Clock: clock.clock()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, log
}

const head = `
cluster: alex
sources: [{name: prom, url: SOURCE}]
granary: {url: GRANARY, token: secret, tenant: site, max-wait: 4s}
`

func TestDryRun(t *testing.T) {
	url := asked(t, map[string]string{
		"node_load1": vector(series("1.5", "instance", "n1:9100"), series("2", "instance", "n2.site:9100"), series("NaN", "instance", "n3:9100"),
			series("3", "job", "x"), series("+Inf", "instance", "n4:9100"), series("9", "instance", "n1:9101"), series("7", "instance", "[::1]:9100")),
		"mem":   vector(series("1048576", "instance", "n 1,=:9100")),
		"power": vector(series("100", "instance", "n1:1", "package", "0"), series("50", "instance", "n1:1", "package", "1"), series("50", "instance", "n1:1")),
		"sum":   `{"resultType":"scalar","result":[AT,"12"]}`,
		"none":  vector(),
	})
	b, log := open(t, newClock(), config.Prometheus, url, "http://127.0.0.1:1", head+`
metrics:
  cpu_load: node_load1
  mem_used: {query: mem, scale: 9.5367431640625e-07, unit: MB}
  cpu_power: {query: power, type: socket, labels: {type-id: package}}
  nodes_up: {query: sum, tags: {hostname: all}}
  broken: nonsense
  scalar: sum
  empty: none
`)
	var out strings.Builder
	r, err := b.DryRun(t.Context(), &out)
	if err == nil || err.Error() != "1 of 7 queries failed" || r.Lines != 7 || r.At != 1735689600 {
		t.Errorf("%+v %v", r, err)
	}
	want := `cpu_load,cluster=alex,hostname=n1,type=node value=1.5 1735689600
cpu_load,cluster=alex,hostname=n2.site,type=node value=2 1735689600
cpu_load,cluster=alex,hostname=::1,type=node value=7 1735689600
mem_used,cluster=alex,hostname=n\ 1\,\=,type=node,unit=MB value=1 1735689600
cpu_power,cluster=alex,hostname=n1,type=socket,type-id=0 value=100 1735689600
cpu_power,cluster=alex,hostname=n1,type=socket,type-id=1 value=50 1735689600
nodes_up,cluster=alex,hostname=all,type=node value=12 1735689600
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	for _, line := range []string{
		`metric=cpu_load source=prom reason=nan samples=1 example="{instance=\"n3:9100\"}"`,
		`metric=cpu_load source=prom reason=infinite samples=1`,
		`metric=cpu_load source=prom reason=no-host samples=1 example="there is no label \"instance\" in {job=\"x\"}"`,
		`metric=cpu_load source=prom reason=duplicate samples=1 example="cpu_load,cluster=alex,hostname=n1,type=node 1735689600 is there already, the value 9 of {instance=\"n1:9101\"} is another"`,
		`metric=cpu_power source=prom reason=no-label samples=1`,
		`msg="a query failed" metric=broken source=prom error="status 400: bad_data: parse error: no such query"`,
		`metric=scalar source=prom reason=no-host samples=1`,
		`metric=empty source=prom reason=empty`,
	} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log has no %s\n%s", line, log)
		}
	}
}

func TestOnce(t *testing.T) {
	granary := newStore(t)
	url := asked(t, map[string]string{"q": vector(series("1", "instance", "n1:1"))})
	clock := newClock()
	b, log := open(t, clock, config.Prometheus, url, granary.URL, head+"metrics: {m: q}\n")
	dir := t.TempDir()
	if err := b.OpenSpool(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Once(t.Context(), time.Second); err != nil {
		t.Fatal(err, log)
	}
	const line = "m,cluster=alex,hostname=n1,type=node value=1 1735689600\n"
	if d := cmp.Diff([]string{line}, granary.got()); d != "" {
		t.Error(d)
	}
	if f := granary.fields[0]; f.Get("Authorization") != "Bearer secret" || f.Get("Tenant") != "site" {
		t.Errorf("%v", f)
	}
	// What Granary does not take waits for the next run.
	granary.answer = func(_ int, _ string, w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }
	clock.wake = func(n int) error {
		if n >= 4 {
			return errors.New("the patience is over")
		}
		return nil
	}
	if _, err := b.Once(t.Context(), time.Hour); err == nil || !strings.Contains(err.Error(), "1 lines wait in the spool") || !strings.Contains(err.Error(), "busy") {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	granary.answer = nil
	before := len(granary.got())
	if before != 5 {
		t.Errorf("%d requests", before)
	}
	next, _ := open(t, clock, config.Prometheus, url, granary.URL, head+"metrics: {m: q}\n")
	if err := next.OpenSpool(dir); err != nil {
		t.Fatal(err)
	}
	clock.now = clock.now.Add(time.Minute)
	if _, err := next.Once(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{line, strings.Replace(line, "9600", "9660", 1)}, granary.got()[before:]); d != "" {
		t.Error(d)
	}
}
