//go:build e2e

package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// shortTimeouts are those of a service that should not be waited for.
func shortTimeouts(t *testing.T) string {
	return configFile(t, filepath.Join(t.TempDir(), "config.json"), object{"granary": object{
		"timeouts": object{"header": "1s", "read": "2s", "write": "4s", "idle": "3s"}, "disk-free-mark": 0,
	}})
}

// TestSlowClients say what they have to say so slowly that it never ends, in the header, in the body and while they read. Each
// is given up in its time, and meanwhile the service answers everybody else.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	p := serve(t, shortTimeouts(t), filepath.Join(t.TempDir(), "data"))
	p.mustWrite("cpu_load,cluster=c,hostname=h value=1\n")
	const each = 60
	var wg sync.WaitGroup
	var longest atomic.Int64
	trickle := func(begin, drop string, most time.Duration, answered bool) {
		defer wg.Done()
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		began := time.Now()
		_ = c.SetDeadline(began.Add(patience))
		_, _ = io.WriteString(c, begin)
		done := make(chan struct{})
		go func() { // a byte now and then, as long as anybody takes it
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					if _, err := io.WriteString(c, drop); err != nil {
						return
					}
				}
			}
		}()
		got, err := io.ReadAll(c)
		close(done)
		took := time.Since(began)
		if took > most {
			t.Errorf("%.40q is given up after %v: %v", begin, took, err)
		}
		if answered && !strings.HasPrefix(string(got), "HTTP/1.1 4") {
			t.Errorf("%.40q is answered %.200q", begin, got)
		}
		for {
			was := longest.Load()
			if int64(took) <= was || longest.CompareAndSwap(was, int64(took)) {
				return
			}
		}
	}
	for range each {
		wg.Add(4)
		go trickle("GET /v2/status HTTP/1.1\r\nHost: localhost\r\nX: ", "a", 8*time.Second, false)
		go trickle("", "G", 8*time.Second, false)
		go trickle("POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n", "a", 10*time.Second, true)
		go trickle("POST /api/write/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", 10*time.Second, true)
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	asked, slowest := 0, time.Duration(0)
	for open := true; open; asked++ {
		began := time.Now()
		if status, body := p.get("/v2/status"); status != http.StatusOK {
			t.Fatalf("meanwhile: %d %s", status, body)
		}
		if status, _, body := p.do(http.MethodPost, "/v2/measures", http.Header{"Content-Type": {"text/plain"}}, strings.NewReader("m value=1\n")); status != http.StatusOK {
			t.Fatalf("meanwhile: %d %s", status, body)
		}
		slowest = max(slowest, time.Since(began))
		select {
		case <-finished:
			open = false
		default:
		}
	}
	t.Logf("%d slow clients were given up after at most %v; others asked %d times and waited at most %v", 4*each, time.Duration(longest.Load()), asked, slowest)
	if slowest > 2*time.Second {
		t.Errorf("others waited %v", slowest)
	}
	poll(t, "bodies to be let go of", func() bool { return p.metric("granary_bodies_held_bytes") == 0 })
}

// TestNobodyReads asks for large answers and does not read them.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	p := serve(t, shortTimeouts(t), filepath.Join(t.TempDir(), "data"))
	base := minute() - 7200
	var b strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&b, "m,host=h%d value=%d.%d %d\n", i%20, i, i%1000, base+int64(i/100))
	}
	if status, _, body := p.do(http.MethodPost, "/v2/measures", http.Header{"Content-Type": {"text/plain"}}, strings.NewReader(b.String())); status != http.StatusOK {
		t.Fatalf("%d %.300s", status, body)
	}
	const query = `{"selector":"{}","start":"now-3h"}`
	for range 30 {
		conn := p.dial()
		if tcp, ok := conn.Conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4096)
		}
		conn.say(fmt.Sprintf("POST /v2/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(query), query))
	}
	count := strings.NewReader(`{"names":"m","start":"now-3h","method":"count","across":"sum","buckets":1}`)
	if status, _, body := p.do(http.MethodPost, "/v2/query", nil, count); status != http.StatusOK {
		t.Errorf("meanwhile: %d %.300s", status, body)
	}
	poll(t, "the queries to be given up", func() bool {
		return p.metric("granary_queries_in_work") == 0 && p.metric("granary_queries_waiting") == 0
	})
}

// TestFloodOfConnections opens as many connections as the machine lets us, up to 10,000, and says nothing on most of them. Those who
// come then are served, and memory stays within bounds.
func TestFloodOfConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("takes many file descriptors")
	}
	p := serve(t, shortTimeouts(t), filepath.Join(t.TempDir(), "data"))
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := 10_000
	if most := int(limit.Cur) - 500; most < n {
		n = max(most, 100)
	}
	before := resident(t, p)
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	refused := 0
	for i := range n {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			refused++
			continue
		}
		conns = append(conns, c)
		switch i % 3 {
		case 0:
			_, _ = io.WriteString(c, "GET /v2/status HTTP/1.1\r\nHost: localhost\r\n")
		case 1:
			_, _ = io.WriteString(c, "POST /v2/measures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n{")
		}
	}
	began := time.Now()
	if status, body := p.get("/readyz"); status != http.StatusOK {
		t.Errorf("among %d connections: %d %s", len(conns), status, body)
	}
	took := time.Since(began)
	peak := resident(t, p)
	t.Logf("%d connections, %d refused; the answer took %v; %d MB, %d MB before", len(conns), refused, took, peak>>20, before>>20)
	if took > 3*time.Second {
		t.Errorf("the answer took %v", took)
	}
	if peak-before > int64(n)*120<<10 {
		t.Errorf("%d bytes a connection", (peak-before)/int64(n))
	}
	poll(t, "bodies to be given up", func() bool { return p.metric("granary_bodies_held_bytes") == 0 })
	p.alive()
}

// resident is the memory of a process.
func resident(t *testing.T, p *process) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("there is no /proc")
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
