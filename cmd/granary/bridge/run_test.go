package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/cmd/granary/config"
)

// times are the times of the lines of bodies.
func times(bodies []string) (out []string) {
	for _, body := range bodies {
		for line := range strings.Lines(body) {
			out = append(out, strings.TrimSpace(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:]))
		}
	}
	return out
}

// TestRun: rounds come at whole multiples of the interval, the first one at once, and nothing is left behind by the end.
func TestRun(t *testing.T) {
	granary, clock := newStore(t), newClock()
	var asks atomic.Int64
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asks.Add(1) == 3 { // a query that takes two intervals and a half
			clock.mu.Lock()
			clock.now = clock.now.Add(25 * time.Second)
			clock.mu.Unlock()
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"n:1"},"value":[%s,"1"]}]}}`, r.FormValue("time"))
	}))
	defer source.Close()
	b, log := open(t, clock, config.Prometheus, source.URL, granary.URL, head+"interval: 10s\nmetrics: {m: q}\n")
	if err := b.OpenSpool(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	clock.wake = func(int) error {
		if asks.Load() >= 6 {
			return errors.New("enough")
		}
		return nil
	}
	if err := b.rounds(ctx); err != nil {
		t.Fatal(err)
	}
	if last, err := b.sender.drain(ctx); err != nil || last != accepted {
		t.Fatal(last, err)
	}
	// 5 s behind the minute, at each 10 s, and once the third round lasted until 45 s the one of 40 s at once: that of 30 s is missed.
	want := []string{"1735689600", "1735689610", "1735689620", "1735689640", "1735689650", "1735689660"}
	if d := cmp.Diff(want, times(granary.got())); d != "" {
		t.Error(d)
	}
	if !strings.Contains(log.String(), "rounds are left out") || !strings.Contains(log.String(), "rounds=1") {
		t.Error(log)
	}
}

// TestEnd: a bridge that is told to stop while it asks and while it sends does so at once.
func TestEnd(t *testing.T) {
	hang := make(chan struct{})
	asked := make(chan string, 100)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- r.URL.Path
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	defer close(hang)
	b, _ := open(t, newClock(), config.Prometheus, slow.URL, slow.URL, head+"metrics: {m: q}\n")
	dir := t.TempDir()
	if err := b.OpenSpool(dir); err != nil {
		t.Fatal(err)
	}
	if err := b.spool.Append([]byte("m value=1\n")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	for paths := ""; !strings.Contains(paths, "query") || !strings.Contains(paths, "write"); {
		paths += <-asked
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := b.spool.Stats().Lines; n != 1 {
		t.Errorf("%d lines", n)
	}
}

// TestClockThatIsSetBack: by less than an interval it is waited for, by more the rounds go on with what it says.
func TestClockThatIsSetBack(t *testing.T) {
	for _, c := range []struct {
		back time.Duration
		want []string
	}{
		{7 * time.Second, []string{"1735689600", "1735689610", "1735689620"}},
		{time.Hour, []string{"1735689600", "1735686010", "1735686020"}},
	} {
		granary, clock := newStore(t), newClock()
		asks := 0
		url := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asks++; asks == 1 {
				clock.mu.Lock()
				clock.now = clock.now.Add(-c.back)
				clock.mu.Unlock()
			}
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"n:1"},"value":[%s,"1"]}]}}`, r.FormValue("time"))
		}))
		b, _ := open(t, clock, config.Prometheus, url.URL, granary.URL, head+"interval: 10s\nmetrics: {m: q}\n")
		if err := b.OpenSpool(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		clock.wake = func(n int) error {
			if asks == 3 {
				return errors.New("enough")
			}
			return nil
		}
		if err := b.rounds(t.Context()); err != nil {
			t.Fatal(err)
		}
		url.Close()
		if _, err := b.sender.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, times(granary.got())); d != "" {
			t.Errorf("%v: %s", c.back, d)
		}
	}
}

// TestOwnTime: samples keep the times that the answer gives.
func TestOwnTime(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"results":[{"series":[{"name":"s","tags":{"host":"a"},"columns":["time","mean"],"values":[[1735689500,1],[1735689510,2],[1735689510,3],[0,4]]}]}]}`)
	}))
	defer s.Close()
	b, log := open(t, newClock(), config.InfluxDB, s.URL, "http://127.0.0.1:1", "cluster: c\ntime: sample\nsources: [{url: SOURCE, database: d}]\nmetrics: {m: q}\n")
	var out strings.Builder
	if _, err := b.DryRun(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := "m,cluster=c,hostname=a,type=node value=1 1735689500\nm,cluster=c,hostname=a,type=node value=2 1735689510\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	if !strings.Contains(log.String(), "reason=no-time samples=1") || !strings.Contains(log.String(), "reason=duplicate samples=1") {
		t.Error(log)
	}
}

// TestWarnings: what a source warns of is logged once, until it changes.
func TestWarnings(t *testing.T) {
	text := "one"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"status":"success","warnings":[%q],"data":{"resultType":"vector","result":[{"metric":{"instance":"n:1"},"value":[1,"NaN"]}]}}`, text)
	}))
	defer s.Close()
	b, log := open(t, newClock(), config.Prometheus, s.URL, "", "cluster: c\nsources: [{url: SOURCE}]\nmetrics: {m: q}\n")
	for range 3 {
		if _, err := b.DryRun(t.Context(), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	text = "two"
	if _, err := b.DryRun(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "text=one") != 1 || strings.Count(log.String(), "text=two") != 1 || strings.Count(log.String(), "reason=nan") != 1 {
		t.Error(log)
	}
}

// TestTwoSources: of two servers that know the same host, the first one counts; one that is away costs only its own samples.
func TestTwoSources(t *testing.T) {
	one := asked(t, map[string]string{"q": vector(series("1", "instance", "a:1"))})
	two := asked(t, map[string]string{"q": vector(series("2", "instance", "a:1"), series("3", "instance", "b:1"))})
	file := "cluster: c\nsources: [{name: one, url: '" + one + "'}, {name: two, url: '" + two + "'}, {name: away, url: 'http://127.0.0.1:1'}]\nmetrics: {m: q, n: {query: q, sources: [two]}}\n"
	b, _ := open(t, newClock(), config.Prometheus, "", "", file)
	var out strings.Builder
	r, err := b.DryRun(t.Context(), &out)
	if err == nil || r.Failed != 1 || r.Queries != 4 {
		t.Errorf("%+v %v", r, err)
	}
	if got := strings.Count(out.String(), "\n"); got != 4 || !strings.HasPrefix(out.String(), "m,cluster=c,hostname=a,type=node value=1 ") {
		t.Errorf("%s", out.String())
	}
}

// TestConcurrency: no more queries run at a time than the setting says.
func TestConcurrency(t *testing.T) {
	var now, most atomic.Int64
	gate := make(chan struct{}, 2)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		if n > 1 { // the second one lets the first go on
			gate <- struct{}{}
		} else {
			select {
			case <-gate:
			case <-time.After(time.Second):
			}
		}
		io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	}))
	defer s.Close()
	b, _ := open(t, newClock(), config.Prometheus, s.URL, "", "cluster: c\nconcurrency: 2\nsources: [{url: SOURCE}]\nmetrics: {a: q, b: q, c: q, d: q}\n")
	if _, err := b.DryRun(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if m := most.Load(); m != 2 {
		t.Errorf("%d queries at a time", m)
	}
}

func TestBodies(t *testing.T) {
	long := strings.Repeat("x", maxBody/2) + "\n"
	for _, c := range []struct {
		lines []string
		most  int
		want  []int // lines of each
	}{
		{nil, 3, nil},
		{[]string{"a\n", "b\n", "c\n", "d\n"}, 3, []int{3, 1}},
		{[]string{long, long, "a\n"}, 100, []int{1, 2}},
	} {
		var got []int
		var all []byte
		for _, b := range bodies(c.lines, c.most) {
			got = append(got, strings.Count(string(b), "\n"))
			all = append(all, b...)
		}
		if !slices.Equal(got, c.want) || string(all) != strings.Join(c.lines, "") {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

func TestHostname(t *testing.T) {
	h := func(yaml string) *config.BridgeHost {
		b, err := config.LoadBridge("b.yaml", config.Prometheus, config.Options{ReadFile: func(string) ([]byte, error) {
			return []byte("cluster: c\nsources: [{url: 'http://a'}]\nmetrics: {m: q}\nhost: " + yaml), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return &b.Metrics[0].Host
	}
	for _, c := range []struct{ rule, in, want, reason string }{
		{"{}", "n1:9100", "n1", ""},
		{"{}", "n1", "n1", ""},
		{"{}", "n1:http", "n1:http", ""},
		{"{}", "[2001:db8::1]:9100", "2001:db8::1", ""},
		{"{}", "2001:db8::1", "2001:db8::1", ""},
		{"{}", "[odd", "[odd", ""},
		{"{}", ":9100", "", reasonNoHost},
		{"{}", "", "", reasonNoHost},
		{"{strip-port: false}", "n1:9100", "n1:9100", ""},
		{`{pattern: '([^.]+)(\..*)?'}`, "n1.site.example:9100", "n1", ""},
		{`{pattern: '([^.]+)(\..*)?'}`, "n1:9100", "n1", ""},
		{`{pattern: 'n([0-9]+)', replace: 'node$1'}`, "n17", "node17", ""},
		{`{pattern: 'n([0-9]+)', replace: 'node$1'}`, "xn17", "", reasonHostPattern},
		{`{pattern: '(x?)n1'}`, "n1", "", reasonHostPattern},
	} {
		got, reason := hostname(h(c.rule), map[string]string{"instance": c.in})
		if got != c.want || reason != c.reason {
			t.Errorf("%s %q: %q %q", c.rule, c.in, got, reason)
		}
	}
}

// TestServe: the figures of a bridge, and whether it is well.
func TestServe(t *testing.T) {
	granary, clock := newStore(t), newClock()
	url := asked(t, map[string]string{"q": vector(series("1", "instance", "a:1"), series("NaN", "instance", "b:1"))})
	b, _ := open(t, clock, config.Prometheus, url, granary.URL, head+"metrics: {m: q}\n")
	if err := b.OpenSpool(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Serve(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{}}
	get := func(path string) (int, string) {
		res, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	if code, text := get("/healthz"); code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", code, text)
	}
	if _, err := b.Once(ctx, time.Second); err != nil {
		t.Fatal(err)
	}
	if code, text := get("/healthz"); code != http.StatusOK || !strings.Contains(text, "0 lines wait") {
		t.Errorf("%d %s", code, text)
	}
	_, text := get("/metrics")
	for _, line := range []string{
		`granary_bridge_rounds_total 1`, `granary_bridge_samples_total{metric="m"} 1`, `granary_bridge_skipped_samples_total{metric="m",reason="nan"} 1`,
		`granary_bridge_queries_total{metric="m",result="answered",source="prom"} 1`, `granary_bridge_requests_total{result="accepted"} 1`,
		`granary_bridge_sent_lines_total 1`, `granary_bridge_spool_lines 0`, `granary_bridge_dropped_lines_total{reason="full"} 0`,
		`granary_bridge_last_round_timestamp_seconds 1.7356896e+09`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no %s\n%s", line, text)
		}
	}
	clock.mu.Lock()
	clock.now = clock.now.Add(4 * time.Minute)
	clock.mu.Unlock()
	if code, _ := get("/healthz"); code != http.StatusServiceUnavailable {
		t.Errorf("%d", code)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
