package loadgen

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a sender that keeps the lines that it accepts.
type recorder struct {
	mu     sync.Mutex
	lines  []string
	times  []time.Time
	answer func(call int) (Answer, error) // nil accepts all
	calls  int
}

func (r *recorder) Send(_ context.Context, body []byte) (Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	a, err := Answer{Accepted: true, Status: "200"}, error(nil)
	if r.answer != nil {
		a, err = r.answer(r.calls)
	}
	if err == nil && a.Accepted {
		r.lines = append(r.lines, strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")...)
		r.times = append(r.times, time.Now())
	}
	return a, err
}

func (*recorder) Close() error { return nil }

func TestRunSendsEachSampleOnceAndInOrder(t *testing.T) {
	g := generator(t, small())
	var buf bytes.Buffer
	ledger, err := NewLedger(&buf, g)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	rep, err := Run(t.Context(), g, Plan{Steps: 5, Rate: Max, Connections: 2, Batch: 7, Ledger: ledger, Progress: func(Progress) {}}, rec)
	if err != nil || ledger.Flush() != nil {
		t.Fatal(err)
	}
	want := int64(5 * g.Series())
	if rep.Sent != want || rep.Acknowledged != want || rep.Status["200"] != rep.Batches || int64(len(rec.lines)) != want {
		t.Errorf("%+v, %d lines", rep, len(rec.lines))
	}
	got := make(map[string]bool)
	last := make(map[string]string)
	for _, line := range rec.lines {
		key, rest, _ := strings.Cut(line, " ")
		_, at, _ := strings.Cut(rest, " ")
		if at <= last[key] {
			t.Fatalf("%s at %s came after %s", key, at, last[key])
		}
		last[key], got[line] = at, true
	}
	l, err := ReadLedger(&buf)
	if err != nil || l.Len() != want {
		t.Fatalf("ledger of %d samples, %v", l.Len(), err)
	}
	for s := range l.Samples() {
		found := false
		series := 0
		for ; series < g.Series() && !found; series++ {
			x := g.Sample(series, 0)
			found = x.Metric == s.Metric && x.Host == s.Host && x.Type == s.Type && x.TypeID == s.TypeID
		}
		step := int64(s.Time.Sub(g.Time(0)) / (10 * time.Second))
		if line := strings.TrimSpace(string(g.AppendLine(nil, series-1, step))); !got[line] {
			t.Fatalf("the ledger has %+v, which was not sent", s)
		}
	}
}

func TestRetryAndRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.Hosts = 1
		g := generator(t, c)
		rec := &recorder{answer: func(call int) (Answer, error) {
			switch call {
			case 1:
				return Answer{Status: "429", Text: "slow down", RetryAfter: 3 * time.Second}, nil
			case 2:
				return Answer{}, errors.New("connection refused")
			case 3:
				return Answer{Accepted: true, Status: "200", Ignored: map[string]int64{"too-new": 2}}, nil
			default:
				return Answer{Accepted: true, Status: "200"}, nil
			}
		}}
		var buf bytes.Buffer
		ledger, err := NewLedger(&buf, g)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		rep, err := Run(t.Context(), g, Plan{Steps: 2, Rate: Max, Connections: 1, Batch: 1000, Retry: true, Ledger: ledger}, rec)
		if err != nil || ledger.Flush() != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3100*time.Millisecond {
			t.Errorf("the retries took %v", took)
		}
		if rep.Batches != 2 || rep.Retries != 2 || rep.Status["429"] != 1 || rep.Status["error"] != 1 || rep.Ignored["too-new"] != 2 ||
			rep.Refusals["slow down"] != 1 || rep.Refusals["connection refused"] != 1 || rep.Acknowledged != int64(2*g.Series()) {
			t.Errorf("%+v", rep)
		}
		// A batch of which something was ignored is not in the ledger.
		l, err := ReadLedger(&buf)
		if err != nil || len(l.Acks) != 1 || l.Acks[0] != (Ack{1, 0, g.Series()}) {
			t.Errorf("%+v, %v", l, err)
		}
		var text strings.Builder
		if err := rep.Print(&text); err != nil || !strings.Contains(text.String(), "refused       1 times: slow down") {
			t.Errorf("%v: %s", err, text.String())
		}
	})
}

func TestPace(t *testing.T) {
	for _, c := range []struct {
		name string
		rate float64
		want time.Duration // for 4 steps from 15 s ago, 10 s apart
	}{
		{"as fast as possible", Max, 0},
		{"real time", RealTime, 15 * time.Second},
		{"a rate", 10, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := small()
				cl.Hosts = 1
				cl.Start = time.Now().Add(-15 * time.Second)
				g := generator(t, cl)
				want := c.want
				if c.rate == 10 {
					want = time.Duration(3*g.Series()) * time.Second / 10
				}
				began := time.Now()
				if _, err := Run(t.Context(), g, Plan{Steps: 4, Rate: c.rate, Connections: 4, Batch: 1000}, &recorder{}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
			})
		})
	}
}

func TestDurationEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.Start = time.Now()
		rep, err := Run(t.Context(), generator(t, c), Plan{Duration: 25 * time.Second, Connections: 1, Batch: 1000}, &recorder{})
		if err != nil || rep.Seconds != 25 || rep.Batches != 3 {
			t.Errorf("%+v, %v", rep, err)
		}
	})
}

func TestPlanIsChecked(t *testing.T) {
	for _, p := range []Plan{{Batch: 1}, {Connections: 1}, {Connections: 1, Batch: 1, Steps: -1}, {Connections: 1, Batch: 1, Rate: -1}} {
		if _, err := Run(t.Context(), generator(t, small()), p, &recorder{}); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}

func TestHTTP(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/write/" || r.Header.Get("Authorization") != "Bearer tok" || r.Header.Get("Content-Encoding") != "gzip" {
			http.Error(w, "wrong request "+r.URL.Path, http.StatusTeapot)
			return
		}
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b, _ := io.ReadAll(z)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(b))
		if len(bodies) == 2 {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "later", http.StatusTooManyRequests)
			return
		}
		w.Header().Set("X-Granary-Ignored", "unknown-metric=3, too-old=1, odd")
	}))
	defer srv.Close()
	s, err := Open(Target{URL: srv.URL, Token: "tok", Gzip: true, Connections: 1, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.Send(t.Context(), []byte("one"))
	if err != nil || !a.Accepted || a.Status != "200" || a.Ignored["unknown-metric"] != 3 || a.Ignored["too-old"] != 1 || len(a.Ignored) != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = s.Send(t.Context(), []byte("two"))
	if err != nil || a.Accepted || a.Text != "later" || a.RetryAfter != 7*time.Second || bodies[1] != "two" {
		t.Errorf("%+v, %v, %q", a, err, bodies)
	}
	srv.Close()
	if _, err := s.Send(t.Context(), []byte("three")); err == nil {
		t.Error("a closed server answers")
	}
	for _, bad := range []string{"", "localhost:8082", "ftp://x", "http://", "://"} {
		if _, err := Open(Target{URL: bad}); err == nil {
			t.Errorf("the target %q is accepted", bad)
		}
	}
}

func TestNATS(t *testing.T) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, MaxPayload: 4096})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	}()
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("the broker does not start")
	}
	sub, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	got, err := sub.SubscribeSync("hpc")
	if err != nil || sub.Flush() != nil {
		t.Fatal(err)
	}
	s, err := Open(Target{URL: ns.ClientURL(), Subject: "hpc", Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if a, err := s.Send(t.Context(), []byte("line")); err != nil || !a.Accepted || a.Status != "published" {
		t.Errorf("%+v, %v", a, err)
	}
	if m, err := got.NextMsg(10 * time.Second); err != nil || string(m.Data) != "line" {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := s.Send(t.Context(), make([]byte, 5000)); err == nil || !strings.Contains(err.Error(), "limit of 4096") {
		t.Errorf("too large a batch: %v", err)
	}
}

func TestReadLedgerRefuses(t *testing.T) {
	var buf bytes.Buffer
	if _, err := NewLedger(&buf, generator(t, small())); err != nil {
		t.Fatal(err)
	}
	l, err := NewLedger(&buf, generator(t, small()))
	if err != nil || l.Flush() != nil {
		t.Fatal(err)
	}
	head := buf.String()
	for _, tail := range []string{"1 2\n", "x\n", "-1 0 1\n", "0 0 1000\n", "0 9223372036854775807 9\n"} {
		if _, err := ReadLedger(strings.NewReader(head + tail)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", tail, err)
		}
	}
	if l, err := ReadLedger(strings.NewReader(head + "1 0 4\n2 0")); err != nil || len(l.Acks) != 1 {
		t.Errorf("a cut last line: %+v, %v", l, err)
	}
	for _, head := range []string{"", "{}", "{}\n", "[\n"} {
		if _, err := ReadLedger(strings.NewReader(head)); err == nil {
			t.Errorf("the head %q is accepted", head)
		}
	}
}

// TestVerify asks a server that answers from the generator, and has lost one sample and changed another.
func TestVerify(t *testing.T) {
	g := generator(t, small())
	l := &Ledger{Generator: g, Acks: []Ack{{0, 0, g.Series()}, {1, 0, g.Series()}, {2, 0, g.Series()}, {2, 0, g.Series()}}}
	faulty := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q request
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.URL.Path != "/api/query" || q.WithPadding || q.From != 1_700_000_000 || q.To != 1_700_000_021 {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		rows := make([][]map[string]any, len(q.Queries))
		for i, x := range q.Queries {
			for series := range g.Series() {
				s := g.Sample(series, 0)
				if s.Metric != x.Metric || s.Host != x.Host || s.Type != x.Type || (s.Type != "" && s.TypeID != x.TypeIDs[0]) {
					continue
				}
				var data []any
				for step := range int64(3) {
					data = append(data, json.Number(strconv.FormatFloat(g.Value(series, step), 'f', 3, 64)))
				}
				if faulty && series == 2 {
					data[1], data[2] = nil, -1
				}
				rows[i] = append(rows[i], map[string]any{"data": data, "from": q.From, "resolution": 10})
			}
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"results": rows}); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	v, err := Verify(t.Context(), l, srv.Client(), srv.URL, "")
	if err != nil || !v.OK() || v.Checked != int64(3*g.Series()) {
		t.Errorf("%+v, %v", v, err)
	}
	faulty = true
	v, err = Verify(t.Context(), l, srv.Client(), srv.URL, "")
	if err != nil || v.OK() || v.Missing != 1 || v.Different != 1 || !strings.Contains(v.First, "n0001") || !strings.Contains(v.First, "missing") {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := Verify(t.Context(), l, srv.Client(), srv.URL+"/elsewhere", ""); err == nil {
		t.Error("an error is not told")
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	for d := range 10_000 {
		h.add(time.Duration(d+1) * time.Microsecond)
	}
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 1} {
		exact := time.Duration(q * 10_000 * float64(time.Microsecond))
		if got := h.quantile(q); got < exact || float64(got) > 1.04*float64(exact) {
			t.Errorf("the quantile %v is %v, want %v", q, got, exact)
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, 31, 32, 63, 64, 65, 1000, 1<<62 + 1, 1<<63 - 1} {
		if b := bucket(d); limit(b) < d || (b > 0 && limit(b-1) >= max(d, 1)) {
			t.Errorf("%d falls into bucket %d, which ends at %d", d, b, limit(b))
		}
	}
}
