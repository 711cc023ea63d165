package demo

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"granary/cmd/granary/loadgen"
)

func proc(stat, net, disk string) fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"proc/loadavg":       file("1.25 0.5 0.1 1/100 999\n"),
		"proc/meminfo":       file("MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    400 kB\nCached:     300 kB\nodd\n"),
		"proc/stat":          file(stat),
		"proc/net/dev":       file("Inter-|   Receive\n face |bytes\n    lo: 999 0 0 0 0 0 0 0 999 0\n" + net),
		"proc/diskstats":     file(disk),
		"sys/block/sda/size": file("1"),
		"sys/block/dm-0/x":   file("1"),
	}
}

func TestHost(t *testing.T) {
	fs := proc("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 50 0 25 400 25 0 0 0 0 0\nintr 5\n",
		"  eth0: 1000 0 0 0 0 0 0 0 5000 0 0 0 0 0 0 0\n",
		"   8       0 sda 1 0 10 0 1 0 20 0 0 0 0\n   8       1 sda1 1 0 10 0 1 0 20 0 0 0 0\n 253 0 dm-0 1 0 10 0 1 0 20 0 0 0 0\n")
	h := NewHost(fs, "local", "my host")
	at := time.Unix(1_700_000_000, 0)
	b, err := h.Lines(nil, at)
	const tags = `,cluster=local,hostname=my\ host,type=node value=`
	if want := "cpu_load" + tags + "1.25 1700000000\nmem_used" + tags + "614400 1700000000\nmem_cached" + tags + "307200 1700000000\n"; err != nil || string(b) != want {
		t.Fatalf("%v\n%s", err, b)
	}
	for name, f := range proc("cpu  130 10 60 850 50 5 5 0 0 0\ncpu0 50 0 25 500 25 0 0 0 0 0\n",
		"  eth0: 3000 0 0 0 0 0 0 0 4000 0 0 0 0 0 0 0\n", "   8       0 sda 1 0 30 0 1 0 60 0 0 0 0\n") {
		fs[name] = f
	}
	if b, err = h.Lines(b[:0], at.Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		// 110 jiffies have passed: 40 of user and nice, 20 of system and interrupts, 50 idle.
		"cpu_user" + tags + "36.36 ", "cpu_system" + tags + "18.18 ", "cpu_iowait" + tags + "0 ", "cpu_idle" + tags + "45.45 ",
		`cpu_idle,cluster=local,hostname=my\ host,type=hwthread,type-id=0 value=100 1700000010`,
		"net_bytes_in" + tags + "200 ", "net_bytes_out" + tags + "0 ", "disk_read" + tags + "1024 ", "disk_write" + tags + "2048 ",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q in\n%s", want, b)
		}
	}
	known := make(map[string]bool)
	for _, m := range HostMetrics() {
		known[m.Name] = true
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n") {
		if name, _, _ := strings.Cut(line, ","); !known[name] {
			t.Errorf("%s is not among the metrics", name)
		}
	}
	delete(fs, "proc/stat")
	if _, err := h.Lines(nil, at); err == nil {
		t.Error("a missing file is not told")
	}
}

func TestThisHost(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	h := NewHost(os.DirFS("/"), "local", "h")
	now := time.Now()
	for range 2 {
		b, err := h.Lines(nil, now)
		if err != nil || !strings.Contains(string(b), "cpu_load,") {
			t.Errorf("%v\n%s", err, b)
		}
		now = now.Add(time.Second)
	}
}

type sink struct {
	mu     sync.Mutex
	bodies []string
	times  []time.Time
}

func (s *sink) Send(_ context.Context, body []byte) (loadgen.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, string(body))
	s.times = append(s.times, time.Now())
	return loadgen.Answer{Accepted: true, Status: "200"}, nil
}

func (*sink) Close() error { return nil }

func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		ctx, stop := context.WithTimeout(t.Context(), 14*time.Second)
		defer stop()
		ready := 0
		host := NewHost(proc("cpu 1 1 1 1 1 0 0\n", "", ""), LocalCluster, "h")
		o := Options{Hosts: 2, Interval: 5 * time.Second, Past: time.Minute, Sender: s, Host: host, Logger: slog.New(slog.DiscardHandler)}
		if err := Feed(ctx, o, func() { ready++ }); err != nil || ready != 1 {
			t.Fatalf("%v, ready %d times", err, ready)
		}
		// Thirteen steps of the past up to now, then one at each multiple of the interval.
		if len(s.bodies) != 13+2 {
			t.Fatalf("%d bodies", len(s.bodies))
		}
		if gap := s.times[14].Sub(s.times[13]); gap != 5*time.Second {
			t.Errorf("steps are %v apart", gap)
		}
		if strings.Contains(s.bodies[12], "cluster=local") || !strings.Contains(s.bodies[13], "mem_used,cluster=local,hostname=h,") {
			t.Error("this host is not in the steps of the present alone")
		}
	})
}

func TestMetricsNameEachOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range Metrics(5 * time.Second) {
		if seen[m.Name] || m.Frequency != 5*time.Second {
			t.Errorf("%+v", m)
		}
		seen[m.Name] = true
	}
	for _, m := range HostMetrics() {
		if !seen[m.Name] {
			t.Errorf("%s is missing", m.Name)
		}
	}
}

func TestPrintQueries(t *testing.T) {
	var b strings.Builder
	if err := PrintQueries(&b, "http://h:1", "me", time.Unix(1_700_000_600, 0)); err != nil {
		t.Fatal(err)
	}
	if strings.Count(b.String(), "curl -s http://h:1/api/query") != 3 || !strings.Contains(b.String(), "curl -s 'http://h:1/v2/query?name=mem_used&tag=cluster=demo&") || !strings.Contains(b.String(), `curl -s http://h:1/hawkular/metrics/m/stats/query -d '{"tags":"cluster:demo,hostname:n000.*",`) || !strings.Contains(b.String(), `"from":1700000000`) || strings.Contains(b.String(), "%!") {
		t.Error(b.String())
	}
}
